"""Tasks of bases: what models see of them, in every mode, and continuations of prompts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.cache.cached_model import CachedModel
from baserate.dna.sequence import reverse_complement
from baserate.errors import NotApplicable
from baserate.metrics import METRICS
from baserate.modes import MODES, mode_settings
from baserate.modes import per_base as sites
from baserate.modes.job import Job
from baserate.registry import get_model, load_model
from baserate.splits import by_group
from baserate.types import Examples, FloatArray, Inputs, Kind, ModelCard, Split, Task, strings

CARD = ModelCard("m", lambda: None, {}, {}, "d", revision=lambda: "r")


def bases(n: int, *, seed: int, width: int = 60, span: int = 1) -> Examples:
    """Return every base of `n` sequences; label 0 is the base after GT, label 1 any C."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("ACGT"), width)) for _ in range(n)]
    at = np.tile(np.arange(width - span + 1), n)
    owner = np.repeat(np.arange(n), width - span + 1)
    after_gt = [texts[i][max(0, p - 2) : p] == "GT" for i, p in zip(owner, at, strict=True)]
    is_c = [texts[i][p] == "C" for i, p in zip(owner, at, strict=True)]
    sequences = strings([texts[i] for i in owner])
    groups = strings([f"g{i}" for i in owner])
    ids = strings([f"{i}:{p}" for i, p in zip(owner, at, strict=True)])
    targets = np.column_stack([after_gt, is_c]).astype(np.int64)
    return Examples(ids, Inputs(sequences, positions=at, span=span), targets, groups, groups)


def task_of(kind: Kind, **changed: Any) -> Task:
    made = Task(
        name="bases",
        version=1,
        kind=kind,
        metrics=("auprc",),
        source=lambda: bases(2, seed=0),
        split=by_group(test=0.2, valid=0.2),
        description="",
        split_rule="",
        citation="",
        licence="",
        species=(),
        assembly=(),
        sizes={},
        classes=("after_gt", "c"),
        per_base=True,
    )
    return replace(made, **changed)


SPLIT = Split(bases(40, seed=1), bases(15, seed=2), bases(15, seed=3))


def run(mode: Any, model: Any, **settings: Any) -> FloatArray:
    task = task_of("multilabel")
    found = {**mode_settings(mode, CARD, task), **settings}
    return MODES.get(mode).run(Job(task, CARD, model, SPLIT, found, (0,), 1.0))[0]


def auroc(scores: FloatArray) -> float:
    y = SPLIT.test.targets
    return float(METRICS.get("auroc")(y, scores, np.ones((1, len(y)), int))[0])


def test_windows_are_centred_and_padded() -> None:
    inputs = Inputs(strings(["ACGTA"] * 3), positions=np.array([0, 2, 4]))
    assert list(sites.windows(inputs, 4).sequences) == ["NNAC", "ACGT", "GTAN"]
    assert list(sites.windows(inputs, 3).sequences) == ["NAC", "CGT", "TAN"]
    assert list(sites.windows(inputs, 20).sequences)[1] == "N" * 8 + "ACGTA" + "N" * 7
    binned = Inputs(strings(["ACGTACGT"]), positions=np.array([2]), span=4)
    assert list(sites.windows(binned, 3).sequences) == ["TAC"]


def test_sites_on_the_other_strand_are_the_same_bases() -> None:
    inputs = Inputs(strings(["AACGT", "GGGTC"]), positions=np.array([1, 3]), span=2)
    turned = sites.reversed_sites(inputs)
    for s, p, t, q in zip(inputs.sequences, [1, 3], turned.sequences, turned.positions, strict=True):
        assert reverse_complement(t[q : q + 2]) == s[p : p + 2]


@pytest.mark.parametrize("name", ["onehot_linear", "cnn"])
def test_baselines_learn_bases_from_windows_about_them(name: str) -> None:
    assert auroc(run("from_scratch", load_model(get_model(name)), context=15)) > 0.9


class Reading:
    """A model that gives each base the two before it, and itself, as numbers."""

    random_weights = False

    def __init__(self) -> None:
        self.asked: list[int] = []

    def embed_sites(self, sequences: Any, positions: Any, *, layer: int = -1) -> Any:
        self.asked.append(len(sequences))
        rows = [("NN" + s)[p : p + 3] for s, p in zip(sequences, positions, strict=True)]
        return np.array([[row[j] == b for j in range(3) for b in "ACGT"] for row in rows], np.float32)

    def embed(self, sequences: Any) -> Any:
        return np.array([[s.count(b) for b in "ACGT"] for s in sequences], np.float32)


def test_the_probe_takes_the_state_of_the_base_where_there_is_one() -> None:
    assert auroc(run("linear_probe", Reading(), penalties=(1e-3,))) > 0.95
    both = run("linear_probe", Reading(), penalties=(1e-3,), strands="both")
    assert both.shape == (len(SPLIT.test), 2)


def test_the_probe_takes_windows_of_a_model_without_states_of_bases() -> None:
    class Pooling(Reading):
        embed_sites = None

    pooled = Pooling()
    del Pooling.embed_sites
    Pooling.embed_sites = property(lambda self: (_ for _ in ()).throw(AttributeError()))  # type: ignore[assignment]
    found = run("linear_probe", pooled, penalties=(1e-3,), context=1)
    y = SPLIT.test.targets
    assert (
        METRICS.get("auroc")(y[:, [1]], found[:, [1]], np.ones((1, len(y)), int))[0] == 1.0
    )  # a window of the base alone


def test_bins_are_the_mean_over_their_bases() -> None:
    binned = bases(3, seed=5, span=4).inputs
    model = Reading()
    found = sites.embed_sites(model, binned)
    assert binned.positions is not None
    each = [model.embed_sites(binned.sequences, binned.positions + j) for j in range(4)]
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-6)


def test_states_of_bases_are_remembered(tmp_path: Path) -> None:
    model = Reading()
    kept = CachedModel(model, tmp_path, {"m": 1})
    inputs = SPLIT.test.inputs
    first, again = (
        sites.embed_sites(kept, inputs),
        sites.embed_sites(CachedModel(Reading(), tmp_path, {"m": 1}), inputs),
    )
    np.testing.assert_array_equal(first, Reading().embed_sites(inputs.sequences, inputs.positions))
    np.testing.assert_array_equal(first, again)


@pytest.fixture(scope="module")
def network() -> Any:
    """A small network of which the state of a base holds it and its neighbours."""
    pytest.importorskip("torch")
    return load_model(get_model("baserate_mlm_random")).redrawn(0)


def test_all_bases_of_a_sequence_come_from_one_pass(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = SPLIT.test.inputs.take(np.arange(180))
    rows = []
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda n, r, **k: (rows.append(len(r)), forward(n, r, **k))[1])
    found = sites.embed_sites(network, inputs)
    assert sum(rows) == len(set(inputs.sequences)) == 3
    few = np.array([3, 70, 179])
    alone = np.concatenate([network.embed_sites(inputs.sequences[[i]], inputs.positions[[i]]) for i in few])
    np.testing.assert_allclose(found[few], alone, atol=1e-5)


def test_bins_of_a_network_are_the_mean_over_their_tokens(network: Any) -> None:
    part = bases(2, seed=6, span=8).inputs
    each = [network.embed_sites(part.sequences, part.positions + j) for j in range(8)]
    np.testing.assert_allclose(sites.embed_sites(network, part), np.mean(each, axis=0), atol=1e-5)


def test_neighbouring_sites_of_a_long_sequence_share_windows(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(network), "context", property(lambda self: 40))
    long = "".join(np.random.default_rng(1).choice(list("ACGT"), 200))
    at = np.arange(200)
    rows = []
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda n, r, **k: (rows.extend(map(len, r)), forward(n, r, **k))[1])
    together = sites.embed_sites(network, Inputs(strings([long] * 200), positions=at))
    assert len(rows) <= 17  # 160 starts in steps of a quarter of 40 bases
    assert np.isfinite(together).all()
    one = sites.embed_sites(network, Inputs(strings([long]), positions=np.array([93])))
    np.testing.assert_allclose(together[[93]], one, atol=1e-5)


@pytest.mark.parametrize(("length", "context", "span"), [(200, 147, 1), (203, 41, 1), (203, 40, 32), (77, 69, 69)])
def test_a_shared_window_holds_its_site_wherever_it_is(
    network: Any, monkeypatch: pytest.MonkeyPatch, length: int, context: int, span: int
) -> None:
    from baserate.networks.sites import SHARE, cut

    monkeypatch.setattr(type(network), "context", property(lambda self: context))
    cuts: list[str] = []
    whole = network.whole
    monkeypatch.setattr(network, "whole", lambda windows: (cuts.extend(windows), whole(windows))[1])
    long = "".join(np.random.default_rng(1).choice(list("ACGT"), length))
    for at in range(length - span + 1):
        found = cut(network, strings([long]), np.array([at]), span=span, shared=True, max_length=None)
        tokens, a, b = found.encoded[0], found.first[0], found.last[0]
        start = long.find(cuts.pop())
        assert b - a == span and start + tokens.starts[a] == at
        # As far from an edge that is no end of the sequence as it can be, but for the rounding.
        least = (context - span) // 2 - min(context // SHARE, context - span) // 2 - 1
        assert start == 0 or at - start >= least
        assert start == length - context or start + context - at - span >= least


def test_no_more_bases_are_read_about_a_site_than_are_asked_for(network: Any) -> None:
    parts = [part.take(np.arange(0, len(part), 7)) for _, part in SPLIT]
    settings = {**mode_settings("linear_probe", CARD, task_of("multilabel")), "penalties": (1e-3,)}
    job = Job(task_of("multilabel"), CARD, network, Split(*parts), settings, (0,), 1.0)
    short = replace(job, settings={**settings, "max_length": 21})
    assert np.abs(MODES.get("linear_probe").run(short) - MODES.get("linear_probe").run(job)).max() > 1e-3
    inputs = parts[2].inputs
    assert inputs.positions is not None
    inner = inputs.take(np.flatnonzero((inputs.positions >= 10) & (inputs.positions < 50)))
    windows = sites.windows(inner, 21).sequences
    vectors = network.embed_sites(inner.sequences, inner.positions, max_length=21)
    np.testing.assert_allclose(vectors, network.embed_sites(windows, np.full(len(inner), 10)), atol=1e-5)


def test_windows_of_more_tokens_than_fit_give_way_to_shorter_ones(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from baserate.networks.sites import cut

    from .checkpoints import LAYOUTS, build, opened

    model = opened(build(tmp_path, LAYOUTS["bert-bpe"]))
    rng = np.random.default_rng(0)
    # N takes a token a letter, so that windows about the middle hold fewer bases than others.
    text = "".join(rng.choice(list("ACGT"), 150)) + "N" * 60 + "".join(rng.choice(list("ACGT"), 150))
    at = np.arange(len(text))
    sequences = strings([text] * len(text))
    assert (cut(model, sequences, at, span=1, shared=False, max_length=None).window < 0).any()
    found = cut(model, sequences, at, span=1, shared=True, max_length=None)
    assert (found.window >= 0).all() and all(model.fits(e) for e in found.encoded)
    together = sites.embed_sites(model, Inputs(sequences, positions=at))
    few = at[100:260:7]
    one_by_one = [sites.embed_sites(model, Inputs(sequences[[i]], positions=at[[i]])) for i in few]
    np.testing.assert_allclose(together[few], np.concatenate(one_by_one), atol=1e-5)


def test_a_bin_longer_than_a_window_is_refused(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(network), "context", property(lambda self: 40))
    long = Inputs(strings(["ACGT" * 50]), positions=np.array([0]), span=64)
    with pytest.raises(NotApplicable, match="a bin of 64 bp is longer than the 40 bp that fit"):
        sites.embed_sites(network, long)


def test_fine_tuning_reads_the_state_of_the_base(network: Any) -> None:
    train, valid, test = bases(16, seed=1), bases(4, seed=2), bases(8, seed=3)
    fitted = network.fit(train, valid, n_classes=2, seed=0, lr=3e-3, epochs=3, batch_size=4)
    scores = fitted.predict(test.inputs)
    assert scores.shape == (len(test), 2)
    # Which base it is, the state of the base must tell.
    assert METRICS.get("auroc")(test.targets[:, [1]], scores[:, [1]], np.ones((1, len(test)), int))[0] > 0.9


def test_several_outputs_are_fine_tuned_too(network: Any) -> None:
    import torch

    from baserate.networks.training import head_for

    targets = np.random.default_rng(0).normal(size=(120, 3)) * [50, 1, 0.01] + [7, 0, -3]
    head = head_for(targets, 0)
    np.testing.assert_allclose(head.scores(head.as_tensor(targets)), targets, rtol=1e-9)
    assert abs(float(head.loss(torch.zeros(120, 3), head.as_tensor(targets))) - 1) < 1e-6
    part = replace(SPLIT.train.take(np.arange(120)), targets=targets)
    assert network.fit(part, part, n_classes=0, seed=0, epochs=1).predict(part.inputs).shape == (120, 3)


class Alternating:
    """A model after which A comes C, after C comes A, and that knows nothing after G."""

    def next_base_log_probs(self, sequences: Any) -> FloatArray:
        table = {"A": [0, 1, 0, 0], "C": [1, 0, 0, 0], "T": [0, 0, 1, 0], "G": [np.nan] * 4}
        return np.array([table[s[-1]] for s in sequences], float)


def prompts(texts: list[str], n: int) -> Job:
    ids = strings([f"p{i}" for i in range(len(texts))])
    test = Examples(ids, Inputs(strings(texts)), np.zeros((len(texts), n), np.int64), ids, ids)
    task = task_of("generation", classes=(), per_base=False, metrics=("recovery",))
    none = test.take(np.arange(0))
    settings = mode_settings("zero_shot", replace(CARD, modes={"zero_shot": {"rule": "native"}}), task)
    assert settings == {"rule": "generate"}
    return Job(task, CARD, Alternating(), Split(none, none, test), settings, (0,), 1.0)


def test_a_continuation_is_greedy_and_ends_where_the_model_knows_nothing() -> None:
    found = MODES.get("zero_shot").run(prompts(["A", "GGC", "AT", "NN"], 4))
    np.testing.assert_array_equal(found[0], [[1, 0, 1, 0], [0, 1, 0, 1], [np.nan] * 4, [np.nan] * 4])


def test_nothing_is_trained_on_prompts_and_other_rules_do_not_continue_them() -> None:
    job = prompts(["A"], 2)
    for mode in ("linear_probe", "from_scratch", "as_is"):
        with pytest.raises(NotApplicable, match="asks for the bases that follow"):
            MODES.get(mode).check(job.task, CARD)  # type: ignore[index]
    with pytest.raises(NotApplicable, match="likelihood scores sequences; the task asks which bases follow"):
        MODES.get("zero_shot").run(replace(job, settings={"rule": "likelihood"}))


def test_the_floor_of_a_continuation() -> None:
    key, value = "ACGTTGCAGGTA", "TTCAGATC"
    noise = "".join(np.random.default_rng(2).choice(list("ACGT"), 300))
    job = prompts([f"{noise[:150]}{key}{value}{noise[150:]}{key}", "A" * 20 + "CGT"], 8)
    copied = MODES.get("zero_shot").run(replace(job, model=load_model(get_model("prompt_copy"))))[0]
    assert "".join("ACGT"[int(i)] for i in copied[0]) == value
    common = MODES.get("zero_shot").run(replace(job, model=load_model(get_model("common_base"))))[0]
    assert (common[1] == 0).all()
    markov = load_model(get_model("markov"))
    markov.learn(Inputs(strings(["ACGT" * 30])))
    np.testing.assert_array_equal(markov.next_base_log_probs(strings(["ACGTACG"])).argmax(1), [3])


def test_context_is_a_setting_of_tasks_of_bases_alone() -> None:
    assert mode_settings("from_scratch", CARD, task_of("multilabel"))["context"] == 200
    assert mode_settings("from_scratch", CARD, task_of("multilabel"), {"context": 50})["context"] == 50
    assert "context" not in mode_settings("from_scratch", CARD, task_of("multilabel", per_base=False), {"context": 50})
