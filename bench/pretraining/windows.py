"""Rows of tokens to train on: windows drawn from corpora, from both strands, packed so that no row has padding."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..networks.token_tables import Encoded, KmerTokens, OverlappingTokens, Tokens
from ..networks.tokens import SubwordTokens
from ..types import FloatArray, IntArray
from .corpus import MAX_UNKNOWN, UNKNOWN, Codes, Spans, complement

_SPARE = 1.3
"""How many times the bases of its tokens a window of byte pairs is drawn with, as these are longer in some places."""

_LETTERS = np.frombuffer(b"ACGTN", np.uint8)


@dataclass(frozen=True, eq=False)
class TokenRows:
    """Rows of tokens, all (n, t): ids, how many bases each spells anew (0 for specials), and its weight in the loss."""

    ids: IntArray
    bases: IntArray
    weights: FloatArray


def on_disk(spans: Spans) -> Spans:
    """Return the spans with their training pieces in a memory map of a file that vanishes with the process.

    Raises DataError where the folder of temporary files has no room.
    """
    try:
        with tempfile.TemporaryFile() as file:
            for piece in (*spans.train, *spans.repeats):
                file.write(piece.tobytes())
            file.flush()
            whole = np.memmap(file, np.uint8, "r")
    except OSError as error:
        raise DataError(
            f"{tempfile.gettempdir()}: corpus {spans.name!r} cannot be written there ({error}); set TMPDIR to a folder "
            f"with {(spans.n_train >> 20) + 1} MB"
        ) from error
    edges = np.cumsum([0, *(len(piece) for piece in (*spans.train, *spans.repeats))])
    parts = [whole[a:b] for a, b in itertools.pairwise(edges)]
    n = len(spans.train)
    return replace(spans, train=tuple(parts[:n]), repeats=tuple(part.view(np.bool_) for part in parts[n:]))


class Windows:
    """Draws rows of `crop` tokens and the special ones: corpora by their weights, places uniformly, strands alike.

    Where a contig ends before its row does, the row goes on with the next draw, behind the tokenizer's special tokens.
    Tokens are those that the tokenizer gives when the model is used. Soft-masked bases weigh `repeat_weight`.
    """

    def __init__(self, spans: Sequence[Spans], tokens: Tokens, *, crop: int, repeat_weight: float = 1.0) -> None:
        self.tokens = tokens
        self.length = crop + tokens.n_special
        self._spans = list(spans)
        self._repeat_weight = repeat_weight
        self._bases = bases_for(tokens, crop)
        weights = np.array([s.weight for s in spans])
        self._shares = weights / weights.sum()
        self._starts = [np.cumsum([_places(len(piece), self._bases) for piece in s.train]) for s in spans]

    def draw(self, rng: np.random.Generator, n: int) -> TokenRows:
        """Return n rows."""
        drawn = [self._row(rng, int(which)) for which in rng.choice(len(self._spans), size=n, p=self._shares)]
        ids, bases, weights = (np.stack(column) for column in zip(*drawn, strict=True))
        return TokenRows(ids, bases, weights)

    def _row(self, rng: np.random.Generator, which: int) -> tuple[IntArray, IntArray, FloatArray]:
        parts: list[tuple[IntArray, IntArray, FloatArray]] = []
        room, suffix = self.length, self.tokens.suffix
        while room > 0:
            parts.append(self._piece(rng, which, room))
            room -= len(parts[-1][0])
        ids, bases, weights = (np.concatenate(column)[: self.length] for column in zip(*parts, strict=True))
        if len(suffix):
            ids[-len(suffix) :], bases[-len(suffix) :] = suffix, 0
        return ids, bases, weights

    def _piece(self, rng: np.random.Generator, which: int, room: int) -> tuple[IntArray, IntArray, FloatArray]:
        codes, repeats = self._window(rng, which)
        if rng.random() < 0.5:
            codes, repeats = complement(codes[::-1]), repeats[::-1]
        if isinstance(self.tokens, KmerTokens):
            codes = codes[: _with_tail(len(codes), room - self.tokens.n_special, self.tokens.k, rng)]
        encoded = self.tokens.encode([text(codes)])[0]
        weights = np.ones(len(encoded.ids))
        if self._repeat_weight != 1.0:
            masked = np.concatenate([[0], np.cumsum(repeats[: len(codes)])])
            length = np.maximum(encoded.ends - encoded.starts, 1)
            share = (masked[encoded.ends] - masked[encoded.starts]) / length
            weights = 1.0 - share * (1.0 - self._repeat_weight)
        return encoded.ids, new_bases(encoded, self.tokens), weights

    def _window(self, rng: np.random.Generator, which: int) -> tuple[Codes, NDArray[np.bool_]]:
        spans, starts, length = self._spans[which], self._starts[which], self._bases
        for _ in range(1000):
            at = int(rng.integers(starts[-1]))
            piece = int(np.searchsorted(starts, at, side="right"))
            codes = spans.train[piece]
            offset = at - (int(starts[piece - 1]) if piece else 0) if len(codes) >= length else 0
            window = slice(offset, offset + length)
            if np.count_nonzero(codes[window] == UNKNOWN) <= MAX_UNKNOWN * len(codes[window]):
                repeats = spans.repeats[piece][window] if spans.repeats else np.zeros(0, np.bool_)
                return codes[window], repeats
        raise DataError(f"corpus {spans.name!r}: 1000 windows drawn, each with more than 10% unknown bases")


def bases_for(tokens: Tokens, n: int) -> int:
    """Return how many bases spell n tokens, or nearly always more."""
    if isinstance(tokens, KmerTokens):
        return n * tokens.k
    if isinstance(tokens, OverlappingTokens):
        return n + tokens.k - 1
    if isinstance(tokens, SubwordTokens):
        return int(n * tokens.bases_per_token * _SPARE) + 1
    return n


def new_bases(encoded: Encoded, tokens: Tokens) -> IntArray:
    """Return how many bases each token (t,) spells that the one before does not: with overlapping k-mers, one."""
    spelled = encoded.ends - encoded.starts
    return np.minimum(spelled, 1) if isinstance(tokens, OverlappingTokens) else spelled


def text(codes: Codes) -> str:
    """Return the bases as letters, N for what is unknown."""
    return _LETTERS[codes].tobytes().decode()


def _places(length: int, window: int) -> int:
    """Return how many places a piece counts for: those where a window may begin, or its bases where it is shorter."""
    return length - window + 1 if length >= window else length


def _with_tail(n: int, room: int, k: int, rng: np.random.Generator) -> int:
    """Return how many of n bases to take so that a row ends in 0 to k - 1 single bases, as most sequences do."""
    tail = int(rng.integers(k))
    return min(n, max(1, (room - tail) * k + tail)) if room > tail else n
