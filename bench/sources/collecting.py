"""Tables collected block by block: small ones stay in memory, large ones go to a memory-mapped file."""

from __future__ import annotations

import json
import mmap
import tempfile
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..cache.folder import cache_dir
from ..errors import DataError
from ..text import Text

if TYPE_CHECKING:
    import pyarrow as pa

LIMIT = 256 << 20
"""Largest table, in bytes, that stays in memory; a larger one is written to a file in the cache folder."""


class Collector:
    """Collects record batches of one schema in bounded memory; `mapped` is their file, if they went to one.

    The file has no name, so nothing of it is left when the process ends, however it ends.
    """

    def __init__(self, *, limit: int = 0) -> None:
        self._limit = limit or LIMIT
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None
        self.mapped: mmap.mmap | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch. Raises DataError where the cache's folder cannot be written."""
        if not batch.num_rows:
            return
        if self._writer is not None:
            self._write([batch])
            return
        self._batches.append(batch)
        self._bytes += batch.nbytes
        if self._bytes > self._limit:
            self._write(self._batches)
            self._batches = []

    def table(self) -> pa.Table | None:
        """Return all batches as a table, None where there are none. Nothing can be added afterwards."""
        import pyarrow as pa

        if self._writer is None or self._file is None:
            return pa.Table.from_batches(self._batches) if self._batches else None
        try:
            self._writer.close()
            self._file.flush()
            self.mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise _unwritable(error) from error
        finally:
            self._file.close()
        return pa.ipc.open_file(pa.BufferReader(pa.py_buffer(self.mapped))).read_all()

    def _write(self, batches: Sequence[pa.RecordBatch]) -> None:
        import pyarrow as pa

        try:
            if self._file is None:
                folder = cache_dir()
                folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder)
                self._writer = pa.ipc.new_file(self._file, batches[0].schema)
            for batch in batches:
                self._writer.write_batch(batch)
        except OSError as error:
            raise _unwritable(error) from error


class TextCollector:
    """Collects strings in bounded memory."""

    def __init__(self, *, limit: int = 0) -> None:
        self._collector = Collector(limit=limit)

    def add(self, values: Sequence[str]) -> None:
        """Add values at the end. Raises DataError where the cache's folder cannot be written."""
        import pyarrow as pa

        self._collector.add(pa.RecordBatch.from_arrays([text_array(values)], ["text"]))

    def text(self) -> Text:
        """Return all values, (n,). Nothing can be added afterwards."""
        table = self._collector.table()
        return Text.of([]) if table is None else Text(table["text"], mapped=self._collector.mapped)


def text_array(values: Sequence[str]) -> pa.Array:
    """Return an Arrow array of large_string; `pyarrow.array` would import pandas, which takes half a second."""
    encoded = [v.encode() for v in values]
    bounds = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(v) for v in encoded], out=bounds[1:])
    return letters_array(b"".join(encoded), bounds)


def joined_list(values: Sequence[str]) -> str:
    """Return a list as text: its values joined by ';', as labels are, or as JSON where one contains ';' or ','.

    The values of a JSON text are no labels, so that none is cut in two.
    """
    return json.dumps(values) if any(";" in v or "," in v for v in values) else ";".join(values)


def letters_array(letters: bytes | memoryview, bounds: NDArray[np.int64]) -> pa.Array:
    """Return an Arrow array of large_string of the UTF-8 `letters`, value i from bounds[i] to bounds[i + 1]."""
    import pyarrow as pa

    buffers = [None, pa.py_buffer(np.ascontiguousarray(bounds)), pa.py_buffer(letters)]
    return pa.Array.from_buffers(pa.large_string(), len(bounds) - 1, buffers)


def _unwritable(error: OSError) -> DataError:
    reason = error.strerror or error
    return DataError(
        f"{cache_dir()}: cannot write a large table there ({reason}); set BASERATE_CACHE to a folder with room"
    )
