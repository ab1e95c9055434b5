"""Files and folders: written whole or not at all, and the end of a path by which people know one."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable
from pathlib import Path

from .owner import is_left, machine, owner

_BESIDE = re.compile(r"\..+\.([\w-]+\.\d+)\.[0-9a-f]{8}")
"""The name of what is being written, and in it the process that writes it."""
_MOST = 120
"""Bytes of a file's name that stand in it, so that it is no longer than file systems take."""


def write_whole(path: Path, content: str | Callable[[Path], object], *, sweep: bool = True) -> None:
    """Write all of the content to `path` or nothing; until it is complete, an existing file stays.

    The content is text, or a function that writes a file or a folder at the path it is passed: beside `path`, named
    `.NAME.MACHINE.PROCESS.` and eight digits, and renamed when complete. Parent folders are created. A folder replaces
    only an empty folder. What dead processes of this machine left beside it is removed, if `sweep`: that looks at all
    files there, which for each of many is too slow. Raises OSError where it cannot be written, and what the function
    raises; no temporary file is left.
    """
    name = os.fsdecode(os.fsencode(path.name)[:_MOST])
    beside = path.with_name(f".{name}.{owner()}.{uuid.uuid4().hex[:8]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if sweep:
        remove_left(path.parent)
    try:
        if isinstance(content, str):
            # A file name that is not UTF-8 has signs that cannot be written; they are shown as \udcNN.
            with beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # otherwise a power failure may leave an empty file
        else:
            content(beside)
        beside.replace(path)
    finally:
        _remove(beside)


def remove_left(folder: Path) -> None:
    """Remove what dead processes of this machine were writing in the folder by `write_whole`."""
    for left in folder.glob(f".*.{machine()}.*"):
        if (found := _BESIDE.fullmatch(left.name)) and is_left(found[1]):
            _remove(left)


def check_regular(path: Path) -> None:
    """Raise OSError, whose `strerror` says what it is, for a pipe, a socket or a device: reading one may never end."""
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return
    kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
    raise OSError(errno.EINVAL, f"{kind}, not a file", str(path))


def writable(text: str) -> str:
    r"""Return the text with what UTF-8 cannot hold, such as bytes of a file name in Latin-1, written as `\udcNN`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def end_of(path: Path) -> str:
    """Return the last three parts of the resolved path, which tell files of one name apart."""
    resolved = path.resolve()
    return "/".join(resolved.relative_to(resolved.anchor).parts[-3:])
