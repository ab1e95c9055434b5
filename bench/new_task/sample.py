"""A sample of a data file as columns of text: enough to guess what a file of any size contains."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..dna.fasta_text import fasta_records, header_columns
from ..errors import ConfigError, DataError, nearest
from ..files import check_regular
from ..sources.bed import BED_FORMATS, is_comment
from ..sources.delimited import check_row
from ..sources.gff import GFF_FORMATS, gff_columns
from ..sources.json_lines import JSON, json_columns
from ..sources.labelled import FASTA
from ..sources.spreadsheet import SPREADSHEET, tables_in_sheets
from ..sources.tables import read_columns, text_of
from ..unpack import PACKED, is_packed, open_text, text_name

HEAD = 8_000_000
"""Bytes that are read from the beginning of a file."""

_PIECES, _PIECE = 16, 250_000
_ROWS = 20_000
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".vcf": "\t"}
_SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", " ": "spaces"}

SUFFIXES = (*_DELIMITERS, *BED_FORMATS, *GFF_FORMATS, *JSON, *FASTA, ".parquet", ".pq", SPREADSHEET)
"""Suffixes of the files that can be read; text may also be packed."""

BED = ("chrom", "start", "end", "name", "score", "strand")
"""The columns of a BED file without a header."""

Form = Literal["table", "bed", "gff", "vcf"]


@dataclass(frozen=True)
class Sample:
    """Rows of a file as `columns` of text, by name; `whole` says that these are all of its rows.

    Beyond the first HEAD bytes, pieces from all over the file are read too, so that a file sorted by label shows more
    than one label. `n` is the number of rows of the file, estimated from its size where not all were read.
    `sheet` is that of a spreadsheet with several.
    """

    reference: str
    form: Form
    columns: Mapping[str, list[str]]
    whole: bool
    n: int
    sheet: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))


def read_sample(path: Path, columns: Sequence[str] = (), sheet: str = "") -> Sample:
    """Return a sample of a table (CSV, TSV, VCF, Parquet, JSON, .xlsx), a FASTA file, BED or GFF.

    `columns` names the columns of delimited text without a header line, `sheet` one of several sheets with tables.
    Raises DataError, naming the file and line, where it is none of these or is empty, ConfigError where `sheet` is open
    or the file has none.
    """
    try:
        check_regular(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    suffix = Path(text_name(path)).suffix
    if suffix == SPREADSHEET:
        return _spreadsheet(path, sheet)
    if sheet:
        raise ConfigError(f"{path}: --sheet {sheet!r} is for spreadsheets ({SPREADSHEET})")
    if suffix in (".parquet", ".pq") and path.name.lower().endswith(suffix):
        return _filled(_parquet(path))
    if suffix in (".parquet", ".pq"):
        return _whole(path)
    if suffix not in SUFFIXES:
        packed = ", ".join(PACKED)
        raise DataError(f"{path}: expected a table, FASTA, BED, GFF or VCF ({', '.join(SUFFIXES)}; text also {packed})")
    head, pieces, share = _blocks(path, seekable=suffix not in FASTA)
    if suffix in JSON and share < 1 and head.lstrip().startswith("["):
        return _whole(path)
    if not head.strip():
        raise DataError(f"{path}: empty, expected {'a header line' if suffix in _DELIMITERS else 'data'}")
    if suffix in FASTA:
        values = _fasta(head, path, cut=share < 1)
    elif suffix in BED_FORMATS:
        values = _bed([head, *pieces], path)
    elif suffix in GFF_FORMATS:
        rest = (line for piece in pieces for line in piece.splitlines() if line.count("\t") >= 7)
        values = gff_columns(itertools.chain(head.splitlines(), rest), path)
    elif suffix in JSON:
        values = json_columns(itertools.chain.from_iterable(b.split("\n") for b in (head, *pieces)), path)
    else:
        values = _delimited([head, *pieces], path, _DELIMITERS[suffix], columns)
        if suffix == ".vcf" and "INFO" in values:
            values = _with_info(values)
    rows = len(next(iter(values.values()), []))
    return _filled(Sample(str(path), _form(suffix), values, share >= 1, max(rows, round(rows / share))))


def _form(suffix: str) -> Form:
    if suffix in BED_FORMATS:
        return "bed"
    return "gff" if suffix in GFF_FORMATS else "vcf" if suffix == ".vcf" else "table"


def joined_sample(samples: Sequence[Sample], given: Mapping[str, Sequence[str]], reference: str) -> Sample:
    """Return the rows of several files as one sample, with the columns that all have and the values `given` for each.

    Raises DataError where the files share no column.
    """
    names = [name for name in samples[0].columns if all(name in sample.columns for sample in samples)]
    if not names:
        raise DataError(f"{samples[1].reference}: shares no column with {samples[0].reference}")
    columns = {name: [v for sample in samples for v in sample.columns[name]] for name in names}
    for name, values in given.items():
        columns[name] = [value for sample, value in zip(samples, values, strict=True) for _ in range(len(sample))]
    return Sample(reference, "table", columns, all(s.whole for s in samples), sum(s.n for s in samples))


def _spreadsheet(path: Path, given: str) -> Sample:
    """Return the rows of the sheet that is `given`, or of the only one with a table."""
    if given or not path.name.lower().endswith(SPREADSHEET):  # a packed one, which is refused with the way out
        return _whole(path, given)
    sheets = tables_in_sheets(path)
    tables = [name for name, header in sheets.items() if header]
    if len(tables) > 1:
        listed = ", ".join(f"{name!r} ({', '.join(sheets[name][:4])})" for name in tables[:6])
        more = f" and {len(tables) - 6} more" if len(tables) > 6 else ""
        raise ConfigError(
            f"{path}: {len(tables)} sheets have tables: {listed}{more}; name the one to read with --sheet"
        )
    return _whole(path, "" if tables in ([], list(sheets)[:1]) else tables[0])


def _whole(path: Path, sheet: str = "") -> Sample:
    """Return all rows of a file that has to be read from its beginning to its end."""
    table = read_columns(str(path), sheet=sheet)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return Sample(str(path), "table", columns, True, len(table), sheet)


def _filled(sample: Sample) -> Sample:
    if not len(sample):
        raise DataError(f"{sample.reference}: no rows, expected at least one")
    return sample


def _blocks(path: Path, *, seekable: bool) -> tuple[str, list[str], float]:
    """Return the beginning of a text file, pieces of the rest, both of whole lines, and the share that was read."""
    try:
        size = path.stat().st_size
        if is_packed(path):
            with open_text(path) as (unpacked, raw):
                # Labels of a sorted file differ further down, which a packed file cannot seek to.
                head = unpacked.read(HEAD * 4 if seekable else HEAD)
                more = unpacked.read(1)
                share = min(0.999, max(1, raw.tell()) / size) if more else 1.0
            return _text(_whole_lines(head) if more else head, path), [], share
        with path.open("rb") as file:
            head = file.read(HEAD)
            if size <= HEAD:
                return _text(head, path), [], 1.0
            pieces = []
            for i in range(_PIECES if seekable else 0):
                file.seek(HEAD + (size - HEAD - _PIECE) * i // max(1, _PIECES - 1) if size > HEAD + _PIECE else HEAD)
                pieces.append(_whole_lines(file.read(_PIECE).partition(b"\n")[2]))
        head = _whole_lines(head)
        read = len(head) + sum(map(len, pieces))
        return _text(head, path), [_text(p, path) for p in pieces], min(0.999, read / size)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def _whole_lines(block: bytes) -> bytes:
    return block[: block.rfind(b"\n") + 1]


def _text(block: bytes, path: Path) -> str:
    if b"\0" in block[:4096]:
        raise DataError(f"{path}: has NUL bytes, so it is not text")
    try:
        return block.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8 text") from error


def _delimited(blocks: list[str], path: Path, delimiter: str, given: Sequence[str]) -> dict[str, list[str]]:
    first = [line for line in blocks[0].splitlines(keepends=True) if not line.startswith("##")]
    try:
        rows = csv.reader(io.StringIO("".join(first), newline=""), delimiter=delimiter)
        header = list(given) or [name.strip() for name in next(rows, [])]
        if not given:
            _check_header(header, path, delimiter)
        columns: dict[str, list[str]] = {name: [] for name in header}
        for number, row in enumerate((r for r in rows if r), 1):
            if len(row) != len(header) or row[0].strip() == header[0]:
                check_row(row, header, path, number)
            _append(columns, row)
        for block in blocks[1:]:
            for row in csv.reader(io.StringIO(block, newline=""), delimiter=delimiter):
                if len(row) == len(header):
                    _append(columns, row)
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: {error}") from error
    columns.pop("", None)  # the index that pandas writes; a card cannot name it
    return columns


def _check_header(header: list[str], path: Path, delimiter: str) -> None:
    if not header:
        raise DataError(f"{path}: empty, expected a header line")
    if len(header) == 1:
        other = next((s for s in _SEPARATORS if s != delimiter and s in header[0]), "")
        if other:
            raise DataError(
                f"{path}: the header has no {_SEPARATORS[delimiter]} but {_SEPARATORS[other]}; "
                "write .csv with commas, or .tsv with tabs"
            )
    if any(len(name) > 20 and not set(name.upper()) - set("ACGTUN") for name in header):
        raise DataError(
            f"{path}: the first line holds DNA, expected a header line; name the columns with --columns, such as "
            f"--columns {','.join(['sequence', 'label', *(f'column{i}' for i in range(3, 99))][: len(header)])}"
        )
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: column {twice!r} occurs more than once")


def _append(columns: dict[str, list[str]], row: list[str]) -> None:
    for values, value in zip(columns.values(), row, strict=True):
        values.append(value.strip())


def _bed(blocks: list[str], path: Path) -> dict[str, list[str]]:
    lines = [line for block in blocks for line in block.split("\n")]
    rows = [
        [field.strip() for field in (line.split("\t") if "\t" in line else line.split())]
        for line in lines
        if line.strip() and not is_comment(line)
    ]
    names: list[str] = []
    if rows and len(rows[0]) > 2 and not rows[0][1].lstrip("-").isdigit():
        names = [name.removeprefix("#") for name in rows.pop(0)]
        _check_header(names, path, "\t")
    rows = [row for row in rows if not row[0].startswith("#")]
    short = next((row for row in rows if len(row) < 3), None)
    if short is not None:
        raise DataError(f"{path}: {len(short)} fields in a line, expected chrom, start, end and a label")
    width = max(map(len, rows), default=0)
    names = names or [*BED[:width], *(str(i + 1) for i in range(len(BED), width))]
    return {name: [row[i] if i < len(row) else "" for row in rows] for i, name in enumerate(names)}


def _with_info(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the columns of a VCF, INFO replaced by a column for each of its keys; a flag is '1' or ''."""
    rows = [
        dict(field.partition("=")[::2] if "=" in field else (field, "1") for field in text.split(";") if field)
        for text in columns["INFO"]
    ]
    keys = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in columns and key != "."]
    fixed = {name: values for name, values in columns.items() if name not in ("QUAL", "FILTER", "INFO", "FORMAT")}
    return fixed | {key: [row.get(key, "") for row in rows] for key in keys[:200]}


def _fasta(head: str, path: Path, *, cut: bool) -> dict[str, list[str]]:
    if cut and "\n>" in head:
        head = head[: head.rfind("\n>") + 1]
    records = list(fasta_records(io.StringIO(head, newline=None), str(path)))
    return header_columns([r.header for r in records]) | {"sequence": [r.sequence for r in records]}


def _parquet(path: Path) -> Sample:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        n, groups = file.metadata.num_rows, file.num_row_groups
        chosen = sorted({i * max(0, groups - 1) // (_PIECES - 1) for i in range(_PIECES)}) if groups else []
        batches, room = [], _ROWS
        for group in chosen:
            batch = next(file.iter_batches(max(1, _ROWS // len(chosen)), row_groups=[group]), None)
            if batch is not None and room > 0:
                batches.append(batch)
                room -= batch.num_rows
        table = pa.Table.from_batches(batches, file.schema_arrow)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    names = table.column_names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: column {twice!r} occurs more than once")
    columns = {name: text_of(table[name].combine_chunks()).to_pylist() for name in names}
    return Sample(str(path), "table", columns, table.num_rows == n, n)


def find_file(text: str) -> Path:
    """Return the path of a file or folder. Raises DataError, with the nearest name beside it, if there is none."""
    path = Path(text)
    if os.path.exists(text):  # noqa: PTH110 - Path raises for what cannot be a path
        return path
    try:
        names = [p.name for p in path.parent.iterdir()]
    except (OSError, ValueError):
        names = []
    near = nearest(path.name, names)
    raise DataError(f"{text}: no such file" + (f"; did you mean {str(path.parent / near[0])!r}?" if near else ""))
