"""Peaks of a genome, which are positives alone, with negatives made of the same genome."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..digests import digest
from ..dna.fasta import Bases
from ..dna.sequence import reverse_complement
from ..dna.shuffle import shuffle_dinucleotides
from ..errors import ConfigError, DataError
from ..progress import activity
from ..text import Strings
from ..types import Examples, Inputs, IntArray, Intervals, strings
from .bed import check_base, read_places, table_columns
from .cleaning import Cleaning
from .ids import distinct_ids
from .intervals import find_contig, loci, read_genome, windows
from .negatives import NEGATIVES, REACH, Negatives, Rule, draw_negatives, spans
from .source import Check, Source

log = logging.getLogger(__name__)

_ONLY_ORDER = 8
"""Shuffles that are all the peak itself, after which it is taken to have no other order."""


class TooFewNegatives(DataError):
    """Some peaks have no negative of the kind that is asked for."""


@dataclass(frozen=True)
class Drawn:
    """The windows of all peaks, and the starts (n, ratio) of their negatives, -1 where there are none.

    `outside` (n,) says which windows extend beyond their contig. `shuffles` are the negatives in the order of the rows
    of `starts` that have them, where they are shuffles.
    """

    at: Intervals
    outside: NDArray[np.bool_]
    starts: IntArray
    shuffles: tuple[str, ...] = ()

    @property
    def lacking(self) -> IntArray:
        """The peaks without all of their negatives."""
        return np.flatnonzero((self.starts < 0).any(axis=1))


@dataclass(frozen=True, kw_only=True)
class Peaks(Source):
    """The intervals of a BED file or table as the last class, and `ratio` negatives for each of them as the first.

    `negatives` = 'gc_matched' draws free windows with the peak's share of G and C within `gc_tolerance` and, where the
    genome has lower case, its share of that within `repeat_tolerance`; 'flanking' takes the nearest free windows at
    least `distance` bp away, 'random' any; 'shuffled' shuffles the peak, with the same dinucleotides in the same
    numbers. A free window lies on the peak's chromosome, is as wide, and overlaps no peak, no other negative and no
    letter other than A, C, G and T. `width` re-centres all windows to that many bp. A negative has the strand, group
    and cluster of its peak; overlapping peaks share theirs. A peak without its negatives is refused, or, with
    `unmatched` = 'leave_out', left out and counted in the log. `position_base`, `stranded` and `sheet` are those of BED
    cards.
    """

    FILES: ClassVar[tuple[str, ...]] = ("genome", "peaks")

    genome: str = field(kw_only=False)
    peaks: str = field(kw_only=False)
    negatives: Negatives
    ratio: int = 1
    width: int = 0
    gc_tolerance: float = 0.02
    repeat_tolerance: float = 0.1
    distance: int = 1000
    unmatched: Literal["refuse", "leave_out"] = "refuse"
    position_base: int = 0
    stranded: bool = True
    sheet: str = ""
    seed: int = 0

    def __call__(self, check: Check | None = None) -> Examples:
        """Return each peak followed by its negatives. Raises DataError, naming file and row, for what cannot be used.

        Raises TooFewNegatives where peaks lack negatives and are not to be left out.
        """
        if len(self.classes) != 2 or self.kind != "classification":
            raise ConfigError(
                f'{self.peaks}: peaks and their negatives need kind = "classification" and two classes, the peaks last'
            )
        genome = read_genome(self.genome, upper=False)
        drawn = self.draw(genome)
        self._account(drawn)
        kept = np.setdiff1d(np.arange(len(drawn.starts)), drawn.lacking)
        owner = np.repeat(kept, 1 + self.ratio)
        start = np.column_stack([drawn.at.start, drawn.starts])[kept].ravel()
        at = replace(drawn.at.take(owner), start=start, end=start + (drawn.at.end - drawn.at.start)[owner])
        cleaning = Cleaning(self.peaks, "window")
        cleaning.add(windows(genome, at, source=self.peaks))
        sequences: Strings
        sequences, lower = cleaning.finish()
        is_peak = np.arange(len(owner)) % (1 + self.ratio) == 0
        ids = [f"{c}:{s}-{e}({d})" for c, s, e, d in zip(at.chrom, at.start, at.end, at.strand, strict=True)]
        if drawn.shuffles:
            ids = [name if peak else f"{name}:shuffled" for name, peak in zip(ids, is_peak, strict=True)]
            sequences = _with_shuffles(sequences, is_peak, drawn.shuffles)
        groups = loci(drawn.at)[owner]
        examples = Examples(
            ids=distinct_ids(ids),
            inputs=Inputs(sequences),
            targets=is_peak.astype(np.int64),
            groups=groups,
            clusters=groups,
            intervals=at,
            soft_masked=lower,
            left_out={"without negatives": len(drawn.lacking)} if len(drawn.lacking) else {},
        )
        if check:
            check(examples)
        return examples

    def draw(self, genome: Mapping[str, Bases] | None = None) -> Drawn:
        """Return the windows of all peaks and their negatives, without their sequences.

        Raises ConfigError naming the key, or DataError naming the row of a peak that the genome does not have.
        """
        self._check_keys()
        check_base(self.peaks, self.position_base)
        genome = genome or read_genome(self.genome, upper=False)
        places = read_places(
            table_columns(self.peaks, sheet=self.sheet),
            self.peaks,
            position_base=self.position_base,
            stranded=self.stranded,
        )
        at = places
        if self.width:
            first = (places.start + places.end) // 2 - self.width // 2
            at = replace(places, start=first, end=first + self.width)
        starts = np.full((len(at.chrom), self.ratio), -1, np.int64)
        outside = np.zeros(len(starts), bool)
        advance = activity("drawing negatives", len(starts))
        shuffles: dict[int, list[str]] = {}
        for contig, rows in self._by_contig(genome, at):
            self._check_places(places, rows, len(contig))
            outside[rows] = (at.start[rows] < 0) | (at.end[rows] > len(contig))
            inside = rows[~outside[rows]]
            rng = np.random.default_rng(int(digest("negatives", str(self.seed), at.chrom[rows[0]]), 16))
            if self.negatives == "shuffled":
                for i in inside:
                    sequence = contig[at.start[i] : at.end[i]].upper()
                    shuffles[int(i)] = self._shuffled(
                        reverse_complement(sequence) if at.strand[i] == "-" else sequence, rng
                    )
                alike = [bool(shuffles[i]) for i in inside]
                starts[inside[alike]] = at.start[inside[alike], None]
            elif len(inside):
                letters = np.frombuffer(contig[0 : len(contig)].encode("ascii"), np.uint8)
                rule = Rule(self.negatives, self.distance, self.gc_tolerance, self.repeat_tolerance)
                start, end = (np.repeat(side[inside], self.ratio) for side in (at.start, at.end))
                every = spans(places.start[rows], places.end[rows])
                starts[inside] = draw_negatives(letters, start, end, every, rule, rng).reshape(-1, self.ratio)
            advance(len(rows))
        return Drawn(at, outside, starts, tuple(text for i in sorted(shuffles) for text in shuffles[i]))

    def _check_keys(self) -> None:
        if self.negatives not in NEGATIVES:
            raise ConfigError(f"{self.peaks}: negatives = {self.negatives!r}; expected one of {', '.join(NEGATIVES)}")
        least = {"ratio": 1, "width": 0, "gc_tolerance": 0, "repeat_tolerance": 0, "distance": 0, "seed": 0}
        for key, lowest in least.items():
            if getattr(self, key) < lowest:
                raise ConfigError(f"{self.peaks}: {key} = {getattr(self, key)}; expected {lowest} or more")

    def _check_places(self, places: Intervals, rows: IntArray, length: int) -> None:
        """Raise DataError for the first peak beyond its contig, which tells of another assembly."""
        beyond = rows[places.end[rows] > length]
        if len(beyond):
            i = int(beyond[0])
            place = f"{places.chrom[i]}:{places.start[i]}-{places.end[i]}"
            raise DataError(
                f"{self.peaks}: row {i + 1}: {place} is outside the contig of {length} bp; is this the assembly of "
                "the peaks?"
            )

    def _by_contig(self, genome: Mapping[str, Bases], at: Intervals) -> Iterator[tuple[Bases, IntArray]]:
        """Return each contig with the rows on it, also where the file has two names for it."""
        names, first, of_row = np.unique(at.chrom.astype(str), return_index=True, return_inverse=True)
        contigs = [find_contig(genome, str(n), f"{self.peaks}: row {i + 1}") for n, i in zip(names, first, strict=True)]
        numbers: dict[int, int] = {}
        number = np.array([numbers.setdefault(id(contig), len(numbers)) for contig in contigs])
        order = np.argsort(number[of_row], kind="stable")
        rows = np.split(order, np.flatnonzero(np.diff(number[of_row][order])) + 1)
        known = {id(contig): contig for contig in contigs}
        return zip(known.values(), rows, strict=True)

    def _shuffled(self, sequence: str, rng: np.random.Generator) -> list[str]:
        """Return the shuffles of a peak, none where its dinucleotides have one order alone."""
        out: list[str] = []
        for _ in range(self.ratio + _ONLY_ORDER):
            shuffle = shuffle_dinucleotides(sequence, rng)
            out += [shuffle] if shuffle != sequence else []
            if len(out) == self.ratio:
                return out
        return []

    def _account(self, drawn: Drawn) -> None:
        """Log the peaks without negatives. Raises TooFewNegatives where they are not to be left out, or are all."""
        lost, outside = drawn.lacking, int(drawn.outside.sum())
        if not len(lost):
            return
        free = "a free window" if self.ratio == 1 else f"{self.ratio} free windows"
        what = {
            "gc_matched": f"without {free} like them in GC and lower case on their chromosome",
            "flanking": f"without {free} within {REACH} widths",
            "random": f"without {free} on their chromosome",
            "shuffled": "whose dinucleotides have no other order",
        }[self.negatives]
        counted = f"{len(lost) - outside:,} {what}" if len(lost) > outside else ""
        beyond = f"{outside:,} with a window beyond the contig's end" if outside else ""
        i = int(lost[0])
        message = (
            f"{self.peaks}: no negatives for {len(lost):,} of {len(drawn.starts):,} peaks: "
            f"{', '.join(filter(None, (counted, beyond)))}; the first is row {i + 1}, "
            f"{drawn.at.chrom[i]}:{drawn.at.start[i]}-{drawn.at.end[i]}"
        )
        if self.unmatched == "leave_out" and len(lost) < len(drawn.starts):
            log.warning("%s; they are left out", message)
            return
        room = "lower width or ratio" if self.ratio > 1 else "lower width"
        relax = {
            "gc_matched": f"raise gc_tolerance ({self.gc_tolerance:g}) or repeat_tolerance "
            f'({self.repeat_tolerance:g}), {room}, or take negatives = "flanking" or "shuffled"',
            "flanking": f'lower distance ({self.distance}), {room}, or take negatives = "random" or "shuffled"',
            "random": f'{room}, or take negatives = "shuffled"',
            "shuffled": 'take negatives = "gc_matched"',
        }[self.negatives]
        raise TooFewNegatives(f'{message}; {relax}; unmatched = "leave_out" goes on without them')


def _with_shuffles(sequences: Strings, is_peak: NDArray[np.bool_], shuffles: tuple[str, ...]) -> Strings:
    """Return the sequences with the shuffles in place of what is no peak."""
    out = strings(list(sequences))
    out[~is_peak] = strings(shuffles)
    return out
