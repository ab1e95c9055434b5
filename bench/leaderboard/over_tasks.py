"""Rows ranked over tasks: on the tasks that all of them have, by family first, and how much one task decides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..statistics import critical_difference, friedman_p, ranks_in_tasks
from ..types import FloatArray
from .table import Cell, Column, OverTasks, Row, Standing
from .wording import sign_of

MIN_TASKS = 3
"""The tasks, and the rows, from which on an order over tasks is tested and drawn."""

MOST_BLOCKS = 200_000
"""The intersections of rows' tasks that are looked at in one round, beyond which the search for the largest ends."""

Better = Mapping[str, frozenset[tuple[str, str]]]
"""The pairs of rows (better, worse) that are told apart, by the name of the column."""


def over_tasks(
    columns: Sequence[Column], rows: Sequence[Row], cells: Mapping[tuple[str, str], Cell], better: Better
) -> OverTasks | None:
    """Return the rows in the order of their mean rank, the best first; None where no two share a task.

    `cells` are by row and column. A task that stands in several columns counts once.
    """
    single = one_a_task(columns)
    scored = {row.name: {c.name for c in single if cells[row.name, c.name].rank is not None} for row in rows}
    names, tasks = _largest_block(scored)
    if not names:
        return None
    shown = [c for c in columns if c.name in tasks]
    ranks = ranks_in_tasks(np.array([[_height(cells[name, c.name], c) for name in names] for c in shown]))
    families: dict[str, list[int]] = {}
    for i, column in enumerate(shown):
        families.setdefault(column.benchmark or "other tasks", []).append(i)
    by_family = [ranks[members].mean(axis=0) for members in families.values()]
    low, high, first, last = _without_one(ranks)
    pairs = len(shown) * (len(names) - 1)
    sure = [pair for c in shown for pair in better.get(c.name, ()) if set(pair) <= set(names)]
    standings = [
        Standing(
            name,
            float(ranks[:, j].mean()),
            float(low[j]),
            float(high[j]),
            int(first[j]),
            int(last[j]),
            float((len(names) - ranks[:, j].mean()) / (len(names) - 1)),
            sum(winner == name for winner, _ in sure) / pairs,
            sum(loser == name for _, loser in sure) / pairs,
            tuple(float(means[j]) for means in by_family) if len(families) > 1 else (),
        )
        for j, name in enumerate(names)
    ]
    reason = _too_few(len(names), len(shown))
    return OverTasks(
        tuple(c.name for c in shown),
        tuple((name, len(members)) for name, members in families.items()),
        tuple(sorted(standings, key=lambda s: (s.mean, s.row))),
        tuple(row.name for row in rows if row.name not in names),
        None if reason else friedman_p(ranks),
        None if reason else critical_difference(*ranks.shape),
        reason,
    )


def one_a_task(columns: Sequence[Column]) -> list[Column]:
    """Return one column of each task: the newest version and most training examples, seeds and trials.

    A task and its `small` variant are one task. Columns whose seeds share a training set come before those whose seeds
    have sets of their own.
    """

    def size(c: Column) -> tuple[object, ...]:
        trained = (c.n_train or 0) * (c.train_fraction or 1)
        given = c.shots or math.inf, c.window or math.inf, trained
        return not c.superseded_by, not c.resample, not c.batch, *given, len(c.seeds), c.budget, c.name

    of_task: dict[str, Column] = {}
    for c in columns:
        key = (c.whole or c.task).partition("@")[0].removesuffix(".small")
        if key not in of_task or size(c) > size(of_task[key]):
            of_task[key] = c
    return list(of_task.values())


def _largest_block(scored: Mapping[str, set[str]]) -> tuple[list[str], set[str]]:
    """Return rows and the tasks that all of them have: as many cells as can be; of equal ones, more tasks.

    Those of which an order can be tested come before all others. It depends on what was run and on no score. A row
    with fewer tasks is left out rather than taking tasks from others.
    """
    sets = {frozenset(tasks) for tasks in scored.values()}
    candidates = newest = sets
    while newest and len(newest) * len(sets) <= MOST_BLOCKS:
        newest = {a & b for a in newest for b in sets} - candidates
        candidates = candidates | newest
    best: tuple[tuple[bool, int, int, list[str]], list[str], set[str]] = (False, 0, 0, []), [], set()
    for tasks in candidates:
        names = [name for name, found in scored.items() if tasks <= found]
        size = not _too_few(len(names), len(tasks)), len(names) * len(tasks), len(tasks), sorted(tasks)
        if len(names) > 1 and tasks and size > best[0]:
            best = size, names, set(tasks)
    return best[1], best[2]


def _height(cell: Cell, column: Column) -> float:
    """Return the score, signed so that higher is better, without differences by rounding."""
    return round(sign_of(column) * (cell.value or 0.0), 12)


def _without_one(ranks: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the range of each row's mean rank and of its place when each task in turn is left out."""
    kept = range(len(ranks)) if len(ranks) > 1 else ()
    means = np.stack([np.delete(ranks, i, axis=0).mean(axis=0) for i in kept] or [ranks.mean(axis=0)])
    places = 1 + (np.round(means[:, None, :], 9) < np.round(means[:, :, None], 9)).sum(axis=2)
    return means.min(axis=0), means.max(axis=0), places.min(axis=0), places.max(axis=0)


def _too_few(n_rows: int, n_tasks: int) -> str:
    """Return why the order is not tested, '' where it is."""
    if n_tasks < MIN_TASKS:
        what = "1 task" if n_tasks == 1 else f"{n_tasks} tasks"
        return f"{what} in common: an order over tasks is tested, and drawn, from {MIN_TASKS} on"
    return "2 rows in common: `baserate compare` has the two, task by task" if n_rows < MIN_TASKS else ""
