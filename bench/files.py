"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, content: str | Callable[[Path], object]) -> None:
    """Return once `path` holds all of the content; until then nothing of it is there, and another file stays.

    The content is text, or a function that writes a file or a folder at the path that it is given: beside `path`, of
    the name `.NAME.` and eight digits, and renamed when it is done. Folders above are made. A folder takes the place of
    none but an empty one. Raises OSError where it cannot be written, and what the function raises; nothing is left.
    """
    beside = path.with_name(f".{path.name[:200]}.{uuid.uuid4().hex[:8]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if isinstance(content, str):
            with beside.open("w", encoding="utf-8", newline="") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # else a loss of power may leave the name without the text
        else:
            content(beside)
        beside.replace(path)
    finally:
        _remove(beside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
