"""Files packed in every way that is read, for tests."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa

PACKINGS = (".gz", ".bgz", ".xz", ".bz2", ".zst", ".zip")


def packed(path: Path, content: bytes) -> Path:
    """Return the path after writing the content there, packed as its suffix says; in two members where there may be."""
    half = len(content) // 2
    pieces = [content[:half], content[half:]]
    if path.suffix in (".gz", ".bgz"):
        path.write_bytes(b"".join(map(gzip.compress, pieces)))
    elif path.suffix == ".xz":
        path.write_bytes(b"".join(map(lzma.compress, pieces)))
    elif path.suffix == ".bz2":
        path.write_bytes(b"".join(map(bz2.compress, pieces)))
    elif path.suffix == ".zst":
        path.write_bytes(b"".join(map(zstd, pieces)))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"folder/{path.stem}", content)
    else:
        path.write_bytes(content)
    return path


def zstd(content: bytes) -> bytes:
    """Return the content packed by zstd."""
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return bytes(out.getvalue())
