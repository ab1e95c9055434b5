"""What a grid will take before it runs: the cells that are missing, each with its cost, and what cannot fit."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..costs import Costs, Data, history, with_published
from ..digests import canonical_json
from ..evaluate import MISSING
from ..machine import cores, gpus, memory_bytes
from ..plan import Cell, Protocol, planned_spec
from ..records import record_folders
from ..splits import load_split
from ..types import Task
from .measure import seconds_per_sequence
from .selection import Selection

_GPU_MB = 1500.0
"""MiB that CUDA and the batches of a small network take beside weights."""


@dataclass(frozen=True)
class Machines:
    """What cells may run on, each of one kind: memory in MiB, 0 for unknown, and prices per hour in any currency."""

    cpus: int = 1
    gpus: int = 0
    memory_mb: float = 0.0
    gpu_memory_mb: float = 0.0
    prices: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def here() -> Machines:
        """Return this machine."""
        return Machines(cores(), gpus(), memory_bytes() / 2**20)

    def kind(self, cell: Cell) -> str:
        """Return where the cell runs, 'gpu' or 'cpu'."""
        return "gpu" if cell.cost.gpu and self.gpus else "cpu"

    def misfit(self, cell: Cell) -> str:
        """Return why the cell cannot fit, '' where it can or nobody knows."""
        needs = cell.cost.memory_mb or 0.0
        if self.memory_mb and needs > self.memory_mb:
            return f"needs about {needs / 1024:.1f} GiB of memory, there are {self.memory_mb / 1024:.1f}"
        needs = gpu_memory_mb(cell)
        if self.kind(cell) == "gpu" and self.gpu_memory_mb and needs > self.gpu_memory_mb:
            return f"needs about {needs / 1024:.1f} GiB of the GPU's memory, there are {self.gpu_memory_mb / 1024:.1f}"
        return ""


def gpu_memory_mb(cell: Cell) -> float:
    """Return about how much memory of a GPU the cell takes: weights as float32, four times those where it trains."""
    weights = 4e-6 * (cell.card.parameters or 0)
    return _GPU_MB + weights * (4 if cell.mode == "fine_tune" else 1)


@dataclass(frozen=True)
class Forecast:
    """The missing cells of a selection, each with its cost, and how many are done before."""

    cells: tuple[Cell, ...]
    done: int
    machines: Machines

    def seconds(self, kind: str = "") -> float:
        """Return the seconds of one worker for all missing cells, or those of a kind of machine."""
        return sum(c.cost.seconds or 0.0 for c in self.cells if kind in ("", self.machines.kind(c)))

    def price(self, cell: Cell) -> float | None:
        """Return what the cell costs, None where no price of its machine is given."""
        per_hour = self.machines.prices.get(self.machines.kind(cell))
        return None if per_hour is None or cell.cost.seconds is None else per_hour * cell.cost.seconds / 3600

    def hours(self, kind: str, workers: int) -> float:
        """Return the hours until the last of a kind has ended on so many workers, the longest first."""
        ends = [0.0] * max(1, workers)
        mine = [cell.cost.seconds or 0.0 for cell in self.cells if self.machines.kind(cell) == kind]
        for seconds in sorted(mine, reverse=True):
            ends[ends.index(min(ends))] += seconds
        return max(ends) / 3600

    def to_json(self) -> dict[str, Any]:
        """Return the cells and totals as a JSON object."""
        totals = {}
        for kind in ("cpu", "gpu"):
            mine = [cell for cell in self.cells if self.machines.kind(cell) == kind]
            prices = [price for cell in mine if (price := self.price(cell)) is not None]
            totals[kind] = {
                "cells": len(mine),
                "seconds": round(self.seconds(kind), 1),
                "memory_mb": max((cell.cost.memory_mb or 0.0 for cell in mine), default=0.0),
                "tokens": sum(cell.cost.tokens or 0 for cell in mine),
                "price": round(sum(prices), 4) if prices else None,
            }
        return {
            "done_before": self.done,
            "missing": len(self.cells),
            "machines": {**vars(self.machines), "prices": dict(self.machines.prices)},
            "totals": totals,
            "cells": [self._row(cell) for cell in self.cells],
        }

    def _row(self, cell: Cell) -> dict[str, Any]:
        cost, price = cell.cost, self.price(cell)
        return {
            "task": cell.task.id,
            "model": cell.card.name,
            "mode": cell.mode,
            **({"budget": cell.budget} if cell.budget > 1 else {}),
            "device": self.machines.kind(cell),
            "seconds": cost.seconds,
            "memory_mb": cost.memory_mb,
            "tokens": cost.tokens,
            "price": price,
            "source": cost.source,
            "misfit": self.machines.misfit(cell),
        }


def forecast(
    selection: Selection,
    results: Path,
    *,
    machines: Machines | None = None,
    histories: Sequence[Path] = (),
    read_data: bool = False,
    measure: bool = False,
) -> Forecast:
    """Return what the selection will take, from the records in `results` and `histories` of cells like its.

    No weights are read, and data only to count examples and bases, where `read_data` says so: a record counts as
    that of a cell if all but the data agrees. With `measure` data are read, and each network without a record is loaded
    and embeds one batch per length, on this machine. Raises ConfigError as `Selection.planned` does.
    """
    where = machines or Machines.here()
    planned = selection.planned()
    protocol = selection.protocol(planned)
    past = history([results]) + history(dict.fromkeys(histories), below=True)
    left = missing(planned.cells, protocol, results, again=_again(selection))
    gpus = where.gpus > 0
    costs, own = Costs(with_published(past, gpus=gpus), gpus=gpus), Costs(past)
    data = _data([cell.task for cell in left], protocol.limit) if read_data or measure else {}
    paces = _paces([cell for cell in left if not own.knows(cell)], data) if measure else {}
    cells = tuple(
        replace(cell, cost=costs.of(cell, protocol, _known(data, paces.get(cell.card.name, {}), cell))) for cell in left
    )
    return Forecast(cells, len(planned.cells) - len(left), where)


def left_of(selection: Selection, results: Path) -> int:
    """Return how many cells have no record that is done or not applicable, once all have been tried."""
    planned = selection.planned()
    return len(missing(planned.cells, selection.protocol(planned), results))


def missing(cells: Sequence[Cell], protocol: Protocol, results: Path, *, again: bool = False) -> list[Cell]:
    """Return the cells without a record that is done or not applicable; all of them where they may run `again`."""
    if again or not results.is_dir():
        return list(cells)
    there = set()
    for folder in record_folders(results, below=False):
        try:
            value = json.loads((folder / "record.json").read_text())
            if value["status"] != "failed" and MISSING not in value["flags"]:
                there.add(canonical_json(value["spec"] | {"data": "", "split": ""}))
        except (OSError, ValueError, KeyError, TypeError):  # a run says what is wrong with it
            continue
    return [cell for cell in cells if _identity(cell, protocol) not in there]


def _data(tasks: Iterable[Task], limit: int) -> dict[str, Data]:
    """Return the sizes and lengths of each task, by its id; not of tasks whose data cannot be read."""
    found = {}
    for task in {task.id: task for task in tasks}.values():
        with suppress(Exception, SystemExit):  # as its run will say
            split = load_split(task, limit=limit)
            sequences = split.test.inputs.sequences
            sizes = {str(part): len(examples) for part, examples in split}
            found[task.id] = Data(sizes, sum(map(len, sequences)) / max(1, len(sequences)))
    return found


def _paces(cells: Iterable[Cell], data: Mapping[str, Data]) -> dict[str, dict[float, float]]:
    """Return the seconds per sequence of each network, by its name and the length; each is loaded once."""
    lengths: dict[str, set[float]] = defaultdict(set)
    cards = {}
    for cell in cells:
        if not cell.card.baseline and cell.task.id in data:
            lengths[cell.card.name].add(data[cell.task.id].length)
            cards[cell.card.name] = cell.card
    return {name: seconds_per_sequence(card, lengths[name]) for name, card in cards.items()}


def _known(data: Mapping[str, Data], paces: Mapping[float, float], cell: Cell) -> Data | None:
    known = data.get(cell.task.id)
    return None if known is None else replace(known, pace=paces.get(known.length))


def _again(selection: Selection) -> bool:
    """Return whether only a look into the record tells if its cell is to be run again."""
    asked = selection.check_strand or selection.check_reference
    return bool(selection.fresh_versions or selection.save_models or selection.replicates or asked)


def _identity(cell: Cell, protocol: Protocol) -> str:
    try:
        return canonical_json(planned_spec(cell, protocol).to_json())
    except (Exception, SystemExit):  # noqa: BLE001 - such as weights that cannot be read, as its run will say
        return ""
