"""Baselines: what each one sees, golden values, the same seed the same scores, and published numbers on real data."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.baselines import cnn, dilated_resnet
from baserate.baselines._linear import featurise
from baserate.baselines._onehot import aligned_codes, one_hot, substitutions
from baserate.baselines.gc_content import gc_features
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, DataError, NotApplicable
from baserate.modes.trials import draw_trials
from baserate.registry import MODELS, get_model, load_model, with_params
from baserate.types import Examples, FloatArray, Inputs, StrArray, strings

TRAINED = ("constant", "length", "gc_content", "onehot_linear", "kmer_logreg", "kmer_xgboost", "nearest_train", "cnn")
SHARED = Path(os.environ.get("BASERATE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def _examples(inputs: Inputs, targets: Any) -> Examples:
    ids = strings([str(i) for i in range(len(inputs))])
    return Examples(ids, inputs, np.asarray(targets), ids, ids)


def _dna(n: int, length: int, *, seed: int) -> StrArray:
    letters = np.random.default_rng(seed).choice(list("ACGT"), size=(n, length))
    return strings(["".join(row) for row in letters])


def _motif(n: int, *, seed: int, length: int = 60) -> Examples:
    """Return sequences of which every second has a TATAAA at a place of its own."""
    rng = np.random.default_rng(seed)
    rows = [list(s) for s in _dna(n, length, seed=seed)]
    for row in rows[1::2]:
        at = int(rng.integers(0, length - 6))
        row[at : at + 6] = "TATAAA"
    return _examples(Inputs(strings(["".join(r) for r in rows])), np.arange(n) % 2)


def _variants(n: int, *, seed: int) -> Examples:
    """Return one-base variants whose effect is whether G or C is gained or lost, with a little noise."""
    rng = np.random.default_rng(seed)
    references = _dna(5, 40, seed=9)[rng.integers(0, 5, n)]
    positions = rng.integers(0, 40, n)
    bases = [rng.choice([b for b in "ACGT" if b != r[p]]) for r, p in zip(references, positions, strict=True)]
    alternates = [f"{r[:p]}{b}{r[p + 1 :]}" for r, p, b in zip(references, positions, bases, strict=True)]
    gain = [(b in "GC") - float(r[p] in "GC") for r, p, b in zip(references, positions, bases, strict=True)]
    targets = 3 + 2 * np.array(gain) + 0.1 * rng.standard_normal(n)
    return _examples(Inputs(references, strings(alternates), positions), targets)


def _scores(name: str, train: Examples, valid: Examples, test: Inputs, *, n_classes: int, seed: int = 0) -> FloatArray:
    model: Any = load_model(get_model(name))
    return np.asarray(model.fit(train, valid, n_classes=n_classes, seed=seed).predict(test))


@pytest.mark.parametrize("name", ["kmer_logreg", "kmer_xgboost", "cnn", "dilated_resnet"])
def test_a_motif_that_may_stand_anywhere_is_learned(name: str) -> None:
    train, valid, test = (_motif(n, seed=seed) for n, seed in ((400, 1), (100, 2), (200, 3)))
    scores = _scores(name, train, valid, test.inputs, n_classes=2)
    assert (scores.argmax(axis=1) == test.targets).mean() > 0.8


@pytest.mark.parametrize("name", ["onehot_linear", "cnn"])
def test_a_site_at_the_centre_is_learned(name: str) -> None:
    """The class is GT or CA at the centre of windows of differing length, which only alignment at the centre shows."""

    def part(n: int, seed: int) -> Examples:
        rng = np.random.default_rng(seed)
        targets = np.arange(n) % 2
        whole = [f"{s[:20]}{'GT' if t else 'CA'}{s[22:]}" for s, t in zip(_dna(n, 41, seed=seed), targets, strict=True)]
        cuts = rng.integers(0, 6, n)
        return _examples(Inputs(strings([s[c : 41 - c] for s, c in zip(whole, cuts, strict=True)])), targets)

    train, valid, test = part(400, 1), part(100, 2), part(200, 3)
    scores = _scores(name, train, valid, test.inputs, n_classes=2)
    assert (scores.argmax(axis=1) == test.targets).mean() > 0.85


@pytest.mark.parametrize(
    "name", ["gc_content", "onehot_linear", "kmer_logreg", "kmer_xgboost", "cnn", "dilated_resnet"]
)
def test_variant_effects_are_learned_from_alt_minus_ref(name: str) -> None:
    train, valid, test = (_variants(n, seed=seed) for n, seed in ((500, 1), (100, 2), (200, 3)))
    scores = _scores(name, train, valid, test.inputs, n_classes=0)
    assert scores.shape == (200, 1) and abs(scores.mean() - 3) < 0.5
    assert np.corrcoef(scores[:, 0], test.targets)[0, 1] > 0.8


@pytest.mark.parametrize("name", TRAINED)
def test_same_seed_same_scores_and_rows_are_independent(name: str) -> None:
    train, valid, test = (_motif(n, seed=seed, length=30) for n, seed in ((60, 1), (20, 2), (9, 3)))
    model: Any = load_model(get_model(name))
    first = model.fit(train, valid, n_classes=2, seed=5).predict(test.inputs)
    np.random.default_rng().standard_normal(3)
    fitted = model.fit(train, valid, n_classes=2, seed=5)
    assert np.array_equal(fitted.predict(test.inputs), first)
    np.testing.assert_allclose(fitted.predict(test.inputs.take(slice(4, 5))), first[4:5], atol=1e-6)
    if name in ("kmer_xgboost", "cnn"):
        assert not np.array_equal(model.fit(train, valid, n_classes=2, seed=6).predict(test.inputs), first)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("n_classes", [0, 3])
def test_odd_sequences_get_finite_scores_of_the_right_shape(name: str, n_classes: int) -> None:
    """Empty, all-N, ambiguous, too short and over-long sequences are scored; their k-mers are simply not there."""
    train, valid = _motif(60, seed=1, length=30), _motif(20, seed=2, length=30)
    labels = [np.arange(len(p)) % 3 if n_classes else np.arange(len(p)) / 7 for p in (train, valid)]
    parts = [_examples(p.inputs, y) for p, y in zip((train, valid), labels, strict=True)]
    odd = Inputs(strings(["", "N" * 30, "ACGTRYKM", "A", "ACGT" * 50]))
    scores = _scores(name, *parts, odd, n_classes=n_classes)
    assert scores.shape == (5, n_classes or 1) and np.isfinite(scores).all()
    if n_classes:
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", TRAINED)
def test_bad_training_data_is_said(name: str) -> None:
    good = _motif(20, seed=1, length=30)
    model: Any = load_model(get_model(name))
    with pytest.raises(DataError, match="training"):
        model.fit(good.take(slice(0, 0)), good, n_classes=2, seed=0)
    with pytest.raises(ConfigError, match="unknown key 'epoch'"):
        model.fit(good, good, n_classes=2, seed=0, epoch=3)


@pytest.mark.parametrize("name", ["gc_content", "onehot_linear", "kmer_logreg", "kmer_xgboost"])
def test_one_class_in_training_is_said(name: str) -> None:
    good = _motif(20, seed=1, length=30)
    with pytest.raises(DataError, match="have only class 1"):
        _scores(name, good.take(np.arange(1, 20, 2)), good, good.inputs, n_classes=2)


def test_constant_answers_with_the_prior_and_the_mean() -> None:
    inputs = Inputs(_dna(4, 10, seed=0))
    train = _examples(inputs, [0, 2, 2, 2])
    assert np.array_equal(_scores("constant", train, train, inputs, n_classes=3), [[0.25, 0, 0.75]] * 4)
    train = _examples(inputs, [1.0, 2.0, 3.0, 6.0])
    assert np.array_equal(_scores("constant", train, train, inputs, n_classes=0), [[3.0]] * 4)


def test_gc_features_of_known_sequences() -> None:
    features = gc_features(strings(["ACGT", "CGCG", "AATT", "NNNN", "", "CCNG", "GC"]))
    np.testing.assert_allclose(features[:, 0], [0.5, 1, 0, 0, 0, 1, 1])
    np.testing.assert_allclose(features[:, 1], [4, 2, 0, 0, 0, 0, 0])


def test_codes_are_aligned_at_the_centre() -> None:
    codes = aligned_codes(strings(["ACGTA", "CGT", "G", "", "TACGTAT", "CNGT"]), 5)
    assert [[*map(int, row)] for row in codes] == [
        [0, 1, 2, 3, 0],
        [4, 1, 2, 3, 4],
        [4, 4, 2, 4, 4],
        [4, 4, 4, 4, 4],
        [0, 1, 2, 3, 0],
        [1, 4, 2, 3, 4],
    ]
    assert np.array_equal(one_hot(codes)[5].sum(axis=1), [1, 0, 1, 1, 0])


def test_each_distinct_reference_is_featurised_once() -> None:
    calls: list[int] = []

    def features(sequences: StrArray) -> FloatArray:
        calls.append(len(sequences))
        return np.array([[float(len(s))] for s in sequences])

    inputs = Inputs(strings(["AA", "CCC", "AA"]), strings(["A", "CCCCC", "AAAA"]), np.zeros(3, dtype=np.int64))
    assert featurise(inputs, features)[:, 0].tolist() == [-1, 2, 2]
    assert sorted(calls) == [2, 3]


def test_zero_shot_scores_and_their_signs() -> None:
    reference = strings(["ACGT"] * 6)
    alternate = strings(["ACGT", "GCGT", "CCGT", "GCGA", "ACGGT", "ACT"])
    inputs = Inputs(reference, alternate, np.zeros(6, dtype=np.int64))
    assert substitutions(inputs) == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 1), (0, 1)]
    expected = {
        "constant": [0, 0, 0, 0, 0, 0],
        "edit_count": [0, -1, -1, -2, -1, -1],
        "transition_transversion": [0, -0.5, -1, -1.5, -1, -1],
        "gc_content": [0, 0.25, 0.25, 0.25, 0.1, 1 / 3 - 0.5],
    }
    for name, scores in expected.items():
        model: Any = load_model(get_model(name))
        np.testing.assert_allclose(model.score_variants(inputs), scores, atol=1e-12)
    with pytest.raises(NotApplicable, match="no alternate"):
        substitutions(Inputs(reference))


@pytest.mark.parametrize("load", [cnn.load, dilated_resnet.load])
def test_networks_average_strands_where_asked(load: Any) -> None:
    train, valid = _motif(60, seed=1, length=31), _motif(20, seed=2, length=31)
    turned = Inputs(strings([reverse_complement(s) for s in valid.inputs.sequences]))
    for augment in (False, True):
        fitted = load(strand_augmentation=augment).fit(train, valid, n_classes=2, seed=0)
        same = np.allclose(fitted.predict(turned), fitted.predict(valid.inputs), atol=1e-6)
        assert same == augment


def test_the_course_of_training_is_told() -> None:
    """The epoch with the lowest loss on valid is the one that was chosen; scores on valid are those of the task."""
    train, valid = _motif(200, seed=1), _motif(60, seed=2)

    def accuracy(scores: FloatArray) -> float:
        return float((scores.argmax(axis=1) == valid.targets).mean())

    fitted = cnn.load().fit(train, valid, n_classes=2, seed=0, valid_score=accuracy)
    rows = fitted.history
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1)) and 8 <= len(rows) <= 15
    best = min(rows, key=lambda row: row["valid_loss"])
    assert fitted.chosen == {"epoch": best["epoch"]}
    assert best["valid_score"] == accuracy(fitted.predict(valid.inputs))
    assert rows[-1]["train_loss"] < 0.5 < rows[0]["train_loss"]
    fitted = cnn.load().fit(train, valid, n_classes=2, seed=0, valid_score=lambda scores: float("nan"))
    assert set(fitted.history[0]) == {"epoch", "train_loss", "valid_loss"}, "a record holds no NaN"


@pytest.mark.parametrize("params", [{"lr": 0.0}, {"channels": 0}, {"dropout": 1.5}, {"masked": -0.1}])
def test_a_network_that_cannot_be_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(params))} = .*expected a "):
        cnn.load(**params)


def test_the_networks_are_small() -> None:
    from baserate.baselines._network import Network

    for load, least, most in ((cnn.load, 50_000, 100_000), (dilated_resnet.load, 250_000, 400_000)):
        network = Network(400, 3, load().shape, 0.3, difference=False)
        assert least < sum(p.numel() for p in network.parameters()) < most


@pytest.mark.parametrize(
    "name", ["cnn", "dilated_resnet", "kmer_logreg", "kmer_ridge_rank", "kmer_xgboost", "nearest_train"]
)
def test_whatever_a_budget_draws_is_a_model(name: str) -> None:
    card = get_model(name)
    trials = draw_trials(card.search, 32, card.params)
    assert len(trials) > 7 and all(len(trial) == len(card.search) for trial in trials[1:])
    for trial in trials:
        load_model(with_params(card, **trial))


def test_every_baseline_has_a_paragraph() -> None:
    page = (Path(__file__).parents[1] / "docs" / "baselines.md").read_text()
    for card in MODELS.all().values():
        if card.baseline and card.load.__module__.startswith("baserate.baselines"):
            assert f"## {card.name}\n" in page


def _gue(name: str, part: str) -> Examples:
    path = SHARED / "gue" / name / f"{part}.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is absent; BASERATE_SHARED_DATA names another folder")
    with gzip.open(path, "rt") as lines:
        rows = list(csv.DictReader(lines))
    return _examples(Inputs(strings([r["sequence"] for r in rows])), [int(r["label"]) for r in rows])


@pytest.mark.parametrize(
    ("name", "task", "reference", "within"),
    [
        ("gc_content", "prom/prom_core_tata", 0.28, 0.05),
        ("gc_content", "prom/prom_300_tata", 0.09, 0.05),
        ("kmer_logreg", "prom/prom_core_tata", 0.49, 0.03),
        ("onehot_linear", "prom/prom_core_tata", 0.70, 0.03),
    ],
)
def test_scores_on_gue_promoters_are_as_measured_elsewhere(
    name: str, task: str, reference: float, within: float
) -> None:
    from sklearn.metrics import matthews_corrcoef

    train, valid, test = (_gue(task, part) for part in ("train", "dev", "test"))
    scores = _scores(name, train, valid, test.inputs, n_classes=2)
    assert abs(matthews_corrcoef(test.targets, scores.argmax(axis=1)) - reference) < within
