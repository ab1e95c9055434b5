"""Examples in a memory-mapped file: sequences are neither read nor decoded until they are used.

The file is two streams in Arrow's format and a trailer. The first stream holds each distinct stored sequence; the
second holds the columns, in which a sequence is an index into the first. The trailer has a checksum of all columns and
of one page of each megabyte of sequences, so that a truncated or half-written file of any size is recognised at once.
"""

from __future__ import annotations

import json
import logging
import mmap
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..cache.folder import cache_dir
from ..digests import digest
from ..errors import DataError
from ..files import write_whole
from ..text import Ints, Strings, Text, distinct
from ..types import Examples, Inputs, Intervals, StrArray

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

SCHEMA = "examples/2"

_BATCH = 32 << 20
_TRAILER = struct.Struct("<8sQQI")
_MAGIC = b"baserate"
_STEP, _PAGE = 1 << 20, 1 << 12


def cached_examples(key: Sequence[str], build: Callable[[], Examples]) -> Examples:
    """Return the result of `build()`, from the cache where it has a table with this key.

    The key must cover everything that the table depends on: its first part is a readable name, the rest are digests.
    A damaged table is rebuilt with a warning. Raises DataError where the cache cannot be written.
    """
    path = cache_dir() / "examples" / f"{key[0]}-{digest(SCHEMA, *key)}.arrow"
    if path.is_file():
        try:
            return read_examples(path)
        except DataError as error:
            log.warning("rebuilding a damaged cache file: %s", error)
    write_examples(build(), path)
    return read_examples(path)  # takes less memory, and is what the next process gets


def write_examples(examples: Examples, path: Path) -> None:
    """Write every column to `path`, whole or not at all. Raises DataError where it cannot be written."""

    def write(beside: Path) -> None:
        with beside.open("w+b") as file:
            _write(examples, file)

    try:
        write_whole(path, write)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{path.parent}: cannot write the cache ({reason}); set BASERATE_CACHE to a writable folder"
        ) from error


def _write(examples: Examples, file: IO[bytes]) -> None:
    """Write every column to a file that is open for reading and writing."""
    import pyarrow as pa

    stored: list[Strings] = []
    numbers: dict[str, NDArray[Any]] = {}
    base = 0
    for name, column in (("sequence", examples.inputs.sequences), ("alternate", examples.inputs.alternates)):
        if column is not None:
            pool, index = column.stored() if isinstance(column, Text) else distinct(column)
            numbers[name] = base + (np.arange(len(pool), dtype=np.int64) if index is None else index)
            base += len(pool)
            stored.append(pool)
    at = examples.intervals
    numbers |= {"target": examples.targets}
    numbers |= {"start": at.start, "end": at.end} if at else {}
    for name, values in (("position", examples.inputs.positions), ("soft_masked", examples.soft_masked)):
        numbers |= {} if values is None else {name: values}
    text = {"id": examples.ids, "group": examples.groups}
    text |= {} if examples.clusters is examples.groups else {"cluster": examples.clusters}
    text |= {"chrom": at.chrom, "strand": at.strand} if at else {}
    text |= {f"strata.{name}": column for name, column in examples.strata.items()}
    columns = {name: Text.of(column).column() for name, column in text.items()}
    table = pa.table(columns | {name: _array(values) for name, values in numbers.items()})
    with pa.ipc.new_stream(file, pa.schema([("text", pa.large_string())])) as writer:
        for batch in _batches(stored):
            writer.write_batch(batch)
    start = file.tell()
    about = {"baserate": SCHEMA, "span": str(examples.inputs.span), "left_out": json.dumps(dict(examples.left_out))}
    table = table.replace_schema_metadata(about)
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    end = file.tell()
    file.write(_TRAILER.pack(_MAGIC, start, end, _checksum(file, start, end)))


def read_examples(path: Path) -> Examples:
    """Return the examples that `write_examples` wrote. Raises DataError for a damaged file or one of another kind."""
    import pyarrow as pa

    try:
        with path.open("rb") as file:
            file.seek(-min(path.stat().st_size, _TRAILER.size), 2)
            trailer = file.read()
            if len(trailer) < _TRAILER.size or not trailer.startswith(_MAGIC):
                raise DataError(f"{path}: not a table of examples written by this version of baserate, or cut off")
            _, start, end, checksum = _TRAILER.unpack(trailer)
            if path.stat().st_size != end + _TRAILER.size or _checksum(file, start, end) != checksum:
                raise DataError(f"{path}: damaged (wrong checksum)")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        source = pa.BufferReader(pa.py_buffer(mapped))
        pool = pa.ipc.open_stream(source).read_all()["text"]
        source.seek(start)
        table = pa.ipc.open_stream(source).read_all()
        about = table.schema.metadata or {}
        if about.get(b"baserate") != SCHEMA.encode():
            raise DataError(f"{path}: not a table of examples written by this version of baserate")
        left_out = json.loads(about.get(b"left_out", b"{}"))
        return _examples(table, pool, mapped, span=int(about[b"span"]), left_out=left_out)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: damaged ({str(error).splitlines()[0]})") from error


def _examples(
    table: pa.Table, pool: pa.ChunkedArray, mapped: mmap.mmap, *, span: int, left_out: Mapping[str, int]
) -> Examples:
    names = table.column_names

    def sequences(name: str) -> Text:
        rows = _numbers(table, name)
        in_order = len(rows) == len(pool) and bool((rows == np.arange(len(rows))).all())
        return Text(pool, None if in_order else rows, mapped=mapped)

    at = None
    if "chrom" in names:
        at = Intervals(_text(table, "chrom"), _numbers(table, "start"), _numbers(table, "end"), _text(table, "strand"))
    groups = _text(table, "group")
    return Examples(
        ids=_text(table, "id"),
        inputs=Inputs(
            sequences("sequence"),
            sequences("alternate") if "alternate" in names else None,
            _numbers(table, "position") if "position" in names else None,
            span,
        ),
        targets=_numbers(table, "target"),
        groups=groups,
        clusters=_text(table, "cluster") if "cluster" in names else groups,
        strata={n.removeprefix("strata."): _text(table, n) for n in names if n.startswith("strata.")},
        intervals=at,
        soft_masked=_numbers(table, "soft_masked") if "soft_masked" in names else None,
        left_out=left_out,
    )


def _batches(columns: list[Strings]) -> Iterator[pa.RecordBatch]:
    """Yield the columns one after another, in batches of a few tens of megabytes."""
    import pyarrow as pa

    pieces: list[bytes] = []
    bounds: list[Ints] = []
    size = 0

    def batch() -> pa.RecordBatch:
        offsets = np.concatenate([np.zeros(1, np.int64), *bounds])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(pieces))]
        return pa.record_batch([pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)], ["text"])

    for column in columns:
        for letters, edges in (column if isinstance(column, Text) else Text.of(column)).letters():
            pieces.append(letters.tobytes())
            bounds.append(edges[1:] + size)
            size += len(letters)
            if size > _BATCH:
                yield batch()
                pieces, bounds, size = [], [], 0
    yield batch()


def _checksum(file: IO[bytes], start: int, end: int) -> int:
    """Return the CRC-32 of a page of every megabyte up to `start`, of the page before it, and of all up to `end`."""
    checksum = 0
    for at in [*range(0, start, _STEP), max(0, start - _PAGE)]:
        file.seek(at)
        checksum = zlib.crc32(file.read(min(_PAGE, start - at)), checksum)
    file.seek(start)
    left = end - start
    while left and (block := file.read(min(left, _STEP))):
        checksum = zlib.crc32(block, checksum)
        left -= len(block)
    return checksum


def _array(values: NDArray[Any]) -> pa.Array:
    """Return numbers (n,) or (n, k) as an Arrow array; `pyarrow.array` would import pandas, half a second."""
    import pyarrow as pa

    dtype, kind = (np.float64, pa.float64()) if values.dtype.kind == "f" else (np.int64, pa.int64())
    flat = np.ascontiguousarray(values, dtype=dtype).reshape(-1)
    array = pa.Array.from_buffers(kind, len(flat), [None, pa.py_buffer(flat)])
    return array if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(array, values.shape[1])


def _numbers(table: pa.Table, name: str) -> NDArray[Any]:
    """Return a copy of a column of numbers, (n,) or (n, k)."""
    import pyarrow as pa

    kind, parts = table.schema.field(name).type, []
    width = kind.list_size if pa.types.is_fixed_size_list(kind) else 0
    dtype = np.float64 if pa.types.is_floating(kind.value_type if width else kind) else np.int64
    for chunk in table[name].chunks:
        flat = chunk.flatten() if width else chunk
        parts.append(np.frombuffer(flat.buffers()[1] or b"", dtype)[flat.offset : flat.offset + len(flat)])
    values = np.concatenate([np.empty(0, dtype), *parts])
    return values.reshape(-1, width) if width else values


def _text(table: pa.Table, name: str) -> StrArray:
    """Return a column of text as an object array in which equal values are one object."""
    seen: dict[str, str] = {}
    out = np.empty(len(table), dtype=object)
    out[:] = [seen.setdefault(value, value) for value in Text(table[name])]
    return out
