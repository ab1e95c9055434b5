"""What an executor is, and how to register one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from ..plan import Cell
from ..registry import Registry, origin_of

R = TypeVar("R")


class Executor(Protocol):
    """Runs cells somewhere, and yields the result of each as it ends.

    `prepare()` is called once in each process that runs cells; it returns the function that runs one, and which holds
    what cells share, such as a loaded model: neighbours in `cells` are often of one model. `prepare`, the cells and
    their results can be pickled; the function that it returns stays in its process. That function raises where no cell
    can succeed, such as for results that cannot be written, and then no further cell must run.
    """

    def __call__(self, cells: Iterable[Cell], prepare: Callable[[], Callable[[Cell], R]]) -> Iterator[R]:
        """Yield a result for each cell, in the order in which they end."""


EXECUTORS: Registry[Executor] = Registry("executor", builtin="baserate.executors")


def executor(name: str) -> Callable[[Executor], Executor]:
    """Return a decorator that registers a function of cells and `prepare` as an executor."""

    def register(run: Executor) -> Executor:
        EXECUTORS.add(name, run, origin=origin_of(run))
        return run

    return register
