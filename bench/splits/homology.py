"""Families of related sequences: a split that never divides them, and the clusters that intervals leave out whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..digests import digest
from ..dna import similarity
from ..errors import ConfigError, DataError, nearest
from ..types import Examples, FloatArray, Inputs, IntArray, SplitRule, StrArray, Task, strings

COVERAGE = similarity.COVERAGE
"""The share of the shorter of two sequences over which relatives are similar, unless a rule says otherwise."""

_RELATIVES: WeakKeyDictionary[Inputs, dict[tuple[float, float], IntArray]] = WeakKeyDictionary()


@dataclass(frozen=True)
class by_homology:
    """Puts whole families of related sequences in `test` and `valid`, shares of all examples, and the others in train.

    Families are the connected components, over both strands, of sequences whose similarity (`similarity`) is at least
    `threshold` over `coverage` of the shorter, and of groups. They are dealt so that every part has its share of every
    class, as far as families allow: train gets one of each class first, and a family that is larger than what a part
    still lacks stays in train. Examples that then still have a relative in test, or in valid, are dropped.
    """

    version: ClassVar[int] = 2
    threshold: float = 0.8
    test: float = 0.2
    valid: float = 0.1
    seed: int = 0
    coverage: float = COVERAGE

    def __post_init__(self) -> None:
        check_shares(self)
        similarity.check(threshold=self.threshold, coverage=self.coverage)

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises TooFewFamilies where every family is too large for a part."""
        names = self.families(examples)
        part = deal(names, classes_of(examples), {"test": self.test, "valid": self.valid}, self.seed)
        check_filled(self, part, names)
        for name, others in (("test", ("valid", "train")), ("valid", ("train",))):
            rows, rest = np.flatnonzero(part == name), np.flatnonzero(np.isin(part, others))
            part[rest[similarity_to(examples.take(rest), examples.take(rows), self.coverage) >= self.threshold]] = ""
        return part

    def families(self, examples: Examples) -> StrArray:
        """Return the family of each example (n,), named after the smallest id in it."""
        return families(examples, self.threshold, self.coverage)


@dataclass(frozen=True)
class with_families:
    """Splits by another rule; families of `similarity` or more are the clusters that intervals leave out whole."""

    version: ClassVar[int] = 1
    rule: SplitRule
    similarity: float = 0.8

    def __post_init__(self) -> None:
        similarity.check(threshold=self.similarity)

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example."""
        return self.rule(examples)

    def families(self, examples: Examples) -> StrArray:
        """Return the family of each example (n,)."""
        return families(examples, self.similarity)


def families(examples: Examples, threshold: float, coverage: float = COVERAGE) -> StrArray:
    """Return the family of each example (n,): its relatives on either strand, theirs, and all of their groups."""
    return units(examples, examples.groups, relatives(examples, threshold, coverage))


def relatives(examples: Examples, threshold: float, coverage: float = COVERAGE) -> IntArray:
    """Return the number of each example's cluster of similar sequences (n,); the same inputs are compared once."""
    known = _RELATIVES.setdefault(examples.inputs, {})
    if (threshold, coverage) not in known:
        known[threshold, coverage] = similarity.clusters(
            examples.inputs.sequences, threshold=threshold, coverage=coverage
        )
    return known[threshold, coverage]


def families_of(rule: object, examples: Examples) -> StrArray | None:
    """Return the family of each example (n,) where the rule, or one that it is made of, knows families; else None."""
    while rule is not None:
        if hasattr(rule, "families") and (known := rule.families(examples)) is not None:
            names: StrArray = known
            return names
        rule = getattr(rule, "rule", None)
    return None


def with_clusters(rule: object, examples: Examples) -> Examples:
    """Return the examples with the families that the rule knows joined to their clusters; without any, the same.

    Rows of a family are not independent observations, so the interval leaves out whole families.
    """
    known = families_of(rule, examples)
    return examples if known is None else replace(examples, clusters=units(examples, examples.clusters, known))


def coarser_units(task: Task, examples: Examples) -> StrArray | None:
    """Return the coarser unit of each example (n,); None where the task has none.

    Units that share a cluster are one, with the name of the first. Raises DataError as `coarser_column` does.
    """
    if (column := coarser_column(task, examples)) is None:
        return None
    names, unit = np.unique(column.astype(str), return_inverse=True)
    clusters, cluster = np.unique(examples.clusters.astype(str), return_inverse=True)
    part = components(unit, len(names) + cluster, size=len(names) + len(clusters))
    _, first, of_unit = np.unique(part[: len(names)], return_index=True, return_inverse=True)
    return strings(names[first][of_unit][unit])


def coarser_column(task: Task, examples: Examples) -> StrArray | None:
    """Return the column that the task's `coarser` names (n,), None where it names none.

    Raises DataError, naming the task, where the examples have no such column.
    """
    if not task.coarser:
        return None
    if task.coarser in examples.strata:
        return examples.strata[task.coarser]
    if task.coarser == "chromosome" and examples.intervals is not None:
        return examples.intervals.chrom
    known = [*examples.strata, *(["chromosome"] if examples.intervals is not None else [])]
    near = nearest(task.coarser, known)
    advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
    raise DataError(f"task {task.id}: coarser = {task.coarser!r}: {advice}")


def similarity_to(examples: Examples, others: Examples, coverage: float) -> Any:
    """Return the similarity (n,) of each example's sequence to the most similar one of the others; 0 without any."""
    if not len(examples) or not len(others):
        return np.zeros(len(examples))
    return similarity.nearest(examples.inputs.sequences, others.inputs.sequences, coverage=coverage).similarity


def units(examples: Examples, *columns: NDArray[Any]) -> StrArray:
    """Return for each example the smallest id among all that it is linked with, directly or not, by equal values."""
    n = len(examples)
    rows, values, size = [], [], n
    for column in columns:
        values_of_column, of_row = np.unique(np.asarray(column), return_inverse=True)
        rows.append(np.arange(n))
        values.append(size + of_row)
        size += len(values_of_column)
    part = components(np.concatenate(rows), np.concatenate(values), size=size)[:n]
    ids = np.asarray(examples.ids)
    order = np.argsort(ids.astype(str), kind="stable")
    _, first, of_row = np.unique(part[order], return_index=True, return_inverse=True)
    out = strings([""] * n)
    out[order] = ids[order][first][of_row]
    return out


def components(left: IntArray, right: IntArray, *, size: int) -> IntArray:
    """Return the connected component of each of `size` nodes, of which `left` (links,) are linked to `right`."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(left)), (left, right)), shape=(size, size))
    part: IntArray = connected_components(links, directed=False)[1]
    return part


def classes_of(examples: Examples) -> FloatArray:
    """Return which class, or which labels, each example has (n, k), and in a last column 1 where these do not count."""
    targets = examples.targets
    if targets.dtype.kind not in "iu" or examples.inputs.per_base:
        return np.ones((len(examples), 1))
    if targets.ndim == 1:
        one_hot: FloatArray = np.eye(int(targets.max(initial=0)) + 1)[targets]
        return one_hot
    return np.column_stack([targets, np.ones(len(targets))]).astype(np.float64)


def deal(names: StrArray, classes: FloatArray, shares: Mapping[str, float], seed: int) -> StrArray:
    """Return a part for each example, whole units at a time, so that each part has its share of every class.

    `classes` (n, k) says which classes an example has. The largest units come first, those of one size in the order of
    a hash of `seed`. The first unit of each class goes to train; every other goes to the part that lacks the largest
    share of what the unit has, among those with room for all of it (a greedy form of iterative stratification, Sechidis
    et al. 2011, ECML PKDD).
    """
    distinct_names, of_row, sizes = np.unique(names, return_inverse=True, return_counts=True)
    counts = np.zeros((len(distinct_names), classes.shape[1]))
    np.add.at(counts, of_row, classes)
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], digest(str(seed), str(distinct_names[i]))))
    parts = ["train", *shares]
    target = np.outer([1 - sum(shares.values()), *shares.values()], counts.sum(axis=0))
    lacking = target.copy()
    room = np.array([np.inf, *(round(share * len(names)) for share in shares.values())])
    weights = np.divide(1.0, target, out=np.zeros_like(target), where=target > 0)
    in_train = np.zeros(classes.shape[1], bool)
    part_of = np.zeros(len(sizes), np.int64)
    for i in order:
        own = counts[i]
        p = 0
        if in_train[own > 0].all():
            need = np.where(room >= sizes[i], (lacking * weights) @ own, -np.inf)
            p = int(need.argmax())
        part_of[i] = p
        lacking[p] -= own
        room[p] -= sizes[i]
        if p == 0:
            in_train |= own > 0
    return strings(np.array(parts, object)[part_of[of_row]])


class TooFewFamilies(DataError):
    """Every family is too large for a part that must not be empty."""


def check_filled(rule: Any, part: StrArray, names: StrArray) -> None:
    """Raise TooFewFamilies where every unit was too large for a part."""
    counts = np.unique(names, return_counts=True)[1]
    for name, share in (("test", rule.test), ("valid", rule.valid)):
        if share and name not in part:
            raise TooFewFamilies(
                f"{rule!r}: {name} would be empty: {len(names)} examples make {len(counts)} clusters of {counts.min()} "
                f"to {counts.max()}, each too large for {round(share * len(names))} rows or the only one of its class"
            )


def check_shares(rule: Any) -> None:
    """Raise ConfigError where two shares of all examples leave nothing to train on."""
    if not (0 < rule.test < 1 and 0 <= rule.valid < 1 and rule.test + rule.valid < 1):
        raise ConfigError(f"{rule!r}: expected shares test above 0, valid 0 or more, and a sum below 1")
