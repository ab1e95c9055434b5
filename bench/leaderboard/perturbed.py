"""What perturbed inputs change: how many test examples a row calls otherwise than as they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import DataError
from ..records import Record
from ..results import CLEAN, INPUT, Estimate
from ..statistics.change import FLIPS, change_between
from .grids import escape, estimate_text
from .table import Column, Table
from .wording import NOTHING, each


def changes_in(record: Record) -> Mapping[str, Estimate]:
    """Return by perturbation how much predictions change from those of the inputs as they are; {} where there are none.

    Perturbed examples stand in the order of the others, so that the two are paired.
    """
    if record.status != "done" or not any(
        f":{INPUT}={CLEAN}-" in metric for metric in record.task.get("metrics") or ()
    ):
        return {}
    try:
        predictions = record.predictions
    except DataError:  # the cell says what is wrong with them
        return {}
    inputs = predictions.strata[INPUT]
    first = np.flatnonzero(inputs == CLEAN)
    out = {}
    for name in dict.fromkeys(inputs):
        rows = np.flatnonzero(inputs == name)
        if name != CLEAN and len(rows) == len(first):
            pair = predictions.scores[:, first], predictions.scores[:, rows]
            kind = str(record.task["kind"])
            ids, clusters = predictions.ids[first], predictions.clusters[first]
            out[str(name)] = change_between(ids, clusters, *pair, predictions.seeds, kind=kind)
    return out


def perturbations(table: Table, column: Column) -> list[str]:
    """Return a table of the drop of the score by perturbation, with what is called otherwise; [] for other tasks."""
    drops = [i for i, metric in enumerate(column.metrics) if f":{INPUT}={CLEAN}-" in metric]
    rows = [(row, cell) for row, c, cell in each(table) if c.name == column.name and cell.changes]
    if not drops or not rows:
        return []
    lines = [f"## {escape(column.name)}: perturbed inputs", ""]
    lines += ["| Input | Model | Mode | Score | Drop | Called otherwise |", "|:--|:--|:--|--:|--:|--:|"]
    for i in drops:
        name = column.metrics[i].partition(f":{INPUT}={CLEAN}-")[2]
        for row, cell in rows:
            change, clean, drop = cell.changes.get(name), cell.estimates[1], cell.estimates[i]
            known = clean.value is not None and drop.value is not None
            score = f"{clean.value - drop.value:.3f}" if known else NOTHING  # type: ignore[operator]
            other = NOTHING if change is None or change.value is None else estimate_text(change)
            model = escape(row.model + (f" ({row.detail})" if row.detail else ""))
            lines += [f"| {escape(name)} | {model} | {row.mode} | {score} | {estimate_text(drop)} | {other} |"]
    flips = any(c.metric == FLIPS for _, cell in rows for c in cell.changes.values())
    what = "the share of examples" if flips else "the mean change of predictions in their standard deviations"
    return [*lines, "", f"Drop: the score on inputs as they are less that on perturbed ones, paired. Last: {what}."]
