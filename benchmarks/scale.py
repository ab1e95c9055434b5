"""What planning and scheduling cost at 10,000 cells, by simulation: models that compute nothing, made-up costs.

    python benchmarks/scale.py [CELLS]

Targets: a plan in 10 s of CPU; 5 ms of CPU a cell for choosing what runs next, and for its way to a process and back.
Exits with 1 where one is missed.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from baserate.cluster.cells_file import in_bundles
from baserate.cluster.forecast import missing
from baserate.costs import Costs, Past, with_costs
from baserate.executors import EXECUTORS
from baserate.executors.schedule import Schedule
from baserate.plan import Cell, Protocol, plan
from baserate.registry import get_task
from baserate.types import ModelCard

WORKERS = 64


def cells_of(n: int) -> list[Cell]:
    """Return n cells of a hundred models in one mode each, half of them networks."""
    task = get_task("yeast_coding")
    tasks = [replace(task, name=f"task_{i}") for i in range(n // 100)]
    cards = [
        ModelCard(f"model_{i}", dict, {"linear_probe": {}}, {}, "d", revision=str, baseline=i % 2 == 0)
        for i in range(100)
    ]
    return plan(tasks, cards)


def past_of(cells: list[Cell], n: int) -> list[Past]:
    """Return what n of the cells took, drawn at random: seconds of a log-normal with a median of a minute."""
    drawn = random.Random(0)
    return [
        Past(c.task.id, c.card.name, c.mode, 1, 5, 10_000, 60 * drawn.lognormvariate(0, 1), 2000.0)
        for c in drawn.sample(cells, n)
    ]


def prepare() -> Callable[[Cell], str]:
    """Return a function that computes nothing."""
    return lambda cell: cell.card.name


def main() -> int:
    """Print what each step took; return 1 where a target is missed."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    start = time.process_time()
    cells = cells_of(n)
    with tempfile.TemporaryDirectory() as folder:
        left = missing(cells, Protocol(), Path(folder))
    priced = with_costs(left, Costs(past_of(cells, n // 5)), Protocol())
    bundles = in_bundles(priced, seconds=3600)
    planning = time.process_time() - start

    start = time.process_time()
    schedule = Schedule(priced, keeps=lambda cell: cell.card.name)
    ends: dict[int, float] = {}
    hours, waited = 0.0, 0
    while len(schedule) or ends:
        for worker in range(WORKERS):
            if worker not in ends:
                cell = schedule.next(worker)
                waited += cell is None and len(schedule) > 0
                if cell is not None:
                    ends[worker] = hours + (cell.cost.seconds or 0) / 3600
        worker = min(ends, key=ends.__getitem__)
        hours = ends.pop(worker)
        schedule.done(worker)
    scheduling = (time.process_time() - start) / n
    ideal = sum(cell.cost.seconds or 0 for cell in priced) / 3600 / WORKERS

    few = priced[:1000]
    start = time.process_time()
    begun = time.perf_counter()
    done = list(EXECUTORS.get("processes")(few, prepare, workers=2, started=lambda cell: None))
    processes, elapsed = (time.process_time() - start) / len(done), (time.perf_counter() - begun) / len(done)
    measured = {
        "cells": len(cells),
        "bundles": len(bundles),
        "planning_s": round(planning, 2),
        "scheduling_ms_a_cell": round(1000 * scheduling, 3),
        "hours_on_64_workers": round(hours, 2),
        "hours_if_all_were_always_busy": round(ideal, 2),
        "way_to_a_process_ms_a_cell": round(1000 * processes, 2),
        "the_same_by_the_clock_ms": round(1000 * elapsed, 2),
    }
    print(json.dumps(measured))
    return 0 if planning < 10 and scheduling < 0.005 and processes < 0.005 else 1


if __name__ == "__main__":
    sys.exit(main())
