"""The folder of baserate's cache, and the digests of files."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

from ..errors import DataError
from ..files import check_regular


def cache_dir() -> Path:
    """Return the folder of the cache: `$BASERATE_CACHE`, or baserate's own under the user's cache directory."""
    chosen = os.environ.get("BASERATE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("baserate", appauthor=False))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content; within one process a file is read again only if it has changed.

    Raises DataError where it cannot be read.
    """
    try:
        check_regular(path)
        status = path.stat()
        return _digest_of(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


@functools.lru_cache(maxsize=256)
def _digest_of(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
