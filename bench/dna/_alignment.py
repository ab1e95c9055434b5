"""Alignments through a shared seed, and searches that use them, as machine code. Imported only when it runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiled import compiled
from ..types import FloatArray, IntArray
from ._seeds import Codes, Index

_BAND = 256
"""Bases by which an alignment may stray from the diagonal of its seed."""

_NEAR = 16
"""Diagonals within this many bases of one another count as one."""

_DROP = 16
"""An extension ends where its score has fallen this far below its best."""

_UNGAPPED, _ENOUGH = 4, 40
"""Score that a seed's ungapped extension must add to the seed's weight, and largest total needed, to try gaps."""


@compiled
def _same_strand(codes: Codes, a: int, b: int, span: int, mask: Any) -> bool:
    """Return whether the seeds at offsets a and b are equal as they stand, rather than as reverse complements."""
    for i in range(span):
        if (mask >> np.uint64(2 * i)) & np.uint64(1) and codes[a + span - 1 - i] != codes[b + span - 1 - i]:
            return False
    return True


@compiled
def _ungapped(codes: Codes, a: int, b: int, sign: int, left_a: int, left_b: int, way: int) -> int:
    """Return the best score of a run of bases from (a, b) on, `way` being the direction in which a is read."""
    score = best = 0
    for i in range(min(left_a, left_b)):
        x, y = codes[a + way * i], codes[b + way * sign * i]
        if sign < 0 and y < 4:
            y = 3 - y
        score += 1 if x < 4 and x == y else -1
        if score > best:
            best = score
        elif score < best - _DROP:
            break
    return best


@compiled
def _gapped(codes: Codes, a: int, b: int, sign: int, left_a: int, left_b: int, way: int, work: IntArray) -> Any:
    """Return matches and columns of the best alignment that starts at (a, b), by the greedy method for DNA.

    `far[k]` is the most bases of a that `d` differences can use on diagonal k; from there, bases are passed while they
    match (Zhang, Schwartz, Wagner and Miller 2000, J Comput Biol 7:203).
    """
    far, gaps, before, gaps_before = work[0], work[1], work[2], work[3]
    low = high = _BAND + 1  # of diagonals in reach; diagonal k is column k + _BAND + 1
    far[:] = -1
    before[:] = -1
    far[low], gaps[low] = 0, 0
    d = best = matches = columns = 0
    while True:
        first, last = 2 * _BAND + 3, -1
        for c in range(low, high + 1):
            i, g, k = far[c], gaps[c], c - _BAND - 1
            if d:
                i, g = before[c] + 1 if before[c] >= 0 else -1, gaps_before[c]
                if before[c + 1] >= 0 and before[c + 1] + 1 > i:
                    i, g = before[c + 1] + 1, gaps_before[c + 1] + 1
                if before[c - 1] > i:
                    i, g = before[c - 1], gaps_before[c - 1] + 1
            j = i + k
            if i < 0 or j < 0 or i > left_a or j > left_b or i + j - 5 * d < best - 2 * _DROP:
                far[c] = -1
                continue
            while i < left_a and j < left_b:
                x, y = codes[a + way * i], codes[b + way * sign * j]
                if sign < 0 and y < 4:
                    y = 3 - y
                if x > 3 or x != y:
                    break
                i += 1
                j += 1
            far[c], gaps[c] = i, g
            first, last = min(first, c), max(last, c)
            if i + j - 5 * d > best:  # 2 matches - 3 mismatches - 4 gapped bases
                best, columns = i + j - 5 * d, (i + j + g) // 2
                matches = columns - d
        if last < 0:
            return matches, columns
        for c in range(low, high + 1):
            before[c], gaps_before[c] = far[c], gaps[c]
        before[low - 1] = before[high + 1] = -1
        low, high, d = max(first - 1, 1), min(last + 1, 2 * _BAND + 1), d + 1
        before[low - 1] = before[high + 1] = -1


@compiled
def align(
    codes: Codes,
    bounds: IntArray,
    row_a: int,
    row_b: int,
    a: int,
    b: int,
    span: int,
    same: bool,
    least: int,
    buffer: IntArray,
) -> tuple[Any, Any]:
    """Return matches and columns of the alignment of two rows through the seed at offsets a and b; 0 for none.

    The seed is anchored at its first base as row a reads it, and extended both ways, with gaps only where it scores
    at least `least` (matches less mismatches) without them.
    """
    start_a, end_a, start_b, end_b = bounds[row_a], bounds[row_a + 1], bounds[row_b], bounds[row_b + 1]
    if same:
        sign, at, ahead, behind = 1, b, end_b - b, b - start_b
    else:
        sign, at = -1, b + span - 1
        ahead, behind = at - start_b + 1, end_b - 1 - at
    best = _ungapped(codes, a, at, sign, end_a - a, ahead, 1)
    best += _ungapped(codes, a - 1, at - sign, sign, a - start_a, behind, -1)
    if best < min(least, min(end_a - start_a, end_b - start_b) - _UNGAPPED):
        return 0, 0
    right = _gapped(codes, a, at, sign, end_a - a, ahead, 1, buffer)
    left = _gapped(codes, a - 1, at - sign, sign, a - start_a, behind, -1, buffer)
    return right[0] + left[0], right[1] + left[1]


@compiled
def _root(parent: IntArray, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@compiled
def _shared(keys: Index, starts: IntArray, row_a: int, row_b: int) -> int:
    """Return how many keys two rows share; those of each row are sorted."""
    i, j, n = starts[row_a], starts[row_b], 0
    while i < starts[row_a + 1] and j < starts[row_b + 1]:
        if keys[i] == keys[j]:
            n += 1
            i += 1
            j += 1
        elif keys[i] < keys[j]:
            i += 1
        else:
            j += 1
    return n


@compiled
def relatives(
    codes: Codes,
    bounds: IntArray,
    index: Index,
    span: int,
    mask: Any,
    weight: int,
    threshold: float,
    coverage: float,
    cap: int,
    beyond: int,
    parent: IntArray,
    seen: Index,
    keys: Index,
    starts: IntArray,
    rate: float,
) -> IntArray:
    """Return the pairs of rows (m, 2) that the seeds of `index` found.

    Each row with a seed is compared with the next `cap` rows that have it, or the next `beyond` where more have it, but
    only where `parent` does not join them yet. `seen` is a lossy memory of what
    was compared. `keys` has the sorted seeds of each row from `starts[row]` on, the fraction `rate` of all. Two rows
    that share less than a third of the seeds expected at `threshold` are not aligned.
    """
    intact = rate * threshold**weight / 3
    pairs = np.empty((1024, 2), np.int64)
    buffer = np.empty((4, 2 * _BAND + 3), np.int64)
    offsets, rows = np.empty(1024, np.int64), np.empty(1024, np.int64)
    slots = np.uint64(len(seen) - 1)
    n = at = 0
    while at < len(index):
        key = index[at] >> np.uint64(32)
        end = at + 1
        while end < len(index) and index[end] >> np.uint64(32) == key:
            end += 1
        if end - at == 1:
            at = end
            continue
        if end - at > len(offsets):
            offsets, rows = np.empty(2 * (end - at), np.int64), np.empty(2 * (end - at), np.int64)
        m = 0
        for e in range(at, end):
            offset = np.int64(index[e] & np.uint64(0xFFFFFFFF))
            row = np.searchsorted(bounds, offset, side="right") - 1
            if m == 0 or rows[m - 1] != row:
                offsets[m], rows[m] = offset, row
                m += 1
        at = end
        reach = cap if m <= cap + 1 else beyond
        for i in range(m):
            for j in range(i + 1, min(m, i + 1 + reach)):
                ra, rb = rows[i], rows[j]
                if _root(parent, ra) == _root(parent, rb):
                    continue
                a, b = offsets[i], offsets[j]
                same = _same_strand(codes, a, b, span, mask)
                diagonal = (b - bounds[rb]) - (a - bounds[ra]) if same else (b - bounds[rb]) + (a - bounds[ra])
                pair = (np.uint64(ra) << np.uint64(32)) | np.uint64(rb)
                tag = pair * np.uint64(0x9E3779B97F4A7C15)
                where = tag ^ (np.uint64((diagonal + (1 << 40)) // _NEAR * 2 + same) * np.uint64(0xD6E8FEB86659FD93))
                tag >>= np.uint64(32)
                slot, near = tag & slots, (where >> np.uint64(32)) & slots
                if seen[slot] == pair or seen[near] == where:
                    continue
                shorter = min(bounds[ra + 1] - bounds[ra], bounds[rb + 1] - bounds[rb])
                if _shared(keys, starts, ra, rb) < int(intact * (coverage * shorter - span)):
                    seen[slot] = pair
                    continue
                expected = int(
                    (2 * threshold - 1) * coverage * shorter / 4
                )  # what a relative scores before its first gap
                least = max(weight + _UNGAPPED, min(_ENOUGH, expected))
                matches, columns = align(codes, bounds, ra, rb, a, b, span, same, least, buffer)
                similarity = matches / max(columns, coverage * shorter)
                if similarity < threshold:
                    seen[near] = where
                    continue
                seen[slot] = pair
                if n == len(pairs):
                    pairs = np.concatenate((pairs, pairs))
                pairs[n, 0], pairs[n, 1] = ra, rb
                n += 1
                parent[_root(parent, rb)] = _root(parent, ra)
    return pairs[:n]


@compiled
def best_matches(
    codes: Codes,
    bounds: IntArray,
    first: int,
    queries: Index,
    index: Index,
    span: int,
    mask: Any,
    weight: int,
    coverage: float,
    cap: int,
    tries: int,
    best: FloatArray,
    columns_of: IntArray,
    index_of: IntArray,
    strand_of: IntArray,
) -> int:
    """Return how many seeds of queries were capped, having written each query's best reference to the last four arrays.

    Rows from `first` on are references; `queries` are the seeds of the rows before, in order of their offsets. Only
    the first `cap` references of a seed count. The `tries` references that share most seeds are aligned, each on the
    diagonal with most of them, through the first of `tries` seeds that gives an alignment.
    """
    buffer = np.empty((4, 2 * _BAND + 3), np.int64)
    counts = np.zeros(len(bounds), np.int64)
    touched = np.empty(len(bounds), np.int64)
    hit_q, hit_r, hit_row = np.empty(4096, np.int64), np.empty(4096, np.int64), np.empty(4096, np.int64)
    hit_line = np.empty(4096, np.int64)
    shift, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    # Where in the index the keys of each of 2**20 equal ranges begin.
    steps = np.searchsorted(index, np.arange((1 << 20) + 1).astype(np.uint64) << np.uint64(44))
    capped = q = 0
    for row in range(first):
        hits = n_touched = 0
        while q < len(queries) and np.int64(queries[q] & low) < bounds[row + 1]:
            key, a = queries[q] >> shift, np.int64(queries[q] & low)
            q += 1
            bucket = key >> np.uint64(12)
            at = steps[bucket] + np.searchsorted(index[steps[bucket] : steps[bucket + np.uint64(1)]], key << shift)
            before = hits
            while at < len(index) and index[at] >> shift == key:
                if hits - before == cap:
                    capped += 1
                    break
                if hits == len(hit_q):
                    hit_q, hit_r = np.concatenate((hit_q, hit_q)), np.concatenate((hit_r, hit_r))
                    hit_row, hit_line = np.concatenate((hit_row, hit_row)), np.concatenate((hit_line, hit_line))
                b = np.int64(index[at] & low)
                other = np.searchsorted(bounds, b, side="right") - 1
                at += 1
                same = _same_strand(codes, a, b, span, mask)
                line = (b - bounds[other]) - (a - bounds[row]) if same else (b - bounds[other]) + (a - bounds[row])
                hit_q[hits], hit_r[hits], hit_row[hits] = a, b, other
                hit_line[hits] = (line + (1 << 40)) // _NEAR * 2 + same
                hits += 1
                if counts[other] == 0:
                    touched[n_touched] = other
                    n_touched += 1
                counts[other] += 1
        for _ in range(min(tries, n_touched)):
            other, most = touched[0], 0
            for t in range(n_touched):
                if counts[touched[t]] > most:
                    other, most = touched[t], counts[touched[t]]
            if most == 0:
                break
            counts[other] = 0
            hits_of_other = np.flatnonzero(hit_row[:hits] == other)
            lines = np.sort(hit_line[hits_of_other])
            line, longest, length = lines[0], 0, 0
            for i in range(len(lines)):
                length = length + 1 if i and lines[i] == lines[i - 1] else 1
                if length > longest:
                    line, longest = lines[i], length
            left = tries  # a seed may match by chance, or where too little around it matches
            for h in hits_of_other:
                if hit_line[h] == line and left:
                    left -= 1
                    same = line % 2 == 1
                    least = weight + _UNGAPPED
                    matches, columns = align(codes, bounds, row, other, hit_q[h], hit_r[h], span, same, least, buffer)
                    if columns == 0:
                        continue
                    left = 0
                    shorter = min(bounds[row + 1] - bounds[row], bounds[other + 1] - bounds[other])
                    similarity = matches / max(columns, coverage * shorter)
                    if similarity > best[row] or (similarity == best[row] and columns > columns_of[row]):
                        best[row], columns_of[row] = similarity, columns
                        index_of[row], strand_of[row] = other - first, 1 if same else -1
        for t in range(n_touched):
            counts[touched[t]] = 0
    return capped
