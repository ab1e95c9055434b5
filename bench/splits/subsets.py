"""Subsets of parts: fixed ones in proportion to the classes, and the few examples of few-shot learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..digests import digest
from ..errors import DataError
from ..sources import concatenate
from ..types import Examples, IntArray, Split, SplitRule, StrArray, Subset, strings
from .rules import stratum

RESAMPLE = ("train", "train=disjoint")
"""How seeds may draw training sets of their own, in place of shares of one."""
RESAMPLE_VERSION = "1"
"""Raised whenever such a draw changes."""

_SMALL = 8
"""Largest cluster that is drawn whole."""


@dataclass(frozen=True)
class few_shot:
    """Splits by another rule; each seed then trains on `shots` examples per class.

    Without classes, and in tasks of bases, they are so many in all. As many of valid are kept, to choose penalties and
    epochs, and all of test. The examples of train are drawn for each seed by `draw_shots`, when the model is trained.
    """

    version: ClassVar[int] = 1
    rule: SplitRule
    shots: int

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example; those of valid that are not drawn are dropped."""
        part = self.rule(examples).copy()
        rows = np.flatnonzero(part == "valid")
        kept = rows[draw_shots(examples.take(rows), self.shots, 0)]
        part[np.setdiff1d(rows, kept)] = ""
        return part


def draw_shots(examples: Examples, shots: int, seed: int) -> IntArray:
    """Return the rows of `shots` examples of each class, sorted; a class that has fewer gives them all.

    Clusters come in the order of a hash of seed and name: those of at most 8 examples whole, except for the last of a
    class, larger ones by single examples. With one seed, fewer shots are a subset of more shots.
    """
    names, of_row, counts = np.unique(examples.clusters.astype(str), return_inverse=True, return_counts=True)
    rank = np.array([int(digest("shots", str(seed), str(name)), 16) for name in names], np.uint64)
    single = draw_order(examples, seed)
    first = np.where(counts[of_row] <= _SMALL, rank[of_row], single) if len(examples) else single
    order = np.lexsort((single, first))
    place = np.argsort(order)
    drawn = [rows[np.argsort(place[rows])][:shots] for rows in rows_by_class(examples, np.arange(len(order)))]
    return np.sort(np.concatenate(drawn)) if drawn else np.arange(0)


def resampled(examples: Examples, how: str, *, seed: int, seeds: Sequence[int]) -> IntArray:
    """Return the rows of another training set, sorted: whole clusters, which depend on their names and seeds alone.

    By 'train' they are as many clusters as there are, drawn with replacement: the rows of one that is drawn twice are
    there twice. By 'train=disjoint' the `seeds` share the clusters out, so that no two have one in common. Raises
    DataError where there are fewer clusters than seeds, and where a class is in none of those that are drawn.
    """
    names, of_row = np.unique(examples.clusters.astype(str), return_inverse=True)
    n = len(names)
    if how == "train":
        times = np.bincount(np.random.default_rng([20_262, seed]).integers(n, size=n), minlength=n)
    else:
        if n < len(seeds):
            raise DataError(f"resample {how}: {n} training clusters for {len(seeds)} seeds; expected one each or more")
        shared = np.random.default_rng([20_263, len(seeds)]).permutation(n) % len(seeds)
        times = (shared == tuple(seeds).index(seed)).astype(np.int64)
    rows = np.repeat(np.arange(len(examples)), times[of_row])
    if examples.targets.ndim == 1 and examples.targets.dtype.kind in "iu":
        missing = np.setdiff1d(examples.targets, examples.targets[rows])
        if len(missing):
            why = f"seed {seed} draws no training example of class number {missing[0]}, which is in few clusters"
            raise DataError(f"resample {how}: {why}; train without it")
    return rows


def repeated(examples: Examples, rows: IntArray) -> Examples:
    """Return the examples at `rows`, of which some may be there several times, the copies after all others.

    The ids of copies end in '#2', '#3' and so on.
    """
    once, times = np.unique(rows, return_counts=True)
    parts = []
    for k in range(int(times.max(initial=1))):
        part = examples.take(once[times > k])
        parts.append(replace(part, ids=strings([f"{i}#{k + 1}" for i in part.ids])) if k else part)
    return concatenate(parts) if len(parts) > 1 else parts[0]


def take_subset(split: Split, subset: Subset) -> Split:
    """Return `subset.train`, `.valid` and `.test` examples of the parts, or the whole part where it holds fewer.

    Classes keep their proportions; where `balance` names a stratum, its values have equal shares instead.
    """
    sizes = (subset.train, subset.valid, subset.test)
    parts = (_subset(examples, size, subset) for (_, examples), size in zip(split, sizes, strict=True))
    return Split(*parts, dropped=split.dropped, left_out=split.left_out)


def _subset(examples: Examples, size: int, subset: Subset) -> Examples:
    if size >= len(examples):
        return examples
    order = draw_order(examples, subset.seed)
    if subset.balance:
        column = stratum(examples, subset.balance, subset)
        values = sorted(set(column))
        shares = _shares([int((column == value).sum()) for value in values], size, equal=True)
        rows = [
            _proportional(examples, np.flatnonzero(column == value), share, order)
            for value, share in zip(values, shares, strict=True)
        ]
        return examples.take(np.sort(np.concatenate(rows)))
    return examples.take(np.sort(_proportional(examples, np.arange(len(examples)), size, order)))


def _proportional(examples: Examples, rows: IntArray, size: int, order: np.ndarray[Any, Any]) -> IntArray:
    """Return `size` of the rows, with the classes in their proportions, first in `order` first."""
    classes = rows_by_class(examples, rows)
    shares = _shares([len(c) for c in classes], size)
    chosen = [c[np.argsort(order[c], kind="stable")[:share]] for c, share in zip(classes, shares, strict=True)]
    return np.concatenate(chosen)


def _shares(counts: Sequence[int], size: int, *, equal: bool = False) -> list[int]:
    """Return how many to take of each, `size` in all: in proportion, or equal as far as the counts allow."""
    if equal:
        shares = [0] * len(counts)
        for _ in range(len(counts)):  # what a small value lacks is shared among the others
            open_ = [i for i, n in enumerate(counts) if shares[i] < n]
            left = size - sum(shares)
            for rank, i in enumerate(open_):
                shares[i] = min(counts[i], shares[i] + (left + rank) // len(open_))
        return shares
    exact = [size * n / sum(counts) for n in counts]
    shares = [int(x) for x in exact]
    by_remainder = sorted(range(len(counts)), key=lambda i: (shares[i] - exact[i], i))
    for i in by_remainder[: size - sum(shares)]:
        shares[i] += 1
    return shares


def draw_order(examples: Examples, seed: int) -> NDArray[np.uint64]:
    """Return one number per example, (n,) uint64, by which subsets are drawn: a hash of seed and id.

    Bases of one sequence share the hash of seed and sequence, so that they stay together.
    """
    if not examples.inputs.per_base:
        return np.array([int(digest(str(seed), i), 16) for i in examples.ids], np.uint64)
    known: dict[str, int] = {}
    out = np.empty(len(examples), np.uint64)
    for row, sequence in enumerate(examples.inputs.sequences):
        if sequence not in known:
            known[sequence] = int(digest(str(seed), sequence), 16)
        out[row] = known[sequence]
    return out


def rows_by_class(examples: Examples, rows: IntArray) -> list[IntArray]:
    """Return the rows of each class, or all rows together where targets are not classes."""
    targets = examples.targets[rows]
    if targets.ndim != 1 or targets.dtype.kind not in "iu" or examples.inputs.per_base:
        return [rows]
    return [rows[targets == c] for c in np.unique(targets)]
