"""The probes beside the linear one: what each learns, what it chooses, and what it refuses."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import LAYOUTS, build, dna, opened
from golden_inputs import MODEL_WITH, split_of, task_of

from baserate.errors import ConfigError, DataError, NotApplicable
from baserate.modes import MODES, mode_settings
from baserate.modes.job import Job
from baserate.networks.settings import NETWORK
from baserate.plan import plan
from baserate.probes import _networks, tokens
from baserate.probes.probe import PROBES
from baserate.probes.tokens import Stored, TokenStates
from baserate.settings import defaults
from baserate.types import FloatArray, ModelCard

POOLED = ("knn", "mlp")
TOKENS = ("attention", "cnn")
CARD = ModelCard("tiny", lambda: None, {"linear_probe": {}}, {}, "d", lambda: "r", settings=NETWORK)


class Arrays:
    """States of tokens that are in memory."""

    def __init__(self, states: list[Any]) -> None:
        self.states = states

    def read(self, rows: Any) -> list[Any]:
        return [self.states[i] for i in rows]


def dense(n: int, seed: int) -> tuple[Any, FloatArray]:
    """Return features (n, 8), and a curve of the first two that no linear model knows."""
    x = np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32)
    return 10 * x + 3, x[:, 0] * x[:, 1]


def of_tokens(n: int, seed: int) -> tuple[Any, FloatArray]:
    """Return states (t, 8) of which feature 1 counts where feature 0 is high, so that the mean knows little."""
    rng = np.random.default_rng(seed)
    states, told = [], []
    for length in rng.integers(8, 20, n):
        x = rng.standard_normal((length, 8)).astype(np.float32)
        at = rng.integers(0, length)
        x[at, 0] += 6
        x[at, 1] = 2 * rng.standard_normal()
        states.append(x)
        told.append(x[at, 1])
    return TokenStates(Arrays(states), np.arange(n)[:, None]), np.array(told)


def fitted(name: str, kind: str, **settings: Any) -> tuple[Any, Any, Any]:
    """Return a probe that was fitted on a kind of target, features of others, and their targets."""
    make = of_tokens if name in TOKENS else dense
    parts = [make(n, seed) for seed, n in enumerate((600, 200, 200))]
    signal = [s for _, s in parts]
    if kind == "classes":
        y = [np.digitize(s, [-0.4, 0.4]) for s in signal]
    elif kind == "labels":
        y = [np.stack([s > 0, s > 0.5], axis=1).astype(np.int64) for s in signal]
    elif kind == "measurement":
        y = [1e3 * s + 5e3 for s in signal]
    else:
        y = [np.stack([s, -1e3 * s], axis=1) for s in signal]
    probe = PROBES.get(name)
    made = probe.fit(
        *(parts[0][0], y[0], parts[1][0], y[1]),
        n_classes={"classes": 3, "labels": 2}.get(kind, 0),
        **{**defaults(probe.settings), "seed": 0, **settings},
    )
    return made, parts[2][0], y[2]


@pytest.mark.parametrize("kind", ["classes", "labels", "measurement", "measurements"])
@pytest.mark.parametrize("name", [*POOLED, *TOKENS])
def test_each_learns_every_kind_of_target_beyond_a_line(name: str, kind: str) -> None:
    made, x, y = fitted(name, kind)
    scores = made.predict(x)
    if kind == "classes":
        assert scores.shape == (200, 3) and np.allclose(scores.sum(axis=1), 1)
        assert (scores.argmax(axis=1) == y).mean() > 0.6
    elif kind == "labels":
        assert scores.shape == (200, 2) and ((scores > 0.5) == y).mean() > 0.75
    else:
        y = y.reshape(200, -1)
        assert scores.shape == y.shape
        for column in range(y.shape[1]):
            assert np.corrcoef(scores[:, column], y[:, column])[0, 1] > 0.65
            assert 0.2 < scores[:, column].std() / y[:, column].std() < 1.3


@pytest.mark.parametrize("name", ["mlp", *TOKENS])
def test_the_same_seed_gives_the_same_and_another_another(name: str) -> None:
    one, x, _ = fitted(name, "classes", epochs=2)
    before = np.random.get_state()[1].copy()
    again, other = (fitted(name, "classes", epochs=2, seed=seed)[0] for seed in (0, 1))
    assert np.array_equal(one.predict(x), again.predict(x)) and not np.allclose(one.predict(x), other.predict(x))
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize("name", [*POOLED, *TOKENS])
def test_the_choice_is_the_row_of_the_history_with_the_lowest_loss(name: str) -> None:
    made, _, _ = fitted(name, "classes", valid_score=lambda scores: float(scores[:, 0].mean()))
    ((key, value),) = made.chosen.items()
    best = min(made.history, key=lambda row: row["valid_loss"])
    assert best[key] == value and best["valid_loss"] == made.valid_loss
    assert key == ("neighbours" if name == "knn" else "epoch") and all("valid_score" in row for row in made.history)
    assert name == "knn" or all(row["train_loss"] > 0 for row in made.history)


def decaying(n: int, seed: int, d: int = 256) -> tuple[Any, Any]:
    """Return features (n, d) whose variances fall as those of embeddings do, and two classes along the largest."""
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((d, d)))[0]
    components = np.random.default_rng(seed).standard_normal((n, d)) / np.arange(1, d + 1)
    weights = np.random.default_rng(9).standard_normal(d) * (np.arange(d) < 20)
    return (components @ turn).astype(np.float32), (components @ weights > 0).astype(np.int64)


@pytest.mark.parametrize("n", [50, 200, 800])
def test_from_few_examples_a_network_is_about_as_good_as_a_line(n: int) -> None:
    train, valid, (x, y) = decaying(n, 0), decaying(max(25, n // 4), 1), decaying(1000, 2)

    def accuracy(name: str, x: Any, *parts: Any) -> float:
        probe = PROBES.get(name)
        made = probe.fit(*parts, n_classes=2, **{**defaults(probe.settings), "seed": 0})
        return float((made.predict(x).argmax(axis=1) == y).mean())

    line = accuracy("linear", x, *train, *valid)
    assert accuracy("mlp", x, *train, *valid) >= line - 0.05
    tokens_of = (
        TokenStates(Arrays(list(part[:, None])), np.arange(len(part))[:, None]) for part in (train[0], valid[0], x)
    )
    few, fewer, others = tokens_of
    assert accuracy("attention", others, few, train[1], fewer, valid[1]) >= line - 0.05


def test_directions_that_train_does_not_span_are_not_read() -> None:
    x = np.random.default_rng(0).standard_normal((20, 64)).astype(np.float32)
    whitened = _networks.Whitened([x], len(x))
    turned = whitened(torch.from_numpy(x)).numpy()
    assert (turned.std(axis=0) > 1e-3).sum() == 19 == np.linalg.matrix_rank(whitened.turn.numpy(), tol=1e-5)
    assert abs(turned.var(axis=0).sum() - 64) < 0.01
    still = _networks.Whitened([np.ones((5, 3), np.float32)], 5)
    assert not still.turn.any()


def test_neighbours_are_those_of_all_distances() -> None:
    rng = np.random.default_rng(0)
    x, other = (rng.standard_normal((n, 5)).astype(np.float32) for n in (300, 40))
    y = rng.standard_normal(300)
    made = PROBES.get("knn").fit(x, y, other, y[:40], n_classes=0, seed=0, neighbours=(7,), distance="euclidean")
    scaled = [(part - x.mean(axis=0)) / x.std(axis=0) for part in (x, other)]
    near = np.argsort(((scaled[1][:, None] - scaled[0]) ** 2).sum(axis=2), axis=1)[:, :7]
    assert np.allclose(made.predict(other)[:, 0], y[near].mean(axis=1))


def test_one_neighbour_is_never_certain_and_no_more_than_there_are_count() -> None:
    x = np.arange(6, dtype=np.float32)[:, None]
    y = np.array([0, 0, 0, 1, 1, 1])
    made = PROBES.get("knn").fit(x, y, x, y, n_classes=3, seed=0, neighbours=(1, 50), distance="euclidean")
    assert [row["neighbours"] for row in made.history] == [6, 1] and made.k == 1
    assert np.allclose(made.predict(x[:1]), [[0.75, 0.25, 0.0]])


@pytest.mark.parametrize("name", TOKENS)
def test_padding_changes_nothing(name: str) -> None:
    made, x, _ = fitted(name, "classes", epochs=1)
    together = made.predict(x)
    alone = np.concatenate([made.predict(x[np.array([i])]) for i in range(20)])
    assert np.allclose(alone, together[:20], atol=1e-6)


@pytest.mark.parametrize("name", [*POOLED, *TOKENS])
def test_bad_input_is_one_line(name: str) -> None:
    make = of_tokens if name in TOKENS else dense
    (x, _), probe = make(20, 0), PROBES.get(name)
    settings = {**defaults(probe.settings), "seed": 0}
    two, one = np.arange(20) % 2, np.zeros(20, np.int64)
    with pytest.raises(DataError, match="training labels have only class 0"):
        probe.fit(x, one, x, two, n_classes=2, **settings)
    with pytest.raises(DataError, match="validation features have 20 rows and labels 19"):
        probe.fit(x, two, x, two[:-1], n_classes=2, **settings)
    with pytest.raises(DataError, match="training target of row 0 is not finite"):
        probe.fit(x, np.full(20, np.nan), x, np.ones(20), n_classes=0, **settings)
    if name in POOLED:
        fit = probe.fit(x, two, x, two, n_classes=2, **settings)
        with pytest.raises(DataError, match="fitted on 8 features, not 3"):
            fit.predict(x[:, :3])


def counted(parts: list[int]) -> Any:
    def compute(sequences: Any) -> list[Any]:
        parts.append(sum(map(len, sequences)))
        return [np.array([[ord(base), i] for i, base in enumerate(s)], np.float32) for s in sequences]

    return compute


@pytest.mark.parametrize("room", [1 << 30, 100])
def test_states_are_computed_some_at_a_time_and_once_where_there_is_room(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tokens, "PORTION", 100)
    sequences = [str(s) for s in dna(40, (5, 60))]
    parts: list[int] = []
    source = Stored(sequences, counted(parts), room=room, folder=tmp_path)
    for rows in (np.arange(39, -1, -1), np.array([3, 3, 17])):
        for row, states in zip(rows, source.read(rows), strict=True):
            assert "".join(chr(int(code)) for code in states[:, 0]) == sequences[row]
    assert max(parts) <= 100 and not list(tmp_path.iterdir())
    if room > 100:
        assert sum(parts) == sum(map(len, sequences)) and not caplog.records
    else:
        assert sum(parts) > sum(map(len, sequences)) and "computed anew whenever they are read" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    source = Stored(["ACGT", "GG"], counted([]), room=1 << 20, folder=tmp_path / "file")
    assert [len(s) for s in source.read(np.array([1, 0]))] == [2, 4]
    assert "computed anew" in caplog.text


def job(kind: str, probe: str, *, variants: bool = False, model: Any = None, **changed: Any) -> Job:
    task = task_of(kind, variants=variants)
    settings = mode_settings("linear_probe", CARD, task, {"probe": probe, **changed})
    own = MODEL_WITH["embed"]() if model is None else model
    return Job(task, CARD, own, split_of(kind, variants=variants), settings, (0, 1), 0.9)


@pytest.mark.parametrize("name", [*POOLED, *TOKENS])
@pytest.mark.parametrize(
    ("kind", "variants"), [("two classes", False), ("labels", False), ("measurements", False), ("measurement", True)]
)
def test_each_runs_on_a_network_for_every_kind_of_task(name: str, kind: str, variants: bool) -> None:
    few = {} if name == "knn" else {"epochs": 2}
    made = job(kind, name, variants=variants, strands="both", **few)
    scores = MODES.get("linear_probe").run(made)
    assert scores.shape[:2] == (2, 8) and np.isfinite(scores).all()
    assert [choice.seed for choice in made.choices] == [0, 1] and all(choice.history for choice in made.choices)
    assert ("pooling" in made.choices[0].chosen) is (name in POOLED)


@pytest.mark.parametrize("name", TOKENS)
def test_where_there_are_no_tokens_a_probe_of_these_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(NotApplicable, match=f"probe '{name}' reads whole sequences; bases asks about single bases"):
        MODES.get("linear_probe").run(job("bases", name))

    class Plain:
        def embed(self, sequences: Any, **settings: Any) -> Any: ...

    with pytest.raises(NotApplicable, match=r"reads the states of tokens, and tiny has no embed_tokens\(\)"):
        MODES.get("linear_probe").run(job("two classes", name, model=Plain()))


@pytest.mark.parametrize("layout", ["esm-rotary", "bert-bpe", "gpt2"])
def test_states_of_tokens_are_those_of_which_the_embedding_is_the_mean(layout: str, tmp_path: Path) -> None:
    model = opened(build(tmp_path / layout, LAYOUTS[layout]))
    sequences = dna(12, (20, 50))
    for layer in (-1, 1):
        mean = model.embed(sequences, layer=layer)
        states = model.embed_tokens(sequences, layer=layer)
        assert np.allclose(np.stack([s.mean(axis=0) for s in states]), mean, atol=1e-5)


def test_a_share_of_the_depth_is_a_layer(tmp_path: Path) -> None:
    model = opened(build(tmp_path / "esm", LAYOUTS["esm-rotary"]))
    sequences = dna(3, 30)
    assert np.array_equal(model.embed(sequences, layer=0.5), model.embed(sequences, layer=1))


def test_pooling_stands_in_no_record_of_a_probe_of_tokens() -> None:
    pooled, of_tokens = (mode_settings("linear_probe", CARD, task_of("labels"), {"probe": p}) for p in ("mlp", "cnn"))
    assert pooled["pooling"] == "mean" and "pooling" not in of_tokens
    with pytest.raises(ConfigError, match="pooling = 'max' has no effect"):
        plan([task_of("labels")], [CARD], ("linear_probe",), {"probe": "cnn", "pooling": "max"})


def test_every_probe_takes_the_settings_that_it_declares() -> None:
    for probe in PROBES.all().values():
        names = inspect.signature(probe.fit).parameters
        assert set(probe.settings) <= set(names) or "settings" in names
