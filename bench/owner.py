"""Which process left a file: its name has the machine and the process, so that others know what a dead one left."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass

_OF_THE_SYSTEM = "4026531836"
"""The process name space of a machine itself."""


def owner() -> str:
    """Return what stands for this process in names: MACHINE.PROCESS, where the machine has no full stop."""
    return f"{machine()}.{os.getpid()}"


@dataclass(frozen=True)
class Owner:
    """The machine and the number of a process."""

    machine: str
    process: int

    @property
    def is_of_here(self) -> bool:
        """Whether it is of this machine."""
        return self.machine == machine()

    @property
    def is_dead(self) -> bool:
        """Whether it was of this machine and has ended."""
        return self.is_of_here and not is_alive(self.process)


def owner_in(text: str) -> Owner | None:
    """Return the owner with which a text begins, None where it begins otherwise."""
    found = re.match(r"([\w-]+)\.(\d+)(?:\.|$)", text)
    return Owner(found[1], int(found[2])) if found else None


def is_of_here(text: str) -> bool:
    """Return whether a text that begins with an owner names a process of this machine."""
    owner = owner_in(text)
    return owner is not None and owner.is_of_here


def is_left(text: str) -> bool:
    """Return whether a text that begins with an owner names a process of this machine that is dead."""
    owner = owner_in(text)
    return owner is not None and owner.is_dead


def machine() -> str:
    """Return what processes share that see one another's numbers, without full stops.

    It is the name of the machine, with that of the process name space for a container that has one of its own.
    """
    name = re.sub(r"[^\w-]+", "-", socket.gethostname())[:40]
    try:
        space = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - it is no path
    except OSError:
        return name
    return name if space in ("", _OF_THE_SYSTEM) else f"{name}-{space}"


def is_alive(pid: int) -> bool:
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
