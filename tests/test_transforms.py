"""Transforms of measurements: what models learn, and the way back to the measured scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_inputs import MODEL_WITH, split_of, task_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata, spearmanr

from baserate.cards.variant import variant
from baserate.errors import BaserateError, DataError
from baserate.modes import MODES, mode_settings
from baserate.modes.job import Job
from baserate.networks.settings import NETWORK
from baserate.plan import Cell, Protocol, run_spec
from baserate.probes.linear import PENALTIES, fit_probe
from baserate.registry import get_model
from baserate.splits import RULES
from baserate.transforms import KURTOSIS, SKEW, TRANSFORMS, fit_transform, tails_of
from baserate.types import Examples, FloatArray, Inputs, ModelCard

LOGISTIC = get_model("kmer_logreg")
CARD = ModelCard("m", lambda: None, {"from_scratch": {}}, {}, "d", revision=lambda: "r")


def measured(least: int = 1, columns: int | None = None) -> Any:
    """Return a strategy of measurements with ties, of tails of all kinds."""
    values = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, allow_subnormal=False))
    rows = st.integers(least, 40)
    return rows.flatmap(lambda n: arrays(np.float64, n if columns is None else (n, columns), elements=values))


@settings(deadline=None)
@given(measured())
def test_ranks_are_the_middle_ranks_of_scipy(y: FloatArray) -> None:
    ranks = fit_transform("rank", y).apply(y)
    np.testing.assert_allclose(ranks, (rankdata(y) - 0.5) / len(y), atol=1e-12)


@settings(deadline=None)
@given(measured(columns=3))
def test_a_way_there_and_back_changes_nothing(y: FloatArray) -> None:
    for name in TRANSFORMS:
        columns = np.abs(y) if name == "log" else y
        fitted = fit_transform(name, columns)
        there = fitted.apply(columns)
        assert there.shape == columns.shape
        np.testing.assert_allclose(fitted.undo(there), columns, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(fitted.apply(columns[:, 0]) if name != "rank" else there[:, 0], there[:, 0])


@settings(deadline=None)
@given(measured(), arrays(np.float64, 30, elements=st.floats(-2, 3, allow_subnormal=False)))
def test_predictions_keep_their_order_also_beyond_all_of_training(y: FloatArray, predicted: FloatArray) -> None:
    predicted = np.sort(np.round(predicted, 6))
    for name in TRANSFORMS:
        back = fit_transform(name, np.abs(y) if name == "log" else y).undo(predicted[:, None])[:, 0]
        assert (np.diff(back) >= 0).all()
    spread = fit_transform("rank", np.unique(np.round(y))).undo(predicted[:, None])[:, 0]
    assert (np.diff(spread)[np.diff(predicted) > 0] > 0).all(), "what is predicted apart stays apart"
    inside = np.abs(spread) <= np.abs(np.round(y)).max() * (1 + 3e-6) + 3e-6
    assert inside.all(), "but hardly beyond what was measured"


@settings(deadline=None)
@given(measured(least=20))
def test_each_output_is_transformed_by_itself(y: FloatArray) -> None:
    two = np.stack([y, 1 + np.exp(y / 1e6)], axis=1)
    fitted = fit_transform("rank", two)
    one = fit_transform("rank", y)
    np.testing.assert_array_equal(fitted.apply(two)[:, 0], one.apply(y))
    scores = np.linspace(-1, 2, 24).reshape(12, 2)
    np.testing.assert_array_equal(fitted.undo(scores)[:, :1], one.undo(scores[:, :1]))
    with pytest.raises(DataError, match=r"predicted shape \(12, 1\), expected \(n, 2\): a value an output"):
        fitted.undo(scores[:, :1])


def test_a_measurement_beyond_training_has_the_first_or_the_last_rank() -> None:
    fitted = fit_transform("rank", np.array([1.0, 2.0, 2.0, 10.0]))
    np.testing.assert_allclose(fitted.apply(np.array([-5.0, 1.0, 2.0, 6.0, 99.0])), [0.125, 0.125, 0.5, 0.6875, 0.875])


def test_one_value_is_predicted_in_order_too() -> None:
    for value in (0.0, 3.0):
        back = fit_transform("rank", np.full(5, value)).undo(np.array([[0.2], [0.5], [0.7]]))[:, 0]
        assert (np.diff(back) > 0).all() and np.allclose(back, value, atol=1e-5)


def test_the_logarithm_takes_measurements_from_0() -> None:
    y = np.array([0.0, 1.0, 1e12])
    fitted = fit_transform("log", y)
    np.testing.assert_allclose(fitted.apply(y), [0, np.log(2), np.log(1e12 + 1)])
    assert np.isinf(fitted.undo(np.array([[1000.0]]))).all()
    for column in (np.array([1.0, -0.5]), np.array([[1.0, -0.5]])):
        with pytest.raises(DataError, match=r"from 0, and one is -0\.5; transform = 'rank' takes any"):
            fit_transform("log", column)
    with pytest.raises(DataError, match="there are no training measurements"):
        fit_transform("rank", y[:0])


def test_tails_are_those_of_scipy() -> None:
    from scipy.stats import kurtosis, skew

    y = np.random.default_rng(0).lognormal(sigma=1.5, size=3000)
    tails = tails_of(y)
    assert tails.skew == pytest.approx(skew(y)) and tails.kurtosis == pytest.approx(kurtosis(y))
    assert tails.heavy and tails.most > 0.5
    assert not tails_of(np.log(y)).heavy
    assert tails_of(np.concatenate([np.log(y), [40.0, -40.0]])).heavy, "on both sides, without skew"
    for flat in (np.full(100, 1e6), np.full(100, 0.1), y[:5], np.zeros(0)):
        assert not tails_of(flat).heavy
    assert tails_of(1e200 * y).skew == pytest.approx(tails.skew)


@pytest.mark.parametrize(
    ("shape", "least", "most"),
    [
        (lambda z: np.exp(0.25 * z), -0.006, 0.001),
        (lambda z: np.sinh(0.4 * z), -0.006, 0.001),
        (lambda z: np.exp(0.6 * z), -0.004, 0.008),  # about where tails count as heavy
        (lambda z: np.sinh(0.9 * z), -0.004, 0.008),
        (lambda z: np.exp(1.5 * z), 0.03, 0.08),
        (lambda z: np.sinh(2.25 * z), 0.05, 0.15),
    ],
)
def test_ranks_gain_from_where_tails_count_as_heavy(shape: Any, least: float, most: float) -> None:
    gains, tails = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(2000, 60)).astype(np.float32)
        y = shape((x @ rng.normal(size=60) / np.sqrt(60) + rng.normal(size=2000)) / np.sqrt(2))
        tails.append(tails_of(y[:1000]))
        found = []
        for name in ("none", "rank"):
            fitted = fit_transform(name, y[:1000])
            parts = (x[:1000], fitted.apply(y[:1000]), x[1000:1200], fitted.apply(y[1000:1200]))
            predicted = fit_probe(*parts, n_classes=0, penalties=PENALTIES).predict(x[1200:])
            found.append(spearmanr(fitted.undo(predicted)[:, 0], y[1200:])[0])
        gains.append(found[1] - found[0])
    assert least <= np.mean(gains) <= most
    skew, kurtosis = np.median([t.skew for t in tails]), np.median([t.kurtosis for t in tails])
    if most < 0.002:
        assert abs(skew) < SKEW / 2 and kurtosis < KURTOSIS
    elif least > 0:
        assert abs(skew) > SKEW and kurtosis > KURTOSIS


class Notes:
    """A model that keeps what it was given, and predicts the mean target of train."""

    def __init__(self) -> None:
        self.given: list[tuple[Examples, Examples]] = []

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Any:
        self.given.append((train, valid))
        mean = train.targets.mean(axis=0)

        class Mean:
            def predict(self, inputs: Inputs) -> FloatArray:
                return np.tile(mean, (len(inputs), 1))

        return Mean()


def job(transform: Any, model: Any, kind: str = "measurement", seeds: tuple[int, ...] = (0, 1)) -> Job:
    return Job(replace(task_of(kind), transform=transform), CARD, model, split_of(kind), {}, seeds, 0.9)


@pytest.mark.parametrize("kind", ["measurement", "measurements"])
def test_each_seed_learns_ranks_among_the_rows_that_it_trains_on(kind: str) -> None:
    model = Notes()
    asked = job("rank", model, kind)
    scores = MODES.get("from_scratch").scores(asked)
    assert scores.shape[:2] == (2, len(asked.split.test)) and len(model.given) == 2
    train, valid, test = (e.targets for _, e in asked.split)
    before = [column.copy() for column in (train, valid, test)]
    for seed, (learnt, chosen) in enumerate(model.given):
        rows = asked.train_rows(seed)
        ranks = (rankdata(train[rows], axis=0) - 0.5) / len(rows)
        np.testing.assert_allclose(learnt.targets, ranks)
        assert chosen.targets.shape == valid.shape
        assert chosen.targets.min() >= 0.5 / len(rows) and chosen.targets.max() <= 1 - 0.5 / len(rows)
        middle = fit_transform("rank", train[rows]).undo(np.full((1, scores.shape[2]), 0.5))
        np.testing.assert_allclose(scores[seed], np.tile(middle, (len(test), 1)), rtol=1e-9)
    for column, kept in zip(before, (train, valid, test), strict=True):
        np.testing.assert_array_equal(column, kept)


@pytest.mark.parametrize("mode", ["from_scratch", "linear_probe"])
def test_without_a_transform_scores_are_those_of_run_to_the_last_bit(mode: str) -> None:
    class Counts:
        def embed(self, sequences: Any) -> Any:
            return np.array([[s.count(b) for b in "ACG"] for s in sequences], np.float32)

    values: Mapping[str, Any] = {"probe": "linear", "strands": "forward", "penalties": (0.1, 1.0)}
    asked = job("none", Counts() if mode == "linear_probe" else Notes())
    asked = replace(asked, settings=values if mode == "linear_probe" else {})
    assert MODES.get(mode).scores(asked).tobytes() == MODES.get(mode).run(asked).tobytes()
    ranked = MODES.get(mode).scores(replace(asked, task=replace(asked.task, transform="rank")))
    assert ranked.shape == MODES.get(mode).run(asked).shape and np.ptp(ranked) < 10 * np.ptp(asked.split.train.targets)


def test_a_network_is_fine_tuned_on_ranks() -> None:
    task = replace(task_of("measurement"), transform="rank")
    own: Mapping[str, Any] = {"fine_tune": {"epochs": 2, "batch_size": 16}}
    chosen = mode_settings("fine_tune", replace(CARD, modes=own, settings=NETWORK), task)
    asked = Job(task, CARD, MODEL_WITH["embed"](), split_of("measurement"), chosen, (0, 1), 0.9)
    scores = MODES.get("fine_tune").scores(asked)
    plain = MODES.get("fine_tune").scores(replace(asked, task=task_of("measurement")))
    assert scores.shape == plain.shape and np.ptp(scores) > 0 and not np.array_equal(scores, plain)
    low, high = np.quantile(asked.split.train.targets, [0.05, 0.95])
    assert low < scores.min() and scores.max() < high, "a rank near the middle is a measurement near the middle"


@pytest.mark.parametrize("mode", ["zero_shot", "as_is"])
def test_a_mode_without_training_knows_no_transform(mode: str) -> None:
    class Head:
        def predict(self, inputs: Inputs) -> FloatArray:
            return np.array([[float(s.count("A"))] for s in inputs.sequences])

        def score_variants(self, inputs: Inputs) -> FloatArray:
            return self.predict(inputs)[:, 0]

    task = task_of("measurement", variants=True)
    rule = {"rule": "native"} if mode == "zero_shot" else {}
    asked = Job(task, CARD, Head(), split_of("measurement", variants=True), rule, (0,), 0.0)
    scores = MODES.get(mode).scores(asked)
    assert scores.tobytes() == MODES.get(mode).scores(replace(asked, task=replace(task, transform="rank"))).tobytes()


def spec(transform: Any, mode: str) -> Any:
    card = LOGISTIC if mode == "from_scratch" else get_model("gc_content")
    task = replace(task_of("measurement", variants=True), transform=transform)
    return run_spec(Cell(task, card, mode, {}), split_of("measurement", variants=True), Protocol())


def test_a_transform_is_in_the_identity_of_what_trains_and_nothing_else() -> None:
    assert "transform" not in spec("none", "from_scratch").versions
    assert spec("rank", "from_scratch").versions["transform"] == "rank 1"
    hashes = {spec(name, "from_scratch").hash for name in TRANSFORMS}
    assert len(hashes) == 3
    assert spec("none", "zero_shot") == spec("rank", "zero_shot")


def test_shots_know_nothing_of_the_ranks_of_other_rows() -> None:
    model = Notes()
    few = variant(replace(task_of("measurement"), transform="rank"), {"shots": 6}, RULES)
    MODES.get("from_scratch").scores(replace(job("rank", model), task=few))
    for learnt, _ in model.given:
        assert len(learnt) == 6
        np.testing.assert_allclose(learnt.targets, (rankdata(learnt.targets) - 0.5) / 6)


def test_a_transform_of_a_wrong_shape_is_one_line(tmp_path: Path) -> None:
    class Wide(Notes):
        def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Any:
            class Two:
                def predict(self, inputs: Inputs) -> FloatArray:
                    return np.zeros((len(inputs), 2))

            return Two()

    with pytest.raises(BaserateError, match=r"predicted shape \(\d+, 2\), expected \(n, 1\): a value an output"):
        MODES.get("from_scratch").scores(job("rank", Wide()))
