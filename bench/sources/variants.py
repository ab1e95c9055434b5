"""REF and ALT windows from a genome and a table of variants: VCF, or columns of any name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as field_
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..dna.fasta import Bases
from ..dna.sequence import reverse_complement
from ..errors import DataError
from ..types import Examples, Inputs, IntArray, Intervals, strings
from .alleles import read_alleles, shorten
from .bed import CHROM, column, field, joined, table_columns
from .collecting import TextCollector
from .ids import check_ids, ids_of_replicates
from .intervals import by_place, check_locus, find_contig, loci, read_genome, stretches
from .numbers import whole_number
from .replicates import Replicates, numbered, replicated
from .source import Check, Source
from .tables import first_changes
from .targets import WITHOUT, parse_targets, with_target

log = logging.getLogger(__name__)

_POSITION = ("pos", "position", "start", "chromstart")
_REF = ("ref", "reference", "ref_allele")
_ALT = ("alt", "alternate", "alt_allele")
_SAMPLED = 2000
"""Rows that are examined to tell why REF differs from the genome."""


@dataclass(frozen=True)
class Changes:
    """Variants as columns, (n,) each; `position` is 0-based."""

    chrom: Sequence[str]
    position: Sequence[int]
    ref: Sequence[str]
    alt: Sequence[str]


def variant_windows(
    genome: Mapping[str, Bases], changes: Changes, *, width: int, max_mismatch: float = 0.01, source: str = "variants"
) -> tuple[Inputs, Intervals, IntArray, dict[str, int]]:
    """Return the windows, their intervals, the rows (n,) that are kept, and how many are left out, by reason.

    Windows are `width` bp of REF centred on the variant; ALT keeps the left flank and has the length of REF where the
    genome allows, by adding or dropping bases on the right; where that would undo the change, ALT is longer or shorter.
    Left out and logged are rows without an ALT of bases, those with an allele that the window cannot hold
    between two flanks, and those whose REF differs from the genome. Raises DataError where no row is left, and for more
    than the fraction `max_mismatch` of the last, saying whether positions are off by one or alleles are on the other
    strand.
    """
    chrom, position = changes.chrom, changes.position
    alleles = read_alleles(changes.ref, changes.alt, source, width=width)
    refs, alts, reasons = alleles.refs, alleles.alts, alleles.reasons
    for row, (name, at, r) in enumerate(zip(chrom, position, refs, strict=True), 1):
        n = len(find_contig(genome, name, f"{source}: row {row}"))
        if not 0 <= at <= n - len(r):
            raise DataError(f"{source}: row {row}: {name}:{at + 1} is outside the contig of {n} bp")
    if reasons and all(reasons):
        raise DataError(f"{source}: no row is left: {'; '.join(alleles.left_out())}")
    for line in alleles.left_out():
        log.warning("%s: %s; these rows are left out", source, line)
    ref_windows, alt_windows = TextCollector(), TextCollector()
    starts, kept_rows = [], []
    wrong: list[int] = []
    for block in by_place(chrom, position, width=2 * width):
        pieces: dict[int, tuple[str, str, int]] = {}
        for row in block:
            if reasons[row]:
                continue
            made = _window(genome[chrom[row]], position[row], refs[row], alts[row], width)
            if made is None:
                wrong.append(row)
            else:
                pieces[row] = made
        ref_windows.add([pieces[row][0] for row in sorted(pieces)])
        alt_windows.add([pieces[row][1] for row in sorted(pieces)])
        for row in sorted(pieces):
            starts.append(pieces[row][2])
            kept_rows.append(row)
    if wrong:
        row = min(wrong)
        at, r = position[row], refs[row]
        found = genome[chrom[row]][at : at + len(r)]
        compared = len(wrong) + len(kept_rows)
        differs = (
            f"{source}: REF differs from the genome in {len(wrong)} of {compared} rows; the first: row {row + 1}, "
            f"{chrom[row]}:{at + 1}, has REF {shorten(r)} where the genome has {shorten(found)}"
        )
        if len(wrong) > max_mismatch * compared:
            why = _mismatch_reason(genome, chrom, position, refs) or "check the assembly and position_base"
            raise DataError(f"{differs}; more than {max_mismatch:.1%} is refused: {why}")
        log.warning("%s; these rows are left out", differs)
    rows = np.array(kept_rows, np.int64)
    begin = np.array(starts, np.int64)
    sequences, alternates = ref_windows.text(), alt_windows.text()
    at_ = Intervals(
        strings([chrom[i] for i in kept_rows]), begin, begin + sequences.lengths, strings(["+"] * len(kept_rows))
    )
    inputs = Inputs(sequences, alternates, first_changes(sequences, alternates, source))
    return inputs, at_, rows, alleles.counts() | ({"whose REF differs from the genome": len(wrong)} if wrong else {})


@dataclass(frozen=True, kw_only=True)
class Variants(Source):
    """One example for each row of a table of variants: a VCF, CSV, TSV, BED, Parquet or a spreadsheet.

    `chrom`, `position`, `ref` and `alt` name the columns; by default they are CHROM, POS, REF and ALT, or their usual
    other names, in any case and with or without a leading '#'. Positions are 1-based, or 0-based with `position_base` =
    0. In a VCF every other column may be a key of INFO, as KEY or INFO/KEY; a flag is '1', or '' where it is absent.
    Without `id` a variant is 'chrom:pos:ref>alt'; `id`, `group` and `cluster` may be several columns, joined by ':'.
    Without `group` variants whose windows overlap are one group. With `locus`, in place of `cluster`, the clusters are
    stretches of the contig of that many bp. `values` maps cells of `target` to other values, such
    as two names to one class. Rows whose `target` is among `leave_out`, such as variants of uncertain significance, are
    left out and counted, and with `drop_missing` those without a target ('.', empty, NA; infinite ones too of
    measurements). `replicates` are those of `Columns`, where a variant has several rows. `header` is the number of rows
    above the header of a spreadsheet, and `sheet` its sheet, by default the first. `width` and `max_mismatch` are those
    of `variant_windows`.
    """

    FILES: ClassVar[tuple[str, ...]] = ("genome", "variants")

    genome: str = field_(kw_only=False)
    variants: str = field_(kw_only=False)
    target: str | tuple[str, ...]
    width: int
    id: str | tuple[str, ...] = ""
    group: str | tuple[str, ...] = ""
    cluster: str | tuple[str, ...] = ""
    locus: int = 0
    strata: tuple[str, ...] = ()
    chrom: str = ""
    position: str = ""
    ref: str = ""
    alt: str = ""
    position_base: int = 1
    header: int = 0
    sheet: str = ""
    values: Mapping[str, str] = field_(default_factory=dict, hash=False)
    leave_out: tuple[str, ...] = ()
    drop_missing: bool = False
    replicates: Replicates = ""
    max_mismatch: float = 0.01

    def __post_init__(self) -> None:
        check_locus(self.cluster, self.locus)

    def __call__(self, check: Check | None = None) -> Examples:
        """Return the examples. Raises DataError as `variant_windows` and `table_examples` do."""
        table = table_columns(self.variants, header=self.header, sheet=self.sheet)
        changes = self._changes(table)
        rows, left_out = self._rows(table, changes)
        genome = read_genome(self.genome)
        inputs, at, keep, unplaced = variant_windows(
            genome, changes, width=self.width, max_mismatch=self.max_mismatch, source=self.variants
        )
        omitted = np.any([np.zeros(len(rows), bool), *left_out.values()], axis=0)
        stay = np.flatnonzero(~omitted[keep])
        if not len(stay):
            raise DataError(f"{self.variants}: no row is left that has both alleles in the window and a target")
        counts = unplaced | {reason: int(which[keep].sum()) for reason, which in left_out.items() if which[keep].any()}
        inputs, at, keep = inputs.take(stay), at.take(stay), keep[stay]
        examples = replace(self._placed(rows, inputs, at, keep), left_out=counts)
        if check and len(examples) < len(rows):  # rows that were left out have no window, but are in the table
            n = [len(genome[name]) for name in changes.chrom]
            begin = [_start(*row, self.width) for row in zip(n, changes.position, changes.ref, strict=True)]
            start = np.array(begin, np.int64)
            every = Intervals(strings(changes.chrom), start, np.minimum(start + self.width, n), strings(["+"] * len(n)))
            check(self._placed(rows, Inputs(strings(changes.ref)), every, np.arange(len(rows))))
        elif check:
            check(examples)
        return replicated(examples, self.replicates, kind=self.kind, where=self.variants)

    def _targets(self, table: Mapping[str, Sequence[str]]) -> tuple[list[list[str]], dict[str, NDArray[np.bool_]]]:
        """Return the columns of the target, and which rows (n,) are left out, by the reason.

        These have the value of another row, so that all can be read. Raises DataError where no row is left.
        """
        where = self.variants
        names = [self.target] if isinstance(self.target, str) else list(self.target)
        cells = [list(field(table, name, where)) for name in names]
        left_out = {}
        if self.leave_out:
            rows = np.array([any(v.strip() in self.leave_out for v in row) for row in zip(*cells, strict=True)], bool)
            if rows.all():
                raise DataError(f"{where}: leave_out = {list(self.leave_out)} leaves no row")
            log.info("%s: %d rows of %s are left out", where, int(rows.sum()), ", ".join(self.leave_out))
            first = int(rows.argmin())
            cells = [[values[first] if out else v for v, out in zip(values, rows, strict=True)] for values in cells]
            left_out["whose target is among leave_out"] = rows
        if self.drop_missing:
            cells, there = with_target(cells, kind=self.kind, reference=where, point=True)
            left_out[WITHOUT] = ~there & ~np.any([np.zeros(len(there), bool), *left_out.values()], axis=0)
        if self.values:
            cells = [[self.values.get(cell.strip(), cell) for cell in values] for values in cells]
        return cells, left_out

    def _changes(self, table: Mapping[str, Sequence[str]]) -> Changes:
        where = self.variants
        chrom, position = column(table, self.chrom, CHROM, where), column(table, self.position, _POSITION, where)
        ref, alt = column(table, self.ref, _REF, where), column(table, self.alt, _ALT, where)
        return Changes(chrom, _positions(position, where, self.position_base), ref, alt)

    def _rows(
        self, table: Mapping[str, Sequence[str]], changes: Changes
    ) -> tuple[Examples, dict[str, NDArray[np.bool_]]]:
        """Return all rows of the table, with REF as the sequence, and which to leave out: all that needs no genome."""
        where, target = self.variants, self.target
        cells, left_out = self._targets(table)
        position = column(table, self.position, _POSITION, where)
        places = zip(changes.chrom, position, changes.ref, changes.alt, strict=True)
        ids = variants = [f"{c}:{p}:{r}>{a}" for c, p, r, a in places]
        if self.id:
            # '.' is how a VCF says that there is no ID.
            given_ids = joined(table, self.id, where)
            ids = [place if name in ("", ".") else name for place, name in zip(ids, given_ids, strict=True)]
        names = strings(ids)
        if self.replicates in ("mean", "grouped"):
            names = ids_of_replicates(names, numbered(variants), where)
        else:
            mean = 'replicates = "mean" takes the mean of a variant\'s rows'
            several = mean if self.kind == "regression" else 'replicates = "grouped" keeps a variant\'s rows together'
            check_ids(names, where, advice=f"ids must be unique; {several}")
        none = strings([""] * len(ids))
        rows = Examples(
            ids=names,
            inputs=Inputs(strings(changes.ref)),
            targets=parse_targets(
                cells[0] if isinstance(target, str) else cells,
                kind=self.kind,
                classes=self.classes,
                reference=where,
                column=target,
            ),
            groups=strings(joined(table, self.group, where)) if self.group else none,
            clusters=strings(joined(table, self.cluster, where)) if self.cluster else none,
            strata={name: strings(field(table, name, where)) for name in self.strata},
        )
        return rows, left_out

    def _placed(self, rows: Examples, inputs: Inputs, at: Intervals, keep: IntArray) -> Examples:
        """Return the rows `keep` with their windows; without `group`, overlapping windows are one group."""
        groups = rows.groups[keep] if self.group else loci(at)
        clusters = rows.clusters[keep] if self.cluster else groups
        return Examples(
            ids=rows.ids[keep],
            inputs=inputs,
            targets=rows.targets[keep],
            groups=groups,
            clusters=stretches(at, self.locus) if self.locus else clusters,
            strata={name: values[keep] for name, values in rows.strata.items()},
            intervals=at,
        )


def _window(contig: Bases, at: int, ref: str, alt: str, width: int) -> tuple[str, str, int] | None:
    """Return the windows of REF and ALT and their start; None where the contig does not have REF there."""
    start = _start(len(contig), at, ref, width)
    before = at - start
    stretch = contig[start : start + width + len(ref)]
    if stretch[before : before + len(ref)] != ref:
        return None
    window = stretch[:width]
    moved = (stretch[:before] + alt + stretch[before + len(ref) :])[: len(window)]
    if moved != window and before + len(alt) < len(window):
        return window, moved, start
    # In a repeat up to the window's end no base would change; at the end of a contig what is inserted has no room.
    return window, window[:before] + alt + window[before + len(ref) :], start


def _start(n: int, at: int, ref: str, width: int) -> int:
    """Return where the window of a variant starts on a contig of n bp."""
    return min(max(0, at + len(ref) // 2 - width // 2), max(0, n - width))


def _mismatch_reason(
    genome: Mapping[str, Bases], chrom: Sequence[str], position: Sequence[int], refs: Sequence[str]
) -> str:
    """Return the reason why REF differs from the genome, judged by a sample of rows, or ''."""
    rows = range(0, len(refs), max(1, len(refs) // _SAMPLED))

    def share(shift: int, *, turned: bool = False) -> float:
        hits = 0
        for i in rows:
            at, r = position[i] + shift, reverse_complement(refs[i]) if turned else refs[i]
            hits += at >= 0 and genome[chrom[i]][at : at + len(r)] == r
        return hits / len(rows)

    for shift, why in (
        (1, "REF is one base to the right: positions are 0-based, set position_base = 0"),
        (-1, "REF is one base to the left: positions are 1-based, set position_base = 1"),
    ):
        if share(shift) > 0.9:
            return why
    if share(0, turned=True) > 0.9:
        return "REF is on the other strand: write the alleles of the '+' strand"
    return ""


def _positions(values: Sequence[str], table: str, base: int) -> list[int]:
    out = []
    for row, value in enumerate(values, 1):
        number = whole_number(value)
        if number is None:
            raise DataError(f"{table}: row {row}: POS is {value!r}, expected a whole number")
        out.append(number - base)
        if number < base:
            start = f"VCF positions start at {base}" if base else "positions start at 0"
            raise DataError(f"{table}: row {row}: POS is {value}; {start}")
    return out
