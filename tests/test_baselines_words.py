"""Baselines of words: gapped, of either strand, by place, ranks of measurements, and the nearest training sequence."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import baserate as br
from baserate.baselines import kmer_logreg, kmer_ridge_rank, kmer_xgboost, nearest_train
from baserate.baselines._words import Words, canonical_counts, word_features
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, DataError, NotApplicable
from baserate.plan import Cell, Protocol, run_spec
from baserate.registry import baseline, get_model, with_params
from baserate.splits import load_split
from baserate.types import Examples, Inputs, strings


def _dna(n: int, length: int, *, seed: int, letters: str = "ACGT") -> list[str]:
    rows = np.random.default_rng(seed).choice(list(letters), size=(n, length))
    return ["".join(row) for row in rows]


def _examples(sequences: list[str], targets: Any) -> Examples:
    ids = strings([str(i) for i in range(len(sequences))])
    return Examples(ids, Inputs(strings(sequences)), np.asarray(targets), ids, ids)


def _canonical(word: str) -> str:
    return min(word, reverse_complement(word))


def _literal(sequence: str, words: Words) -> list[dict[str, float]]:
    """Return the frequencies of each block's words by counting strings, the columns without a word left out."""
    of = _canonical if words.canonical else str
    kmers = lambda s, k: [s[i : i + k] for i in range(len(s) - k + 1) if set(s[i : i + k]) <= set("ACGT")]  # noqa: E731
    blocks = [Counter(map(of, kmers(sequence, k))) for k in range(1, words.max_k + 1)]
    blocks += [Counter(of(w[:3] + w[-3:]) for w in kmers(sequence, 6 + gap)) for gap in range(1, words.gapped + 1)]
    if words.positional > 1:
        edges = [round(i / words.positional * len(sequence)) for i in range(words.positional + 1)]
        for k in range(1, min(words.max_k, 4) + 1):
            pieces = [sequence[a : b + k - 1] for a, b in pairwise(edges)]
            blocks.append(Counter(f"{i} {of(w)}" for i, piece in enumerate(pieces) for w in kmers(piece, k)))
    return [{w: n / sum(block.values()) for w, n in block.items()} for block in blocks]


@pytest.mark.parametrize(
    "words", [Words(3), Words(3, canonical=True), Words(2, gapped=2), Words(5, 1, canonical=True, positional=3)]
)
def test_words_are_the_literal_ones(words: Words) -> None:
    sequences = [*_dna(4, 37, seed=1, letters="ACGTN"), "", "ACG", "N" * 20]
    found = word_features(strings(sequences), words)
    ends = np.cumsum([0, *(block.shape[1] for _, block in words.blocks(strings([""])))])
    for row, sequence in enumerate(sequences):
        for block, start, end in zip(_literal(sequence, words), ends, ends[1:], strict=False):
            values = np.sort(found[row, start:end].toarray().ravel())
            np.testing.assert_allclose(values[values > 0], sorted(block.values()), rtol=1e-6)


def test_canonical_words_are_those_of_either_strand() -> None:
    sequences = _dna(5, 50, seed=2)
    turned = strings([reverse_complement(s) for s in sequences])
    for words in (Words(4, canonical=True), Words(3, gapped=3, canonical=True)):
        np.testing.assert_allclose(
            word_features(turned, words).toarray(), word_features(strings(sequences), words).toarray()
        )
    assert canonical_counts(strings(["AACG"]), 2).shape == (1, 10)
    assert not np.allclose(
        word_features(turned, Words(4)).toarray(), word_features(strings(sequences), Words(4)).toarray()
    )


def _planted(n: int, *, seed: int, kind: str) -> Examples:
    """Return sequences whose class is where TATAAA stands, how far apart two words are, or which strand matters not."""
    rng = np.random.default_rng(seed)
    rows, targets = [list(s) for s in _dna(n, 80, seed=seed)], np.arange(n) % 2
    for row, target in zip(rows, targets, strict=True):
        at = int(rng.integers(8, 25))
        if kind == "place":
            at += 40 * int(target)
            row[at : at + 6] = "TATAAA"
        elif kind == "gap":
            row[at : at + 3], other = "TTG", at + (6 if target else 5)
            row[other : other + 3] = "GCA"
        elif target:
            word = "TATAAAG" if rng.random() < 0.5 else "CTTTATA"
            row[at : at + 7] = word
    return _examples(["".join(row) for row in rows], targets)


@pytest.mark.parametrize(
    ("kind", "params"),
    [("place", {"positional": 4}), ("gap", {"gapped": 4, "max_k": 3}), ("strand", {"canonical": True})],
)
def test_more_words_find_what_plain_ones_do_not(kind: str, params: dict[str, Any]) -> None:
    train, valid, test = (_planted(n, seed=seed, kind=kind) for n, seed in ((300, 1), (100, 2), (300, 3)))
    right = []
    for changed in (
        {**params, **({"positional": 1} if kind == "place" else {"gapped": 0, "canonical": False})},
        params,
    ):
        fitted = kmer_logreg.load(**changed).fit(train, valid, n_classes=2, seed=0)
        right.append((fitted.predict(test.inputs).argmax(axis=1) == test.targets).mean())
        assert set(fitted.chosen) == {"penalty"}
    assert right[1] > max(0.75, right[0] + 0.02)


@pytest.mark.parametrize(
    ("load", "params", "said"),
    [
        (kmer_logreg.load, {"gapped": 5}, "gapped is 5; expected a whole number from 0 to 4"),
        (kmer_logreg.load, {"positional": 0}, "positional is 0; expected a whole number from 1 to 1000"),
        (kmer_logreg.load, {"max_k": 11}, "max_k is 11; expected a whole number from 1 to 10"),
        (kmer_xgboost.load, {"depth": 0}, "depth = 0: expected a whole number from 1"),
        (kmer_xgboost.load, {"rate": 0.0}, "rate = 0.0: expected a finite number above 0"),
        (nearest_train.load, {"neighbours": 0}, "neighbours is 0; expected a whole number from 1"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(load: Any, params: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(**params)


def test_a_later_parameter_at_its_old_value_leaves_the_identity_as_it_was() -> None:
    task = br.get_task("yeast_coding.small")
    split = load_split(task, limit=20)
    card = get_model("kmer_logreg")
    params = [
        dict(run_spec(Cell(task, with_params(card, **changed), "from_scratch"), split, Protocol()).params)
        for changed in ({}, {"gapped": 2}, {"gapped": 0})
    ]
    assert params == [{"max_k": 6}, {"max_k": 6, "gapped": 2}, {"max_k": 6}]
    with pytest.raises(ConfigError, match=r"later: unknown key 'depht'"):

        @baseline("deep", version=1, modes={"from_scratch": {}}, description="d", later={"depht": 1})
        def load(*, depth: int = 1) -> None: ...


def test_rank_ridge_keeps_the_order_where_values_have_a_long_tail() -> None:
    rng = np.random.default_rng(0)
    sequences = [_dna(1, 60, seed=i, letters="ACGT" + "G" * int(rng.integers(0, 8)))[0] for i in range(400)]
    height = np.array([s.count("G") for s in sequences]) / 6
    targets = np.exp(2 * height) * rng.choice([1.0, 30.0], 400, p=[0.9, 0.1])
    train, valid, test = (
        _examples(sequences[part], targets[part]) for part in (slice(250), slice(250, 300), slice(300, None))
    )
    fitted = kmer_ridge_rank.load(max_k=3).fit(train, valid, n_classes=0, seed=0)
    scores = fitted.predict(test.inputs)
    assert scores.shape == (100, 1) and set(fitted.chosen) == {"penalty"}
    assert 1 / 3 < np.median(scores) / np.median(test.targets) < 3, "on the measured scale"
    rank = lambda x: np.argsort(np.argsort(x))  # noqa: E731
    assert np.corrcoef(rank(scores[:, 0]), rank(test.targets))[0, 1] > 0.7
    two = _examples(sequences[:50], np.column_stack([targets[:50], -targets[:50]]))
    assert kmer_ridge_rank.load(max_k=2).fit(two, two, n_classes=0, seed=0).predict(test.inputs).shape == (100, 2)
    with pytest.raises(NotApplicable, match="this task has classes; see kmer_logreg"):
        kmer_ridge_rank.load().fit(_planted(20, seed=1, kind="gap"), valid, n_classes=2, seed=0)


def test_nearest_train_is_the_label_of_the_relative_whatever_its_strand() -> None:
    sequences = _dna(40, 100, seed=5)
    train = _examples(sequences, np.arange(40) % 3)
    mutated = [s[:50] + ("A" if s[50] != "A" else "C") + s[51:] for s in sequences]
    queries = Inputs(strings([reverse_complement(s) for s in mutated]))
    fitted = nearest_train.load().fit(train, train, n_classes=3, seed=0)
    np.testing.assert_array_equal(fitted.predict(queries), np.eye(3)[train.targets])
    np.testing.assert_array_equal(fitted.predict(queries.take(slice(7, 8))), np.eye(3)[[1]])


def test_nearest_train_by_hand() -> None:
    """Two equal sequences count both; without a word in common the answer is the mean of train."""
    train = _examples(["ACCGATTA", "ACCGATTA", "GGGCCGAG", "TTTTTTTT"], [1.0, 3.0, 10.0, 100.0])
    fitted = nearest_train.load(k=4).fit(train, train, n_classes=0, seed=0)
    inputs = Inputs(strings(["ACCGATTA", "TAATCGGT", "N" * 8, "CACACACA"]))
    np.testing.assert_allclose(fitted.predict(inputs)[:, 0], [2, 2, 28.5, 28.5])
    one = nearest_train.load(k=1, neighbours=4).fit(train, train, n_classes=0, seed=0)
    assert one.predict(inputs)[2, 0] == 28.5 and 1 < one.predict(inputs)[0, 0] < 100
    labels = _examples(["ACCGATTA", "TTTTTTTT"], [[1, 0, 1], [0, 0, 1]])
    assert nearest_train.load(k=4).fit(labels, labels, n_classes=3, seed=0).predict(inputs)[0].tolist() == [1, 0, 1]
    with pytest.raises(DataError, match="a training target is not finite"):
        nearest_train.load().fit(_examples(["ACGT"], [np.nan]), train, n_classes=0, seed=0)


def test_nearest_train_of_variants_is_the_one_that_changes_alike() -> None:
    """A change from G to C between the same neighbours, in other DNA, is the nearest."""
    rng = np.random.default_rng(3)
    references = strings([f"{a}TTAGCAA{b}" for a, b in zip(_dna(30, 20, seed=6), _dna(30, 20, seed=7), strict=True)])
    bases = rng.choice(list("ACT"), 30)
    alternates = strings([f"{r[:23]}{b}{r[24:]}" for r, b in zip(references, bases, strict=True)])
    inputs = Inputs(references, alternates, np.full(30, 23))
    ids = strings([str(i) for i in range(30)])
    examples = Examples(ids, inputs, (bases == "C").astype(int), ids, ids)
    train, test = examples.take(slice(20)), examples.take(slice(20, None))
    fitted = nearest_train.load(k=4, neighbours=1).fit(train, train, n_classes=2, seed=0)
    assert (fitted.predict(test.inputs).argmax(axis=1) == test.targets).all()
