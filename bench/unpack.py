"""Files of text as they are shipped: plain, or packed by gzip (bgzip too), xz, bzip2, zip or zstd, by their content."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .errors import DataError
from .files import check_regular
from .progress import activity

PACKED = (".gz", ".bgz", ".xz", ".bz2", ".zst", ".zip")
"""Suffixes of packed files, after the suffix of the format of their text."""

BLOCK = 8 << 20
"""Bytes that are read at a time."""

_SLOW = 32 << 20
"""Bytes on disk past which reading reports its progress."""
_MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd", b"PK\3\4": "zip"}
_NAMES = {".gz": "gzip", ".bgz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd", ".zip": "zip"}
_FEW = 6


class Reader(Protocol):
    """A file that is open for reading bytes."""

    def read(self, n: int, /) -> bytes:
        """Return up to `n` bytes, none at the end."""


def plain_name(name: str) -> str:
    """Return a file's name in lower case, without the suffix of its packing: 'x.csv' for 'x.csv.gz'."""
    lower = name.lower()
    return next((lower.removesuffix(suffix) for suffix in PACKED if lower.endswith(suffix)), lower)


def text_name(path: Path) -> str:
    """Return the name of a file's text in lower case, by which its format is known; of a zip, that of its only file.

    Raises DataError where a zip has no file, or several.
    """
    if path.suffix.lower() != ".zip":
        return plain_name(path.name)
    with open_text(path) as (file, _):
        inside = Path(getattr(file, "name", "")).name.lower()
    return inside if Path(inside).suffix else plain_name(path.name)


def is_packed(path: Path) -> bool:
    """Return whether a file is packed, judging by its content. Raises DataError where it cannot be read."""
    with open_text(path) as (file, raw):
        return file is not raw


@contextmanager
def open_text(path: Path) -> Iterator[tuple[Reader, BinaryIO]]:
    """Return, as a context, a file's unpacked content and the file itself, whose position says how much was read.

    Raises DataError where it is damaged or unreadable, and for a zip of several files, which it lists.
    """
    packing = ""
    try:
        check_regular(path)
        with path.open("rb") as raw:
            packing = _packing(raw)
            expected = _NAMES.get(path.suffix.lower(), "")
            if expected and not packing and path.stat().st_size:
                plain = path.name[: -len(path.suffix)]
                raise DataError(f"{path}: truncated or damaged {expected}; if it is plain text, rename it {plain}")
            yield _reader(path, raw, packing), raw
    except OSError as error:
        if packing and error.errno is None:
            raise _damaged(path, packing, error) from error
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise _damaged(path, packing, error) from error


def blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's content, unpacked. Raises DataError as `open_text` does."""
    with open_text(path) as (file, raw):
        size = path.stat().st_size
        advance = activity(f"reading {path.name}", size) if size > _SLOW else None
        at = 0
        while block := file.read(BLOCK):
            if advance is not None:
                advance(raw.tell() - at)
                at = raw.tell()
            yield block


def text_blocks(path: Path) -> Iterator[bytes]:
    """Yield blocks of whole lines, without a byte order mark.

    Raises DataError, naming the byte, where they are not UTF-8 text, and as `open_text` does.
    """
    at = 0
    for block in _whole_lines(blocks(path)):
        try:
            if not block.isascii():
                block.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: byte {at + error.start} is not UTF-8 text") from error
        if b"\0" in block:
            raise DataError(f"{path}: byte {at + block.find(0)} is NUL; the file is damaged or not text")
        yield block.removeprefix(b"\xef\xbb\xbf") if not at else block
        at += len(block)


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, whichever way they end. Raises DataError as `text_blocks` does."""
    for block in text_blocks(path):
        yield from io.StringIO(block.decode(), newline=None)


def read_text(path: Path) -> str:
    """Return a text file's content. Raises DataError as `text_blocks` does."""
    return b"".join(text_blocks(path)).decode()


def _packing(raw: BinaryIO) -> str:
    head = raw.read(10)
    raw.seek(0)
    packing = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")
    # Of bzip2 more is examined than its first letters, which a text may begin with.
    return "" if packing == "bzip2" and head[4:] not in (b"1AY&SY", b"\x17rE8P\x90") else packing


def _reader(path: Path, raw: BinaryIO, packing: str) -> Reader:
    if packing == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if packing == "xz":
        return lzma.LZMAFile(raw)
    if packing == "bzip2":
        return bz2.BZ2File(raw)
    if packing == "zip":
        return _only_member(path, raw)
    if packing == "zstd":
        import pyarrow as pa

        if not pa.Codec.is_available("zstd"):
            raise DataError(f"{path}: this pyarrow does not read zstd; unpack it: zstd -d {path.name}")
        unpacked: Any = pa.CompressedInputStream(raw, "zstd")
        return unpacked  # type: ignore[no-any-return]
    return raw


def _only_member(path: Path, raw: BinaryIO) -> Reader:
    archive = zipfile.ZipFile(raw)
    members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        names = [m.filename for m in members]
        more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
        listed = f"{len(names)} files ({', '.join(names[:_FEW])}{more})" if names else "no file"
        raise DataError(f"{path}: the zip has {listed}, expected one; unpack it and name the file")
    try:
        return archive.open(members[0])
    except RuntimeError as error:  # a password, or an unusual compression
        raise DataError(f"{path}: {error}; unpack it and name the file") from error


def _damaged(path: Path, packing: str, error: Exception) -> DataError:
    return DataError(f"{path}: truncated or damaged {packing} ({error}); fetch the file again")


def _whole_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield b"".join([*rest, piece[:cut]])
            rest = [piece[cut:]]
        else:
            rest.append(piece)
    last = b"".join(rest)
    if last:
        yield last
