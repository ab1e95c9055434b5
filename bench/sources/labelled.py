"""Sequences with their labels in FASTA headers or in the names of folders, as tables of text."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import DataError
from .sequences import package_file

if TYPE_CHECKING:
    import pyarrow

FASTA = (".fna", ".fa", ".fasta", ".fna.gz", ".fa.gz", ".fasta.gz")
_ROWS = 20_000
"""How many rows are held as Python objects at a time."""

Row = tuple[str, str, str]


def read_labelled_fasta(reference: str) -> pyarrow.Table:
    """Return the table of a FASTA file whose headers are `>name|label`: columns `name`, `label` and `sequence`.

    Several labels of a header, `>name|0|2`, are joined by ';'. Raises DataError, naming the line, for a header without
    a label or a record without a sequence.
    """
    path = package_file(reference)
    try:
        with gzip.open(path, "rt", encoding="ascii") if path.suffix == ".gz" else path.open(encoding="ascii") as file:
            return _table(_records(file, path), path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: truncated or damaged gzip ({error}); fetch the file again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not ASCII, so this is not FASTA") from error


def class_folders(folder: Path) -> list[Path]:
    """Return the folders in which the files of each class lie, in the order of their names; none where it has none."""
    found = sorted(e for e in folder.iterdir() if e.is_dir() and not e.name.startswith("."))
    return [e for e in found if next(e.glob("*.txt"), None)]


def read_class_folder(folder: Path) -> pyarrow.Table:
    """Return the table of `folder/CLASS/NAME.txt`, a sequence a file: columns `name`, `label` and `sequence`."""
    return _table(_files(folder), folder)


def _files(folder: Path) -> Iterator[Row]:
    for of_class in class_folders(folder):
        files = sorted(of_class.glob("*.txt"), key=lambda f: (len(f.stem), f.stem))  # 2 before 10
        for file in files:
            try:
                text = file.read_text(encoding="ascii")
            except UnicodeDecodeError as error:
                raise DataError(f"{file}: byte {error.start} is not ASCII, so this is not DNA") from error
            yield file.stem, of_class.name, "".join(text.split())


def _records(file: IO[str], path: Path) -> Iterator[Row]:
    name = label = ""
    lines: list[str] = []
    at = 0
    for number, line in enumerate(file, 1):
        text = line.strip()
        if not text:
            continue
        if not text.startswith(">"):
            if not at:
                raise DataError(f"{path}: line {number}: expected '>name|label', found {text[:20]!r}")
            lines.append(text)
            continue
        if at:
            yield name, label, _sequence(lines, path, at)
        name, bar, label = text[1:].partition("|")
        if not bar or not label.strip():
            raise DataError(f"{path}: line {number}: expected '>name|label', found {text[:40]!r}")
        label, lines, at = label.strip().replace("|", ";"), [], number
    if at:
        yield name, label, _sequence(lines, path, at)


def _sequence(lines: list[str], path: Path, at: int) -> str:
    if not lines:
        raise DataError(f"{path}: line {at}: a record without a sequence")
    return "".join(lines)


def _table(rows: Iterator[Row], where: Path) -> pyarrow.Table:
    import pyarrow as pa

    schema = pa.schema([(name, pa.large_string()) for name in ("name", "label", "sequence")])
    batches = []
    block: list[Row] = []
    for row in rows:
        block.append(row)
        if len(block) == _ROWS:
            batches.append(pa.record_batch(list(map(list, zip(*block, strict=True))), schema=schema))
            block = []
    if block:
        batches.append(pa.record_batch(list(map(list, zip(*block, strict=True))), schema=schema))
    if not batches:
        raise DataError(f"{where}: no sequences")
    return pa.Table.from_batches(batches, schema)
