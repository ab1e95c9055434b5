"""What an executor is, and how one is registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from ..plan import Cell
from ..registry import Registry, origin_of

R = TypeVar("R")


class Executor(Protocol):
    """Runs cells somewhere, and yields the result of each as it ends.

    `prepare()` is called once in each process that runs cells; it returns the function that runs one, which keeps what
    cells share, such as a loaded model: neighbours in `cells` are often of one model. It can be pickled, and so can the
    cells and their results; the function that it returns stays where it is. That function raises for what concerns
    every cell, such as results that cannot be written, and then no further cell is to run.
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
