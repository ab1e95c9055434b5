"""How well a sequence resembles a splice site: the maximum-entropy models of Yeo & Burge 2004.

The models are tables that may not be shipped with baserate: they are read from the package maxentpy, if installed.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baserate.baselines._linear import LinearBaseline
from baserate.baselines._onehot import aligned_codes
from baserate.dna.kmers import OTHER, encode
from baserate.errors import DataError, MissingExtra, NotApplicable
from baserate.registry import baseline
from baserate.sources.sequences import package_file
from baserate.types import Exposure, FloatArray, Inputs, IntArray, Strings

DONOR, ACCEPTOR = (3, 6), (20, 3)
"""Bases before and after the boundary that each model reads: 3 of the exon and 6 of the intron, or 20 and 3."""

INSTALL = "`pip install git+https://github.com/kepbod/maxentpy`"

_BACKGROUND = np.array([0.27, 0.23, 0.23, 0.27])
_GT = np.array([[0.004, 0.0032, 0.9896, 0.0032], [0.0034, 0.0039, 0.0042, 0.9884]]) / _BACKGROUND
_AG = np.array([[0.9903, 0.0032, 0.0034, 0.0030], [0.0027, 0.0037, 0.9905, 0.0030]]) / _BACKGROUND
"""Odds of the two fixed intron bases, (2, 4): the constants of the published programs score5.pl and score3.pl."""

_FACTORS = (((0, 7), 1), ((7, 14), 1), ((14, 21), 1), ((4, 11), 1), ((11, 18), 1))
_OVERLAPS = (((4, 7), -1), ((7, 11), -1), ((11, 14), -1), ((14, 18), -1))
_PARTS = (*_FACTORS, *_OVERLAPS)
"""The columns, of the 21 around AG, that each acceptor table reads, and whether it multiplies or (overlaps) divides."""


@functools.cache
def tables() -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Return the donor's probability ratios by its 7 free bases, (4**7,), and the nine tables of the acceptor.

    Raises MissingExtra, with the command that installs it, where maxentpy is missing, and DataError for files other
    than those of its version 0.0.3.
    """
    try:
        donor, acceptor = (package_file(f"maxentpy:maxentpy/data/score{end}_matrix.txt") for end in (5, 3))
    except MissingExtra as error:
        raise MissingExtra(f"maxentscan needs the tables of the package 'maxentpy': {INSTALL}") from error
    return read_donor_table(donor), read_acceptor_tables(acceptor)


def read_donor_table(path: Path) -> FloatArray:
    """Return the ratios in a file of lines `SEVENMER RATIO`, in alphabetical order, (4**7,)."""
    out = np.full(4**7, np.nan)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            word, ratio = line.split()
            codes, _ = encode(np.array([word], dtype=object))
            out[_numbers(codes[None], 0, 7)] = float(ratio)
        except (ValueError, IndexError):
            raise DataError(f"{path}: line {number}: expected seven bases and a number, found {line[:40]!r}") from None
    return _complete(out, path, "the donor's table")


def read_acceptor_tables(path: Path) -> tuple[FloatArray, ...]:
    """Return the nine tables in a file of lines `TABLE WORD RATIO`, a word being the number that its bases spell."""
    arrays = [np.full(4 ** (stop - start), np.nan) for (start, stop), _ in _PARTS]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            table, word, ratio = line.split()
            arrays[int(table)][int(word)] = float(ratio)
        except (ValueError, IndexError):
            raise DataError(f"{path}: line {number}: expected table, word and number, found {line[:40]!r}") from None
    return tuple(_complete(table, path, f"acceptor table {i}") for i, table in enumerate(arrays))


def donor_scores(codes: NDArray[np.uint8], table: FloatArray) -> FloatArray:
    """Return score5 (log2 odds) of every 9 bases in each row of `codes` (n, width): (n, width - 8).

    It is -inf where a base is unknown. Column j is for the boundary before base j + 3.
    """
    sites = np.lib.stride_tricks.sliding_window_view(codes, sum(DONOR), axis=1)
    free = np.delete(sites, (3, 4), axis=2)
    odds = np.log2(table)[_numbers(free, 0, 7)] + _fixed(sites[..., 3:5], _GT)
    return np.where((sites < OTHER).all(axis=2), odds, -np.inf)


def acceptor_scores(codes: NDArray[np.uint8], parts: tuple[FloatArray, ...]) -> FloatArray:
    """Return score3 (log2 odds) of every 23 bases in each row of `codes` (n, width): (n, width - 22).

    It is -inf where a base is unknown. Column j is for the boundary before base j + 20.
    """
    sites = np.lib.stride_tricks.sliding_window_view(codes, sum(ACCEPTOR), axis=1)
    free = np.delete(sites, (18, 19), axis=2)
    odds = _fixed(sites[..., 18:20], _AG)
    for table, ((start, stop), sign) in zip(parts, _PARTS, strict=True):
        odds = odds + sign * np.log2(table)[_numbers(free, start, stop)]
    return np.where((sites < OTHER).all(axis=2), odds, -np.inf)


def best_scores(sequences: Strings, *, reach: int | None) -> FloatArray:
    """Return the best donor and the best acceptor score of each sequence, (n, 2), on the strand as written.

    They are the best over the boundaries within `reach` bases of the centre (base `len // 2` is the first after it), or
    over all with None; 0, the log odds of no information, where no boundary can be scored.
    """
    out = np.zeros((len(sequences), 2))
    lengths = np.array([len(s) for s in sequences])
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for block in np.array_split(rows, 1 + len(rows) * int(length) // 200_000):
            codes = aligned_codes(sequences[block], int(length))
            out[block] = _best(codes, length // 2, reach=length if reach is None else reach)
    return out


def _best(codes: NDArray[np.uint8], centre: int, *, reach: int) -> FloatArray:
    """Return the best scores, (n, 2), at the boundaries from `centre` - `reach` to `centre` + `reach`."""
    donor, acceptor = tables()
    out = np.zeros((len(codes), 2))
    for column, (before, after) in enumerate((DONOR, ACCEPTOR)):
        near = codes[:, max(0, centre - reach - before) : centre + reach + after]
        if near.shape[1] >= before + after:
            scores = donor_scores(near, donor) if column == 0 else acceptor_scores(near, acceptor)
            best = scores.max(axis=1)
            out[:, column] = np.where(np.isfinite(best), best, 0.0)
    return out


class MaxEntScan(LinearBaseline):
    """A linear model of the best donor and acceptor scores at the centre; untrained, their change in the window."""

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return the best score5 plus the best score3 in ALT minus the same in REF, (n,), on the strand as written."""
        if inputs.alternates is None:
            raise NotApplicable("maxentscan scores variants without training; these inputs have no alternate sequences")
        change: FloatArray = (
            best_scores(inputs.alternates, reach=None) - best_scores(inputs.sequences, reach=None)
        ).sum(axis=1)
        return change


def _numbers(codes: NDArray[np.uint8], start: int, stop: int) -> IntArray:
    """Return the number that columns start..stop of the last axis spell, with unknown bases read as A."""
    word: IntArray = np.zeros(codes.shape[:-1], np.int64)
    for column in range(start, stop):
        word = word * 4 + codes[..., column] % OTHER
    return word


def _fixed(pair: NDArray[np.uint8], odds: FloatArray) -> FloatArray:
    first, second = (pair[..., i] % OTHER for i in (0, 1))
    total: FloatArray = np.log2(odds[0][first]) + np.log2(odds[1][second])
    return total


def _complete(table: FloatArray, path: Path, what: str) -> FloatArray:
    if np.isnan(table).any():
        raise DataError(f"{path}: {what} lacks {int(np.isnan(table).sum())} of {len(table)} words; reinstall maxentpy")
    return table


@baseline(
    "maxentscan",
    version=1,
    modes={"from_scratch": {}, "zero_shot": {"rule": "native"}},
    description="A linear model of the best MaxEntScan donor and acceptor score (score5, score3) within `reach` bases "
    "of the centre, on the strand as written. Zero-shot, for variants: the change of both over the whole window.",
    pretraining=(Exposure("splice sites of 1,821 human transcripts", "Homo sapiens", "", ()),),
    citation="Yeo & Burge 2004, J Comput Biol 11:377",
)
def load(*, reach: int = 0) -> MaxEntScan:
    """Return the splice-site baseline; with `reach` 0 the sites are aligned at the centre. Raises MissingExtra."""
    tables()
    return MaxEntScan(lambda train: functools.partial(best_scores, reach=reach))
