"""Words of DNA as sparse columns: as they are, with a gap in the middle, on either strand, by where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from baserate.baselines._linear import Features, featurise
from baserate.dna.kmers import MAX_K, count_kmers, frequencies, kmer_features
from baserate.errors import ConfigError
from baserate.types import Inputs, IntArray, Strings, strings

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

HALF = 3
"""The bases on either side of the gap of a gapped word."""
MAX_GAP = MAX_K - 2 * HALF
PLACED_K = 4
"""The longest words that are counted by where they stand."""


@dataclass(frozen=True)
class Words:
    """Which words are counted: all of 1 to `max_k` bases, and beside these more on request.

    `gapped` is the widest gap, of any of A, C, G, T, between two halves of three bases: each gap from 1 to it has its
    own words. With `canonical` a word and its reverse complement are one. `positional` is the number of equal parts of
    a sequence in each of which words of up to 4 bases are counted once more; 1 counts none.
    """

    max_k: int
    gapped: int = 0
    canonical: bool = False
    positional: int = 1

    def __post_init__(self) -> None:
        """Raise ConfigError for what cannot be counted."""
        for name, value, low, high in (
            ("max_k", self.max_k, 1, MAX_K),
            ("gapped", self.gapped, 0, MAX_GAP),
            ("positional", self.positional, 1, 1000),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"{name} is {value!r}; expected a whole number from {low} to {high}")

    @property
    def plain(self) -> bool:
        """Whether these are all words of 1 to max_k bases and no others."""
        return not self.gapped and not self.canonical and self.positional == 1

    def blocks(self, sequences: Strings) -> Iterator[tuple[int, csr_matrix]]:
        """Yield the number of bases of a block's words, and their counts (n, columns)."""
        for k in range(1, self.max_k + 1):
            yield k, _folded(count_kmers(sequences, k), np.arange(4**k), k, canonical=self.canonical)
        for gap in range(1, self.gapped + 1):
            k = 2 * HALF + gap
            word = np.arange(4**k)
            ends = (word >> 2 * (HALF + gap) << 2 * HALF) | (word & (4**HALF - 1))
            yield 2 * HALF, _folded(count_kmers(sequences, k), ends, 2 * HALF, canonical=self.canonical)
        if self.positional > 1:
            for k in range(1, min(self.max_k, PLACED_K) + 1):
                pieces = count_kmers(_pieces(sequences, self.positional, k), k)
                words = _folded(pieces, np.arange(4**k), k, canonical=self.canonical)
                yield k, _side_by_side(words, self.positional)


def canonical_counts(sequences: Strings, k: int) -> csr_matrix:
    """Return the counts of words of `k` bases, CSR; a word and its reverse complement are one."""
    return _folded(count_kmers(sequences, k), np.arange(4**k), k, canonical=True)


def word_features(sequences: Strings, words: Words) -> Any:
    """Return the frequencies of the words, CSR float32; each block's row sums to 1, or to 0 without a word."""
    if words.plain:
        return kmer_features(sequences, range(1, words.max_k + 1))
    from scipy.sparse import hstack

    return hstack([frequencies(block) for _, block in words.blocks(sequences)], format="csr", dtype=np.float32)


def scaled_features(words: Words, train: Inputs) -> Features:
    """Return frequencies scaled so that the variances of a block of words of k bases sum to 2**k on train.

    Scaling each word by itself would give the rarest words most weight, and no scaling would give long words none.
    """
    x = featurise(train, lambda sequences: word_features(sequences, words))
    sizes = [(k, block.shape[1]) for k, block in words.blocks(strings([""]))]
    mean = np.asarray(x.mean(axis=0, dtype=np.float64)).ravel()
    variance = np.asarray(x.multiply(x).mean(axis=0, dtype=np.float64)).ravel() - mean**2
    totals = np.add.reduceat(variance, np.cumsum([0, *(n for _, n in sizes)])[:-1])
    factors = np.sqrt([2**k / total if total > 0 else 1.0 for (k, _), total in zip(sizes, totals, strict=True)])
    scale = np.repeat(factors, [n for _, n in sizes]).astype(np.float32)

    def features(sequences: Strings) -> Any:
        found = word_features(sequences, words)
        found.data *= scale[found.indices]
        return found

    return features


def _pieces(sequences: Strings, parts: int, k: int) -> Strings:
    """Return the parts of each sequence, (n * parts,), each with the k - 1 bases after it, in which its words end."""
    edges = [(i / parts, (i + 1) / parts) for i in range(parts)]
    return strings(
        [s[round(low * len(s)) : round(high * len(s)) + k - 1] for s in map(str, sequences) for low, high in edges]
    )


def _side_by_side(pieces: csr_matrix, parts: int) -> csr_matrix:
    """Return (n, parts * columns) of (n * parts, columns)."""
    from scipy.sparse import csr_matrix

    n, columns = pieces.shape[0] // parts, pieces.shape[1]
    part = np.repeat(np.arange(pieces.shape[0]) % parts, np.diff(pieces.indptr))
    return csr_matrix(
        (pieces.data, pieces.indices + part * columns, pieces.indptr[::parts]), shape=(n, parts * columns)
    )


def _reverse_complement(words: IntArray, k: int) -> IntArray:
    """Return the reverse complement of words of k bases, written in base 4."""
    left, out = words.copy(), np.zeros_like(words)
    for _ in range(k):
        out = out << 2 | 3 - (left & 3)
        left >>= 2
    return out


def _folded(counts: csr_matrix, of_column: IntArray, k: int, *, canonical: bool) -> csr_matrix:
    """Return the counts, columns of one word of `k` bases added up; it and its reverse complement if `canonical`."""
    if canonical:
        of_column = np.minimum(of_column, _reverse_complement(of_column, k))
    elif len(of_column) == 4**k:
        return counts
    from scipy.sparse import csr_matrix

    words, column = np.unique(of_column, return_inverse=True)
    folded = csr_matrix(
        (counts.data, column[counts.indices].astype(counts.indices.dtype), counts.indptr),
        shape=(counts.shape[0], len(words)),
    )
    folded.sum_duplicates()
    return folded
