"""Sequences with their labels in FASTA headers or in the names of folders, as tables of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..dna.fasta_text import add_label, fasta_records, header_columns
from ..errors import DataError
from ..unpack import plain_name, text_lines
from .collecting import text_array
from .sequences import package_file

if TYPE_CHECKING:
    import pyarrow as pa

FASTA = (".fa", ".fasta", ".fna", ".ffn")
"""Suffixes of FASTA files, which may be packed."""

_ROWS = 20_000
"""Rows that are kept as Python objects at a time."""


def is_fasta(name: str) -> bool:
    """Return whether a file is FASTA, judging by its name."""
    return plain_name(name).endswith(FASTA)


def read_fasta(path: Path) -> pa.Table:
    """Return the table of a FASTA file: `sequence`, the columns of its headers, a `label` among them if there is one.

    See `header_columns` and `add_label`. Raises DataError, naming the line, where it is not FASTA.
    """
    import pyarrow as pa

    headers: list[str] = []
    sequences: list[str] = []
    done: list[pa.Array] = []
    for record in fasta_records(text_lines(path), str(path)):
        headers.append(record.header)
        sequences.append(record.sequence)
        if len(sequences) == _ROWS:
            done.append(text_array(sequences))
            sequences = []
    if sequences:
        done.append(text_array(sequences))
    columns = {name: text_array(values) for name, values in add_label(header_columns(headers)).items()}
    return pa.table(columns | {"sequence": pa.chunked_array(done)})


def read_labelled_fasta(reference: str) -> pa.Table:
    """Return the table of a FASTA file, as `read_fasta`. Raises DataError, naming the line, if one has no label."""
    path = package_file(reference)
    table = read_fasta(path)
    if "label" in table.column_names and "" not in table["label"].to_pylist():
        return table
    for record in fasta_records(text_lines(path), str(path)):
        if not record.header.partition("|")[2].strip(" |"):
            raise DataError(f"{path}: line {record.line}: expected '>name|label', found {'>' + record.header[:40]!r}")
    raise DataError(f"{path}: the headers do not all have the same fields; expected '>name|label'")


def class_folders(folder: Path) -> list[Path]:
    """Return the folders of classes, which hold .txt files, in the order of their names."""
    folders = sorted(e for e in folder.iterdir() if e.is_dir() and not e.name.startswith("."))
    return [e for e in folders if next(e.glob("*.txt"), None)]


def read_class_folder(folder: Path) -> pa.Table:
    """Return the table of `folder/CLASS/NAME.txt`, one sequence per file: columns `id`, `label` and `sequence`."""
    return _table(_files(folder), folder)


def _files(folder: Path) -> Iterator[tuple[str, str, str]]:
    for of_class in class_folders(folder):
        files = sorted(of_class.glob("*.txt"), key=lambda f: (len(f.stem), f.stem))  # 2 before 10
        for file in files:
            try:
                text = file.read_text(encoding="ascii")
            except UnicodeDecodeError as error:
                raise DataError(f"{file}: byte {error.start} is not ASCII, so this is not DNA") from error
            yield file.stem, of_class.name, "".join(text.split())


def _table(rows: Iterator[tuple[str, str, str]], where: Path) -> pa.Table:
    import pyarrow as pa

    names = ("id", "label", "sequence")
    batches = []
    block: list[Sequence[str]] = []

    def batch() -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([text_array(values) for values in zip(*block, strict=True)], list(names))

    for row in rows:
        block.append(row)
        if len(block) == _ROWS:
            batches.append(batch())
            block = []
    if block:
        batches.append(batch())
    if not batches:
        raise DataError(f"{where}: no sequences")
    return pa.Table.from_batches(batches)
