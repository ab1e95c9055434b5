"""Sequences longer than the context: cut into chunks that overlap, and what is computed of chunks put together again.

The tokens are those of the whole sequence, so that k-mers stay in their frame and subwords are not split. A token that
stands in a chunk for its context alone spells nothing there: whatever counts tokens that spell bases counts each once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import ConfigError, DataError
from ..settings import WINDOW
from ..types import FloatArray, IntArray, Strings
from .token_tables import Encoded, Tokens

_LETTERS = 1 << 22
"""How many letters of sequences that are cut into chunks are in memory as tokens at a time."""


@dataclass(frozen=True)
class Reading:
    """How a sequence longer than `max_length` bases, by default the context, is read.

    By `window` it is cut on the side that `truncation` names, or read in chunks that share `overlap` bases with their
    neighbours, by default a quarter of a chunk. Raises ConfigError for a value that is neither.
    """

    max_length: int | None = None
    truncation: str = "both"
    window: str = "truncate"
    overlap: int | None = None

    def __post_init__(self) -> None:
        for name, setting in WINDOW.items():
            if fault := setting.fault(getattr(self, name)):
                raise ConfigError(f"{name} = {getattr(self, name)!r}: {fault}")


TRUNCATED = Reading()


@dataclass(frozen=True)
class Grid:
    """Where chunks lie: of `bases`, of which neighbours share at least `overlap`, each of at most `room` tokens.

    `bases` and the step from one to the next are multiples of `frame`. `causal` is whether a token counts in the chunk
    in which most stands on its left, else in the one in which it is most central.
    """

    bases: int
    overlap: int
    frame: int
    room: int | None
    causal: bool


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows (m) of tokens that a network reads for n sequences: one each, or the chunks of a long one side by side.

    `sizes` (n,) is how many rows each sequence has, `counts` (m,) how many tokens count in each row of a long one.
    """

    encoded: list[Encoded]
    sizes: IntArray
    counts: IntArray

    @property
    def owners(self) -> IntArray:
        """The sequence of each row (m,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def lengths(self) -> IntArray:
        """The number of tokens of each row (m,)."""
        return np.array([len(e.ids) for e in self.encoded], np.int64)

    def take(self, index: IntArray) -> Rows:
        """Return the rows of the sequences at `index`."""
        ends = np.cumsum(self.sizes)
        rows = np.array([row for i in index for row in range(ends[i] - self.sizes[i], ends[i])], np.int64)
        return Rows([self.encoded[row] for row in rows], self.sizes[index], self.counts[rows])

    def sums(self, values: Sequence[float] | FloatArray | IntArray) -> FloatArray:
        """Return the sum of the values (m,) over the rows of each sequence (n,)."""
        first = np.cumsum(self.sizes) - self.sizes
        totals: FloatArray = np.add.reduceat(np.asarray(values), first) if len(first) else np.empty(0)
        return totals

    def pooled(self, states: Tensor, pooling: str) -> Tensor:
        """Return the pooled states of the sequences (n, d), from those of the rows (m, d).

        They are those of all tokens that count, whatever their chunk, and for 'cls' the mean over the chunks.
        """
        if len(states) == len(self.sizes):
            return states
        sizes, counts = self.sizes.tolist(), torch.from_numpy(self.counts).to(states.device, states.dtype)
        return torch.stack(
            [_pooled(part, n, pooling) for part, n in zip(states.split(sizes), counts.split(sizes), strict=True)]
        )


def rows_of(parts: Sequence[Sequence[Encoded]], tokens: Tokens) -> Rows:
    """Return sequences as rows, from the chunks of each; a chunk of several in which no token counts is left out."""
    rows: list[Encoded] = []
    sizes, counts = np.ones(len(parts), np.int64), []
    for i, chunks in enumerate(parts):
        n = [1]
        if len(chunks) > 1:
            # Where no chunk has a token of A, C, G and T alone, those of other letters count, as they do in one row.
            known = [int(np.isin(e.ids[e.ends > e.starts], tokens.vocabulary.dna).sum()) for e in chunks]
            n = known if any(known) else [int((e.ends > e.starts).sum()) for e in chunks]
        rows += [e for e, k in zip(chunks, n, strict=True) if k]
        counts += [k for k in n if k]
        sizes[i] = sum(k > 0 for k in n)
    return Rows(rows, sizes, np.array(counts, np.int64))


def cut(e: Encoded, tokens: Tokens, grid: Grid) -> list[Encoded]:
    """Return the chunks of a sequence, in which each of its tokens counts once.

    The last ends with the sequence and is as long as the others. Neighbours share as many bases more than
    `grid.overlap` as it takes to leave no token out, and a chunk of more tokens than fit is cut further, by halves.
    Raises DataError where a token is longer than a chunk.
    """
    before, after = len(tokens.prefix), len(e.ids) - len(tokens.suffix)
    starts, ends = e.starts[before:after], e.ends[before:after]
    longest = int((ends - starts).max())
    # Without a token before the sequence the first of a chunk is not predicted, so that it counts in the one before.
    shared = int(grid.causal and not before)
    least = (1 + shared) * longest - 1

    def spans(start: int, stop: int, bases: int, overlap: int) -> Iterator[tuple[int, int]]:
        step = max(1, (bases - max(overlap, least)) // grid.frame) * grid.frame
        final = max(start, stop - bases)
        for at in [*range(start, final, step), final]:
            end = min(stop, at + bases)
            first, last = int(np.searchsorted(starts, at)), int(np.searchsorted(ends, end, side="right"))
            if grid.room is not None and last - first > grid.room and bases > 1:
                yield from spans(at, end, bases // 2, overlap // 2)
            else:
                yield first, last

    found: list[tuple[int, int]] = []
    for first, last in spans(0, int(ends[-1]), grid.bases, grid.overlap):
        if not found or last > found[-1][1]:  # else all of it is in the one before
            found.append((first, last))
    firsts, lasts = np.array(found, np.int64).T
    if (firsts[1:] > lasts[:-1] - shared).any() or lasts[-1] < len(starts):
        raise DataError(f"a token spells {longest} bases, too many for chunks of {grid.bases}; raise max_length")
    edges = [0, *(lasts[:-1] if grid.causal else (firsts[1:] + lasts[:-1]) // 2), len(starts)]
    out = []
    for (first, last), (low, high) in zip(found, itertools.pairwise(edges), strict=True):
        slots = np.r_[:before, before + first : before + last, after : len(e.ids)]
        own = (slots >= before + low) & (slots < before + high)
        out.append(Encoded(e.ids[slots], e.starts[slots], np.where(own, e.ends[slots], e.starts[slots])))
    return out


def portions(sequences: Sequence[str] | Strings, most: int, reading: Reading = TRUNCATED) -> Iterator[slice]:
    """Yield slices of at most `most` sequences; of those that are read in chunks, of no more than fit in memory."""
    start, letters = 0, 0
    for i, sequence in enumerate(sequences):
        # What is truncated takes no more tokens than fit the network.
        length = len(sequence) if reading.window == "chunk" else 0
        if i > start and (i - start == most or letters + length > _LETTERS):
            yield slice(start, i)
            start, letters = i, 0
        letters += length
    if len(sequences):
        yield slice(start, len(sequences))


def _pooled(states: Tensor, counts: Tensor, pooling: str) -> Tensor:
    if len(states) == 1 or pooling == "last":
        return states[-1]
    if pooling == "max":
        return states.amax(0)
    weights = counts / counts.sum() if pooling == "mean" else torch.full_like(counts, 1 / len(counts))
    return (weights[:, None] * states).sum(0)
