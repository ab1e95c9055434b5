"""Places in a genome from BED files, GFF3 and GTF, and from tables with columns of coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError, DataError, nearest
from ..types import Intervals, strings
from ..unpack import read_text, text_name
from .gff import GFF_FORMATS, gff_columns
from .numbers import whole_number
from .sequences import package_file
from .spreadsheet import SPREADSHEET, read_spreadsheet
from .strands import read_strands
from .tables import read_columns, require_column

CHROM = ("chrom", "chromosome", "chr", "contig", "seqname")
START = ("start", "chromstart", "chrom_start", "pos", "position")
END = ("end", "stop", "chromend", "chrom_end")
BED_FORMATS = (".bed", ".narrowpeak", ".broadpeak", ".bedgraph", ".bg")
"""Suffixes, in lower case, of tab-separated intervals without a header: BED and what ENCODE and UCSC write like it."""
LARGEST = 2**40
"""Larger than any coordinate of a genome; beyond it numbers could overflow."""

_PLAIN = ("chrom", "start", "end", "name", "score", "strand")


def table_columns(reference: str, *, header: int = 0, sheet: str = "") -> dict[str, Sequence[str]]:
    """Return the columns of a table, of BED, GFF or a spreadsheet, by name; a '#' before the first is dropped.

    `header` is the number of rows above the header of a spreadsheet (.xlsx), and `sheet` its sheet, by default the
    first. The first line of a BED file (BED_FORMATS) is its header where the second field is not a number; without a
    header the columns are chrom, start, end, name, score, strand, then 7, 8, ... GFF3 and GTF are read as
    `gff.gff_columns` does. Raises DataError naming file and line.
    """
    path = package_file(reference)
    suffix = Path(text_name(path)).suffix
    if suffix == SPREADSHEET:
        return dict(read_spreadsheet(path, header=header, sheet=sheet))
    if header or sheet:
        key = f"header = {header}" if header else f"sheet = {sheet!r}"
        raise ConfigError(f"{path}: {key} is for spreadsheets (.xlsx)")
    if suffix in GFF_FORMATS:
        return dict(gff_columns(read_text(path).splitlines(), path))
    if suffix not in BED_FORMATS:
        table = read_columns(reference)
        return {name.removeprefix("#"): table[name].to_pylist() for name in table.column_names}
    rows: list[tuple[int, list[str]]] = []
    names: list[str] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or is_comment(line):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if not rows and not names and len(fields) > 2 and not _is_number(fields[1]):
            names = [field.strip().removeprefix("#") for field in fields]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise DataError(f"{path}: line {number}: column {twice!r} occurs more than once")
        elif not line.startswith("#"):
            rows.append((number, fields))
    if not rows:
        raise DataError(f"{path}: no intervals")
    if not names:
        if len(rows[0][1]) < 3:
            raise DataError(f"{path}: line {rows[0][0]}: {len(rows[0][1])} fields, expected at least chrom, start, end")
        most = max(len(fields) for _, fields in rows)
        names = [*_PLAIN[:most], *(str(i + 1) for i in range(len(_PLAIN), most))]
        rows = [
            (number, fields + [""] * (most - len(fields)) if len(fields) > 2 else fields) for number, fields in rows
        ]
    for number, fields in rows:
        if len(fields) != len(names):
            raise DataError(f"{path}: line {number}: {len(fields)} fields, expected {len(names)}: {', '.join(names)}")
    return {name: [fields[i] for _, fields in rows] for i, name in enumerate(names)}


def is_comment(line: str) -> bool:
    """Return whether a line of BED has neither an interval nor the header, which may begin with '#'."""
    if line.startswith(("##", "track", "browser")):
        return True
    return line.startswith("#") and "\t" not in line and line[1:].split(" ")[0].strip().lower() not in CHROM


def check_base(reference: str, position_base: int) -> None:
    """Raise ConfigError where a card says how positions are counted in a file whose format says it."""
    suffix = Path(text_name(Path(reference))).suffix
    if position_base and suffix in GFF_FORMATS:
        raise ConfigError(f"{reference}: position_base = {position_base}: {suffix} counts from 1 anyway; leave it out")


def read_places(
    columns: Mapping[str, Sequence[str]],
    reference: str,
    *,
    chrom: str = "",
    start: str = "",
    end: str = "",
    position_base: int = 0,
    stranded: bool = True,
) -> Intervals:
    """Return the interval of each row, from columns of these names or, where '', of the usual names in any case.

    With `position_base` = 0 start and end are 0-based and half-open as in BED, with 1 they are 1-based and inclusive. A
    table without an end has one base per row. The column 'strand', in any case, is read as `strands.strand_of` does; a
    row on neither strand is on '+', and with `stranded` = false all rows are. Raises DataError naming the row.
    """
    contigs = column(columns, chrom, CHROM, reference)
    starts = integers(column(columns, start, START, reference), reference, "start")
    has_end = bool(end) or any(name.lower() in END for name in columns)
    begin = np.array(starts, np.int64) - position_base
    stop = begin + 1
    if has_end:
        stop = np.array(integers(column(columns, end, END, reference), reference, "end"), np.int64)
    bad = np.flatnonzero((begin < 0) | (begin >= stop))
    if len(bad):
        row = int(bad[0])
        what = "1-based" if position_base else "0-based half-open"
        raise DataError(
            f"{reference}: row {row + 1}: start {starts[row]} and end {stop[row]} are not a {what} interval"
        )
    codes = next((values for name, values in columns.items() if stranded and name.lower() == "strand"), None)
    advice = "; stranded = false reads all from the '+' strand"
    strand = strings(["+"] * len(begin)) if codes is None else read_strands(codes, reference, advice=advice)
    return Intervals(strings(contigs), begin, stop, strand)


def column(columns: Mapping[str, Sequence[str]], name: str, usual: Sequence[str], reference: str) -> Sequence[str]:
    """Return the column `name` or, where it is '', the first of the `usual` names in any case. Raises DataError."""
    if not name:
        lower = {known.lower(): known for known in reversed(list(columns))}
        name = next((lower[u] for u in usual if u in lower), usual[0])
    require_column(columns, name, reference)
    return columns[name]


def field(columns: Mapping[str, Sequence[str]], name: str, reference: str) -> Sequence[str]:
    """Return a column, or the values of a key in the column INFO of a VCF. Raises DataError."""
    key = name.removeprefix("INFO/")
    if name in columns or "INFO" not in columns:
        return column(columns, name, (), reference)
    out: list[str] = []
    known: set[str] = set()
    for text in columns["INFO"]:
        fields = dict(entry.partition("=")[::2] if "=" in entry else (entry, "1") for entry in text.split(";"))
        known |= fields.keys()
        out.append(fields.get(key, ""))
    if key not in known:
        near = nearest(key, {*columns, *known})
        advice = f"did you mean {near[0]!r}?" if near else f"keys of INFO: {', '.join(sorted(known)[:8])}"
        raise DataError(f"{reference}: no column or key of INFO is named {name!r}; {advice}")
    return out


def joined(columns: Mapping[str, Sequence[str]], names: str | Sequence[str], reference: str) -> Sequence[str]:
    """Return a column, or the values of several columns joined by ':'. Raises DataError."""
    if isinstance(names, str):
        return field(columns, names, reference)
    values = [field(columns, name, reference) for name in names]
    return [":".join(fields) for fields in zip(*values, strict=True)]


def integers(values: Sequence[str], reference: str, what: str) -> list[int]:
    """Return the values as whole numbers. Raises DataError naming the first row that is not one."""
    out = []
    for row, value in enumerate(values, 1):
        number = whole_number(value)
        if number is None:
            raise DataError(f"{reference}: row {row}: {what} is {value!r}, expected a whole number")
        out.append(number)
        if abs(number) > LARGEST:
            raise DataError(f"{reference}: row {row}: {what} is {value}, which is past the end of any genome")
    return out


def _is_number(text: str) -> bool:
    return text.strip().lstrip("-").replace(".", "", 1).isdigit()
