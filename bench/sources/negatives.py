"""Windows of a contig that are not peaks: drawn at random, near their peak, or alike in GC and repeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, IntArray

Negatives = Literal["gc_matched", "shuffled", "flanking", "random"]
NEGATIVES: tuple[Negatives, ...] = ("gc_matched", "shuffled", "flanking", "random")
"""How negatives are made of peaks and their genome."""

Letters = NDArray[np.uint8]

REACH = 100
"""Widths of a window within which a flanking window is looked for, on either side."""
_AT_ONCE = 1 << 21
"""Windows that are looked at in a round, for all peaks together."""
_FEWEST, _SOME, _MOST = 64, 1 << 10, 1 << 17
"""Windows that are looked at for a peak: in a round at least, in the first pass at most, and in the second."""
_IN_ALL = 1 << 28
"""Windows that are looked at in the second pass, for all peaks together."""
_POOL = 1 << 22
"""Windows of a pool, at most."""
_DRAWS = 8
"""Draws for each window that may do, after which few are left unseen."""
_BLOCK = 256
"""Bases between two counts; what is counted in between fits a byte."""
_EDGE = 1e-9
"""What a difference of shares may be off by."""


def _kind(letters: str) -> NDArray[np.bool_]:
    return np.isin(np.arange(256), np.frombuffer(letters.encode(), np.uint8))


_BASE, _GC, _LOWER = _kind("ACGTacgt"), _kind("CGcg"), _kind("abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Rule:
    """What a negative has to be like.

    A flanking window is at least `distance` bp from its peak. A matched one has its peak's share of G and C within
    `gc_tolerance`, and its share of lower case within `repeat_tolerance`.
    """

    negatives: Negatives
    distance: int
    gc_tolerance: float
    repeat_tolerance: float


@dataclass(frozen=True)
class Spans:
    """Disjoint places on a contig, 0-based half-open, in order: `start` (n,) and `end` (n,)."""

    start: IntArray
    end: IntArray

    def free(self, start: IntArray, end: IntArray, length: int) -> NDArray[np.bool_]:
        """Return whether windows, in arrays of any shape, lie on a contig of `length` bp and overlap no place."""
        following = np.append(self.start, length)[np.searchsorted(self.end, start, side="right")]
        fits: NDArray[np.bool_] = (start >= 0) & (end <= np.minimum(following, length))
        return fits


def spans(start: IntArray, end: IntArray) -> Spans:
    """Return the places that the intervals cover; those that overlap or touch are one."""
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    first = np.ones(len(start), bool)
    first[1:] = start[1:] > reach[:-1]
    return Spans(start[first], reach[np.append(first[1:], True)[: len(start)]])


class Shares:
    """The share of letters of a kind in any window of a contig: counts up to every 256th base, and from there."""

    def __init__(self, letters: Letters, kind: NDArray[np.bool_]) -> None:
        rows = len(letters) // _BLOCK + 1
        marks = np.zeros(rows * _BLOCK, np.uint8)
        marks[: len(letters)] = kind[letters]
        blocks = marks.reshape(rows, _BLOCK)
        self._before = np.concatenate([[0], np.cumsum(blocks.sum(axis=1, dtype=np.int64))])
        self._from_there = (np.cumsum(blocks, axis=1, dtype=np.uint8) - blocks).ravel()

    def count(self, start: IntArray, end: IntArray) -> IntArray:
        """Return the number of such letters in windows, in arrays of any shape."""
        return self._up_to(end) - self._up_to(start)

    def share(self, start: IntArray, end: IntArray) -> FloatArray:
        """Return the share of such letters in windows, in arrays of any shape."""
        shares: FloatArray = self.count(start, end) / (end - start)
        return shares

    def _up_to(self, at: IntArray) -> IntArray:
        total: IntArray = self._before[at // _BLOCK] + self._from_there[at]
        return total


@dataclass(frozen=True)
class _Composition:
    """The letters of a contig of `length` bp that are known, G or C, and in lower case, if any is."""

    length: int
    known: Shares
    gc: Shares
    lower: Shares | None

    @classmethod
    def of(cls, letters: Letters) -> _Composition:
        lower = Shares(letters, _LOWER) if _LOWER[letters].any() else None
        return cls(len(letters), Shares(letters, _BASE), Shares(letters, _GC), lower)


@dataclass(frozen=True)
class _Candidates:
    """Windows that may do for each peak.

    `propose(rows, first, k)` gives for the peaks `rows` the starts (m, k) of windows number `first` to `first + k`, and
    how far each is from what is asked, 1 being the most. Once `limit` (n,) windows were no use, there are no more.
    """

    limit: IntArray
    propose: Callable[[IntArray, IntArray, int], tuple[IntArray, FloatArray]]


def draw_negatives(
    letters: Letters, start: IntArray, end: IntArray, peaks: Spans, rule: Rule, rng: np.random.Generator
) -> IntArray:
    """Return the start of a negative for each window of a peak (n,), -1 where there is none.

    A negative is as wide as its window. It overlaps no window, none of `peaks`, which are all peaks of the contig, no
    other negative, and no letter other than A, C, G and T.
    """
    gaps = np.flatnonzero(np.diff(_BASE[letters].astype(np.int8), prepend=1, append=1)).reshape(-1, 2)
    taken = spans(np.concatenate([peaks.start, start, gaps[:, 0]]), np.concatenate([peaks.end, end, gaps[:, 1]]))
    out = np.full(len(start), -1, np.int64)
    composition = _Composition.of(letters) if rule.negatives == "gc_matched" else None
    octave = np.floor(np.log2(end - start))
    for size in np.unique(octave)[::-1]:  # wide windows have the least choice
        for most in (_SOME, _MOST):  # what is taken by then is out of the second pool
            rows = np.flatnonzero((octave == size) & (out < 0))
            if not len(rows):
                continue
            if rule.negatives == "flanking":
                candidates = _beside(start[rows], end[rows], rule.distance, rng)
            else:
                pool = _pool(end[rows] - start[rows], taken, len(letters), rng)
                if composition is None:
                    candidates = _anywhere(start[rows], end[rows], pool, len(letters), rng)
                else:
                    candidates = _alike(start[rows], end[rows], pool, composition, rule, rng)
            most = min(most, max(_SOME, _IN_ALL // len(rows)))
            out[rows], taken = _draw(candidates, (end - start)[rows], most, taken, len(letters), rng)
    return out


def _draw(
    candidates: _Candidates, width: IntArray, most: int, taken: Spans, length: int, rng: np.random.Generator
) -> tuple[IntArray, Spans]:
    """Return the start of a window for each peak (n,), -1 where there is none, and the places then taken.

    About `most` windows are looked at for each peak that finds none.
    """
    limit = np.clip(candidates.limit, 1, most)
    out = np.full(len(width), -1, np.int64)
    tried = np.zeros(len(width), np.int64)
    waiting = rng.permutation(len(width))
    while len(waiting):
        fewest = int(tried[waiting].min())
        k = max(_FEWEST, fewest)  # few at first, so that peaks that are alike do not all choose the one best window
        rows = waiting[tried[waiting] == fewest][: max(1, _AT_ONCE // k)]
        starts, far = candidates.propose(rows, tried[rows], k)
        far[~taken.free(starts, starts + width[rows, None], length)] = np.inf
        best = far.argmin(axis=1)
        found = far[np.arange(len(rows)), best] <= 1
        chosen, wide = starts[np.arange(len(rows)), best], width[rows]
        accepted = np.flatnonzero(found)[_disjoint(chosen[found], wide[found])]
        out[rows[accepted]] = chosen[accepted]
        taken = spans(
            np.concatenate([taken.start, chosen[accepted]]),
            np.concatenate([taken.end, chosen[accepted] + wide[accepted]]),
        )
        tried[rows[~found]] += k
        waiting = waiting[(out[waiting] < 0) & (tried[waiting] < limit[waiting])]
    return out, taken


def _disjoint(start: IntArray, width: IntArray) -> list[int]:
    """Return the indices of windows that overlap none before them, from the left of the contig."""
    out, end = [], -1
    for i in np.argsort(start, kind="stable").tolist():
        if start[i] >= end:
            out.append(i)
            end = int(start[i] + width[i])
    return out


def _beside(start: IntArray, end: IntArray, distance: int, rng: np.random.Generator) -> _Candidates:
    """Return windows beside each peak, half a width apart, the nearest first, left and right in turn."""
    width, left_first = end - start, rng.integers(0, 2, len(start))

    def propose(rows: IntArray, first: IntArray, k: int) -> tuple[IntArray, FloatArray]:
        number = first[:, None] + np.arange(k)
        beyond = distance + number // 2 * np.maximum(1, width[rows, None] // 2)
        left = (number + left_first[rows, None]) % 2 == 1
        starts = np.where(left, start[rows, None] - beyond - width[rows, None], end[rows, None] + beyond)
        return starts, np.zeros(starts.shape)

    return _Candidates(np.full(len(start), 4 * REACH), propose)


def _pool(width: IntArray, taken: Spans, length: int, rng: np.random.Generator) -> IntArray:
    """Return the starts of free windows of the median width all over the contig, about a quarter of it apart."""
    wide = _median(width)
    step = max(1, wide // 4, length // _POOL)
    starts = np.arange(0, max(0, length - wide) + 1, step, dtype=np.int64)
    starts = np.minimum(starts + rng.integers(0, step, len(starts)), max(0, length - wide))
    free: IntArray = starts[taken.free(starts, starts + wide, length)]
    return free


def _anywhere(start: IntArray, end: IntArray, pool: IntArray, length: int, rng: np.random.Generator) -> _Candidates:
    """Return windows of all the contig in a random order."""
    none, every = np.zeros(len(start), np.int64), np.full(len(start), len(pool))
    return _from_pool(pool, end - start, none, every, length, lambda _, a, b: np.zeros(a.shape), rng)


def _alike(
    start: IntArray, end: IntArray, pool: IntArray, contig: _Composition, rule: Rule, rng: np.random.Generator
) -> _Candidates:
    """Return windows that are like each peak in GC and, where the contig has lower case, in its share."""
    gc, lower, wide = contig.gc, contig.lower, _median(end - start)
    own_gc = gc.count(start, end) / np.maximum(contig.known.count(start, end), 1)
    own_lower = None if lower is None else lower.share(start, end)
    share = gc.share(pool, pool + wide)
    order = np.argsort(share, kind="stable")
    low = np.searchsorted(share[order], own_gc - rule.gc_tolerance - _EDGE, side="left")
    high = np.searchsorted(share[order], own_gc + rule.gc_tolerance + _EDGE, side="right")

    def far(rows: IntArray, first: IntArray, last: IntArray) -> FloatArray:
        distance: FloatArray = np.abs(gc.share(first, last) - own_gc[rows, None]) / (rule.gc_tolerance + _EDGE)
        if lower is not None and own_lower is not None:
            repeats = np.abs(lower.share(first, last) - own_lower[rows, None]) / (rule.repeat_tolerance + _EDGE)
            distance = np.maximum(distance, repeats)
        return distance

    return _from_pool(pool[order], end - start, low, high, contig.length, far, rng)


def _from_pool(
    pool: IntArray,
    width: IntArray,
    low: IntArray,
    high: IntArray,
    length: int,
    far: Callable[[IntArray, IntArray, IntArray], FloatArray],
    rng: np.random.Generator,
) -> _Candidates:
    """Return candidates drawn from the windows `low` to `high` of the pool, around whose middle each peak's lie."""
    room, shift = high - low, (_median(width) - width) // 2

    def propose(rows: IntArray, first: IntArray, k: int) -> tuple[IntArray, FloatArray]:
        if not len(pool):
            return np.full((len(rows), k), -1), np.full((len(rows), k), np.inf)
        at = low[rows, None] + (rng.random((len(rows), k)) * room[rows, None]).astype(np.int64)
        starts = pool[np.minimum(at, len(pool) - 1)] + shift[rows, None]
        starts = np.clip(starts, 0, length - width[rows, None])
        return starts, far(rows, starts, starts + width[rows, None])

    return _Candidates(_DRAWS * room, propose)


def _median(width: IntArray) -> int:
    return int(np.median(width))
