"""What a run meets in the self-test: the end of its process, a full disk or a read-only one, at a given operation.

Python reports each operation on files before it does it; here the report kills the process, or raises in its stead.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any, Literal

Kind = Literal["count", "kill", "full", "read-only"]

_CHANGES = {"os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.chmod": (0,)}
_CHANGES |= {"os.utime": (0,), "os.truncate": (0,), "os.link": (0, 1), "os.symlink": (0, 1)}
"""Operations that change files, with the places of paths among their arguments."""
_NEEDS_SPACE = ("open", "os.mkdir", "os.rename", "os.link", "os.symlink")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def strike(kind: Kind, at: int, folder: Path, counted: Path) -> None:
    """Strike this process at its change number `at`, from 1, of a file in `folder`.

    'kill' ends it; 'full' and 'read-only' refuse that change and all after it, as such a disk does; 'count' does
    nothing. A byte is added to the file `counted` for every change.
    """
    start, done = os.fsencode(folder), 0
    counter = os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def report(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if not _changes(event, arguments, start):
            return
        done += 1
        os.write(counter, b".")
        if done < at or kind == "count":
            return
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "read-only":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))
        if event in _NEEDS_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    sys.addaudithook(report)


def _changes(event: str, arguments: tuple[Any, ...], start: bytes) -> bool:
    """Return whether an operation changes a file in the folder whose path is `start`."""
    if event == "open":
        path, _, flags = arguments
        return isinstance(flags, int) and bool(flags & _WRITES) and _is_in(path, start)
    return any(_is_in(arguments[i], start) for i in _CHANGES.get(event, ()))


def _is_in(path: Any, start: bytes) -> bool:
    return isinstance(path, (str, bytes, os.PathLike)) and os.fsencode(path).startswith(start)
