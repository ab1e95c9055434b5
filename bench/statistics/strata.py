"""Strata that follow from the sequences themselves: GC content and length, in bins of as many test examples each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..text import blocks
from ..types import Examples, FloatArray, StrArray, strings

BINS = 4
_GC_STEPS = 1000
"""GC content is rounded down to steps of .001, so that the name of a bin says exactly what is in it."""


def with_derived(test: Examples) -> Mapping[str, StrArray]:
    """Return the strata of test examples with `gc` and `length`, whose values name the ends of their bins.

    Bins are cut at the quartiles of the test part. A column of the task's own stays; one that would have a single bin
    is left out, and so are both in a task of bases, whose examples share sequences. Of variants and pairs it is the
    reference that counts. A sequence without A, C, G and T has GC 0.
    """
    derived: dict[str, StrArray] = {}
    if not test.inputs.per_base:
        gc, length = _measured(test)
        derived = {
            name: c for name, c in {"gc": _gc_bins(gc), "length": _length_bins(length)}.items() if len(set(c)) > 1
        }
    return {**derived, **test.strata}


def _measured(test: Examples) -> tuple[FloatArray, FloatArray]:
    """Return the GC share and the length of each sequence."""
    shares, lengths = [], []
    for block in blocks(test.inputs.sequences):
        for sequence in block:
            sequence = sequence.upper()  # a perturbed input may be in lower case
            strong = sequence.count("G") + sequence.count("C")
            bases = strong + sequence.count("A") + sequence.count("T")
            shares.append(strong / bases if bases else 0.0)
            lengths.append(len(sequence))
    return np.array(shares, np.float64), np.array(lengths, np.float64)


def _gc_bins(shares: FloatArray) -> StrArray:
    return _bins(np.floor(shares * _GC_STEPS + 1e-9), lambda step: f"{step / _GC_STEPS:.3f}")


def _length_bins(lengths: FloatArray) -> StrArray:
    return _bins(lengths, lambda length: f"{length:.0f}")


def _bins(values: FloatArray, shown: Callable[[float], str]) -> StrArray:
    """Return for each whole number the first and the last of its bin, as text; equal numbers share a bin."""
    if not len(values):
        return strings([])
    distinct, of_value, counts = np.unique(values, return_inverse=True, return_counts=True)
    # By the middle rank of equal numbers, so that one which most examples share leaves both tails bins of their own.
    bins = np.floor(BINS * (np.cumsum(counts) - counts / 2) / len(values)).astype(np.int64)
    names = {b: f"{shown(distinct[bins == b].min())}..{shown(distinct[bins == b].max())}" for b in set(bins.tolist())}
    return strings([names[b] for b in bins[of_value].tolist()])
