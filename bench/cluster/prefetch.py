"""Everything that a grid reads from the network, fetched once, so that jobs without a network run it whole."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..cards.checkpoint import fetch_weights
from ..errors import BaserateError
from ..plan import Cell
from ..registry import load_model
from ..splits import load_split
from .selection import Selection


@dataclass(frozen=True)
class Fetched:
    """The data of a task, or the weights of a model: whether they are here now, or why not."""

    what: str
    name: str
    seconds: float
    error: str = ""


def prefetch(selection: Selection, done: Callable[[Fetched], None] = lambda fetched: None) -> list[Fetched]:
    """Return what the selection needs, each fetched into the caches, or the reason why not; `done` sees each at once.

    The data of a task, with its genome, are read as a run reads them, so that what is derived from them is cached too.
    Checkpoints of the hub are fetched; other models are loaded once, as only they know what they need. Raises
    ConfigError as `Selection.planned` does.
    """
    cells = selection.planned().cells
    found = []
    for cell in {cell.task.id: cell for cell in cells}.values():
        read = functools.partial(load_split, cell.task, limit=selection.limit)
        found.append(_fetched("data", cell.task.id, read))
        done(found[-1])
    for cell in {cell.card.name: cell for cell in cells}.values():
        found.append(_fetched("weights", cell.card.name, functools.partial(_weights, cell)))
        done(found[-1])
    return found


def _weights(cell: Cell) -> None:
    if fetch_weights(cell.card) is None:
        load_model(cell.card)


def _fetched(what: str, name: str, fetch: Callable[[], object]) -> Fetched:
    start = time.perf_counter()
    error = ""
    try:
        fetch()
    except (Exception, SystemExit) as reason:  # noqa: BLE001 - one of many: the others are fetched all the same
        kind = "" if isinstance(reason, BaserateError) else f"{type(reason).__name__}: "
        error = kind + " ".join(str(reason).split())
    return Fetched(what, name, round(time.perf_counter() - start, 2), error)
