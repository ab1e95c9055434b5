"""What cells will take, from what others like them took: for plans, and for executors that run the longest first.

A cell that has run before is expected to take what it took. For others the logarithm of the seconds per example and
seed is a value of the model in its mode plus one of the task, by medians in turn. A cell of a model or a task without
records has the median of the others; a network without any has what its arithmetic takes at a stated speed. What the
published cells took is in `paces.csv`, and stands in for records that a machine does not have yet.
"""

from __future__ import annotations

import csv
import functools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from .digests import canonical_json
from .modes import MODES
from .plan import Cell, Cost, Protocol
from .records import record_folders

OFFSET = 0.05
"""Seconds that are added before logarithms: what a cell takes below them is chance."""
SPEED = {False: 2e10, True: 2e13}
"""Floating-point operations a second that a network is taken to reach, without a GPU and with one."""
LENGTH, EXAMPLES = 500, 10_000
"""Bases of a sequence, and examples of a task, where neither its card nor a look at the data says."""
BASELINE = 1e-3
"""Seconds per example and seed of a baseline of which there is no record."""
EPOCHS = 10
"""Times that a network without records is taken to read the training examples when it is fine-tuned."""
START = 5.0
"""Seconds to load a network of which there is no record."""
UNKNOWN, MEASURED = "no record", "one measured batch"
PACES = Path(__file__).with_name("paces.csv")
"""What the published cells took, which docs/write_paces.py writes."""
PROCESS_MB = 700.0
"""MiB of a process that has loaded torch."""
_TURNS = 20
_SHRINK = {"model": 0.3, "task": 1.0}
"""Records of weight 0 that are added to a model and to a task, so that one record alone does not decide."""


@dataclass(frozen=True)
class Past:
    """What a cell took, from its record; `n` counts the examples of all parts, 0 where its task does not say.

    `settings` are those of the mode, as canonical JSON. `published` says that it ran elsewhere, and was published.
    """

    task: str
    model: str
    mode: str
    budget: int
    seeds: int
    n: int
    seconds: float
    memory_mb: float
    settings: str = ""
    published: bool = False

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """What makes a cell the same as another."""
        return self.task, self.model, self.mode, self.budget, self.settings

    @property
    def work(self) -> float:
        """Examples times seeds."""
        return float((self.n or EXAMPLES) * max(1, self.seeds))

    @property
    def log_pace(self) -> float:
        """The logarithm of the seconds per example and seed."""
        return math.log((self.seconds + OFFSET) / self.work)


def history(folders: Iterable[Path], *, below: bool = False) -> list[Past]:
    """Return what the done cells of the folders of results took, and with `below` those of the results in them.

    A record that cannot be read tells nothing.
    """
    found = []
    for results in folders:
        for folder in record_folders(results, below=below) if results.is_dir() else ():
            try:
                value = json.loads((folder / "record.json").read_text())
                spec = value["spec"]
                if value["status"] != "done" or not value["seconds"] > 0:
                    continue
                found.append(
                    Past(
                        spec["task"],
                        spec["model"],
                        spec["mode"],
                        int(spec.get("budget", 1)),
                        len(spec["seeds"]),
                        sum(min(n, spec["limit"] or n) for n in value["task"]["sizes"].values()),
                        float(value["seconds"]),
                        float(value["peak_memory_mb"]),
                        canonical_json(spec["settings"]),
                    )
                )
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
    return found


def with_published(own: Sequence[Past], *, gpus: bool = False) -> list[Past]:
    """Return these records and, of cells that are in none, what the published ones took, as if on this machine.

    They are as many times as long as those cells are here which are in both. On a machine with `gpus` they say nothing
    of networks.
    """
    here = _grouped(own, lambda one: one.key)
    published = [one for one, network in _published() if not (gpus and network)]
    ratios = [median(own[i].log_pace for i in here[one.key]) - one.log_pace for one in published if one.key in here]
    factor = math.exp(median(ratios)) if ratios else 1.0
    return [*own, *(replace(one, seconds=one.seconds * factor) for one in published if one.key not in here)]


@functools.cache
def _published() -> list[tuple[Past, bool]]:
    """Return what each published cell took, and whether it is of a network, which a GPU would run."""
    with PACES.open(encoding="utf-8", newline="") as file:
        return [
            (
                Past(
                    row["task"],
                    row["model"],
                    row["mode"],
                    int(row["budget"]),
                    int(row["seeds"]),
                    int(row["n"]),
                    float(row["seconds"]),
                    0.0,
                    row["settings"],
                    published=True,
                ),
                row["network"] == "yes",
            )
            for row in csv.DictReader(file)
        ]


@dataclass(frozen=True)
class Data:
    """What is known of a task whose data have been read: examples by part, and the mean length of sequences in bp.

    `pace` is the seconds that the cell's network takes for one of them, where that was measured.
    """

    sizes: Mapping[str, int]
    length: float
    pace: float | None = None


class Costs:
    """Expects what cells take; `gpus` is whether networks will have one."""

    def __init__(self, past: Iterable[Past] = (), *, gpus: bool = False) -> None:
        self.past = list(past)
        self._gpus = gpus
        self._middle, self._models, self._tasks = _fitted(self.past)
        cells = _grouped(self.past, lambda one: one.key)
        self._same = {key: median(self.past[i].log_pace for i in rows) for key, rows in cells.items()}
        own = [one for one in self.past if not one.published]
        self._here = {part for one in own for part in (one.key, (one.model, one.mode))}
        self._memory: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for one in own:  # the peak is that of the process until then, of which the smallest is nearest
            of = self._memory[one.model, one.mode]
            of[one.task] = min(one.memory_mb, of.get(one.task, math.inf))

    def of(self, cell: Cell, protocol: Protocol, data: Data | None = None) -> Cost:
        """Return what the cell is expected to take; `data` are those of its task, where they have been read."""
        seeds = len(protocol.seeds_of(cell.task)) if MODES.get(cell.mode).trains or cell.card.twin_of else 1
        stated = cell.task.sizes if data is None else data.sizes
        sizes = {part: min(n, protocol.limit or n) for part, n in (stated or {"train": EXAMPLES}).items()}
        length = (data.length if data else None) or cell.task.window or None
        tokens = None if not length or not stated or cell.card.baseline else int(sum(sizes.values()) * length)
        # As in records, which have the sizes of the card.
        work = float((sum(min(n, protocol.limit or n) for n in cell.task.sizes.values()) or EXAMPLES) * seeds)
        pace = data.pace if data else None
        seconds, source = self._seconds(cell, work, sizes, seeds, length or LENGTH, pace)
        return Cost(round(seconds, 2), round(self._memory_of(cell)), tokens, needs_gpu(cell), source)

    def knows(self, cell: Cell) -> bool:
        """Return whether there are records of the cell's model in its mode."""
        return any((cell.card.name, cell.mode, budget) in self._models for budget in {cell.budget, 1})

    def _seconds(
        self, cell: Cell, work: float, sizes: Mapping[str, int], seeds: int, length: float, pace: float | None
    ) -> tuple[float, str]:
        name, mode = cell.card.name, cell.mode
        if pace is not None:
            return pace * _passes(cell, sizes, seeds) + START, f"{MEASURED}: {1000 * pace:.1f} ms a sequence"
        key = (cell.task.id, name, mode, cell.budget, canonical_json(dict(cell.resolved)))
        if (same := self._same.get(key)) is not None:
            source = "the same cell before" if key in self._here else "the same cell as published"
            return max(0.01, math.exp(same) * work - OFFSET), source
        factor, model = 1.0, self._models.get((name, mode, cell.budget))
        if model is None and cell.budget > 1 and (model := self._models.get((name, mode, 1))) is not None:
            factor = (cell.budget + seeds) / seeds  # trials are of one seed
        if model is not None:
            expected = math.exp(self._middle + model + self._tasks.get(cell.task.id, 0.0)) * work - OFFSET
            at = "like cells" if cell.task.id in self._tasks else "like cells of other tasks"
            at += "" if (name, mode) in self._here else " as published"
            return max(0.01, expected * factor), at
        if cell.card.baseline:
            return max(0.01, BASELINE * work * cell.budget), f"{UNKNOWN}: a millisecond per example and seed"
        speed = SPEED[self._gpus and needs_gpu(cell)]
        operations = 2.0 * (cell.card.parameters or 1e8) * length * _passes(cell, sizes, seeds)
        return operations / speed + START, f"{UNKNOWN}: its arithmetic at {speed / 1e9:,.0f} GFLOP/s"

    def _memory_of(self, cell: Cell) -> float:
        of = self._memory.get((cell.card.name, cell.mode), {})
        if cell.task.id in of:
            return of[cell.task.id]
        if of:
            return max(of.values())
        weights = 4e-6 * (cell.card.parameters or (0 if cell.card.baseline else 1e8))
        return PROCESS_MB + weights * (4 if cell.mode == "fine_tune" else 1.5)


def _passes(cell: Cell, sizes: Mapping[str, int], seeds: int) -> int:
    """Return how many sequences a network reads, those of which it takes gradients three times."""
    tuned = 3 * EPOCHS * sizes.get("train", 0) * (seeds + cell.budget - 1) if cell.mode == "fine_tune" else 0
    return sum(sizes.values()) + tuned


def needs_gpu(cell: Cell) -> bool:
    """Return whether a GPU would run the cell faster: that of a model that is no baseline, or of one with a device."""
    return not cell.card.baseline or "device" in cell.card.params


def with_costs(cells: Iterable[Cell], costs: Costs, protocol: Protocol) -> list[Cell]:
    """Return the cells with what each is expected to take."""
    return [replace(cell, cost=costs.of(cell, protocol)) for cell in cells]


def _fitted(past: list[Past]) -> tuple[float, dict[tuple[str, str, int], float], dict[str, float]]:
    """Return the middle, and what models in their modes and tasks add to it, in logarithms of seconds per work."""
    if not past:
        return 0.0, {}, {}
    value = [one.log_pace for one in past]
    middle = median(value)
    models: dict[Any, float] = dict.fromkeys(((one.model, one.mode, one.budget) for one in past), 0.0)
    tasks: dict[Any, float] = dict.fromkeys((one.task for one in past), 0.0)
    by_model = _grouped(past, lambda one: (one.model, one.mode, one.budget))
    by_task = _grouped(past, lambda one: one.task)
    for _ in range(_TURNS):
        for key, rows in by_model.items():
            rest = median(value[i] - middle - tasks[past[i].task] for i in rows)
            models[key] = rest * len(rows) / (len(rows) + _SHRINK["model"])
        for key, rows in by_task.items():
            rest = median(value[i] - middle - models[past[i].model, past[i].mode, past[i].budget] for i in rows)
            tasks[key] = rest * len(rows) / (len(rows) + _SHRINK["task"])
    return middle, models, tasks


def _grouped(past: Sequence[Past], key: Callable[[Past], Hashable]) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, one in enumerate(past):
        groups[key(one)].append(i)
    return groups
