"""Split rules that draw: at random within classes, and in folds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..digests import digest
from ..dna import similarity
from ..errors import ConfigError, DataError
from ..types import Examples, IntArray, StrArray, strings
from .homology import by_homology, check_filled, check_shares, families, units, with_families
from .rules import intervals, stratum, with_valid
from .subsets import rows_by_class

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class stratified:
    """Puts a random share of each class in `test` and in `valid`; groups, and equal sequences, stay whole.

    Sequences are also equal where one is the reverse complement of the other. Relatives that are not equal may be in
    two parts, which inflates scores; a warning says so.
    """

    version: ClassVar[int] = 1
    test: float = 0.2
    valid: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_shares(self)

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example."""
        log.warning("%r is a random split: relatives of test sequences may be in train; see `baserate audit`", self)
        names = units(examples, examples.groups, same_sequences(examples))
        part = strings(["train"] * len(examples))
        # A unit has the class of the example that it is named after.
        for rows in rows_by_class(examples, np.flatnonzero(names == np.asarray(examples.ids))):
            of_class = np.isin(names, names[rows])
            part[of_class] = fill(names[of_class], {"test": self.test, "valid": self.valid}, self.seed)
        check_filled(self, part, names)
        return part


@dataclass(frozen=True)
class k_fold:
    """Puts fold `fold` of `folds` in test and the next one in valid, so that `folds` tasks test each example once.

    `by` is 'group', 'cluster', 'chromosome', 'homology' or a stratum: its values, and groups, are never divided. Folds
    are of about equal size. `threshold` is the similarity of by = 'homology', as in `by_homology`.
    """

    version: ClassVar[int] = 1
    folds: int = 5
    fold: int = 0
    by: str = "group"
    seed: int = 0
    threshold: float = 0.8

    def __post_init__(self) -> None:
        if self.folds < 3 or not 0 <= self.fold < self.folds:
            raise ConfigError(f"{self!r}: expected 3 folds or more, and a fold from 0 to {max(self.folds, 3) - 1}")
        similarity.check(threshold=self.threshold)

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError where there are fewer units than folds."""
        of_row = self.fold_of(examples)
        part = strings(["train"] * len(examples))
        part[of_row == (self.fold + 1) % self.folds] = "valid"
        part[of_row == self.fold] = "test"
        return part

    def fold_of(self, examples: Examples) -> IntArray:
        """Return the fold of each example (n,): whole units, the largest first, each to the smallest fold."""
        names, of_row, counts = np.unique(self._units(examples), return_inverse=True, return_counts=True)
        if len(names) < self.folds:
            raise DataError(f"{self!r}: {len(names)} unlinked {self.by}s, expected {self.folds} or more")
        order = sorted(range(len(names)), key=lambda i: (-counts[i], digest(str(self.seed), str(names[i]))))
        sizes, fold = [0] * self.folds, np.zeros(len(names), np.int64)
        for i in order:
            fold[i] = sizes.index(min(sizes))
            sizes[fold[i]] += int(counts[i])
        return np.asarray(fold[of_row])

    def _units(self, examples: Examples) -> StrArray:
        if self.by == "homology":
            return families(examples, self.threshold)
        known: dict[str, Callable[[], StrArray]] = {
            "group": lambda: examples.groups,
            "cluster": lambda: examples.clusters,
            "chromosome": lambda: intervals(examples, self).chrom,
        }
        column = known.get(self.by, lambda: stratum(examples, self.by, self))()
        return units(examples, examples.groups, column)

    def families(self, examples: Examples) -> StrArray | None:
        """Return the family of each example (n,) for by = 'homology'; None for other columns."""
        return families(examples, self.threshold) if self.by == "homology" else None


def is_slow(rule: object) -> bool:
    """Return whether a rule compares sequences, so that its splits are worth caching."""
    compares = isinstance(rule, by_homology | with_families) or (isinstance(rule, k_fold) and rule.by == "homology")
    if compares or (isinstance(rule, with_valid) and rule.similarity):
        return True
    return is_slow(inner) if (inner := getattr(rule, "rule", None)) is not None else False


def same_sequences(examples: Examples) -> IntArray:
    """Return for each example the first row with its sequence, on either strand."""
    return similarity.distinct(examples.inputs.sequences)


def fill(names: StrArray, shares: dict[str, float], seed: int) -> StrArray:
    """Return a part for each example: whole units, in the order of a hash, until each part has its share.

    A unit goes to the part that lacks the largest fraction of its share, among those it fits into, or else to train.
    """
    distinct_names, of_row, counts = np.unique(names, return_inverse=True, return_counts=True)
    part = np.array(["train"] * len(distinct_names), object)
    sizes = {name: round(share * len(names)) for name, share in shares.items()}
    lacking = dict(sizes)
    for i in sorted(range(len(distinct_names)), key=lambda i: digest(str(seed), str(distinct_names[i]))):
        fits = [name for name in lacking if counts[i] <= lacking[name]]
        if fits:
            part[i] = max(fits, key=lambda name: lacking[name] / sizes[name])
            lacking[part[i]] -= int(counts[i])
    return strings(part[of_row])
