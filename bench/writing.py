"""Processes that write in one folder: what each writes, and what it does there, is named after it."""

from __future__ import annotations

import errno
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .owner import Owner, is_left, is_of_here, owner, owner_in

_BESIDE = ".writing-"
_RUNNING = ".running-"
REPLACED = ".old"
"""The end of the name of a folder that holds the folder that a writer replaces."""
_AWAY = 1.0
"""Seconds for which a file is waited for: the folder that it is in may just be replaced, by way of a network."""
_STALE = 86_400
"""Seconds after which the folder of a process that may be on another machine counts as left behind."""


def prefix() -> str:
    """Return the start of the name of a hidden folder that this process writes, and that `sweep` knows by it."""
    return f"{_BESIDE}{owner()}."


def read(file: Path) -> bytes:
    """Return the content of a file in a folder that another process may be replacing: for a moment there is neither.

    Raises OSError where the folder stays away, or the file is not in it.
    """
    until = time.monotonic() + _AWAY
    while True:
        try:
            return file.read_bytes()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESTALE) or time.monotonic() > until:
                raise
        if file.parent.exists():  # it is back, or the file alone is not there
            return file.read_bytes()
        time.sleep(_AWAY / 50)


def sweep(folder: Path) -> None:
    """Remove what dead processes were writing in the folder."""
    for path in folder.glob(f"{_BESIDE}*"):
        try:
            by = path.name.removeprefix(_BESIDE)
            dead = is_left(by) or (not is_of_here(by) and time.time() - path.stat().st_mtime > _STALE)
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


def write_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """Write a folder, whole or not at all, by a function that fills the empty one that it is passed.

    One that is there is replaced; of several writers at once the last one's stays. Raises OSError where it cannot be
    written, and what the function raises; then the earlier one stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent)
    beside = Path(tempfile.mkdtemp(prefix=prefix(), dir=folder.parent))
    replaced = beside.with_name(f"{beside.name}{REPLACED}")
    try:
        write(beside)
        beside.chmod(0o755)
        until = time.monotonic() + _AWAY
        while not _placed(beside, folder, replaced):
            if time.monotonic() > until:
                raise OSError(errno.EBUSY, "other processes keep writing there")
            time.sleep(_AWAY / 200)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        discard(replaced)


def _placed(beside: Path, folder: Path, replaced: Path) -> bool:
    """Move the folder away, if there is one, and `beside` to its place; False where another writer came between."""
    try:
        if folder.exists():  # moved away rather than removed: half a folder would be in everyone's way
            shutil.rmtree(replaced, ignore_errors=True)  # of an earlier try, since which there is a new one
            replaced.mkdir()
            folder.rename(replaced / folder.name)
        beside.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST) or not beside.exists():
            raise
        return False
    return True


@contextmanager
def running(folder: Path, work: str, about: str = "") -> Iterator[Path]:
    """Mark that this process does `work` in the folder, in a file with the text `about`, whose path is yielded.

    The mark stays where the process dies of it. `work` has no full stop. Each block has a mark of its own, so that the
    end of one hides no other. Once the work has ended, marks of dead processes go too. Raises OSError where the folder
    cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f"{_RUNNING}{owner()}.{uuid.uuid4().hex[:8]}.{work}"
    try:
        mark.write_text(about, encoding="utf-8", errors="backslashreplace")
        yield mark
    finally:
        with suppress(OSError):
            mark.unlink(missing_ok=True)
        forget_deaths(folder, work)


def works(folder: Path) -> set[str]:
    """Return the work that processes do in the folder, or did when they died."""
    return {path.name.rpartition(".")[2] for path in folder.glob(f"{_RUNNING}*")}


def marks(folder: Path, work: str = "") -> Iterator[tuple[Path, Owner]]:
    """Yield the marks in the folder, of all work or of one, each with its process, which may have died."""
    for path in sorted(folder.glob(f"{_RUNNING}*{work and f'.{work}'}")):
        if (by := owner_in(path.name.removeprefix(_RUNNING))) is not None:
            yield path, by


def has_died(folder: Path, work: str) -> bool:
    """Return whether a process of this machine died while it did `work` in the folder."""
    return bool(_deaths(folder, work))


def forget_deaths(folder: Path, work: str) -> None:
    """Remove the marks of processes of this machine that died while they did `work` in the folder."""
    for path in _deaths(folder, work):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _deaths(folder: Path, work: str) -> list[Path]:
    return [path for path in folder.glob(f"{_RUNNING}*.{work}") if is_left(path.name.removeprefix(_RUNNING))]
