"""Cells on a cluster of Ray's: this machine, or those of the address in RAY_ADDRESS.

A worker keeps its model loaded and runs one cell at a time, so that no more than `workers` cells are in flight. One
that dies is replaced, and its cell is tried again; a cell that fails has its record and is not.
"""

from __future__ import annotations

import functools
import logging
import os
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cloudpickle

from ..errors import ConfigError, MissingExtra
from ..machine import cores
from ..plan import Cell
from ..progress import Shown, listening, relayed
from ..provenance import WORKER
from .executor import Lost, R, executor
from .schedule import Schedule

_RETRIES = 3
"""How often a cell is tried again whose worker died, as Ray does for its own tasks."""
_STORE = 200_000_000
"""Bytes of memory that workers share: only cells and their results pass through it."""
_LOOKED = 0.3
"""Seconds between two looks at what the workers report."""
_PASSED_ON = ("BASERATE_", "HF_")


class Runs:
    """The state of a worker's process: the function that runs cells, with what it has loaded."""

    def __init__(self, packed: bytes, folder: str, paths: Sequence[str], slot: int, reports: Any) -> None:
        sys.path += [path for path in paths if path not in sys.path]
        if os.path.isdir(folder):  # noqa: PTH112 - on another machine there may be none
            os.chdir(folder)
        os.environ[WORKER] = str(slot)
        self._packed = packed
        self._reports = reports
        self._run: Callable[[Cell], Any] | None = None

    def cell(self, packed: bytes, number: int) -> bytes:
        """Return the pickled result of a pickled cell, the `number`-th that begins."""
        with listening(relayed(functools.partial(self._reports.add.remote, number))):
            if self._run is None:  # here, so that what it raises is no death of the worker
                self._run = pickle.loads(self._packed)()
            result: bytes = cloudpickle.dumps(self._run(pickle.loads(packed)))
        return result


class Reports:
    """The state of a process that keeps what workers report, until somebody asks."""

    def __init__(self) -> None:
        self._kept: list[tuple[Any, ...]] = []

    def add(self, *report: Any) -> None:
        """Keep a report: the number of the cell, and a message of `relayed`."""
        self._kept.append(report)

    def taken(self) -> list[tuple[Any, ...]]:
        """Return the reports that nobody has taken, the oldest first."""
        kept, self._kept = self._kept, []
        return kept


@executor("ray")
def ray(
    cells: Sequence[Cell],
    prepare: Callable[[], Callable[[Cell], R]],
    *,
    workers: int,
    started: Callable[[Cell], None],
) -> Iterator[R | Lost]:
    """Yield a result for each cell, from up to `workers` workers of which each takes its share of cores, or a GPU.

    Raises MissingExtra without ray, ConfigError where it cannot be reached or a cell cannot be pickled, and whatever
    ends the grid.
    """
    if not cells:
        return
    engine = _engine()
    mine = not engine.is_initialized()
    if mine:
        _join(engine)
    fleet = _Fleet(engine, prepare, _kinds(engine, cells, workers))
    plan = Schedule(cells, keeps=lambda cell: cell.card.name)
    deaths: Counter[int] = Counter()
    try:
        while len(plan) or fleet.running:
            for slot in fleet.idle:
                chosen = plan.next(slot, may=functools.partial(fleet.takes, slot))
                if chosen is not None:
                    started(chosen)
                    fleet.run(slot, chosen)
            slot, cell, result = fleet.next()
            plan.done(slot)
            if not isinstance(result, Lost):
                yield result
                continue
            deaths[id(cell)] += 1
            if deaths[id(cell)] > _RETRIES:
                yield Lost(cell, f"{result.reason}, {deaths[id(cell)]} times")
            else:
                plan.again(cell)
    finally:
        fleet.end()
        if mine:
            engine.shutdown()


@dataclass
class _Running:
    """A cell that a worker runs, the `number`-th that began: what its result will be, and what is shown of it."""

    result: Any
    cell: Cell
    number: int
    shown: Shown = field(default_factory=Shown)


class _Fleet:
    """The workers by number: a process of Ray's each, started when it is first used, and again where it died."""

    def __init__(self, engine: Any, prepare: Any, kinds: Sequence[Mapping[str, float]]) -> None:
        self._engine = engine
        self._kinds = kinds
        self._prepare = _packed(prepare, "the grid")
        self._actors: dict[int, Any] = {}
        self._reports = engine.remote(Reports).options(num_cpus=0).remote()
        self._asked = self._reports.taken.remote()
        self._begun = 0
        self.running: dict[int, _Running] = {}

    @property
    def idle(self) -> list[int]:
        """The workers that run nothing."""
        return [slot for slot in range(len(self._kinds)) if slot not in self.running]

    def takes(self, slot: int, cell: Cell) -> bool:
        """Return whether the worker is for such cells: those for a GPU go to those that have one, if there are any."""
        any_gpu = any(kind["num_gpus"] for kind in self._kinds)
        only_gpu = all(kind["num_gpus"] for kind in self._kinds)
        return only_gpu or not any_gpu or cell.cost.gpu == bool(self._kinds[slot]["num_gpus"])

    def run(self, slot: int, cell: Cell) -> None:
        """Let the worker run the cell. Raises ConfigError where it cannot be pickled."""
        packed = _packed(cell, str(cell))
        if slot not in self._actors:
            variables = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
            variables["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(int(self._kinds[slot]["num_cpus"])))
            remote = self._engine.remote(Runs).options(
                max_restarts=0, runtime_env={"env_vars": variables}, **self._kinds[slot]
            )
            here = os.getcwd()  # noqa: PTH109
            self._actors[slot] = remote.remote(self._prepare, here, sys.path, slot, self._reports)
        self._begun += 1
        self.running[slot] = _Running(self._actors[slot].cell.remote(packed, self._begun), cell, self._begun)

    def next(self) -> tuple[int, Cell, Any]:
        """Return the next worker whose cell has ended, the cell and its result, `Lost` where the worker died.

        Raises what the cell's function raised, since no further cell can succeed then.
        """
        results = [running.result for running in self.running.values()]
        ready: list[Any] = []
        while not ready:
            ready, _ = self._engine.wait(results, num_returns=1, timeout=_LOOKED)
            self._show()
        slot = next(slot for slot, running in self.running.items() if running.result == ready[0])
        cell = self.running.pop(slot).cell
        errors = self._engine.exceptions
        try:
            return slot, cell, pickle.loads(self._engine.get(ready[0]))
        except errors.RayTaskError as error:
            raise error.cause if isinstance(error.cause, BaseException) else error from None
        except errors.RayError as error:  # the worker, or its machine, is gone
            del self._actors[slot]
            first = str(error).strip().splitlines()[0] if str(error).strip() else ""
            return slot, cell, Lost(cell, f"its worker died ({type(error).__name__}: {first})")

    def _show(self) -> None:
        """Show what the workers do, but for what comes late of a cell that has ended."""
        if not self._engine.wait([self._asked], timeout=0)[0]:  # nothing waits for it
            return
        try:
            reports = self._engine.get(self._asked)
        except self._engine.exceptions.RayError:  # its machine is gone
            return
        self._asked = self._reports.taken.remote()
        begun = {running.number: running for running in self.running.values()}
        for number, *message in reports:
            if number in begun:
                begun[number].shown.take(tuple(message), str(begun[number].cell))

    def end(self) -> None:
        """End all workers at once."""
        for actor in (*self._actors.values(), self._reports):
            self._engine.kill(actor)
        self._actors.clear()


def _engine() -> Any:
    try:
        import ray
    except ImportError:
        raise MissingExtra("the executor 'ray' needs ray: pip install \"baserate[cluster]\"") from None
    return ray


def _join(engine: Any) -> None:
    """Join the cluster of RAY_ADDRESS, or begin one on this machine. Raises ConfigError where it cannot be reached."""
    where = os.environ.get("RAY_ADDRESS", "")
    own: dict[str, Any] = {"address": where}
    if not where:
        own = {"address": "local", "num_cpus": cores(), "include_dashboard": False, "object_store_memory": _STORE}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    try:
        engine.init(log_to_driver=True, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        message = " ".join(str(error).split())
        raise ConfigError(f"ray at {where or 'this machine'} cannot be reached: {message[:300]}") from error


def _kinds(engine: Any, cells: Sequence[Cell], workers: int) -> list[dict[str, float]]:
    """Return what each worker asks of Ray: a GPU, as far as there are and cells want one; all share the cores."""
    there = engine.cluster_resources()
    number = min(workers, len(cells))
    for_gpu = sum(cell.cost.gpu for cell in cells)
    gpus = min(int(there.get("GPU", 0)), for_gpu, number if for_gpu == len(cells) else max(1, number - 1))
    # More cores than one machine has would be waited for for ever.
    largest = max((node["Resources"].get("CPU", 1) for node in engine.nodes() if node["Alive"]), default=1)
    share = max(1, min(int(there.get("CPU", 1)) // number, int(largest)))
    return [{"num_cpus": share, "num_gpus": int(slot < gpus)} for slot in range(number)]


def _packed(value: Any, what: str) -> bytes:
    try:
        packed: bytes = cloudpickle.dumps(value)
    except Exception as error:
        raise ConfigError(f"{what}: it cannot be sent to another process ({error}); run it with one worker") from error
    return packed
