"""Learning curves: what a row scores on a task by the number of training examples, and the area under it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from ..metrics import parse
from ..records import Record
from ..statistics.intervals import LEVEL, limits
from ..statistics.jackknife import error_of, seed_error
from ..types import FloatArray, StrArray
from .comparisons import jackknife_of
from .table import Area, Cell, Column, Curve, Row


def curves_of(
    rows: Sequence[Row],
    cells: Mapping[tuple[Row, Column], Cell],
    records: Mapping[tuple[Row, Column], Record],
    ids: Mapping[Column, StrArray | None],
) -> tuple[Curve, ...]:
    """Return the curves of tasks that stand in several columns by their number of training examples, one a budget.

    `ids` are those of the compared examples of each column, None for all. Where two columns have one number, such as of
    other seeds, the one with more seeds is taken. Those whose seeds have training sets of their own are left out.
    """
    by_task: dict[tuple[str, str, str, int], dict[int, Column]] = defaultdict(dict)
    trained: dict[Column, int] = {}
    for (_, column), r in records.items():
        if r.choices and r.spec.train_fraction:
            trained[column] = round(sum(choice.n_train for choice in r.choices) / len(r.choices))
    for column in sorted(trained, key=lambda c: len(c.seeds)):
        if column.metrics and trained[column] and not column.resample:
            task = column.whole if column.shots else column.task
            key = task, column.metric, column.transform, column.budget
            by_task[key][trained[column]] = column
    out = []
    for (task, metric, _, budget), by_size in sorted(by_task.items()):
        if len(by_size) < 2 or not any(column.shots for column in by_size.values()):
            continue
        sizes, members = zip(*sorted(by_size.items()), strict=True)
        areas = {}
        for row in rows:
            points = {column: cells[row, column] for column in members}
            made = [records[row, column] for column, cell in points.items() if cell.compared]
            if made and not made[0].spec.train_fraction:  # it learns from no number of them
                e = next(cell.estimates[0] for cell in points.values() if cell.compared)
                areas[row.name] = Area(e.value, e.low, e.high)
            elif made:
                areas[row.name] = _area(sizes, points, made, [ids[column] for column in members])
        names = tuple(c.name for c in members)
        out.append(Curve(task, metric, names, sizes, tuple(areas), tuple(areas.values()), budget))
    return tuple(out)


def weights_of(sizes: Sequence[int]) -> FloatArray:
    """Return the weight of each point in the mean over the logarithm of `sizes`, by trapezoids; they sum to 1."""
    steps = np.diff(np.log(np.asarray(sizes, np.float64)))
    weights: FloatArray = (np.append(steps, 0) + np.append(0, steps)) / (2 * steps.sum())
    return weights


def _area(
    sizes: Sequence[int], points: Mapping[Column, Cell], records: Sequence[Record], ids: Sequence[StrArray | None]
) -> Area:
    missing = [f"{n:,}" for n, cell in zip(sizes, points.values(), strict=True) if not cell.compared]
    if missing:
        return Area(None, None, None, f"no score from {', '.join(missing)} training examples")
    estimates = [cell.estimates[0] for cell in points.values()]
    weights = weights_of(sizes)
    value = float(weights @ [e.value or 0.0 for e in estimates])
    if len({(e.n, e.n_clusters) for e in estimates}) > 1:
        return Area(value, None, None, "the points cover different test examples")
    metric = estimates[0].metric
    made = [jackknife_of(r, metric, i) for r, i in zip(records, ids, strict=True)]
    test, df = error_of(weights @ np.stack([each.mean_without for each in made]), made[0].effective)
    if len({each.seeds for each in made}) == 1:  # a seed's few examples are among its many: its points vary together
        parts = [(seed_error(weights @ np.stack([each.values for each in made])), len(made[0].seeds) - 1)]
    else:
        parts = [(w * seed_error(each.values), len(each.seeds) - 1) for w, each in zip(weights, made, strict=True)]
    if any(e.low is None for e in estimates) or np.isnan(test):
        return Area(value, None, None, "a point has no interval")
    span = parse(metric).span
    return Area(value, *limits(value, [(test, df), *parts], span=span, level=LEVEL, n=made[0].effective))
