"""Splits by chromosome of published benchmarks, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import ConfigError, DataError, nearest
from ..types import Examples, StrArray, strings
from .rules import intervals


def _numbers(first: int, last: int) -> tuple[str, ...]:
    return tuple(map(str, range(first, last + 1)))


FOLDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "nt_revised": (("20", "21"), ()),
    "dart": (("5", "10", "14", "18", "20", "22"), ("6", "21")),
    "genomecf": (_numbers(1, 2), _numbers(3, 5), _numbers(6, 8), _numbers(9, 12), (*_numbers(13, 22), "X", "Y")),
    "m42": (*((str(i), str(i + 1)) for i in range(1, 20, 2)), ("21", "22", "X")),
}
"""Chromosomes by fold. The revised Nucleotide Transformer tasks test on chr20 and 21 and have no valid part; DART-Eval
tests on six and validates on two. GenomeCF has five folds, m42's variant benchmark eleven."""


@dataclass(frozen=True)
class by_preset:
    """Puts fold `fold` of a published set of folds of human chromosomes in test and the next in valid.

    Chromosome names may begin with 'chr' or not. In 'nt_revised' and 'dart' fold 0 is test and fold 1 valid;
    chromosomes in no fold, and all other contigs, are train.
    """

    version: ClassVar[int] = 1
    name: str
    fold: int = 0

    def __post_init__(self) -> None:
        if self.name not in FOLDS:
            near = nearest(self.name, FOLDS)
            raise ConfigError(f"{self!r}: {f'did you mean {near[0]!r}?' if near else 'one of ' + ', '.join(FOLDS)}")
        last = 0 if len(FOLDS[self.name]) == 2 else len(FOLDS[self.name]) - 1
        if not 0 <= self.fold <= last:
            raise ConfigError(f"{self!r}: expected a fold from 0 to {last}")

    def __call__(self, examples: Examples) -> StrArray:
        """Return the part of each example. Raises DataError without intervals, or where test would be empty."""
        folds = FOLDS[self.name]
        chrom = np.array([c.removeprefix("chr") for c in intervals(examples, self).chrom], object)
        part = strings(["train"] * len(examples))
        part[np.isin(chrom, folds[(self.fold + 1) % len(folds)])] = "valid"
        part[np.isin(chrom, folds[self.fold])] = "test"
        if "test" not in part:
            raise DataError(f"{self!r}: no example lies on chromosome {', '.join(folds[self.fold])}")
        return part
