"""A column of text in Arrow's layout: blocks of letters and where each value begins, in memory or mapped from a file.

A million short sequences as Python strings cost a third more than their letters, and windows of 100 kb do not fit at
all; here they stay as they are on disk, and are decoded a block at a time when they are used.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow

_BLOCK_BYTES = 1 << 22
_BLOCK_ROWS = 4096
_RELEASE_EVERY = 1 << 26

Ints = NDArray[np.int64]


class Text:
    """(n,) values of text that are not stored as Python strings, with the interface of an object array of str.

    It iterates, compares and indexes like one: a number gives a str; a slice, an integer array or a mask gives a Text
    that shares the letters. `np.asarray(text)` decodes it all into an object array.

    Args:
        column: an Arrow array, chunked or not, of string or large_string without nulls.
        rows: the indices of its values, in order; None for all.
        mapped: the file of the letters; pages are released while iterating over a long column, so that the resident
            memory of the process does not grow with the file.
    """

    __slots__ = ("_chunks", "_mapped", "_rows", "_starts")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        column: pyarrow.Array | pyarrow.ChunkedArray,
        rows: Ints | None = None,
        *,
        mapped: mmap.mmap | None = None,
    ) -> None:
        arrays = column.chunks if hasattr(column, "chunks") else [column]
        self._set([_views(array) for array in arrays], rows, () if mapped is None else (mapped,))

    @staticmethod
    def of(values: Sequence[str] | NDArray[Any]) -> Text:
        """Return the values as a Text, which copies them."""
        chunks = []
        for start in range(0, len(values), _BLOCK_ROWS):
            encoded = [v.encode() for v in values[start : start + _BLOCK_ROWS]]
            offsets = np.zeros(len(encoded) + 1, np.int64)
            np.cumsum([len(v) for v in encoded], out=offsets[1:])
            chunks.append((offsets, memoryview(b"".join(encoded))))
        return _made(chunks, None, ())

    @staticmethod
    def concatenate(parts: Sequence[Text | NDArray[Any]]) -> Text:
        """Return the concatenated values of all parts; a Text is not copied."""
        texts = [part if isinstance(part, Text) else Text.of(part) for part in parts]
        bases = np.cumsum([0, *(text._starts[-1] for text in texts)])
        indexed = any(text._rows is not None for text in texts)
        rows = [base + text._index() for base, text in zip(bases, texts, strict=False)] if indexed else None
        mapped = tuple({id(m): m for text in texts for m in text._mapped}.values())
        chunks = [chunk for text in texts for chunk in text._chunks]
        return _made(chunks, None if rows is None else np.concatenate(rows), mapped)

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._rows is None else len(self._rows)

    def __iter__(self) -> Iterator[str]:
        for block in self.blocks():
            yield from block

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> str: ...
    @overload
    def __getitem__(self, index: slice | NDArray[Any] | Sequence[int]) -> Text: ...
    def __getitem__(self, index: Any) -> str | Text:
        n = len(self)
        if isinstance(index, (int, np.integer)):
            if not -n <= index < n:
                raise IndexError(f"index {index} is out of bounds for {n} values")
            return self._decoded(int(index) % n, int(index) % n + 1)[0]
        if isinstance(index, slice):
            index_array = np.arange(*index.indices(n), dtype=np.int64)
        else:
            index_array = np.asarray(index)
            if index_array.dtype == np.bool_:
                if index_array.shape != (n,):
                    raise IndexError(f"a mask of shape {index_array.shape} for {n} values")
                index_array = np.flatnonzero(index_array)
            elif index_array.size == 0:
                index_array = np.empty(0, np.int64)
            elif index_array.dtype.kind not in "iu" or index_array.ndim != 1:
                raise IndexError(
                    f"expected a number, a slice, (m,) integers or a mask, got {index_array.dtype} {index_array.shape}"
                )
            elif index_array.min() < -n or index_array.max() >= n:
                raise IndexError(
                    f"an index from {index_array.min()} to {index_array.max()} is out of bounds for {n} values"
                )
            index_array = np.where(index_array < 0, index_array + n, index_array).astype(np.int64, copy=False)
        return _made(self._chunks, index_array if self._rows is None else self._rows[index_array], self._mapped)

    def __eq__(self, other: object) -> NDArray[np.bool_]:  # type: ignore[override]
        if isinstance(other, str):
            return np.fromiter((value == other for value in self), np.bool_, len(self))
        if not isinstance(other, (Text, np.ndarray, list, tuple)):
            return NotImplemented
        if len(other) != len(self):
            raise ValueError(f"cannot compare {len(self)} values with {len(other)}")
        return np.fromiter((a == b for a, b in zip(self, other, strict=True)), np.bool_, len(self))

    def __ne__(self, other: object) -> NDArray[np.bool_]:  # type: ignore[override]
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else ~equal

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a Text cannot become an array without a copy")
        stored, index = self.stored()
        out = np.empty(len(stored), dtype=object)
        at = 0
        for block in stored.blocks():
            out[at : at + len(block)] = block
            at += len(block)
        if index is not None:
            out = out[index]
        return out if dtype is None else out.astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return Text.of, (self.tolist(),)

    def __repr__(self) -> str:
        return f"<Text of {len(self)} values>"

    @property
    def shape(self) -> tuple[int]:
        """(n,), as for an array."""
        return (len(self),)

    @property
    def lengths(self) -> Ints:
        """The length of each value in bytes, (n,), without decoding; for DNA, its bases."""
        of_all = [np.diff(offsets) for offsets, _ in self._chunks]
        lengths: Ints = np.concatenate([np.empty(0, np.int64), *of_all])
        return lengths if self._rows is None else lengths[self._rows]

    def tolist(self) -> list[str]:
        """Return all values."""
        return list(self)

    def astype(self, dtype: Any) -> NDArray[Any]:
        """Return all values as a numpy array of this type."""
        return np.asarray(self, dtype=dtype)

    def blocks(self) -> Iterator[list[str]]:
        """Yield all values in lists of a few megabytes; adjacent rows with one stored value share one str."""
        last: tuple[int, str] | None = None
        for start, stop in self._spans(shared=True):
            if self._rows is None or stop == start + 1 or (np.diff(rows := self._rows[start:stop]) != 0).all():
                yield self._decoded(start, stop)
                continue
            stored_rows, index = np.unique(rows, return_inverse=True)
            values = _made(self._chunks, stored_rows, ())._decoded(0, len(stored_rows))
            if last is not None and last[0] in stored_rows:
                values[int(np.searchsorted(stored_rows, last[0]))] = last[1]
            block = [values[i] for i in index.tolist()]
            last = int(rows[-1]), block[-1]
            yield block

    def letters(self) -> Iterator[tuple[NDArray[np.uint8], Ints]]:
        """Yield blocks of m values: their bytes, and (m + 1,) bounds of which value i lies between i and i + 1."""
        for start, stop in self._spans():
            run = self._run(start, stop)
            if run is not None:
                yield np.frombuffer(run[1], np.uint8), run[0]
                continue
            pieces = self._pieces(start, stop)
            bounds = np.zeros(len(pieces) + 1, np.int64)
            np.cumsum([len(piece) for piece in pieces], out=bounds[1:])
            yield np.frombuffer(b"".join(pieces), np.uint8), bounds

    def stored(self) -> tuple[Text, Ints | None]:
        """Return the stored values, each once, and the index of each row's value among them (None: all in order)."""
        if self._rows is None:
            return self, None
        stored_rows, index = np.unique(self._rows, return_inverse=True)
        whole = len(stored_rows) == self._starts[-1]
        return _made(self._chunks, None if whole else stored_rows, self._mapped), index.astype(np.int64).reshape(-1)

    def column(self) -> pyarrow.ChunkedArray:
        """Return the values as an Arrow column of large_string; contiguous letters are not copied."""
        import pyarrow as pa

        chunks = self._chunks if self._rows is None else [(bounds, letters) for letters, bounds in self.letters()]
        kind = pa.large_string()
        return pa.chunked_array(
            [
                pa.Array.from_buffers(kind, len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
                for offsets, data in chunks
            ],
            type=kind,
        )

    def _set(self, chunks: list[tuple[Ints, memoryview]], rows: Ints | None, mapped: tuple[mmap.mmap, ...]) -> None:
        self._chunks = chunks
        self._mapped = mapped
        self._starts = np.cumsum([0, *(len(offsets) - 1 for offsets, _ in chunks)], dtype=np.int64)
        self._rows = rows

    def _index(self) -> Ints:
        return np.arange(self._starts[-1], dtype=np.int64) if self._rows is None else self._rows

    def _spans(self, *, shared: bool = False) -> Iterator[tuple[int, int]]:
        """Yield ranges of rows of a few megabytes each; with `shared` a repeated row counts once."""
        n, at, n_read = len(self), 0, 0
        lengths = self.lengths
        if shared and self._rows is not None:
            lengths[1:][np.diff(self._rows) == 0] = 0
        ends = np.cumsum(lengths)
        while at < n:
            before = int(ends[at - 1]) if at else 0
            stop = int(np.searchsorted(ends, before + _BLOCK_BYTES, side="right"))
            stop = min(max(stop, at + 1), at + _BLOCK_ROWS, n)
            yield at, stop
            at = stop
            n_read += int(ends[stop - 1]) - before
            if n_read > _RELEASE_EVERY or at == n:
                self._release()
                n_read = 0

    def _release(self) -> None:
        """Release the pages of mapped files; they are read again where they are still used."""
        for mapped in self._mapped:
            if hasattr(mmap, "MADV_DONTNEED"):  # Windows has none
                mapped.madvise(mmap.MADV_DONTNEED)

    def _pieces(self, start: int, stop: int) -> list[memoryview]:
        """Return the letters of each of the rows."""
        rows = np.arange(start, stop) if self._rows is None else self._rows[start:stop]
        which = np.searchsorted(self._starts, rows, side="right") - 1
        local = rows - self._starts[which]
        begin, end = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        for chunk in np.unique(which):
            in_chunk = which == chunk
            begin[in_chunk] = self._chunks[chunk][0][local[in_chunk]]
            end[in_chunk] = self._chunks[chunk][0][local[in_chunk] + 1]
        letters = [data for _, data in self._chunks]
        pieces = [letters[w][a:b] for w, a, b in zip(which.tolist(), begin.tolist(), end.tolist(), strict=True)]
        return pieces

    def _run(self, start: int, stop: int) -> tuple[Ints, memoryview] | None:
        """Return the bounds and the letters of contiguous rows, None where they are not contiguous."""
        if self._rows is not None:
            rows = self._rows[start:stop]
            if (np.diff(rows) != 1).any():
                return None
            start, stop = int(rows[0]), int(rows[-1]) + 1
        chunk = int(np.searchsorted(self._starts, start, side="right")) - 1
        if stop > self._starts[chunk + 1]:
            return None
        offsets, data = self._chunks[chunk]
        base = int(self._starts[chunk])
        bounds = offsets[start - base : stop - base + 1]
        return bounds - bounds[0], data[bounds[0] : bounds[-1]]

    def _decoded(self, start: int, stop: int) -> list[str]:
        run = self._run(start, stop)
        if run is not None:
            text = str(run[1], "utf-8")
            if text.isascii():
                bounds = run[0].tolist()
                return [text[a:b] for a, b in pairwise(bounds)]
        return [str(piece, "utf-8") for piece in self._pieces(start, stop)]


Strings = NDArray[np.object_] | Text
"""(n,) values of text: an object array of str or a Text; `np.asarray` makes the former of both."""


def blocks(column: Strings) -> Iterator[Sequence[str]]:
    """Yield the values of a column of text a few thousand at a time, so that a Text is never decoded whole."""
    if isinstance(column, Text):
        yield from column.blocks()
    else:
        for start in range(0, len(column), _BLOCK_ROWS):
            yield column[start : start + _BLOCK_ROWS].tolist()


def distinct(column: Strings) -> tuple[Strings, Ints]:
    """Return the distinct values in order of first occurrence, and the index of each row's value among them, (n,)."""
    values: Strings = column
    index = None
    if isinstance(column, Text):
        values, index = column.stored()
    seen: dict[bytes, int] = {}
    keys = (hashlib.blake2b(v.encode(), digest_size=16).digest() for block in blocks(values) for v in block)
    of_row: Ints = np.fromiter((seen.setdefault(key, len(seen)) for key in keys), np.int64, len(values))
    if index is not None:
        of_row = of_row[index]
    _, first, back = np.unique(of_row, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return column[first[order]], rank[back.reshape(-1)]


def hash_column(hasher: Any, column: Strings) -> None:
    """Update the hasher as `digest` does with the values joined by line feeds, without joining them."""
    if isinstance(column, Text):
        size = int(column.lengths.sum())
    else:
        size = sum(len("".join(block).encode()) for block in blocks(column))
    hasher.update((size + max(len(column) - 1, 0)).to_bytes(8, "little"))
    between = b""
    for block in blocks(column):
        hasher.update(between)
        hasher.update("\n".join(block).encode())
        between = b"\n"


def _made(chunks: list[tuple[Ints, memoryview]], rows: Ints | None, mapped: tuple[mmap.mmap, ...]) -> Text:
    text = Text.__new__(Text)
    text._set(chunks, rows, mapped)
    return text


def _views(array: Any) -> tuple[Ints, memoryview]:
    """Return the (m + 1,) offsets of an Arrow array of text and its letters, without copying them."""
    if array.null_count:
        raise ValueError("a column of text with missing values")
    wide = str(array.type) == "large_string"
    if not wide and str(array.type) != "string":
        raise TypeError(f"expected a column of text, got {array.type}")
    _, offsets, data = array.buffers()
    if not len(array) or offsets is None:
        return np.zeros(1, np.int64), memoryview(b"")
    bounds = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    return bounds.astype(np.int64, copy=False), memoryview(data if data is not None else b"").cast("B")
