"""Whether a split keeps what it promises, recomputed from its parts rather than from the rule that made them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations

import numpy as np

from ..dna.sequence import reverse_complement
from ..errors import DataError
from ..sources import concatenate
from ..types import Examples, Inputs, Split, SplitRule
from .drawn import k_fold
from .homology import by_homology, similarity_to, with_families
from .presets import by_preset
from .rules import by_chromosome, by_position, by_stratum, intervals, stratum, with_valid
from .subsets import few_shot


def assert_no_leak(split: Split, rule: SplitRule) -> None:
    """Raise DataError, naming the first two examples at fault, where the split does not keep what its rule promises.

    For every rule: no id, no group and no input, on either strand, is in two parts. By chromosome or stratum: no value
    is; by position: train lies `gap` bp or more from the others; folds: they are disjoint and cover every example; by
    homology: no sequence has a relative in another part. For few shots folds are not recomputed, since some of valid
    is dropped.
    """
    drawn = isinstance(rule, few_shot)
    while isinstance(rule, few_shot | with_valid | with_families):
        if isinstance(rule, with_valid) and isinstance(rule.rule, by_chromosome | by_preset | by_stratum):
            split = Split(_joined(split.train, split.valid), split.valid.take(slice(0)), split.test)
        rule = rule.rule
    for what, of in (("id", _ids), ("group", _groups), ("input", _inputs)):
        _disjoint(split, what, of)
    if isinstance(rule, by_chromosome | by_preset) or (isinstance(rule, k_fold) and rule.by == "chromosome"):
        _disjoint(split, "chromosome", lambda e: intervals(e, rule).chrom)
    if isinstance(rule, by_stratum):
        column = rule.column
        _disjoint(split, column, lambda e: stratum(e, column, rule))
    if isinstance(rule, by_position):
        _apart(split, rule)
    if isinstance(rule, k_fold) and not drawn:
        _folds(split, rule)
    if isinstance(rule, by_homology):
        _unrelated(split, rule.threshold, rule.coverage, rule)
    if isinstance(rule, k_fold) and rule.by == "homology":
        _unrelated(split, rule.threshold, 0.5, rule)


def _ids(examples: Examples) -> Iterable[str]:
    return examples.ids


def _groups(examples: Examples) -> Iterable[str]:
    return examples.groups


def _inputs(examples: Examples) -> Iterable[object]:
    """Yield what a model sees of each example, the same for both strands; of a base, its whole sequence."""
    inputs: Inputs = examples.inputs
    alternates = inputs.alternates if inputs.alternates is not None else [""] * len(inputs)
    whole = inputs.per_base
    for one, other in zip(inputs.sequences, alternates, strict=True):
        pair = (one, "" if whole else other)
        yield hash(min(pair, (reverse_complement(pair[0]), reverse_complement(pair[1]))))


def _disjoint(split: Split, what: str, of: Callable[[Examples], Iterable[object]]) -> None:
    seen: dict[object, tuple[str, str]] = {}
    for part, examples in split:
        for id_, value in zip(examples.ids, of(examples), strict=True):
            where, other = seen.setdefault(value, (part, id_))
            if where != part:
                shown = "the same input" if what == "input" else f"{what} {value!r}"
                raise DataError(f"{shown} is in {where} (id {other!r}) and in {part} (id {id_!r})")


def _apart(split: Split, rule: by_position) -> None:
    """Raise DataError where an example of train lies nearer than the gap to one of test or valid."""
    for (low, one), (high, other) in combinations(split, 2):
        gap = rule.gap if low == "train" else 0
        if not len(one) or not len(other):
            continue
        a, b = intervals(one, rule), intervals(other, rule)
        for chrom in sorted(set(a.chrom) & set(b.chrom)):
            rows, cols = np.flatnonzero(a.chrom == chrom), np.flatnonzero(b.chrom == chrom)
            cols = cols[np.argsort(b.start[cols], kind="stable")]
            reach = np.maximum.accumulate(b.end[cols])  # the furthest end of those that start no later
            last = np.searchsorted(b.start[cols], a.end[rows] + gap, side="left") - 1
            near = (last >= 0) & (reach[np.maximum(last, 0)] > a.start[rows] - gap)
            if near.any():
                i = rows[int(near.argmax())]
                apart = np.maximum(b.start[cols] - a.end[i], a.start[i] - b.end[cols])
                j = cols[int(apart.argmin())]
                raise DataError(
                    f"{low} (id {one.ids[i]!r}) and {high} (id {other.ids[j]!r}) lie "
                    f"{max(int(apart.min()), 0)} bp apart on {chrom}, less than {gap}"
                )


def _folds(split: Split, rule: k_fold) -> None:
    pool = _joined(split.train, split.valid, split.test)
    times = np.zeros(len(pool), np.int64)
    for fold in range(rule.folds):
        times += replace(rule, fold=fold)(pool) == "test"
    if (times != 1).any():
        i = int((times != 1).argmax())
        raise DataError(f"{rule!r}: id {pool.ids[i]!r} is in the test part of {times[i]} folds; expected 1")
    part = np.repeat([name for name, _ in split], [len(e) for _, e in split])
    wrong = np.flatnonzero(rule(pool) != part)
    if len(wrong):
        raise DataError(f"{rule!r}: id {pool.ids[wrong[0]]!r} is in {part[wrong[0]]}, not in the part of its fold")


def _unrelated(split: Split, threshold: float, coverage: float, rule: object) -> None:
    for (high, other), (low, one) in combinations(reversed(list(split)), 2):
        closeness = similarity_to(one, other, coverage)
        if (closeness >= threshold).any():
            i = int((closeness >= threshold).argmax())
            raise DataError(
                f"{rule!r}: {low} (id {one.ids[i]!r}) has a relative in {high}, similarity {closeness[i]:.3f}"
            )


def _joined(*parts: Examples) -> Examples:
    return concatenate([part for part in parts if len(part)])
