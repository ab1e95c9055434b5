"""Tables of text separated by commas or tabs, read a block of lines at a time, plain or gzip."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..progress import activity
from .collecting import text_array

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".vcf": "\t"}
_NAMED = {",": "commas", "\t": "tabs", ";": "semicolons"}

BLOCK = 8 << 20
"""Bytes that are read at a time."""
_SLOW = 32 << 20
"""Bytes on disk past which reading reports its progress."""


@dataclass(frozen=True)
class Delimited:
    """An open table: the names of its columns, and the blocks of whole lines after the header."""

    path: Path
    names: tuple[str, ...]
    delimiter: str
    lines: Iterator[bytes]

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns as text, a block of rows at a time; blank lines are left out.

        Arrow parses blocks without a quote, whose fields lie between the delimiters; from the first quote on, or where
        a row is wrong, Python's parser takes over and names the row. Raises DataError for a row
        of another width and for quotes that are not in pairs.
        """
        done = 0
        quoting = not self.path.name.removesuffix(".gz").endswith(".vcf")
        for block in self.lines:
            plain = None if quoting and b'"' in block else self._plain(block, names)
            if plain is None:
                rest = itertools.chain([block], self.lines)
                yield from self._parsed(rest, names, done, csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)
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

    def _parsed(
        self, blocks: Iterator[bytes], names: Sequence[str], done: int, quoting: Any
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the blocks, of which the first is row `done` + 1."""
        import pyarrow as pa

        # By default the csv module refuses fields of more than 131,072 letters, which windows may have.
        csv.field_size_limit(max(csv.field_size_limit(), sys.maxsize))
        lines = (line for block in blocks for line in io.StringIO(block.decode(), newline=""))
        rows = csv.reader(lines, delimiter=self.delimiter, quoting=quoting, strict=True)
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
                if len(row) != width:
                    raise DataError(f"{self.path}: row {done}: {len(row)} fields where the header has {width}")
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


def open_delimited(path: Path, columns: Sequence[str] = ()) -> Delimited:
    """Return the open table, its header read; lines before the header that begin with '##' are skipped.

    With `columns`, which names them, the first line is a row. Raises DataError for a file without a header, one that
    is not text, and a name that occurs twice.
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix
    delimiter = DELIMITERS[suffix]
    blocks = _checked(path)
    for block in blocks:
        at = 0
        while block.startswith((b"##", b"\n", b"\r"), at):
            at = (block.find(b"\n", at) + 1) or len(block)
        if at < len(block):
            break
    else:
        raise DataError(f"{path}: empty, expected a header line")
    text = io.StringIO(block[at:].decode(), newline="")
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
    return Delimited(path, names, delimiter, itertools.chain([text.read().encode()], blocks))


def raw_blocks(path: Path) -> Iterator[bytes]:
    """Yield the file's content, unpacked where it is gzip. Raises DataError where it is damaged or unreadable."""
    try:
        size = path.stat().st_size
        advance = activity(f"reading {path.name}", size) if size > _SLOW else None
        with path.open("rb") as raw:
            file: Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
            at = 0
            while block := file.read(BLOCK):
                if advance is not None:
                    advance(raw.tell() - at)
                    at = raw.tell()
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: truncated or damaged gzip ({error}); fetch the file again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or gzip, whichever way they end. Raises DataError where it is not text."""
    for block in _checked(path):
        yield from io.StringIO(block.decode(), newline=None)


def _checked(path: Path) -> Iterator[bytes]:
    """Yield blocks of whole lines. Raises DataError, naming the byte, where they are not UTF-8 text."""
    at = 0
    for block in _whole_lines(raw_blocks(path)):
        try:
            if not block.isascii():
                block.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: byte {at + error.start} is not UTF-8 text") from error
        if b"\0" in block:
            raise DataError(f"{path}: byte {at + block.find(0)} is NUL; the file is damaged or not text")
        yield block.removeprefix(b"\xef\xbb\xbf") if not at else block
        at += len(block)


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for block in blocks:
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join([*rest, block[:cut]])
            rest = [block[cut:]]
        else:
            rest.append(block)
    last = b"".join(rest)
    if last:
        yield last
