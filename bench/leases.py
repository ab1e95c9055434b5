"""Leases: of several processes, on any machines that share a folder, one alone does a piece of work at a time.

A lease is a file that its owner creates if there is none, and touches while it lives, by a process beside it, since
long computations may let no other thread run. Who finds one that nobody touches any more takes it over. Only what
network file systems do alike is relied on: exclusive creation, times of one clock (the file server's), and removal; not
locks, hard links or atomic appending.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import subprocess
import sys
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .owner import is_alive

FOLDER = ".leases"
_UNKNOWN = "-"
_END = b"\0"
"""The end of a path on its way to the process that touches it: no path has it."""
EVERY = 15.0
"""Seconds between two touches."""
EXPIRES = 120.0
"""Seconds without a touch after which an owner counts as dead: clients of NFS may see a time a minute late."""


class Leases:
    """The leases of a folder, as one process sees them; `expires` is for tests."""

    def __init__(self, folder: Path, *, expires: float = EXPIRES) -> None:
        self.folder = folder
        self._expires = expires
        self._beat: subprocess.Popen[bytes] | None = None

    @contextmanager
    def of(self, work: str) -> Iterator[bool]:
        """Yield whether this process alone may do the work now: not where another one that lives has a lease of it.

        `work` is a file name without a full stop. What it leaves must be looked for inside the block: the last owner
        may have just ended. Raises OSError where the folder cannot be written.
        """
        mine = self._claimed(work)
        if mine is None:
            yield False
            return
        try:
            self._touch(mine)
            yield True
        finally:
            self._touch(None)
            for path in self._all(work):
                if _generation(path) <= _generation(mine):
                    with suppress(OSError):
                        path.unlink(missing_ok=True)

    def owner(self, work: str) -> str:
        """Return the machine and process that do the work, or '' where nobody does."""
        for path in reversed(self._all(work)):
            with suppress(OSError, ValueError):
                _, host, pid = path.read_text().split()
                return f"process {pid} of {host}"
        return ""

    def _claimed(self, work: str) -> Path | None:
        """Return the file that this process has created; each owner takes the next number, and so none takes two's."""
        self.folder.mkdir(parents=True, exist_ok=True)
        others = self._all(work)
        if others and self._lives(others[-1]):
            return None
        path = self.folder / f"{work}.{_generation(others[-1]) + 1 if others else 0}"
        if not _created(path, f"{_machine()} {socket.gethostname()} {os.getpid()}\n"):
            return None  # another process was faster
        if self._all(work)[-1:] != [path]:  # somebody looked before, and has a later number
            path.unlink(missing_ok=True)
            return None
        return path

    def _all(self, work: str) -> list[Path]:
        return sorted(self.folder.glob(f"{work}.*"), key=_generation)

    def _lives(self, path: Path) -> bool:
        """Return whether the owner lives: a process of this machine is asked for, another one is known by its touch."""
        try:
            with path.open() as file:  # an open file has its newest time, which NFS may otherwise tell late
                touched = os.fstat(file.fileno()).st_mtime
                machine, _, pid = file.read().split() or ("", "", "")
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESTALE):  # it has just ended
                return False
            raise
        except ValueError:
            machine, pid = "", ""
        if machine not in ("", _UNKNOWN) and machine == _machine() and not is_alive(int(pid)):
            return False
        return self._now() - touched < self._expires

    def _now(self) -> float:
        """Return the time by the clock of the file system: those of two machines may differ by minutes."""
        probe = self.folder / f".clock-{uuid.uuid4().hex}"
        probe.touch()
        try:
            return probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)

    def _touch(self, path: Path | None) -> None:
        """Let the process beside this one touch the file, or none, from now on."""
        if self._beat is None or self._beat.poll() is not None:
            command = [sys.executable, "-m", "baserate.leases", str(min(EVERY, self._expires / 4))]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._beat = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)
            weakref.finalize(self, _end, self._beat)
        assert self._beat.stdin is not None
        with suppress(BrokenPipeError):
            self._beat.stdin.write((b"" if path is None else os.fsencode(path.resolve())) + _END)
            self._beat.stdin.flush()


def _end(beat: subprocess.Popen[bytes]) -> None:
    """End the process beside this one, which it does when its input ends."""
    assert beat.stdin is not None
    with suppress(OSError):
        beat.stdin.close()
    beat.wait()


def _created(path: Path, text: str, *, again: bool = True) -> bool:
    """Return whether the file was created with the text, and not there before."""
    try:
        with path.open("x") as file:
            file.write(text)
        return True
    except FileExistsError:
        return False
    except OSError:
        if path.exists():  # SFTP has no error of its own for that
            return False
        if not again:
            raise
    return _created(path, text, again=False)  # it may have been there, and have just gone


def _generation(path: Path) -> int:
    end = path.name.rpartition(".")[2]
    return int(end) if end.isdigit() else -1


def _machine() -> str:
    """Return what processes share that see one another's numbers: the start of the system and the name space."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it is no path
    except OSError:
        return _UNKNOWN


def _beat_on(every: float) -> None:
    """Touch the last file that the input names, again and again, until the input ends with its writer."""
    path, begin = "", b""
    while True:
        ready, _, _ = select.select([0], [], [], every)
        if ready:
            read = os.read(0, 1 << 16)
            if not read:
                return
            *paths, begin = (begin + read).split(_END)
            path = os.fsdecode(paths[-1]) if paths else path
        if path:
            with suppress(OSError):
                os.utime(path)


if __name__ == "__main__":
    _beat_on(float(sys.argv[1]))
