"""What an executor is, and how to register one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..plan import Cell
from ..registry import Registry, origin_of

R = TypeVar("R")


@dataclass(frozen=True)
class Lost:
    """A cell that has no result because what ran it died, and why."""

    cell: Cell
    reason: str


class Executor(Protocol):
    """Runs cells somewhere, and yields the result of each as it ends.

    `prepare()` is called once in each process that runs cells; it returns the function that runs one, and which holds
    what cells share, such as a loaded model: neighbours in `cells` are often of one model. `prepare`, the cells and
    their results can be pickled; the function that it returns stays in its process. That function raises where no cell
    can succeed, such as for results that cannot be written, and then no further cell must run.

    `workers` is how many cells may run at once, and `started` is to be called with each cell that begins.
    """

    def __call__(
        self,
        cells: Sequence[Cell],
        prepare: Callable[[], Callable[[Cell], R]],
        *,
        workers: int,
        started: Callable[[Cell], None],
    ) -> Iterator[R | Lost]:
        """Yield a result for each cell, in the order in which they end."""


EXECUTORS: Registry[Executor] = Registry("executor", builtin="baserate.executors")


def executor(name: str) -> Callable[[Executor], Executor]:
    """Return a decorator that registers a function with the parameters of `Executor` as an executor."""

    def register(run: Executor) -> Executor:
        EXECUTORS.add(name, run, origin=origin_of(run))
        return run

    return register
