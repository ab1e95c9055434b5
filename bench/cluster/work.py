"""The worker: one bundle of a file of cells, beside any number of others that write into the same folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from ..cards.own_files import run_inherited_plugins
from ..digests import canonical_json
from ..errors import ConfigError
from ..leases import EXPIRES
from ..outcomes import Outcome, Result
from ..plan import Cell
from ..storage import local
from .cells_file import CellsFile, named


def work(
    file: CellsFile,
    index: int,
    *,
    expires: float = EXPIRES,
    started: Callable[[Cell], None] = lambda cell: None,
    finished: Callable[[Result], None] = lambda result: None,
    **how: Any,
) -> Outcome:
    """Return what became of the cells of a bundle, each run under a lease; `how` are `executor` and `workers`.

    A cell that another process runs is left to it. Only where all others are done and nobody is heard of for `expires`
    seconds is it run here after all, so that nobody waits for ever, and a process that died leaves no gap. The process
    moves to the file's folder and takes the variables that its environment lacks. Raises ConfigError where the bundle,
    or a cell of it, is not there, and what `Grid.each` raises.
    """
    bundle = file.bundle(index)
    if not file.folder.is_dir():
        raise ConfigError(f"{file.folder}: no such folder on this machine; the cells were planned there")
    os.chdir(file.folder)
    for name, value in file.variables.items():
        os.environ.setdefault(name, value)
    run_inherited_plugins()
    folder = local(file.results)
    planned = file.selection.planned()
    by_key = {canonical_json(named(cell)): cell for cell in planned.cells}
    if lacks := bundle.keys - by_key.keys():
        raise ConfigError(f"{min(lacks)} is no longer a cell of the plan; write the file anew with `baserate plan`")
    mine = [by_key[canonical_json(cell)] for cell in bundle.cells]
    beside = [cell for key, cell in by_key.items() if key not in bundle.keys]

    def ended(cells: list[Cell]) -> list[Result]:
        grid = file.selection.grid(
            planned, folder, lease=expires, beside=beside, started=started, finished=finished, **how
        )
        return list(grid.each(cells))

    results = ended(mine)
    if left := [result.cell for result in results if result.status == "elsewhere"]:
        time.sleep(expires)
        results = [result for result in results if result.status != "elsewhere"] + ended(left)
    return Outcome.of(results)
