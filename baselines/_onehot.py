"""Sequences as rows of one width, aligned at their centres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from baserate.dna.kmers import OTHER, encode
from baserate.errors import DataError, NotApplicable
from baserate.types import Inputs, Strings
from baserate.zero_shot.alleles import compare

MAX_WIDTH = 8192
_TRANSITIONS = frozenset(("AG", "GA", "CT", "TC"))


def widest(inputs: Inputs) -> int:
    """Return the length in bp of the longest sequence, at most 8192. Raises DataError where all are empty."""
    columns = [inputs.sequences] if inputs.alternates is None else [inputs.sequences, inputs.alternates]
    width = max((len(s) for column in columns for s in column), default=0)
    if width == 0:
        raise DataError("every training sequence is empty")
    return min(width, MAX_WIDTH)


def aligned_codes(sequences: Strings, width: int) -> NDArray[np.uint8]:
    """Return base codes (n, width): base `len // 2` of each sequence is in column `width // 2`.

    Columns without a base have the code of a letter that is not A, C, G or T; bases that fall outside are cut off.
    """
    codes, bounds = encode(sequences)
    length = np.diff(bounds)
    out = np.full((len(sequences), width), OTHER, dtype=np.uint8)
    if len(length) and (length == width).all():
        out[:] = codes.reshape(-1, width)
        return out
    row = np.repeat(np.arange(len(length)), length)
    column = np.arange(len(codes)) - np.repeat(bounds[:-1] + length // 2, length) + width // 2
    inside = (column >= 0) & (column < width)
    out[row[inside], column[inside]] = codes[inside]
    return out


def one_hot(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (..., 4) indicators of A, C, G, T; all zero for any other letter."""
    table = np.zeros((OTHER + 1, 4), dtype=np.float32)
    table[:4] = np.eye(4)
    hot: NDArray[np.float32] = table[codes]
    return hot


def substitutions(inputs: Inputs) -> list[tuple[int, int]]:
    """Return, for each variant, how many of its changed bases are transitions, and how many are other changes.

    For an insertion or a deletion windows are aligned at both ends, without the bases that restored the length of one:
    inserted or deleted bases count as changed, beside those that still differ. Raises NotApplicable where there are no
    alternates.
    """
    if inputs.alternates is None:
        raise NotApplicable("these inputs have no alternate sequences; the baseline scores variants")
    counts = []
    for reference, alternate in zip(inputs.sequences, inputs.alternates, strict=True):
        change = compare(reference, alternate)
        gain = change.alt_end - change.ref_end
        if change.kind == "indel":
            if len(reference) == len(alternate):
                # ALT lost as many bases on its right as were inserted, or gained as many as were deleted.
                reference = reference[: len(reference) - max(gain, 0)]
                alternate = alternate[: len(alternate) - max(-gain, 0)]
            start = _shared(reference, alternate)
            end = _shared(reference[start:][::-1], alternate[start:][::-1])
            reference, alternate = (s[start : len(s) - end] for s in (reference, alternate))
        changed = [a + b for a, b in zip(reference, alternate, strict=False) if a != b]
        transitions = sum(pair in _TRANSITIONS for pair in changed)
        counts.append((transitions, len(changed) - transitions + abs(gain)))
    return counts


def _shared(a: str, b: str) -> int:
    """Return how many letters `a` and `b` share at their beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
