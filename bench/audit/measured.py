"""What measurements are like: tails that squared error would learn alone, and values that pile up at an end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from ..errors import DataError
from ..transforms import KURTOSIS, SKEW, Fitted, Tails, fit_transform, heaviest, tails_of
from ..types import Examples, FloatArray, Split, Task
from .finding import Finding, Status, percent

PILE, TIMES, DISTINCT = 0.05, 5.0, 10
"""The share of rows at the lowest or highest value from which it is a pile, how many times as many as at any value
between the two, and the fewest different values of a measurement rather than a grade."""


def transform_of(task: Task, train: Examples) -> Fitted:
    """Return the task's transform, fitted on train; none where it cannot be, which a finding of its own reports."""
    try:
        return fit_transform(task.transform, train.targets)
    except DataError:
        return fit_transform("none", train.targets)


def measured_findings(task: Task, split: Split) -> Iterator[Finding]:
    """Yield, for a regression, the finding on tails of what is learnt, and that on piles at the lowest or highest."""
    if task.kind != "regression":
        return
    if len(split.train):
        yield _tails(task, split.train.targets)
    yield _censored(task, split)


def _tails(task: Task, targets: FloatArray) -> Finding:
    measured = _heaviest(targets)
    learnt, status, summary = measured, "PASS", str(measured)
    after = "" if task.transform == "none" else f" after transform = {task.transform!r}"
    try:
        learnt = _heaviest(fit_transform(task.transform, targets).apply(targets))
    except DataError as error:
        status, summary = "FAIL", str(error)
    else:
        if task.transform == "rank":  # ranks have no tails, only piles
            summary = f"learnt as ranks; measured: {measured}"
        elif learnt.heavy:
            advice = _advice(task, targets)
            status, summary = "WARN", f"heavy tails{after}, which squared error learns first ({learnt}): write {advice}"
        elif after:
            summary = f"{learnt}{after}"
    by = f"WARN from a skew of {SKEW:g} or an excess kurtosis of {KURTOSIS:g} of what is learnt, unless it is ranks"
    numbers = {"transform": task.transform, "measured": asdict(measured), "learnt": asdict(learnt)}
    return Finding("tails", "Tails of the measurements", "balance", status, summary, by, numbers)  # type: ignore[arg-type]


def _advice(task: Task, targets: FloatArray) -> str:
    """Return the transforms that would help, as the card has them."""
    logged = task.transform == "none" and targets.min() >= 0 and not _heaviest(np.log1p(targets)).heavy
    return "transform = 'rank'" + (" or 'log'" if logged else "")


def _heaviest(targets: FloatArray) -> Tails:
    return heaviest([tails_of(output) for output in _outputs(targets)])


def _censored(task: Task, split: Split) -> Finding:
    targets = np.concatenate([e.targets for _, e in split if len(e)])
    piles: list[dict[str, Any]] = []
    for output, y in enumerate(_outputs(targets)):
        values, counts = np.unique(y, return_counts=True)
        if len(values) < DISTINCT:
            continue
        between = int(counts[1:-1].max())
        for end, at in (("lowest", 0), ("highest", -1)):
            n = int(counts[at])
            if n >= PILE * len(y) and n >= TIMES * between:
                piles.append({"output": output, "end": end, "value": float(values[at]), "rows": n, "between": between})
    summary = "no pile of equal measurements at either end"
    if piles:
        first = max(piles, key=lambda pile: pile["rows"])
        name = task.classes[first["output"]] if targets.ndim == 2 and task.classes else ""
        summary = (
            f"{percent(first['rows'], len(targets))} of the rows have the {first['end']} measurement"
            + (f" of {name}" if name else "")
            + f", {first['value']:g}; none between the ends has more than {percent(first['between'], len(targets))}: "
            "censored there?"
        )
        if len(piles) > 1:
            summary += f" ({len(piles)} such piles)"
    by = f"WARN from {100 * PILE:g} % of rows at the lowest or highest value, {TIMES:g} times as many as at any between"
    numbers = {"piles": piles[:20], "rows": len(targets)}
    status: Status = "WARN" if piles else "PASS"
    return Finding("censored", "Measurements piled up at an end", "balance", status, summary, by, numbers)


def _outputs(targets: FloatArray) -> FloatArray:
    """Return the outputs (k, n)."""
    columns: FloatArray = np.asarray(targets, np.float64).reshape(len(targets), -1).T
    return columns
