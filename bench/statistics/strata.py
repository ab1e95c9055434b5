"""Strata of a quarter of the test examples each: by GC content, by length, and by how likely a model finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..text import blocks
from ..types import Examples, FloatArray, IntArray, StrArray, strings

BINS = 4
LIKELIHOOD = "reference_likelihood"
"""The stratum of a variant by how likely the model that is scored finds its reference: each has quarters of its own."""
QUARTERS = tuple(f"q{i + 1}" for i in range(BINS))
NO_QUARTER = "none"
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


def quarters(values: FloatArray) -> StrArray:
    """Return for each value the name of its quarter, of QUARTERS from the lowest on, or NO_QUARTER for NaN.

    Equal values share one.
    """
    named, known = np.full(len(values), NO_QUARTER, dtype=object), ~np.isnan(values)
    if known.any():
        named[known] = np.array(QUARTERS, dtype=object)[_bin_of_each(values[known])]
    return strings(named.tolist())


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
    """Return for each whole number the first and the last of its bin, as text."""
    bins = _bin_of_each(values)
    names = {b: f"{shown(values[bins == b].min())}..{shown(values[bins == b].max())}" for b in set(bins.tolist())}
    return strings([names[b] for b in bins.tolist()])


def _bin_of_each(values: FloatArray) -> IntArray:
    """Return for each value which of the BINS it is in, from 0 on; equal values share one."""
    if not len(values):
        return np.zeros(0, np.int64)
    _, of_value, counts = np.unique(values, return_inverse=True, return_counts=True)
    # By the middle rank of equal numbers, so that one which most examples share leaves both tails bins of their own.
    bins = np.floor(BINS * (np.cumsum(counts) - counts / 2) / len(values)).astype(np.int64)
    return np.asarray(bins[of_value])
