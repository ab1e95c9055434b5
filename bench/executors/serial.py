"""One cell after another, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..plan import Cell
from .executor import R, executor


@executor("serial")
def serial(cells: Iterable[Cell], prepare: Callable[[], Callable[[Cell], R]]) -> Iterator[R]:
    """Yield a result for each cell, in order; a cell is taken from `cells` when the one before has ended."""
    yield from map(prepare(), cells)
