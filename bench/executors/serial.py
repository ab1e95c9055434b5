"""One cell after another, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..errors import ConfigError
from ..plan import Cell
from .executor import R, executor


@executor("serial")
def serial(
    cells: Sequence[Cell],
    prepare: Callable[[], Callable[[Cell], R]],
    *,
    workers: int = 1,
    started: Callable[[Cell], None] = lambda cell: None,
) -> Iterator[R]:
    """Yield a result for each cell, in order. Raises ConfigError for more workers than one."""
    if workers != 1:
        raise ConfigError(f"workers = {workers}: the executor 'serial' has one; 'processes' has several")
    run = prepare()
    for cell in cells:
        started(cell)
        yield run(cell)
