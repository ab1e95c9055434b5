"""Similar sequences: the nearest relative of a sequence, and the similar pairs and clusters of a set.

The similarity of two sequences is matches / max(columns, coverage * shorter length) of the best local alignment found:
the share of identical bases in the aligned part, which counts as at least `coverage` (by default half) of the shorter
sequence. So .8 may mean that half of the shorter one is 80 % identical to the other, and 1 that half of it or more is
identical. N and other letters match nothing. Both strands are compared.

Alignments start from seeds, spaced words of 8 to 16 bases that both sequences have, and may leave the seed's diagonal
by 256 bases; a match scores 2, a mismatch -3, a gapped base -4, and an alignment ends where its score has fallen by 32.
Pairs without a common seed are not found, so similarities are lower bounds: see `docs/decisions/0010-similarity.md`.
Sequences that are identical, on either strand, are always found, whatever their length or letters.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..digests import digest
from ..errors import ConfigError
from ..progress import activity
from ..types import FloatArray, IntArray, strings
from .kmers import encode
from .sequence import reverse_complement

COVERAGE = 0.5
CAP = 64
"""References with a seed of a query that are considered; of more, the first."""
LINKS = 8
"""Sequences with a common seed that a sequence is compared with; of more, the next."""
TRIES = 8
BLOCK = 1 << 24
"""Seeds that are sorted at once: 128 MiB."""
WORDS = 4096
"""Average number of seeds per sequence; long sequences are sampled by hash."""

_MASKS = {
    1 << 16: "111010010111",
    1 << 20: "11101011010111",
    1 << 23: "111010110011010111",
    1 << 27: "11110101100110101111",
    1 << 60: "111100110101101011001111",
}
"""The mask of the seeds by the largest total of bases: among fewer bases, lighter seeds match by chance as rarely."""
_KEYS = 1 << 32


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The best reference of each query; the arrays are (n,).

    `index` is -1 where none was found, and everything else is then 0. `identity` is matches / columns of the alignment,
    `coverage` columns / length of the shorter, `strand` 1 or -1. `jaccard` and `containment` are of the sets of
    canonical k-mers: shared / union, and shared / the smaller set.
    `capped` counts the seeds with too many references to consider all.
    """

    index: IntArray
    similarity: FloatArray
    identity: FloatArray
    coverage: FloatArray
    jaccard: FloatArray
    containment: FloatArray
    strand: IntArray
    capped: int = 0


def distinct(sequences: Any, *, both_strands: bool = True) -> IntArray:
    """Return for each sequence the first row with the same sequence, on either strand."""
    first: dict[str, int] = {}
    rows = np.empty(len(sequences), np.int64)
    for i, sequence in enumerate(sequences):
        text = min(sequence, reverse_complement(sequence)) if both_strands else sequence
        rows[i] = first.setdefault(digest(text), i)
    return rows


def nearest(
    queries: Any, references: Any, *, k: int = 16, coverage: float = COVERAGE, both_strands: bool = True
) -> Neighbours:
    """Return the most similar reference of each query; `k` is that of `jaccard` and `containment`."""
    from . import _alignment, _seeds

    check(coverage=coverage, k=k)
    n = len(queries)
    best, columns = np.zeros(n), np.zeros(n, np.int64)
    index, strand = np.full(n, -1), np.zeros(n, np.int64)
    advance = activity("comparing sequences", len(references) + n)
    capped = 0
    q_codes, q_bounds = encode(queries)
    for low, high in _chunks(references):
        r_codes, r_bounds = encode(references[low:high])
        codes, bounds = np.concatenate((q_codes, r_codes)), np.concatenate((q_bounds, q_bounds[-1] + r_bounds[1:]))
        weight, mask, limit = _plan(r_bounds)
        table = _indexed(r_codes, r_bounds, mask, both_strands, 0, limit) + np.uint64(q_bounds[-1])
        table.sort()
        query_seeds = _indexed(q_codes, q_bounds, mask, both_strands, 0, limit)
        matched = np.full(n, -1)
        capped += _alignment.best_matches(
            codes,
            bounds,
            n,
            query_seeds,
            table,
            len(mask),
            _bits(mask),
            weight,
            coverage,
            CAP,
            TRIES,
            best,
            columns,
            matched,
            strand,
        )
        index = np.where(matched >= 0, matched + low, index)
        advance(high - low)
    _exact(queries, references, both_strands, best, columns, index, strand)
    hit = np.flatnonzero(index >= 0)
    used, other = np.unique(index[hit], return_inverse=True)
    codes, bounds = encode(strings([*(queries[i] for i in hit), *(references[i] for i in used)]))
    rows, others = np.arange(len(hit)), len(hit) + other
    shorter, long = np.minimum(np.diff(bounds)[rows], np.diff(bounds)[others]), np.maximum(columns[hit], 1)
    identity, covered, jaccard, containment = np.zeros((4, n))
    identity[hit] = np.minimum(best[hit] * np.maximum(columns[hit], coverage * shorter) / long, 1)
    covered[hit] = np.minimum(columns[hit] / np.maximum(shorter, 1), 1)
    jaccard[hit], containment[hit] = _seeds.overlap(codes, bounds, rows, others, k, both_strands, _key_limit(bounds))
    advance(n)
    return Neighbours(index, best, identity, covered, jaccard, containment, strand, int(capped))


def clusters(sequences: Any, *, threshold: float, coverage: float = COVERAGE, both_strands: bool = True) -> IntArray:
    """Return the cluster of each sequence (n,), numbered from 0 in order of appearance.

    Clusters are the connected components over pairs whose similarity is at least `threshold` (single linkage).
    """
    first = distinct(sequences, both_strands=both_strands)
    parent = first.copy()
    for a, b in _relatives(sequences, first, threshold, coverage, both_strands):
        x, y = sorted((_root(parent, int(a)), _root(parent, int(b))))
        parent[y] = x
    roots = np.array([_root(parent, i) for i in range(len(parent))], np.int64)
    return np.asarray(np.unique(roots, return_inverse=True)[1].astype(np.int64))


def _relatives(sequences: Any, first: IntArray, threshold: float, coverage: float, both: bool) -> IntArray:
    """Return pairs of similar sequences (m, 2) that join all which are linked, without those that are the same."""
    from . import _alignment

    check(threshold=threshold, coverage=coverage)
    distinct_rows = np.flatnonzero(first == np.arange(len(first)))
    codes, bounds = encode(strings([sequences[i] for i in distinct_rows]))
    weight, mask, limit = _plan(bounds)
    blocks = max(1, -(-len(codes) * limit // (_KEYS * BLOCK)))
    advance = activity("comparing sequences", len(first))
    parent = np.arange(len(distinct_rows))
    seen = np.full(1 << 22, np.iinfo(np.uint64).max, np.uint64)
    rows = [np.empty((0, 2), np.int64)]
    of_rows = _indexed(codes, bounds, mask, both, 0, limit // blocks)
    starts = np.searchsorted(of_rows & np.uint64(_KEYS - 1), bounds.astype(np.uint64))
    keys = of_rows >> np.uint64(32)
    for a, b in pairwise(starts):
        keys[a:b].sort()
    rate = limit / blocks / _KEYS
    beyond = LINKS if limit == _KEYS else 1  # long sequences share repeats, and have enough other seeds
    edges = [limit * i // blocks for i in range(blocks + 1)]
    for i, (low, high) in enumerate(pairwise(edges)):
        index = _indexed(codes, bounds, mask, both, low, high)
        index.sort()
        shape = (codes, bounds, index, len(mask), _bits(mask), weight, threshold, coverage, LINKS, beyond)
        rows.append(distinct_rows[_alignment.relatives(*shape, parent, seen, keys, starts, rate)])
        advance(len(first) * (i + 1) // blocks - len(first) * i // blocks)
    return np.concatenate(rows)


def _exact(
    queries: Any, references: Any, both: bool, best: FloatArray, columns: IntArray, index: IntArray, strand: IntArray
) -> None:
    """Set each query's match to the first identical reference, where there is one."""
    first: dict[str, int] = {}
    for i, text in enumerate(references):
        first.setdefault(digest(min(text, reverse_complement(text)) if both else text), i)
    for i, text in enumerate(queries):
        at = first.get(digest(min(text, reverse_complement(text)) if both else text), -1)
        if at >= 0:
            best[i], columns[i], index[i] = 1.0, len(text), at
            strand[i] = 1 if references[at] == text else -1


def _chunks(references: Any) -> list[tuple[int, int]]:
    """Return the row ranges of about BLOCK seeds each."""
    lengths = np.array([len(s) for s in references], np.int64)
    seeds = np.minimum(lengths.cumsum(), np.arange(1, len(lengths) + 1) * WORDS)
    cuts = np.unique(np.searchsorted(seeds, np.arange(BLOCK, (seeds[-1] if len(seeds) else 0) + BLOCK, BLOCK)))
    edges = [0, *(int(c) for c in cuts if 0 < c < len(lengths)), len(lengths)]
    return list(pairwise(edges))


def _plan(bounds: IntArray) -> tuple[int, str, int]:
    """Return the weight of the seeds, their mask, and the key below which seeds are kept."""
    limit = _key_limit(bounds)
    mask = next(mask for most, mask in _MASKS.items() if bounds[-1] <= most)
    return mask.count("1"), mask, limit


def _key_limit(bounds: IntArray) -> int:
    """Return the key below which seeds are kept, so that sequences have at most WORDS of them on average."""
    return min(_KEYS, WORDS * (len(bounds) - 1) * _KEYS // max(int(bounds[-1]), 1))


def _indexed(
    codes: NDArray[np.uint8], bounds: IntArray, mask: str, both: bool, low: int, high: int
) -> NDArray[np.uint64]:
    from . import _seeds

    arguments = (codes, bounds, len(mask), _bits(mask), both, low, high)
    out = np.empty(_seeds.seeds(*arguments, np.empty(0, np.uint64)), np.uint64)
    _seeds.seeds(*arguments, out)
    return out


def _bits(mask: str) -> np.uint64:
    """Return the mask over 2-bit bases."""
    return np.uint64(int("".join(c * 2 for c in mask), 2))


def _root(parent: IntArray, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = int(parent[row])
    return row


def check(*, coverage: float = COVERAGE, threshold: float = 1.0, k: int = 16) -> None:
    """Raise ConfigError for a threshold, a coverage or a k out of range."""
    if not 0 < coverage <= 1:
        raise ConfigError(f"coverage is {coverage!r}; expected a share above 0, up to 1, of the shorter sequence")
    if not 0.5 <= threshold <= 1:
        raise ConfigError(f"threshold is {threshold!r}; expected a similarity from 0.5 to 1")
    if not 1 <= k <= 32:
        raise ConfigError(f"k is {k}; expected 1 to 32")
