"""REF and ALT windows from a genome and a table of variants: VCF, or columns of any name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..dna.fasta import Bases
from ..dna.sequence import check_sequence, reverse_complement
from ..errors import DataError
from ..types import Examples, Inputs, IntArray, Intervals, Kind, strings
from .bed import CHROM, column, field, joined, table_columns
from .collecting import TextCollector
from .intervals import by_place, find_contig, loci, read_genome
from .tables import check_ids, first_changes
from .targets import parse_targets

log = logging.getLogger(__name__)

_POSITION = ("pos", "position", "start", "chromstart")
_REF = ("ref", "reference", "ref_allele")
_ALT = ("alt", "alternate", "alt_allele")
_LOOKED_AT = 2000
"""Rows at which is looked to tell why REF differs."""


def variant_windows(
    genome: Mapping[str, Bases],
    *,
    chrom: Sequence[str],
    position: Sequence[int],
    ref: Sequence[str],
    alt: Sequence[str],
    width: int,
    max_mismatch: float = 0.01,
    source: str = "variants",
) -> tuple[Inputs, Intervals, IntArray]:
    """Return the windows, where they lie, and the rows (n,) kept: those whose REF is what the genome holds.

    `position` is 0-based. Windows are `width` bp of REF centred on the variant; ALT keeps the left flank and has the
    length of REF where the genome allows, by taking or leaving bases on the right. Rows whose REF differs from the
    genome are left out and logged; past the fraction `max_mismatch` of all rows they are refused with DataError, which
    tells whether the positions are counted from the other base or the alleles are of the other strand.
    """
    refs, alts = [], []
    for row, (name, at, r, a) in enumerate(zip(chrom, position, ref, alt, strict=True)):
        where = f"{source}: row {row + 1}"
        r, a = _allele(r, f"{where}: REF"), _allele(a, f"{where}: ALT")
        if r == a:
            raise DataError(f"{where}: REF and ALT are both {r!r}")
        n = len(find_contig(genome, name, where))
        if not 0 <= at <= n - len(r):
            raise DataError(f"{where}: {name}:{at + 1} is outside the contig of {n} bp")
        refs.append(r)
        alts.append(a)
    ref_windows, alt_windows = TextCollector(), TextCollector()
    starts, kept = [], []
    wrong: list[int] = []
    for block in by_place(chrom, position, width=2 * width):
        pieces: dict[int, tuple[str, str, int]] = {}
        for row in block:
            made = _window(genome[chrom[row]], position[row], refs[row], alts[row], width)
            if made is None:
                wrong.append(row)
            else:
                pieces[row] = made
        ref_windows.add([pieces[row][0] for row in sorted(pieces)])
        alt_windows.add([pieces[row][1] for row in sorted(pieces)])
        for row in sorted(pieces):
            starts.append(pieces[row][2])
            kept.append(row)
    if wrong:
        row = min(wrong)
        at, r = position[row], refs[row]
        found = genome[chrom[row]][at : at + len(r)]
        said = (
            f"{source}: REF differs from the genome in {len(wrong)} of {len(refs)} rows; the first: row {row + 1}, "
            f"{chrom[row]}:{at + 1}, has REF {r} where the genome holds {found}"
        )
        if len(wrong) > max_mismatch * len(refs):
            why = _why(genome, chrom, position, refs) or "check the assembly and position_base"
            raise DataError(f"{said}; more than {max_mismatch:.1%} is refused: {why}")
        log.warning("%s; these rows are left out", said)
    rows = np.array(kept, np.int64)
    begin = np.array(starts, np.int64)
    sequences, alternates = ref_windows.text(), alt_windows.text()
    at_ = Intervals(strings([chrom[i] for i in kept]), begin, begin + sequences.lengths, strings(["+"] * len(kept)))
    inputs = Inputs(sequences, alternates, first_changes(sequences, alternates, source))
    return inputs, at_, rows


def read_variants(
    genome: str,
    table: str,
    *,
    kind: Kind,
    target: str | Sequence[str],
    width: int,
    classes: Sequence[str] = (),
    id: str | Sequence[str] = "",
    group: str | Sequence[str] = "",
    cluster: str | Sequence[str] = "",
    strata: Sequence[str] = (),
    chrom: str = "",
    position: str = "",
    ref: str = "",
    alt: str = "",
    position_base: int = 1,
    header: int = 0,
    values: Mapping[str, str] | None = None,
    max_mismatch: float = 0.01,
    check: Callable[[Examples], None] | None = None,
) -> Examples:
    """Return an example a row of a table of variants: a VCF, or CSV, TSV, BED, Parquet or a spreadsheet.

    `chrom`, `position`, `ref` and `alt` name the columns; by default they are CHROM, POS, REF and ALT, or their usual
    other names, in any case and with or without a leading '#'. Positions are 1-based, or 0-based with `position_base` =
    0. Of a VCF every other argument may name a key of INFO, as KEY or INFO/KEY; a flag gives '1' and where it is absent
    ''. Without `id` a variant is 'chrom:pos:ref>alt'; `id`, `group` and `cluster` may be several columns, joined by
    ':'. Without `group` variants whose windows overlap are one group. `values` says what a cell of `target` stands for,
    as a class of two names; `header` counts the rows above the header of a spreadsheet. `check` is called with all
    rows, those that are left out among them. Raises DataError as `variant_windows` and `read_table` do.
    """
    columns = table_columns(table, header=header)
    chroms = column(columns, chrom, CHROM, table)
    pos = column(columns, position, _POSITION, table)
    reference, alternate = column(columns, ref, _REF, table), column(columns, alt, _ALT, table)
    targets = [field(columns, name, table) for name in ([target] if isinstance(target, str) else target)]
    if values:
        targets = [[values.get(cell.strip(), cell) for cell in cells] for cells in targets]
    ids: Sequence[str] = [f"{c}:{p}:{r}>{a}" for c, p, r, a in zip(chroms, pos, reference, alternate, strict=True)]
    if id:
        # '.' is how a VCF says that there is no ID.
        named = joined(columns, id, table)
        ids = [place if name in ("", ".") else name for place, name in zip(ids, named, strict=True)]
    check_ids(strings(ids), table)
    more = {name: strings(field(columns, name, table)) for name in strata}
    contigs, positions = read_genome(genome), _positions(pos, table, position_base)
    inputs, at, keep = variant_windows(
        contigs,
        chrom=chroms,
        position=positions,
        ref=reference,
        alt=alternate,
        width=width,
        max_mismatch=max_mismatch,
        source=table,
    )
    named_groups = strings(joined(columns, group, table)) if group else None
    named_clusters = strings(joined(columns, cluster, table)) if cluster else None
    measured = parse_targets(
        targets[0] if isinstance(target, str) else targets, kind=kind, classes=classes, reference=table, column=target
    )

    def examples(inputs: Inputs, at: Intervals, rows: IntArray) -> Examples:
        groups = loci(at) if named_groups is None else named_groups[rows]
        return Examples(
            ids=strings(ids)[rows],
            inputs=inputs,
            targets=measured[rows],
            groups=groups,
            clusters=groups if named_clusters is None else named_clusters[rows],
            strata={name: held[rows] for name, held in more.items()},
            intervals=at,
        )

    kept = examples(inputs, at, keep)
    if check and len(kept) < len(ids):  # what was left out has no window, but a row of the table
        n = [len(contigs[name]) for name in chroms]
        begin = np.array([_start(*row, width) for row in zip(n, positions, reference, strict=True)], np.int64)
        end = np.minimum(begin + width, n)
        check(
            examples(
                Inputs(strings(reference)),
                Intervals(strings(chroms), begin, end, strings(["+"] * len(n))),
                np.arange(len(ids)),
            )
        )
    elif check:
        check(kept)
    return kept


def _window(contig: Bases, at: int, ref: str, alt: str, width: int) -> tuple[str, str, int] | None:
    """Return REF's window, ALT's and where they start; None where the contig does not hold REF there."""
    start = _start(len(contig), at, ref, width)
    low = min(start, at)
    held = contig[low : max(start + width, at) + len(ref)]
    before = at - low
    if held[before : before + len(ref)] != ref:
        return None
    window = held[start - low : start - low + width]
    changed = held[start - low : before] + alt + held[before + len(ref) :]
    trimmed = changed[: len(window)]
    return window, trimmed if trimmed != window else changed, start


def _start(n: int, at: int, ref: str, width: int) -> int:
    """Return where the window of a variant starts on a contig of n bp."""
    return min(max(0, at + len(ref) // 2 - width // 2), max(0, n - width))


def _why(genome: Mapping[str, Bases], chrom: Sequence[str], position: Sequence[int], refs: Sequence[str]) -> str:
    """Return what explains that REF is not where it should be, judged by some thousands of rows, or ''."""
    rows = range(0, len(refs), max(1, len(refs) // _LOOKED_AT))

    def share(shift: int, *, turned: bool = False) -> float:
        hits = 0
        for i in rows:
            at, r = position[i] + shift, reverse_complement(refs[i]) if turned else refs[i]
            hits += at >= 0 and genome[chrom[i]][at : at + len(r)] == r
        return hits / len(rows)

    for shift, said in (
        (1, "REF is one base to the right: the positions are 0-based, say position_base = 0"),
        (-1, "REF is one base to the left: the positions are 1-based, say position_base = 1"),
    ):
        if share(shift) > 0.9:
            return said
    if share(0, turned=True) > 0.9:
        return "REF is that of the other strand: write the alleles of the '+' strand"
    return ""


def _allele(text: str, where: str) -> str:
    if not text:
        raise DataError(f"{where} is empty; write an indel with the base before it, as VCF does")
    if "," in text:
        raise DataError(f"{where} is {text!r}; split alleles into a row each")
    return check_sequence(text, where)


def _positions(values: Sequence[str], table: str, base: int) -> list[int]:
    out = []
    for row, value in enumerate(values, 1):
        try:
            out.append(int(value) - base)
        except ValueError:
            raise DataError(f"{table}: row {row}: POS is {value!r}, expected a whole number") from None
        if out[-1] < 0:
            start = f"VCF positions start at {base}" if base else "positions start at 0"
            raise DataError(f"{table}: row {row}: POS is {value}; {start}")
    return out
