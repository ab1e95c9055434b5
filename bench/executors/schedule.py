"""Which cell a worker runs next: the longest first, what it has at hand before what others have, within memory."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from ..plan import Cell


class Schedule:
    """The cells of a grid that wait for workers, and those that run.

    `keeps(cell)` is what a worker should go on with, such as a loaded model or a task's examples. `memory_mb` is what
    all running cells together may be expected to fill, 0 for any amount. Two cells of one network on one task never run
    at once: the second reads from disk what the first has computed.
    """

    def __init__(self, cells: Sequence[Cell], keeps: Callable[[Cell], str], memory_mb: float = 0.0) -> None:
        self._keeps = keeps
        self._memory = memory_mb
        self._groups: dict[str, dict[tuple[str, str], list[Cell]]] = defaultdict(lambda: defaultdict(list))
        for cell in cells:
            self._groups[keeps(cell)][_pair(cell)].append(cell)
        for groups in self._groups.values():
            for group in groups.values():
                group.sort(key=lambda cell: -_seconds(cell))
                group.reverse()  # the last is taken first
        self._left = {name: sum(map(_total, groups.values())) for name, groups in self._groups.items()}
        self._owners: dict[str, int] = {}
        self._running: dict[int, Cell] = {}
        self._waiting = len(cells)

    def __len__(self) -> int:
        """How many cells wait."""
        return self._waiting

    def next(self, worker: int, *, may: Callable[[Cell], bool] = lambda cell: True) -> Cell | None:
        """Return the cell that the worker is to run now, None where it has to wait, or `may` run none of what is left.

        It goes on with what it has begun, then begins what nobody has, then helps others.
        """
        busy = {_pair(cell) for cell in self._running.values() if not cell.card.baseline}

        def rank(name: str) -> tuple[int, float]:
            owner = self._owners.get(name)
            return (0 if owner == worker else 1 if owner is None else 2), -self._left[name]

        for name in sorted(self._groups, key=rank):
            groups = self._groups[name]
            for pair in sorted(groups, key=lambda pair: -_total(groups[pair])):
                cell = groups[pair][-1]
                if pair not in busy and may(cell) and self._fits(cell):
                    return self._take(worker, name, pair)
        return None

    def done(self, worker: int) -> None:
        """Let the worker's cell count as ended."""
        self._running.pop(worker, None)

    def again(self, cell: Cell) -> None:
        """Put a cell back, to be run again."""
        name = self._keeps(cell)
        self._groups[name][_pair(cell)].append(cell)
        self._left[name] = self._left.get(name, 0.0) + _seconds(cell)
        self._waiting += 1

    def _take(self, worker: int, name: str, pair: tuple[str, str]) -> Cell:
        groups = self._groups[name]
        cell = groups[pair].pop()
        if not groups[pair]:
            del groups[pair]
        if not groups:
            del self._groups[name]
        self._left[name] -= _seconds(cell)
        self._waiting -= 1
        self._owners.setdefault(name, worker)
        self._running[worker] = cell
        return cell

    def _fits(self, cell: Cell) -> bool:
        """Return whether there is memory for the cell beside those that run; a cell alone is always tried."""
        if not self._memory or not self._running:
            return True
        running = math.fsum(other.cost.memory_mb or 0.0 for other in self._running.values())
        return running + (cell.cost.memory_mb or 0.0) <= self._memory


def _pair(cell: Cell) -> tuple[str, str]:
    return cell.card.name, cell.task.id


def _seconds(cell: Cell) -> float:
    return cell.cost.seconds or 0.0


def _total(cells: Sequence[Cell]) -> float:
    return math.fsum(map(_seconds, cells))
