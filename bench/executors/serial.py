"""One cell after another, in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..errors import BaserateError, ConfigError
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
        with _staying():
            result = run(cell)
        yield result


@contextmanager
def _staying() -> Iterator[None]:
    """Make `os._exit` an error of the model that calls it: it would end the grid without a word, with 0 as if done."""
    end, owner, thread = os._exit, os.getpid(), threading.get_ident()

    def refuse(status: int) -> None:
        if os.getpid() != owner:
            end(status)  # processes that were forked end so
        if threading.get_ident() != thread:
            end(status or 1)
        raise BaserateError(f"called os._exit({status!r})")

    os._exit = refuse  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = end
