"""Pretraining corpora: which DNA is sampled, with what weight, and batches that depend only on (seed, step)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, nearest
from ..sources.sequences import read_sequences
from ..types import Exposure

Codes = NDArray[np.uint8]
"""Bases as A, C, G, T = 0..3 and anything else = 4."""

UNKNOWN = 4
_CODE = np.full(256, UNKNOWN, np.uint8)
_CODE[np.frombuffer(b"ACGT", np.uint8)] = _CODE[np.frombuffer(b"acgt", np.uint8)] = np.arange(4)
_REGION = re.compile(r"(?P<name>.+):(?P<start>\d+)-(?P<end>\d+)")
_INTERVAL_NAME = re.compile(r"(?P<name>[^:]+):(?P<start>\d+)-(?P<end>\d+)\([+-]\).*")

CHUNK = 20_000
"""How many consecutive bases are held out together, so that a held-out window does not overlap one trained on."""

MAX_UNKNOWN = 0.1
"""The share of unknown bases above which a window is drawn again."""


@dataclass(frozen=True)
class Corpus:
    """One source of DNA: a file as for `read_sequences`, and which of its contigs or regions may be seen.

    `include` has contig names or glob patterns, and regions `NAME:START-END` (0-based half-open), which select a
    slice of the contig called NAME, or whole contigs that are themselves named as intervals inside the region.
    """

    name: str
    fasta: str
    include: tuple[str, ...]
    weight: float
    species: str
    assembly: str
    level: Literal["train", "homologous"] = "train"

    @property
    def exposure(self) -> Exposure:
        """What a model card records about this corpus."""
        return Exposure(self.name, self.species, self.assembly, self.include, self.level)


@dataclass(frozen=True, eq=False)
class Spans:
    """A corpus as bases: `train` pieces to draw windows from, and held-out `valid` windows (n, length).

    `repeats` says of each base of each piece of `train` whether it is soft-masked; empty where that was not asked for.
    """

    name: str
    weight: float
    train: tuple[Codes, ...]
    valid: Codes
    repeats: tuple[NDArray[np.bool_], ...] = ()

    @property
    def n_train(self) -> int:
        """The number of bases to draw windows from."""
        return sum(map(len, self.train))


def select(sequences: Mapping[str, str], corpus: Corpus) -> dict[str, str]:
    """Return the included sequences by region. Raises ConfigError for a pattern that selects nothing."""
    chosen: dict[str, str] = {}
    for pattern in corpus.include:
        selected = {name: s for name, s in sequences.items() if fnmatchcase(name, pattern)}
        region = None if selected else _REGION.fullmatch(pattern)
        if region:
            start, end = int(region["start"]), int(region["end"])
            if region["name"] in sequences:
                selected = {
                    pattern: _slice(sequences[region["name"]], start, end, f"corpus {corpus.name!r}: {pattern}")
                }
            for name, sequence in sequences.items():
                inside = _INTERVAL_NAME.fullmatch(name)
                if inside and inside["name"] == region["name"]:
                    if start <= int(inside["start"]) and int(inside["end"]) <= end:
                        selected[name] = sequence
        if not selected:
            near = nearest(pattern, sequences)
            advice = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(list(sequences)[:5])}, ..."
            raise ConfigError(f"corpus {corpus.name!r}: {pattern!r} selects nothing in {corpus.fasta}; {advice}")
        chosen |= selected
    return chosen


def load(
    corpus: Corpus,
    *,
    length: int,
    valid_fraction: float,
    n_valid: int,
    seed: int,
    shortest: int | None = None,
    repeats: bool = False,
) -> Spans:
    """Return the corpus as spans, of which at most `n_valid` windows of `length` bases are held out.

    Chunks of 20 kb are held out at random. Pieces of less than `shortest` bases, by default `length`, are left out.
    With `repeats` it is known which bases are soft-masked. Raises DataError where nothing is left to train on.
    """
    shortest = length if shortest is None else shortest
    rng = np.random.default_rng([seed, len(corpus.name), *corpus.name.encode()])
    train: list[Codes] = []
    held_out: list[Codes] = []
    masked: list[NDArray[np.bool_]] = []
    for sequence in select(read_sequences(corpus.fasta, upper=not repeats), corpus).values():
        letters = np.frombuffer(sequence.encode("ascii"), np.uint8)
        codes = _CODE[letters]
        edges = np.arange(0, len(codes), CHUNK)
        out = rng.random(len(edges)) < valid_fraction
        cuts = np.flatnonzero(np.diff(out)) + 1
        for first, last in zip([0, *cuts], [*cuts, len(edges)], strict=True):
            piece = slice(edges[first], edges[first] + (last - first) * CHUNK)
            if out[first]:
                held_out.append(codes[piece])
            elif len(codes[piece]) >= shortest:
                train.append(codes[piece])
                if repeats:
                    masked.append(letters[piece] >= ord("a"))
    if not train:
        raise DataError(f"corpus {corpus.name!r}: no included region is as long as a window of {shortest} bases")
    windows = [piece[: len(piece) // length * length].reshape(-1, length) for piece in held_out]
    valid = np.concatenate([np.empty((0, length), np.uint8), *windows])
    valid = valid[(valid == UNKNOWN).mean(axis=1) <= MAX_UNKNOWN]
    valid = valid[np.sort(rng.permutation(len(valid))[:n_valid])]
    return Spans(corpus.name, corpus.weight, tuple(train), valid, tuple(masked))


def complement(codes: Codes) -> Codes:
    """Return the complementary bases, not reversed."""
    return np.where(codes < UNKNOWN, 3 - codes, codes).astype(np.uint8)


def _slice(sequence: str, start: int, end: int, where: str) -> str:
    if not 0 <= start < end <= len(sequence):
        raise ConfigError(f"{where} lies outside the contig, which has {len(sequence)} bases")
    return sequence[start:end]
