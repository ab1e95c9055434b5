"""Tables of text separated by commas or tabs, read a block of lines at a time, plain or packed."""

from __future__ import annotations

import csv
import io
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError
from ..unpack import BLOCK, text_blocks, text_name
from .collecting import text_array

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".vcf": "\t"}
_NAMED = {",": "commas", "\t": "tabs", ";": "semicolons"}


@dataclass(frozen=True)
class Delimited:
    """An open table: the names of its columns, and the blocks of whole lines after the header."""

    path: Path
    names: tuple[str, ...]
    delimiter: str
    quoting: bool
    header: bytes
    lines: Iterator[bytes]

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns as text, a block of rows at a time; blank lines are left out.

        Arrow parses blocks without a quote, whose fields lie between the delimiters; from the first quote on, or where
        a row is wrong, Python's parser takes over and names the row. Raises DataError for a row
        of another width, for one that repeats the header, and for quotes that are not in pairs.
        """
        done = 0
        for block in self.lines:
            odd = (self.quoting and b'"' in block) or self.header in block
            plain = None if odd else self._plain(block, names)
            if plain is None:
                yield from self._parsed(itertools.chain([block], self.lines), names, done)
                return
            for batch in plain:
                done += batch.num_rows
                yield batch

    def _plain(self, block: bytes, names: Sequence[str]) -> list[pa.RecordBatch] | None:
        """Return the rows of a block without quotes; None where they are not all of the header's width."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        if not block.strip(b"\r\n"):
            return []
        numbers = [str(i) for i in range(len(self.names))]
        chosen = [str(self.names.index(name)) for name in names]
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block),
                read_options=arrow_csv.ReadOptions(use_threads=False, column_names=numbers, block_size=len(block) + 1),
                parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter, quote_char=False),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(numbers, pa.large_string()), include_columns=chosen, check_utf8=False
                ),
            )
        except pa.ArrowInvalid:
            return None
        batches: list[pa.RecordBatch] = table.rename_columns(list(names)).to_batches()
        return batches

    def _parsed(self, blocks: Iterator[bytes], names: Sequence[str], done: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the blocks, of which the first is row `done` + 1."""
        import pyarrow as pa

        # By default the csv module refuses fields of more than 131,072 letters, which windows may have.
        csv.field_size_limit(max(csv.field_size_limit(), sys.maxsize))
        lines = (line for block in blocks for line in io.StringIO(block.decode(), newline=""))
        rows = csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.quoting else csv.QUOTE_NONE,
            strict=True,
        )
        width, chosen = len(self.names), [self.names.index(name) for name in names]
        columns: list[list[str]] = [[] for _ in names]
        size = 0

        def batch() -> pa.RecordBatch:
            return pa.RecordBatch.from_arrays([text_array(values) for values in columns], list(names))

        try:
            for row in rows:
                if not row:
                    continue
                done += 1
                if len(row) != width or row[0].strip() == self.names[0]:
                    check_row(row, self.names, self.path, done)
                for values, i in zip(columns, chosen, strict=True):
                    values.append(row[i])
                    size += len(row[i])
                if size > BLOCK or len(columns[0]) == 1 << 16:
                    yield batch()
                    columns, size = [[] for _ in names], 0
        except csv.Error as error:
            cut = str(error) == "unexpected end of data"
            why = "a quote is never closed; the file is cut off or has a stray quote" if cut else str(error)
            raise DataError(f"{self.path}: row {done + 1}: {why}") from error
        if columns and columns[0]:
            yield batch()


def check_row(row: Sequence[str], names: Sequence[str], path: Path, number: int) -> None:
    """Raise DataError, naming the row, where it has another width than the header, or is the header once more."""
    if [field.strip() for field in row] == list(names) or row[0].startswith("##"):
        raise DataError(
            f"{path}: row {number} repeats the header, as where files are joined by cat; remove it, and every other"
        )
    if len(row) != len(names):
        raise DataError(f"{path}: row {number}: {len(row)} fields where the header has {len(names)}")


def open_delimited(path: Path, columns: Sequence[str] = ()) -> Delimited:
    """Return the open table, its header read; lines before the header that begin with '##' are skipped.

    With `columns`, which names them, the first line is a row. Raises DataError for a file without a header, one that
    is not text, and a name that occurs twice.
    """
    suffix = Path(text_name(path)).suffix
    delimiter = DELIMITERS[suffix]
    blocks = text_blocks(path)
    for block in blocks:
        at = 0
        while block.startswith((b"##", b"\n", b"\r"), at):
            at = (block.find(b"\n", at) + 1) or len(block)
        if at < len(block):
            break
    else:
        raise DataError(f"{path}: empty, expected a header line")
    block = block[at:]
    header = re.split(b"[\r\n]", block, maxsplit=1)[0]
    text = io.StringIO(block.decode(), newline="")
    try:
        names = tuple(name.strip() for name in next(csv.reader(text, delimiter=delimiter, strict=True)))
    except csv.Error as error:
        raise DataError(f"{path}: the header line: {error}") from error
    if columns:
        if len(names) != len(columns):
            raise DataError(f"{path}: line 1 has {len(names)} fields; columns names {len(columns)}")
        text.seek(0)
        names = tuple(columns)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: column {twice!r} occurs more than once")
    other = next((d for d in _NAMED if d in names[0]), None)
    if len(names) == 1 and other is not None:
        expected = f"expected {_NAMED[delimiter]} in a {suffix} file"
        raise DataError(f"{path}: its columns are separated by {_NAMED[other]}; {expected} (header: {names[0][:60]!r})")
    lines = itertools.chain([text.read().encode()], blocks)
    return Delimited(path, names, delimiter, suffix != ".vcf", header, lines)
