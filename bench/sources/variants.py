"""REF and ALT windows from a genome and a VCF-like table (CHROM, POS, REF, ALT; POS is 1-based, as in VCF)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import DataError
from ..types import Examples, Inputs, IntArray, Intervals, Kind, strings
from .intervals import find_contig, loci
from .sequences import check_sequence, read_sequences
from .tables import check_ids, first_changes, read_columns, require_column
from .targets import parse_targets

log = logging.getLogger(__name__)


def variant_windows(
    genome: Mapping[str, str],
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
    genome are left out and logged; past the fraction `max_mismatch` of all rows they are refused with DataError, since
    then the assembly or the coordinates are wrong.
    """
    sequences, alternates, starts, rows = [], [], [], []
    wrong: list[str] = []
    for row, (name, at, r, a) in enumerate(zip(chrom, position, ref, alt, strict=True)):
        where = f"{source}: row {row + 1}"
        r, a = _allele(r, f"{where}: REF"), _allele(a, f"{where}: ALT")
        if r == a:
            raise DataError(f"{where}: REF and ALT are both {r!r}")
        contig = find_contig(genome, name, where)
        if not 0 <= at <= len(contig) - len(r):
            raise DataError(f"{where}: {name}:{at + 1} is outside the contig of {len(contig)} bp")
        found = contig[at : at + len(r)]
        if found != r:
            wrong.append(f"row {row + 1}, {name}:{at + 1}, has REF {r} where the genome holds {found}")
            continue
        start = min(max(0, at + len(r) // 2 - width // 2), max(0, len(contig) - width))
        changed = contig[start:at] + a + contig[at + len(r) : start + width + len(r)]
        window = contig[start : start + width]
        trimmed = changed[: len(window)]
        sequences.append(window)
        alternates.append(trimmed if trimmed != window else changed)
        starts.append(start)
        rows.append(row)
    n = len(rows) + len(wrong)
    if wrong:
        said = f"{source}: REF differs from the genome in {len(wrong)} of {n} rows; the first: {wrong[0]}"
        if len(wrong) > max_mismatch * n:
            raise DataError(
                f"{said}; more than {max_mismatch:.1%} is refused: check the assembly and that POS is 1-based"
            )
        log.warning("%s; these rows are left out", said)
    keep = np.array(rows, np.int64)
    begin = np.array(starts, np.int64)
    lengths = np.array([len(s) for s in sequences], np.int64)
    at_ = Intervals(strings([chrom[i] for i in rows]), begin, begin + lengths, strings(["+"] * len(rows)))
    inputs = Inputs(strings(sequences), strings(alternates), first_changes(sequences, alternates, source))
    return inputs, at_, keep


def read_variants(
    genome: str,
    table: str,
    *,
    kind: Kind,
    target: str,
    width: int,
    classes: Sequence[str] = (),
    id: str = "",
    group: str = "",
    cluster: str = "",
    strata: Sequence[str] = (),
    max_mismatch: float = 0.01,
) -> Examples:
    """Return an example a row of a VCF-like table with columns CHROM, POS (1-based), REF, ALT and `target`.

    A leading '#' and the case of the four names do not matter. Without `id` a variant is 'chrom:pos:ref>alt'; without
    `group` variants whose windows overlap are one group. Raises DataError as `variant_windows` and `read_table` do.
    """
    columns = {name.removeprefix("#"): values for name, values in read_columns(table).items()}
    upper = {name.upper(): name for name in columns}
    four = []
    for name in ("CHROM", "POS", "REF", "ALT"):
        four.append(upper.get(name, name))
        require_column(columns, four[-1], table)
    for name in (target, *filter(None, (id, group, cluster)), *strata):
        require_column(columns, name, table)
    chrom, pos, ref, alt = (columns[name] for name in four)
    inputs, at, keep = variant_windows(
        read_sequences(genome),
        chrom=chrom,
        position=_positions(pos, table),
        ref=ref,
        alt=alt,
        width=width,
        max_mismatch=max_mismatch,
        source=table,
    )
    ids = (
        strings(columns[id])
        if id
        else strings([f"{c}:{p}:{r}>{a}" for c, p, r, a in zip(chrom, pos, ref, alt, strict=True)])
    )
    check_ids(ids, table)
    groups = strings(columns[group])[keep] if group else loci(at)
    return Examples(
        ids=ids[keep],
        inputs=inputs,
        targets=parse_targets(columns[target], kind=kind, classes=classes, reference=table, column=target)[keep],
        groups=groups,
        clusters=strings(columns[cluster])[keep] if cluster else groups,
        strata={name: strings(columns[name])[keep] for name in strata},
        intervals=at,
    )


def _allele(text: str, where: str) -> str:
    if not text:
        raise DataError(f"{where} is empty; write an indel with the base before it, as VCF does")
    if "," in text:
        raise DataError(f"{where} is {text!r}; split alleles into a row each")
    return check_sequence(text, where)


def _positions(values: Sequence[str], table: str) -> list[int]:
    out = []
    for row, value in enumerate(values, 1):
        try:
            out.append(int(value) - 1)
        except ValueError:
            raise DataError(f"{table}: row {row}: POS is {value!r}, expected a whole number") from None
        if out[-1] < 0:
            raise DataError(f"{table}: row {row}: POS is {value}; VCF positions start at 1")
    return out
