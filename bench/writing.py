"""Processes that write in one folder: what each leaves is named after it, so that others know what a dead one left."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BESIDE = ".writing-"
_RUNNING = ".running-"
REPLACED = ".old"
"""The end of the name of a folder that holds the folder that a writer replaces."""
_STALE = 86_400
"""Seconds after which the folder of a process that may be on another machine counts as left behind."""


def prefix() -> str:
    """Return the start of the name of a hidden folder that this process writes, and that `sweep` knows by it."""
    return f"{_BESIDE}{_host()}.{os.getpid()}."


def sweep(folder: Path) -> None:
    """Remove what dead processes were writing in the folder."""
    for path in folder.glob(f"{_BESIDE}*"):
        try:
            dead = _is_left(path, _BESIDE) or (
                not _is_of_here(path, _BESIDE) and time.time() - path.stat().st_mtime > _STALE
            )
        except OSError:  # another writer was faster
            continue
        if dead:
            discard(path)


def discard(path: Path) -> None:
    """Remove a folder of a writer; a folder that it replaced goes back to its place, unless there is a new one."""
    if path.name.endswith(REPLACED) and path.is_dir():
        for folder in path.iterdir():
            with suppress(OSError):  # there is a new one, as there should be
                folder.rename(path.parent / folder.name)
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(folder: Path, work: str) -> Iterator[None]:
    """Mark that this process does `work` in the folder; the mark stays where the process dies of it.

    `work` has no full stop. Each block has a mark of its own, so that the end of one hides no other. Once the work has
    ended, marks of dead processes go too. Raises OSError where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f"{_RUNNING}{_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}.{work}"
    mark.touch()
    try:
        yield
    finally:
        for path in [mark, *_deaths(folder, work)]:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def works(folder: Path) -> set[str]:
    """Return the work that processes do in the folder, or did when they died."""
    return {path.name.rpartition(".")[2] for path in folder.glob(f"{_RUNNING}*")}


def has_died(folder: Path, work: str) -> bool:
    """Return whether a process of this machine died while it did `work` in the folder."""
    return bool(_deaths(folder, work))


def _deaths(folder: Path, work: str) -> list[Path]:
    return [path for path in folder.glob(f"{_RUNNING}*.{work}") if _is_left(path, _RUNNING)]


def _is_left(path: Path, start: str) -> bool:
    """Return whether the process that the name tells ran on this machine and is dead."""
    return _is_of_here(path, start) and not _is_alive(_process(path, start))


def _is_of_here(path: Path, start: str) -> bool:
    return path.name.startswith(f"{start}{_host()}.") and _process(path, start) >= 0


def _process(path: Path, start: str) -> int:
    """Return the number of the process in a name, -1 where there is none."""
    number = path.name.removeprefix(start).partition(".")[2].partition(".")[0]
    return int(number) if number.isdigit() else -1


def _host() -> str:
    return re.sub(r"[^\w-]+", "-", socket.gethostname())


def _is_alive(pid: int) -> bool:
    """Return whether a process runs on this machine; True where the system cannot tell."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is another user's
        return True
    return True
