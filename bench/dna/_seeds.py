"""Seeds of DNA and sets of k-mers, as machine code. Imported only when it runs.

A seed is a spaced word: `mask` says which bases of a window of `span` count. Masks are palindromes, so that the
reverse complement of a seed is the seed of the reverse complement, and one key serves both strands. An index is a
sorted array of `key << 32 | offset`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled
from ..types import FloatArray, IntArray

Codes = NDArray[np.uint8]
Index = NDArray[np.uint64]


@compiled
def _key(forward: Any, backward: Any, mask: Any, both: bool) -> Any:
    word = forward & mask
    if both:
        word = min(word, backward & mask)
    return (word * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)


@compiled
def seeds(codes: Codes, bounds: IntArray, span: int, mask: Any, both: bool, low: int, high: int, out: Index) -> int:
    """Return how many seeds have a key in [low, high), having written them, in order, to `out` as far as they fit.

    A seed never spans two sequences or a letter other than A, C, G, T.
    """
    full = np.uint64((1 << (2 * span)) - 1) if span < 32 else ~np.uint64(0)
    top, two = np.uint64(2 * (span - 1)), np.uint64(2)
    from_, to = np.uint64(low), np.uint64(high)
    n = 0
    for row in range(len(bounds) - 1):
        forward = backward = np.uint64(0)
        valid = 0
        for at in range(bounds[row], bounds[row + 1]):
            code = codes[at]
            if code > 3:
                valid = 0
                continue
            forward = ((forward << two) | np.uint64(code)) & full
            backward = (backward >> two) | (np.uint64(3 - code) << top)
            valid += 1
            if valid >= span:
                key = _key(forward, backward, mask, both)
                if from_ <= key < to:
                    if n < len(out):
                        out[n] = (key << np.uint64(32)) | np.uint64(at - span + 1)
                    n += 1
    return n


@compiled
def overlap(
    codes: Codes, bounds: IntArray, rows: IntArray, others: IntArray, k: int, both: bool, limit: int
) -> tuple[FloatArray, FloatArray]:
    """Return the Jaccard index and the containment of the k-mer sets of each pair of rows; 0 where a row has none."""
    jaccard, containment = np.zeros(len(rows)), np.zeros(len(rows))
    mask = np.uint64((1 << (2 * k)) - 1) if k < 32 else ~np.uint64(0)
    longest = 0
    for i in range(len(rows)):
        longest = max(longest, bounds[rows[i] + 1] - bounds[rows[i]], bounds[others[i] + 1] - bounds[others[i]])
    x, y = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    for i in range(len(rows)):
        a = np.unique(x[: seeds(codes, bounds[rows[i] : rows[i] + 2], k, mask, both, 0, limit, x)] >> np.uint64(32))
        b = np.unique(y[: seeds(codes, bounds[others[i] : others[i] + 2], k, mask, both, 0, limit, y)] >> np.uint64(32))
        if len(a) == 0 or len(b) == 0:
            continue
        at = np.searchsorted(b, a)
        shared = 0
        for j in range(len(a)):
            shared += at[j] < len(b) and b[at[j]] == a[j]
        jaccard[i] = shared / (len(a) + len(b) - shared)
        containment[i] = shared / min(len(a), len(b))
    return jaccard, containment
