"""Counts of k-mers as sparse matrices, fast enough that a k-mer baseline costs seconds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled
from ..errors import ConfigError, DataError
from ..text import Text
from ..types import IntArray, Strings

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_K = 10
OTHER = 4
"""The code of every letter that is not A, C, G or T."""

_CODES = np.full(256, OTHER, dtype=np.uint8)
for _code, _base in enumerate("ACGT"):
    _CODES[[ord(_base), ord(_base.lower())]] = _code

# The index of a word's only set bit: multiply it by a de Bruijn sequence and look the top six bits up.
_DE_BRUIJN = 0x03F79D71B4CB0A89
_BIT = np.zeros(64, dtype=np.int64)
for _i in range(64):
    _BIT[((_DE_BRUIJN << _i) & (2**64 - 1)) >> 58] = _i


def encode(sequences: Strings) -> tuple[NDArray[np.uint8], IntArray]:
    """Return all bases as one array of codes (A, C, G, T = 0..3, any other letter = 4) and the (n + 1,) row bounds.

    Sequence i is `codes[bounds[i]:bounds[i + 1]]`. Raises DataError for a letter that is not ASCII.
    """
    letters, bounds = _joined(sequences)
    return _CODES[letters], bounds


def _joined(sequences: Strings) -> tuple[NDArray[np.uint8], IntArray]:
    bounds = np.zeros(len(sequences) + 1, dtype=np.int64)
    if isinstance(sequences, Text):
        np.cumsum(sequences.lengths, out=bounds[1:])
        letters, at = np.empty(bounds[-1], dtype=np.uint8), 0
        for block, _ in sequences.letters():
            letters[at : at + len(block)] = block
            at += len(block)
        if not len(letters) or letters.max() < 128:
            return letters, bounds
    np.cumsum([len(s) for s in sequences], out=bounds[1:])
    try:
        text = "".join(sequences).encode("ascii")
    except UnicodeEncodeError as error:
        row = int(np.searchsorted(bounds, error.start, side="right")) - 1
        letter = error.object[error.start]
        raise DataError(f"row {row}: letter {letter!r} is not DNA; expected IUPAC letters") from None
    return np.frombuffer(text, dtype=np.uint8), bounds


def count_kmers(sequences: Strings, k: int) -> csr_matrix:
    """Return the counts of overlapping k-mers: a CSR matrix (n, 4**k) of int32 with columns in alphabetical order.

    A window with a letter other than A, C, G, T is not counted, so a sequence that is shorter than `k`, or all N, has
    an empty row. Raises ConfigError for `k` outside 1..10.
    """
    from scipy.sparse import csr_matrix

    if not 1 <= k <= MAX_K:
        raise ConfigError(f"k is {k}; expected 1 to {MAX_K}")
    letters, bounds = _joined(sequences)
    width = np.int32 if len(letters) < 2**31 else np.int64
    indptr = np.zeros(len(bounds), dtype=width)
    indices = np.empty(len(letters), dtype=width)
    counts = np.empty(len(letters), dtype=np.int32)
    n_entries = _compiled()(letters, bounds, k, indptr, indices, counts) if len(letters) else 0
    matrix = csr_matrix((len(sequences), 4**k), dtype=np.int32)
    # Set, not passed to the constructor, which would check the arrays once more.
    matrix.data, matrix.indices, matrix.indptr = counts[:n_entries], indices[:n_entries], indptr
    matrix.has_canonical_format = True
    return matrix


def kmer_features(sequences: Strings, ks: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> csr_matrix:
    """Return k-mer frequencies, (n, sum of 4**k) CSR float32; a row sums to 1 for each k, or to 0 without a k-mer."""
    from scipy.sparse import hstack

    return hstack([frequencies(count_kmers(sequences, k)) for k in ks], format="csr", dtype=np.float32)


def frequencies(counts: csr_matrix) -> csr_matrix:
    """Return the counts divided by the sum of their row, in place."""
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1).astype(np.float32)
    counts.data = counts.data / np.repeat(totals, np.diff(counts.indptr))
    return counts


def _count(
    letters: NDArray[np.uint8],
    bounds: IntArray,
    k: int,
    indptr: NDArray[Any],
    indices: NDArray[Any],
    counts: NDArray[np.int32],
) -> int:
    """Fill the three arrays of a CSR matrix, columns sorted, and return how many entries there are.

    A row's k-mers are marked in a bitmap whose set bits, read in order, are the sorted columns.
    """
    size = 1 << (2 * k)
    seen = np.zeros(size, dtype=np.int32)
    words = np.zeros((size + 63) // 64, dtype=np.uint64)
    mask = size - 1
    one, six_high = np.uint64(1), np.uint64(58)
    magic = np.uint64(_DE_BRUIJN)
    at = 0
    for row in range(len(bounds) - 1):
        kmer = 0
        valid = 0
        for position in range(bounds[row], bounds[row + 1]):
            code = _CODES[letters[position]]
            if code == 4:
                valid = 0
                continue
            kmer = ((kmer << 2) | code) & mask
            valid += 1
            if valid >= k:
                if seen[kmer] == 0:
                    words[kmer >> 6] |= one << np.uint64(kmer & 63)
                seen[kmer] += 1
        for word in range(len(words)):
            bits = words[word]
            if bits == 0:
                continue
            words[word] = 0
            while bits:
                low = bits & (~bits + one)
                column = (word << 6) + _BIT[(low * magic) >> six_high]
                indices[at] = column
                counts[at] = seen[column]
                seen[column] = 0
                at += 1
                bits ^= low
        indptr[row + 1] = at
    return at


@functools.cache
def _compiled() -> Callable[..., int]:
    """Return `_count` as machine code; numba is imported when k-mers are first counted."""
    return compiled(_count)
