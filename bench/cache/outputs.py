"""Outputs of models for each sequence, on disk, so that no task, split, mode or run computes them twice.

Each key has a folder of segments: files of some rows each, written beside their final name, renamed and never changed.
A segment is a line of JSON with its key and the shape of its rows, the digests of its items, the rows, and a digest of
all of these. So nothing needs a lock, even on network file systems: two processes that compute the same row store it
twice. The modification time of a segment is when it was last used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..digests import canonical_json, digest
from ..errors import ConfigError, DataError
from ..files import remove_left, write_whole
from ..types import IntArray

log = logging.getLogger(__name__)

Rows = NDArray[Any]
R = TypeVar("R")
Compute = Callable[[list[str]], Iterable[Sequence[Rows]]]
"""Takes the items that are not cached; yields, for one chunk of them after another, the rows of each key."""

CHUNK = 4096
"""How many items `in_chunks` computes before they are written: the most that a killed run loses."""

OUTPUTS = "outputs"
"""The folder of outputs in the cache."""

FILES = "[0-9a-f]" * 16 + "/*.rows*"
"""The files of baserate in it, whole (.rows) or being written (.rows.12345678)."""

LIMIT_GB = 20.0

_SCHEMA = "outputs/1"
_DIGEST_SIZE = 16


def cached(
    cache: Path | None,
    key: Mapping[str, Any],
    items: Sequence[str],
    compute: Callable[[list[str]], Iterable[Rows]],
) -> Rows:
    """Return one row per item, (n, ...), of one key: `cached_all` where `compute` yields the rows of each chunk."""
    return cached_all(cache, [key], items, lambda missing: ([rows] for rows in compute(missing)))[0]


def cached_all(
    cache: Path | None, keys: Sequence[Mapping[str, Any]], items: Sequence[str], compute: Compute
) -> list[Rows]:
    """Return one row per item, (n, ...), for each key, from the folder `cache` if it is there, else from `compute`.

    A key has all that decides a row but the item: 'model', 'method', weights, tokenizer, layer, precision and so on.
    Rows are numbers, float32 or else float64, and may be NaN. An item that is missing under any key is computed, once
    however often it occurs, and a chunk is written as soon as it is computed. Rows of damaged files are computed again
    with a warning; for a folder that cannot be written there is only a warning. At the end the least recently used
    files of other keys are removed until all fit in `$BASERATE_CACHE_GB` (20). Raises DataError where `compute`
    returns other rows than the missing ones.
    """
    limit = None if cache is None else limit_bytes()
    unique = list(dict.fromkeys(items))
    tables = [_CachedRows(None if cache is None else cache / OUTPUTS, key, unique) for key in keys]
    missing = np.flatnonzero(~np.all([table.known for table in tables], axis=0))
    if len(missing):
        done = 0
        for chunk in compute([unique[i] for i in missing]):
            arrays = [np.asarray(rows) for rows in chunk]
            sizes = {len(rows) for rows in arrays}
            index = missing[done : done + max(sizes, default=0)]
            if len(arrays) != len(keys) or sizes != {len(index)}:
                raise DataError(
                    f"{len(arrays)} arrays of {sorted(sizes)} rows were computed, expected {len(keys)} of one length, "
                    f"with {len(missing)} rows in all"
                )
            for table, rows in zip(tables, arrays, strict=True):
                table.add(index, rows)
            done += len(index)
        if done != len(missing):
            raise DataError(f"{done} rows were computed, expected {len(missing)}")
        if cache is not None and limit is not None:
            trim(cache, limit, keep={table.name for table in tables})
    if len(unique) == len(items):
        return [table.rows for table in tables]
    at = {item: i for i, item in enumerate(unique)}
    back = np.array([at[item] for item in items], np.int64)
    return [table.rows[back] for table in tables]


def in_chunks(compute: Callable[[list[str]], R], size: int = CHUNK) -> Callable[[list[str]], Iterator[R]]:
    """Return a function that calls `compute` on `size` items at a time, for `cached` and `cached_all`."""

    def chunks(items: list[str]) -> Iterator[R]:
        for start in range(0, len(items), size):
            yield compute(items[start : start + size])

    return chunks


class _CachedRows:
    """The rows of one key: those read, and those added, which are written as they come."""

    def __init__(self, folder: Path | None, key: Mapping[str, Any], items: Sequence[str]) -> None:
        self.name = digest(_SCHEMA, canonical_json(key))
        self.known = np.zeros(len(items), bool)
        self.rows: Rows = np.empty(0, np.float32)
        self._key = key
        self._folder = None if folder is None else folder / self.name
        if self._folder is not None:
            self._digests = [hashlib.blake2b(item.encode(), digest_size=_DIGEST_SIZE).digest() for item in items]
            self._read(self._folder)

    def add(self, index: IntArray, rows: Rows) -> None:
        """Add the rows of the items `index` that are not known yet, and write them."""
        new = ~self.known[index]
        index, rows = index[new], rows[new]
        if rows.dtype != np.float32:
            rows = rows.astype(np.float64)
        if not len(rows):
            return
        self._put(index, rows)
        if self._folder is not None:
            try:
                _write(self._folder, self._key, [self._digests[i] for i in index], rows)
            except OSError as error:
                log.warning("%s: outputs are not cached (%s)", self._folder.parent, error.strerror or error)
                self._folder = None

    def _read(self, folder: Path) -> None:
        positions = {d: i for i, d in enumerate(self._digests)}
        for path in _listed(folder):
            if self.known.all():
                return
            try:
                with path.open("rb") as file:
                    segment = Segment.of(file)
                    at = [positions.get(d, -1) for d in segment.digests(file)]
                    if max(at) >= 0:
                        rows, index = segment.rows(file), np.array(at)
                        self._put(index[index >= 0], rows[index >= 0])
            except FileNotFoundError:  # another process made room
                continue
            except (OSError, DataError) as error:
                log.warning("%s: computing again the rows of a damaged cache file (%s)", path, error)
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            if max(at) >= 0:
                with contextlib.suppress(OSError):
                    os.utime(path)

    def _put(self, index: IntArray, rows: Rows) -> None:
        if not self.known.any():
            self.rows = np.empty((len(self.known), *rows.shape[1:]), rows.dtype)
        if rows.shape[1:] != self.rows.shape[1:]:
            raise DataError(f"rows of shape {rows.shape[1:]} beside others of {self.rows.shape[1:]}")
        self.rows[index] = rows
        self.known[index] = True


@dataclass(frozen=True)
class Segment:
    """The description of a file of outputs, from its first line."""

    key: dict[str, Any]
    dtype: str
    shape: tuple[int, ...]
    begin: int

    @classmethod
    def of(cls, file: BinaryIO) -> Segment:
        """Return the description of an open file. Raises DataError unless it fits the file's size."""
        try:
            header = json.loads(file.readline(1 << 20))
            segment = cls(dict(header["key"]), str(header["dtype"]), tuple(header["shape"]), file.tell())
            expected = segment.begin + segment.shape[0] * _DIGEST_SIZE + segment._row_bytes + _DIGEST_SIZE
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError("its first line is damaged") from error
        if header.get("schema") != _SCHEMA or segment.dtype not in ("<f4", "<f8"):
            raise DataError("not written by this version of baserate")
        size = os.fstat(file.fileno()).st_size
        if size != expected:
            raise DataError(f"{size} bytes, expected {expected}")
        return segment

    @property
    def _row_bytes(self) -> int:
        return math.prod(self.shape) * int(self.dtype[-1])

    def digests(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield the digest of each item."""
        file.seek(self.begin)
        content = file.read(self.shape[0] * _DIGEST_SIZE)
        return (content[i : i + _DIGEST_SIZE] for i in range(0, len(content), _DIGEST_SIZE))

    def rows(self, file: BinaryIO) -> Rows:
        """Return the rows. Raises DataError where anything in the file has changed since it was written."""
        file.seek(0)
        content = memoryview(file.read())
        if _check(content[:-_DIGEST_SIZE]) != content[-_DIGEST_SIZE:]:
            raise DataError("its content does not match its digest")
        begin = self.begin + self.shape[0] * _DIGEST_SIZE
        rows: Rows = np.frombuffer(content[begin : begin + self._row_bytes], self.dtype).reshape(self.shape)
        return rows


def _write(folder: Path, key: Mapping[str, Any], digests: Sequence[bytes], rows: Rows) -> None:
    dtype = "<f4" if rows.dtype == np.float32 else "<f8"
    header = canonical_json({"schema": _SCHEMA, "key": key, "dtype": dtype, "shape": rows.shape})
    content = b"".join([header.encode(), b"\n", *digests, np.ascontiguousarray(rows, dtype).tobytes()])

    def write(beside: Path) -> None:
        with beside.open("wb") as file:
            file.write(content)
            file.write(_check(memoryview(content)))

    write_whole(folder / f"{uuid.uuid4().hex}.rows", write)


def _check(content: memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_SIZE).digest()


def _listed(folder: Path) -> list[Path]:
    try:
        remove_left(folder)
        return sorted(path for path in folder.iterdir() if path.suffix == ".rows")
    except OSError:
        return []


def limit_bytes() -> int:
    """Return the most bytes of outputs to store: `$BASERATE_CACHE_GB` (1e9 bytes each), 20 by default."""
    text = os.environ.get("BASERATE_CACHE_GB", str(LIMIT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0 <= limit < math.inf:
        raise ConfigError(f"BASERATE_CACHE_GB = {text!r}: expected a number of gigabytes, such as 20")
    return int(limit * 1e9)


def trim(cache: Path, limit: int, *, keep: Collection[str] = ()) -> None:
    """Remove the least recently used outputs until they fit in `limit` bytes, but never those of the keys `keep`."""
    files = []
    for path in (cache / OUTPUTS).glob(FILES):
        with contextlib.suppress(OSError):  # another process made room
            about = path.stat()
            files.append((about.st_mtime, about.st_size, path))
    excess = sum(size for _, size, _ in files) - limit
    for _, size, path in sorted(files):
        if excess <= 0:
            return
        if path.parent.name not in keep:
            with contextlib.suppress(OSError):
                path.unlink()
                excess -= size
