"""Which example is in which part: split rules, fixed subsets, and the one function that gives a task's split.

A rule takes examples and gives each 'train', 'valid', 'test', or '' where it is dropped. Rules are frozen, so that one
is known by its repr, and go by groups wherever they can, so that no group straddles two parts.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError, nearest
from .sources import cache, concatenate
from .sources.sequences import package_file
from .targets import check_learnable, check_targets, draw_order, strata_of
from .types import PARTS, Examples, IntArray, Part, Split, SplitRule, StrArray, Subset, Task, digest, strings

_PART = "part of the split"

Region = tuple[str, int, int]
"""A chromosome with a 0-based start and an exclusive end."""


@dataclass(frozen=True)
class by_chromosome:
    """Puts the named chromosomes in `test` and `valid`, and every other one in train."""

    test: tuple[str, ...]
    valid: tuple[str, ...] = ()

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError without intervals or without such a chromosome."""
        return _assign(_intervals(examples, self).chrom, self.test, self.valid, "chromosome")


@dataclass(frozen=True)
class by_position:
    """Puts groups that lie wholly in a region in its part, and those at least `gap` bp away from all of them in train.

    A group's extent is that of all its examples; a group between the parts is dropped.
    """

    test: tuple[Region, ...]
    valid: tuple[Region, ...] = ()
    gap: int = 0

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError without intervals or for a group on two contigs."""
        at = _intervals(examples, self)
        _, first, group = np.unique(examples.groups, return_index=True, return_inverse=True)
        chrom = at.chrom[first]
        elsewhere = np.flatnonzero(at.chrom != chrom[group])
        if len(elsewhere):
            raise DataError(f"{self!r}: group {examples.groups[elsewhere[0]]!r} lies on more than one chromosome")
        start = np.full(len(first), np.iinfo(np.int64).max)
        end = np.zeros(len(first), np.int64)
        np.minimum.at(start, group, at.start)
        np.maximum.at(end, group, at.end)
        part = strings(["train"] * len(first))
        for name, regions in (("test", self.test), ("valid", self.valid)):
            for contig, low, high in regions:
                near = (chrom == contig) & (end > low - self.gap) & (start < high + self.gap)
                inside = (chrom == contig) & (start >= low) & (end <= high)
                part[near & ~inside & (part == "train")] = ""
                part[inside] = name
        return part[group]


@dataclass(frozen=True)
class by_group:
    """Puts groups in `test` and `valid`, each given by name or as a fraction of the examples, and the others in train.

    A fraction is filled with whole groups, in the order of a hash of `seed` and the group's name.
    """

    test: tuple[str, ...] | float
    valid: tuple[str, ...] | float = ()
    seed: int = 0

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError where a named group is not there."""
        named_test = self.test if isinstance(self.test, tuple) else ()
        named_valid = self.valid if isinstance(self.valid, tuple) else ()
        part = _assign(examples.groups, named_test, named_valid, "group")
        if isinstance(self.test, float):
            part = _carve(part, examples.groups, "test", self.test, self.seed)
        if isinstance(self.valid, float):
            part = _carve(part, examples.groups, "valid", self.valid, self.seed)
        return part


@dataclass(frozen=True)
class by_stratum:
    """Puts examples in `test` and `valid` by the value of a stratum, and the others in train."""

    column: str
    test: tuple[str, ...]
    valid: tuple[str, ...] = ()

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError where the column or a value is not there."""
        return _assign(_stratum(examples, self.column, self), self.test, self.valid, self.column)


@dataclass(frozen=True)
class predefined:
    """Takes each example's part from a column that says 'train', 'valid' (or 'validation', 'dev', 'val') or 'test'."""

    column: str = "split"

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError for the first value that names no part."""
        names = {
            "train": "train",
            "valid": "valid",
            "validation": "valid",
            "dev": "valid",
            "val": "valid",
            "test": "test",
        }
        column = _stratum(examples, self.column, self)
        for row, value in enumerate(column):
            if str(value).lower() not in names:
                raise DataError(
                    f"column {self.column!r}, id {examples.ids[row]!r}: {value!r} is not train, valid or test"
                )
        return strings([names[str(value).lower()] for value in column])


@dataclass(frozen=True)
class with_valid:
    """Carves `fraction` of all examples out of train as valid, by whole groups, where the rule has none."""

    rule: SplitRule
    fraction: float = 0.1
    seed: int = 0

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example."""
        part = self.rule(examples)
        return part if "valid" in part else _carve(part, examples.groups, "valid", self.fraction, self.seed)


@dataclass(frozen=True)
class per_stratum:
    """Splits the examples of each value of a stratum by a rule of its own; a part's name stands for all of them."""

    column: str
    rules: Mapping[str, SplitRule | Part]

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError where a value has no rule."""
        column = _stratum(examples, self.column, self)
        part = strings([""] * len(examples))
        for value in sorted(set(column)):
            if value not in self.rules:
                raise DataError(f"no split rule for {self.column} {value!r}; there are rules for {sorted(self.rules)}")
            rule, rows = self.rules[value], np.flatnonzero(column == value)
            part[rows] = rule if isinstance(rule, str) else rule(examples.take(rows))
        return part


def load_split(task: Task, *, limit: int = 0, check: bool = True) -> Split:
    """Return the task's examples in their parts, in the order in which the source gives them.

    A subset, or a trial's `limit` of examples a part, is chosen by a hash of seed and id, in proportion to the classes.
    Raises DataError, naming the task, where a part is empty, a group straddles, or training lacks a class; without
    `check`, which an audit leaves out to tell more, only where the rows themselves cannot be had.
    """
    split = _small(task, task.subset) if task.subset else _whole(task)
    if limit:
        split = take_subset(split, Subset(limit, limit, limit))
    if check:
        check_split(task, split)
    return split


def take_subset(split: Split, subset: Subset) -> Split:
    """Return `subset.train`, `.valid` and `.test` examples of the parts, or the whole part where it holds fewer.

    Classes keep their proportions; where `balance` names a stratum, its values have equal shares instead.
    """
    sizes = (subset.train, subset.valid, subset.test)
    return Split(*(_subset(examples, size, subset) for (_, examples), size in zip(split, sizes, strict=True)))


def check_split(task: Task, split: Split) -> None:
    """Raise DataError, in one line that names the task, where the split cannot give a trustworthy number."""
    for name, examples in split:
        if not len(examples) and (name == "test" or len(split.train) or len(split.valid)):
            raise DataError(f"task {task.id}: the {name} part is empty; see its split rule: {task.split!r}")
    seen: dict[str, str] = {}
    for name, examples in split:
        for group in sorted(set(examples.groups)):
            if seen.setdefault(group, name) != name:
                raise DataError(f"task {task.id}: group {group!r} is in both {seen[group]} and {name}")
    check_learnable(task, split)


def _whole(task: Task) -> Split:
    key = _key(task)
    examples = cache.cached_examples(key, task.source) if key else task.source()
    check_targets(task, examples)
    try:
        part = task.split(examples)
    except DataError as error:
        raise DataError(f"task {task.id}: {error}") from error
    return Split(*(examples.take(np.flatnonzero(part == name)) for name in PARTS))


def _small(task: Task, subset: Subset) -> Split:
    """Return the subset; it has a cached table of its own, so that it loads without the whole."""
    key = _key(task)
    rule: object = task.split
    if not key or not is_dataclass(rule):
        return take_subset(_whole(task), subset)

    def build() -> Examples:
        split = take_subset(_whole(task), subset)
        return concatenate([replace(e, strata={**e.strata, _PART: strings([name] * len(e))}) for name, e in split])

    table = cache.cached_examples([*key, repr(rule), repr(subset)], build)
    part = table.strata[_PART]
    table = replace(table, strata={name: column for name, column in table.strata.items() if name != _PART})
    return Split(*(table.take(np.flatnonzero(part == name)) for name in PARTS))


def _key(task: Task) -> list[str]:
    """Return what the task's table is cached under; empty where what it comes from is not known by content."""
    name = f"{task.name.removesuffix('.small')}@{task.version}"
    if hasattr(task.source, "key"):
        return [name, *task.source.key()]
    recipe = _recipe(task.source)
    if not task.files or recipe is None:
        return []
    return [name, recipe, *map(_file_digest, task.files)]


def _recipe(source: Any) -> str | None:
    """Return the digest of the code that builds a table: the module of `source`, its package, our sources and splits.

    None where the code does not tell what is built, as for a closure; such a source is read afresh.
    """
    arguments = ""
    if isinstance(source, functools.partial):
        arguments = repr((source.args, sorted(source.keywords.items())))
        source = source.func
    if not inspect.isfunction(source) or source.__closure__:
        return None
    origin = Path(source.__code__.co_filename)
    code = sorted(origin.parent.glob("*.py")) if source.__globals__.get("__package__") else [origin]
    code += [Path(__file__), Path(inspect.getfile(check_targets)), *sorted(Path(cache.__file__).parent.glob("*.py"))]
    return digest(source.__qualname__, arguments, *(path.read_bytes() for path in code if path.is_file()))


@functools.lru_cache(maxsize=256)
def _digest_of(path: Path, size: int, modified: int) -> str:
    return digest(path.read_bytes())


def _file_digest(reference: str) -> str:
    """Return the digest of a file's content; a file is read again in one process only when it has changed."""
    path = package_file(reference)
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns)


def _subset(examples: Examples, size: int, subset: Subset) -> Examples:
    if size >= len(examples):
        return examples
    order = draw_order(examples, subset.seed)
    if subset.balance:
        column = _stratum(examples, subset.balance, subset)
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
    classes = strata_of(examples, rows)
    shares = _shares([len(c) for c in classes], size)
    chosen = [c[np.argsort(order[c], kind="stable")[:share]] for c, share in zip(classes, shares, strict=True)]
    return np.concatenate(chosen)


def _shares(counts: Sequence[int], size: int, *, equal: bool = False) -> list[int]:
    """Return how many to take of each, `size` in all: in proportion, or equal as far as the counts allow."""
    if equal:
        shares = [0] * len(counts)
        for _ in range(len(counts)):  # what a small one cannot give is shared among the others
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


def _assign(column: StrArray, test: Sequence[str], valid: Sequence[str], what: str) -> StrArray:
    present = set(column)
    for value in (*test, *valid):
        if value not in present:
            near = nearest(value, present)
            advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(present)[:10])}"
            raise DataError(f"no example has {what} {value!r}; {advice}")
    part = strings(["train"] * len(column))
    part[np.isin(column, list(valid))] = "valid"
    part[np.isin(column, list(test))] = "test"
    return part


def _carve(part: StrArray, groups: StrArray, name: Part, fraction: float, seed: int) -> StrArray:
    """Return `part` with whole groups of train moved to `name` until it holds `fraction` of those not dropped."""
    train = part == "train"
    wanted = round(fraction * int((part != "").sum()))
    names, counts = np.unique(groups[train], return_counts=True)
    order = sorted(range(len(names)), key=lambda i: digest(str(seed), name, str(names[i])))
    taken, moved = 0, set()
    for i in order:
        if taken >= wanted:
            break
        taken += int(counts[i])
        moved.add(names[i])
    out = part.copy()
    # np.isin compares every pair of objects.
    out[train & np.fromiter((g in moved for g in groups), bool, len(groups))] = name
    return out


def _intervals(examples: Examples, rule: object) -> Any:
    if examples.intervals is None:
        raise DataError(f"{rule!r} needs examples with intervals; these have none")
    return examples.intervals


def _stratum(examples: Examples, column: str, rule: object) -> StrArray:
    if column not in examples.strata:
        near = nearest(column, examples.strata)
        known = ", ".join(map(repr, near or sorted(examples.strata))) or "none"
        raise DataError(f"{rule!r}: no stratum {column!r}; {'did you mean' if near else 'there are'} {known}")
    return examples.strata[column]
