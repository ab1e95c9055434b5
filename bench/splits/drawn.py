"""Split rules that draw: at random within classes, in folds, and by clusters of similar sequences."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..digests import digest
from ..dna import similarity
from ..errors import ConfigError, DataError
from ..types import Examples, IntArray, StrArray, strings
from .rules import intervals, stratum
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
        _check_shares(self)

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example."""
        log.warning("%r is a random split: relatives of test sequences may be in train; see `baserate audit`", self)
        names = units(examples, examples.groups, same_sequences(examples))
        part = strings(["train"] * len(examples))
        # A unit has the class of the example that it is named after.
        for rows in rows_by_class(examples, np.flatnonzero(names == np.asarray(examples.ids))):
            of_class = np.isin(names, names[rows])
            part[of_class] = fill(names[of_class], {"test": self.test, "valid": self.valid}, self.seed)
        _check_filled(self, part, names)
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
            return units(examples, examples.groups, _clusters(examples, self.threshold, 0.5))
        known: dict[str, Callable[[], StrArray]] = {
            "group": lambda: examples.groups,
            "cluster": lambda: examples.clusters,
            "chromosome": lambda: intervals(examples, self).chrom,
        }
        column = known.get(self.by, lambda: stratum(examples, self.by, self))()
        return units(examples, examples.groups, column)


@dataclass(frozen=True)
class by_homology:
    """Puts whole clusters of related sequences in `test` and `valid`, shares of all examples, and the others in train.

    Clusters are the connected components, over both strands, of sequences whose similarity (`similarity`) is at least
    `threshold` over `coverage` of the shorter, and of groups. A cluster that is larger than what a part still lacks
    stays in train. Examples that then still have a relative in test, or in valid, are dropped.
    """

    version: ClassVar[int] = 1
    threshold: float = 0.8
    test: float = 0.2
    valid: float = 0.1
    seed: int = 0
    coverage: float = 0.5

    def __post_init__(self) -> None:
        _check_shares(self)
        similarity.check(threshold=self.threshold, coverage=self.coverage)

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError where every cluster is too large for a part."""
        names = units(examples, examples.groups, _clusters(examples, self.threshold, self.coverage))
        part = fill(names, {"test": self.test, "valid": self.valid}, self.seed)
        _check_filled(self, part, names)
        for name, others in (("test", ("valid", "train")), ("valid", ("train",))):
            rows, rest = np.flatnonzero(part == name), np.flatnonzero(np.isin(part, others))
            part[rest[similarity_to(examples.take(rest), examples.take(rows), self.coverage) >= self.threshold]] = ""
        return part


def similarity_to(examples: Examples, others: Examples, coverage: float) -> Any:
    """Return the similarity (n,) of each example's sequence to the most similar one of the others; 0 without any."""
    if not len(examples) or not len(others):
        return np.zeros(len(examples))
    return similarity.nearest(examples.inputs.sequences, others.inputs.sequences, coverage=coverage).similarity


def is_slow(rule: object) -> bool:
    """Return whether a rule compares sequences, so that its splits are worth caching."""
    if isinstance(rule, by_homology) or (isinstance(rule, k_fold) and rule.by == "homology"):
        return True
    return is_slow(inner) if (inner := getattr(rule, "rule", None)) is not None else False


def units(examples: Examples, *columns: NDArray[Any]) -> StrArray:
    """Return for each example the smallest id among all that it is linked with, directly or not, by equal values."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(examples)
    rows, values, size = [], [], n
    for column in columns:
        values_of_column, of_row = np.unique(np.asarray(column), return_inverse=True)
        rows.append(np.arange(n))
        values.append(size + of_row)
        size += len(values_of_column)
    links = np.concatenate(rows), np.concatenate(values)
    part = connected_components(coo_matrix((np.ones(len(links[0])), links), shape=(size, size)), directed=False)[1][:n]
    ids = np.asarray(examples.ids)
    order = np.argsort(ids.astype(str), kind="stable")
    _, first, of_row = np.unique(part[order], return_index=True, return_inverse=True)
    out = strings([""] * n)
    out[order] = ids[order][first][of_row]
    return out


def same_sequences(examples: Examples) -> IntArray:
    """Return for each example the first row with its sequence, on either strand."""
    return similarity.distinct(examples.inputs.sequences)


def _clusters(examples: Examples, threshold: float, coverage: float) -> IntArray:
    return similarity.clusters(examples.inputs.sequences, threshold=threshold, coverage=coverage)


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


def _check_filled(rule: Any, part: StrArray, names: StrArray) -> None:
    """Raise DataError where every unit was too large for a part."""
    counts = np.unique(names, return_counts=True)[1]
    for name, share in (("test", rule.test), ("valid", rule.valid)):
        if share and name not in part:
            raise DataError(
                f"{rule!r}: {name} would be empty: {len(names)} examples make {len(counts)} clusters of {counts.min()} "
                f"to {counts.max()}, each too large for a part of {round(share * len(names))}"
            )


def _check_shares(rule: Any) -> None:
    """Raise ConfigError where two shares of all examples leave nothing to train on."""
    if not (0 < rule.test < 1 and 0 <= rule.valid < 1 and rule.test + rule.valid < 1):
        raise ConfigError(f"{rule!r}: expected shares test above 0, valid 0 or more, and a sum below 1")
