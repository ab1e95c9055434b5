"""Several cells at once, in processes of this machine that share its cores.

A process runs the cells of one task before it begins another, so that few splits are read and audited twice, and the
longest first, as far as memory is expected to do for all; one of `isolated` runs those of one model, and ends before
another is loaded. One that dies, such as for want of memory, takes nothing with it but its cell, which a new process
tries once more.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import cloudpickle

from ..errors import ConfigError
from ..machine import cores, memory_bytes
from ..plan import Cell
from ..progress import Shown
from ..provenance import WORKER
from .executor import Lost, R, executor
from .schedule import Schedule

_TRIES = 2
"""How many processes may die of a cell."""
_MEMORY = 0.9
"""The share of the machine's memory that the running cells together may be expected to fill."""
_GRACE = 5
"""Seconds in which a process that is interrupted ends by itself, unless it computes outside Python."""

_HANGS = 60
"""Seconds after which a process that has nothing more to do, and does not end, is killed."""


@executor("processes")
def processes(
    cells: Sequence[Cell],
    prepare: Callable[[], Callable[[Cell], R]],
    *,
    workers: int,
    started: Callable[[Cell], None],
) -> Iterator[R | Lost]:
    """Yield a result for each cell from up to `workers` processes, each with its share of the cores.

    Raises ConfigError where a cell cannot be pickled, and whatever ends the grid; the processes end with the generator.
    """
    return _in_processes(cells, prepare, workers, started, lambda cell: cell.task.id, one=False)


@executor("isolated")
def isolated(
    cells: Sequence[Cell],
    prepare: Callable[[], Callable[[Cell], R]],
    *,
    workers: int,
    started: Callable[[Cell], None],
) -> Iterator[R | Lost]:
    """Yield results as `processes` does, but no process runs cells of more than one model."""
    return _in_processes(cells, prepare, workers, started, lambda cell: cell.card.name, one=True)


def _in_processes(
    cells: Sequence[Cell],
    prepare: Callable[[], Callable[[Cell], R]],
    workers: int,
    started: Callable[[Cell], None],
    kind: Callable[[Cell], str],
    *,
    one: bool,
) -> Iterator[R | Lost]:
    """Yield the results; a process keeps to cells of one `kind`, until the others are taken, or with `one` for good."""
    waiting = Schedule(cells, keeps=kind, memory_mb=_MEMORY * memory_bytes() / 2**20)
    began: dict[int, str] = {}
    deaths: Counter[int] = Counter()
    events: queue.SimpleQueue[tuple[_Process, Any]] = queue.SimpleQueue()
    # A network runs once at a time on a task, so that more processes than that would only have fewer cores each.
    most = sum(cell.card.baseline for cell in cells) + len(
        {(cell.card.name, cell.task.id) for cell in cells if not cell.card.baseline}
    )
    number = min(workers, len(waiting), most)
    running = {slot: _Process(slot, prepare, max(1, cores() // number), events) for slot in range(number)}

    def give() -> None:
        """Let every process that runs nothing run a cell, or wait, or end where none is left."""
        for process in [process for process in running.values() if process.cell is None]:
            if (cell := waiting.next(process.slot)) is not None:
                if one and began.setdefault(process.slot, kind(cell)) != kind(cell):
                    process.end()
                    process = running[process.slot] = _Process(process.slot, prepare, process.threads, events)
                    began[process.slot] = kind(cell)
                started(cell)
                process.run(cell)
            elif not waiting:
                running.pop(process.slot).end()

    try:
        give()
        while running:
            process, message = events.get()
            match message:
                case ("activity" | "advance", *_):
                    process.shown.take(message, str(process.cell))
                case ("log", entry):
                    if logging.getLogger(entry.name).isEnabledFor(entry.levelno):
                        logging.getLogger(entry.name).handle(entry)
                case ("raised", error):
                    raise error
                case ("result", result):
                    yield result
                    process.cell = None
                    waiting.done(process.slot)
                    give()
                case None if running.get(process.slot) is process:
                    ran, how = process.cell, process.end()
                    waiting.done(process.slot)
                    deaths[id(ran)] += 1
                    if ran is not None and deaths[id(ran)] < _TRIES:
                        waiting.again(ran)
                    elif ran is not None:
                        yield Lost(ran, f"its process {how}, {_TRIES} times")
                    running[process.slot] = _Process(process.slot, prepare, process.threads, events)
                    give()
    finally:
        for process in running.values():
            process.interrupt()
        end = time.monotonic() + _GRACE
        for process in running.values():
            process.kill(end - time.monotonic())


class _Process:
    """A child that runs one cell at a time; what it has to say comes as (process, message) to `events`."""

    def __init__(self, slot: int, prepare: Any, threads: int, events: queue.SimpleQueue[tuple[_Process, Any]]) -> None:
        self.slot = slot
        self.threads = threads
        self.cell: Cell | None = None
        self.shown = Shown()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "baserate.executors.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"OMP_NUM_THREADS": str(threads), **os.environ, WORKER: str(slot)},
        )
        self._send((sys.path, logging.getLogger().level))
        self._send(prepare)
        self._listener = threading.Thread(target=self._listen, args=(events,), daemon=True)
        self._listener.start()

    def run(self, cell: Cell) -> None:
        """Let the child run the cell. Raises ConfigError where it cannot be pickled."""
        self.cell = cell
        self._send(cell)

    def end(self) -> str:
        """Wait until the child has ended, which it does without further cells, and return how it ended, in words."""
        self.cell = None
        status = self._wait()
        if status < 0:
            name = signal.Signals(-status).name
            memory = ", as when the memory is full" if name == "SIGKILL" else ""
            return f"was killed by {name}{memory}"
        return f"ended with exit code {status}"

    def interrupt(self) -> None:
        """Let the child put in order what it does, and end."""
        self._child.terminate()

    def kill(self, grace: float) -> None:
        """End the child, unless it ends by itself in so many seconds after it was interrupted."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(max(0.0, grace))
        self._child.kill()
        self._wait()

    def _wait(self) -> int:
        """Close the pipes and return how the child ended."""
        assert self._child.stdin and self._child.stdout
        with suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            status = self._child.wait(_HANGS)
        except subprocess.TimeoutExpired:  # all its results are here
            self._child.kill()
            status = self._child.wait()
        self._listener.join()
        self._child.stdout.close()
        return status

    def _send(self, message: Any) -> None:
        assert self._child.stdin
        try:
            packed = cloudpickle.dumps(message)
        except Exception as error:
            raise ConfigError(
                f"{self.cell or 'the grid'}: it cannot be sent to another process ({error}); run it with one worker"
            ) from error
        with suppress(BrokenPipeError):  # it has died, as the listener finds out
            self._child.stdin.write(packed)
            self._child.stdin.flush()

    def _listen(self, events: queue.SimpleQueue[tuple[_Process, Any]]) -> None:
        assert self._child.stdout
        message: Any = ()
        while message is not None:
            try:
                message = pickle.load(self._child.stdout)
            except (EOFError, pickle.UnpicklingError):
                message = None
            except Exception as error:  # noqa: BLE001 - raised where the events are read
                message = ("raised", error)
            events.put((self, message))
