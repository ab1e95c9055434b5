"""Split rules that use what is known of an example: its chromosome, position, group, stratum or given part."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import ClassVar, Literal

import numpy as np

from ..digests import digest
from ..dna.similarity import check as check_similarity
from ..errors import ConfigError, DataError, nearest
from ..types import Examples, Intervals, Part, SplitRule, StrArray, strings
from .homology import classes_of, deal, families

Region = tuple[str, int, int]
"""A chromosome with a 0-based start and an exclusive end."""


@dataclass(frozen=True)
class by_chromosome:
    """Puts the named chromosomes in `test` and `valid`, and every other one in train."""

    version: ClassVar[int] = 1
    test: tuple[str, ...]
    valid: tuple[str, ...] = ()

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError without intervals or without such a chromosome."""
        return assign(intervals(examples, self).chrom, self.test, self.valid, "chromosome")


@dataclass(frozen=True)
class by_position:
    """Puts groups that lie wholly in a region in its part, and those at least `gap` bp away from all of them in train.

    A group's extent is that of all its examples; a group between the parts is dropped.
    """

    version: ClassVar[int] = 1
    test: tuple[Region, ...]
    valid: tuple[Region, ...] = ()
    gap: int = 0

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError without intervals or for a group on two contigs."""
        at = intervals(examples, self)
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

    version: ClassVar[int] = 1
    test: tuple[str, ...] | float
    valid: tuple[str, ...] | float = ()
    seed: int = 0

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError where a named group does not exist."""
        named_test = self.test if isinstance(self.test, tuple) else ()
        named_valid = self.valid if isinstance(self.valid, tuple) else ()
        part = assign(examples.groups, named_test, named_valid, "group")
        if isinstance(self.test, float):
            part = carve(part, examples.groups, "test", self.test, self.seed)
        if isinstance(self.valid, float):
            part = carve(part, examples.groups, "valid", self.valid, self.seed)
        return part


@dataclass(frozen=True)
class by_stratum:
    """Puts examples in `test` and `valid` by the value of a stratum, and the others in train."""

    version: ClassVar[int] = 1
    column: str
    test: tuple[str, ...]
    valid: tuple[str, ...] = ()

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError where the column or a value does not exist."""
        return assign(stratum(examples, self.column, self), self.test, self.valid, self.column)


PART_WORDS: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "val": "valid",
    "test": "test",
    "testing": "test",
}
"""Words for the parts of a split in a column, with the part that each stands for."""

_SHORT: Mapping[str, Part] = {"tr": "train", "va": "valid", "te": "test"}
"""Words that mean a part as a value, and in the name of a column something else."""

_FLAGS = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}


def part_of(value: str) -> Part | Literal[""]:
    """Return the part that a value names, as 'train' or 'Test set'; '' where it names none."""
    word = re.sub(r"[\s_-]*set$", "", str(value).strip().lower())
    return PART_WORDS.get(word, _SHORT.get(word, ""))


def flagged_part(name: str, values: Collection[str]) -> Part | Literal[""]:
    """Return the part that a column of two flags is about, by a word in its name such as `is_test`; '' for none."""
    about = {PART_WORDS[word] for word in re.split(r"[\W_]+", name.lower()) if word in PART_WORDS}
    flags = {_FLAGS.get(str(v).strip().lower()) for v in values}
    return about.pop() if len(about) == 1 and flags == {True, False} else ""


@dataclass(frozen=True)
class predefined:
    """Takes each example's part from a column that says 'train', 'valid' (or 'validation', 'dev', 'val') or 'test'.

    A column of true and false with a part in its name, such as `is_test`, says which rows are in that part; the others
    are in train, or where it is about train in test.
    """

    version: ClassVar[int] = 1
    column: str = "split"

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError for the first value that names no part."""
        column = stratum(examples, self.column, self)
        part = flagged_part(self.column, set(column))
        if part:
            other = "test" if part == "train" else "train"
            return strings([part if _FLAGS[str(value).strip().lower()] else other for value in column])
        parts = [part_of(value) for value in column]
        if "" in parts:
            row = parts.index("")
            raise DataError(
                f"column {self.column!r}, id {examples.ids[row]!r}: {column[row]!r} is not train, valid or test"
            )
        return strings(parts)


@dataclass(frozen=True, repr=False)
class with_valid:
    """Carves valid out of train where the rule has none: `fraction` of all examples, by whole groups.

    With a `similarity` it is that fraction of train, by whole families of such relatives, each class in its share.
    """

    version: ClassVar[int] = 1
    rule: SplitRule
    fraction: float = 0.1
    seed: int = 0
    similarity: float = 0.0

    def __repr__(self) -> str:
        """Return the fields, the similarity only if there is one: published cards are known by this text."""
        similar = f", similarity={self.similarity!r}" if self.similarity else ""
        return f"with_valid(rule={self.rule!r}, fraction={self.fraction!r}, seed={self.seed!r}{similar})"

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise ConfigError(f"valid_fraction = {self.fraction!r}; expected a number between 0 and 1")
        if self.similarity:
            check_similarity(threshold=self.similarity)

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example."""
        part = self.rule(examples)
        if "valid" in part:
            return part
        if not self.similarity:
            return carve(part, examples.groups, "valid", self.fraction, self.seed)
        rows = np.flatnonzero(part == "train")
        train = examples.take(rows)
        part = part.copy()
        part[rows] = deal(families(train, self.similarity), classes_of(train), {"valid": self.fraction}, self.seed)
        return part


@dataclass(frozen=True)
class per_stratum:
    """Splits the examples of each value of a stratum by a rule of its own; a part's name stands for all of them."""

    version: ClassVar[int] = 1
    column: str
    rules: Mapping[str, SplitRule | Part]

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError where a value has no rule."""
        column = stratum(examples, self.column, self)
        part = strings([""] * len(examples))
        for value in sorted(set(column)):
            if value not in self.rules:
                raise DataError(f"no split rule for {self.column} {value!r}; there are rules for {sorted(self.rules)}")
            rule, rows = self.rules[value], np.flatnonzero(column == value)
            part[rows] = rule if isinstance(rule, str) else rule(examples.take(rows))
        return part


@dataclass(frozen=True)
class all_test:
    """Puts every example in test: for tasks that nothing is trained on."""

    version: ClassVar[int] = 1

    def __call__(self, examples: Examples) -> StrArray:
        """Return 'test' for each example."""
        return strings(["test"] * len(examples))


def assign(column: StrArray, test: Sequence[str], valid: Sequence[str], what: str) -> StrArray:
    """Return the part of each example by its value in a column. Raises DataError for a value that does not occur."""
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


def carve(part: StrArray, groups: StrArray, name: Part, fraction: float, seed: int) -> StrArray:
    """Return `part` with whole groups of train moved to `name` until it has `fraction` of the examples not dropped."""
    train = part == "train"
    target_size = round(fraction * int((part != "").sum()))
    names, counts = np.unique(groups[train], return_counts=True)
    order = sorted(range(len(names)), key=lambda i: digest(str(seed), name, str(names[i])))
    taken, moved = 0, set()
    for i in order:
        if taken >= target_size:
            break
        taken += int(counts[i])
        moved.add(names[i])
    out = part.copy()
    # np.isin compares every pair of objects.
    out[train & np.fromiter((g in moved for g in groups), bool, len(groups))] = name
    return out


def intervals(examples: Examples, rule: object) -> Intervals:
    """Return where the examples lie. Raises DataError, naming the rule, where they have no intervals."""
    if examples.intervals is None:
        raise DataError(f"{rule!r} needs examples with intervals; these have none")
    return examples.intervals


def stratum(examples: Examples, column: str, rule: object) -> StrArray:
    """Return a stratum's column. Raises DataError, naming the rule, where it does not exist."""
    if column not in examples.strata:
        near = nearest(column, examples.strata)
        known = ", ".join(map(repr, near or sorted(examples.strata))) or "none"
        raise DataError(f"{rule!r}: no stratum {column!r}; {'did you mean' if near else 'there are'} {known}")
    return examples.strata[column]


def split_version(rule: object) -> str:
    """Return the names and declared versions of a rule and of those that it is made of: 'few_shot 1, by_group 1'.

    The version of a rule is raised whenever its splits change; a rule without a version goes by its name.
    """
    inner = [getattr(rule, f.name) for f in fields(rule)] if is_dataclass(rule) else []
    name_and_version = f"{getattr(rule, '__name__', type(rule).__name__)} {getattr(rule, 'version', '')}".rstrip()
    return ", ".join([name_and_version, *(split_version(part) for part in inner if callable(part))])
