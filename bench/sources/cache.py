"""Derived tables on disk, keyed by the content that they came from.

A table is written beside its final name and renamed, so that a reader never sees half of one.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import DataError
from ..types import Examples, digest
from . import example_file

log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Return the folder of cached tables: `$BASERATE_CACHE`, or baserate's own under the user's cache directory."""
    named = os.environ.get("BASERATE_CACHE")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("baserate", appauthor=False))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content; a file is read again in one process only when it has changed.

    Raises DataError where it cannot be read.
    """
    try:
        status = path.stat()
        return _digest_of(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


@functools.lru_cache(maxsize=256)
def _digest_of(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached_examples(key: Sequence[str], build: Callable[[], Examples]) -> Examples:
    """Return what `build()` returns, from the cache where a table with this key is there.

    The key must hold everything that the table depends on: its first part is a readable name, the rest are digests.
    A damaged table is rebuilt with a warning. Raises DataError where the cache cannot be written.
    """
    path = cache_dir() / "examples" / f"{key[0]}-{digest(example_file.SCHEMA, *key)}.arrow"
    if path.is_file():
        try:
            return read_examples(path)
        except DataError as error:
            log.warning("rebuilding a damaged cache file: %s", error)
    write_examples(build(), path)
    return read_examples(path)  # which holds less of it in memory, and is what the next process gets


def write_examples(examples: Examples, path: Path) -> None:
    """Write every column to `path`, whole or not at all. Raises DataError where it cannot be written."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("w+b") as file:
                example_file.write(examples, file)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{path.parent}: cannot write the cache ({reason}); set BASERATE_CACHE to a writable folder"
        ) from error


read_examples = example_file.read
