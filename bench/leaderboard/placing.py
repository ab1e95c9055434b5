"""Which records share a column: those of the same examples, split, seeds, share of training data and budget."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import BaserateError
from ..metrics import parse
from ..records import Record
from .table import Column
from .trust import audit_of
from .tuning import budgets_of, under


def columns_of(records: Sequence[Record]) -> dict[Column, list[Record]]:
    """Return the columns with their records, in order of task and of the number of training examples.

    A run that does not train has no seeds, training share or transform of targets to agree on: it stands in every
    column of its examples. What has nothing to tune stands in the columns of every budget, and the names of columns
    state budgets where there is one above 1.
    """
    by_examples: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for r in records:
        by_examples[r.spec.task, r.spec.data, r.spec.split].append(r)
    columns: list[tuple[Column, list[Record]]] = []
    for _, members in sorted(by_examples.items(), key=_place):
        trained = {_training(r) for r in members if r.spec.train_fraction}
        for training in sorted(trained) or [((), 0.0, "", "")]:
            alike = [r for r in members if not r.spec.train_fraction or _training(r) == training]
            for budget in budgets_of(alike):
                own_records = under(budget, alike)
                columns.append((_column(own_records, training, budget), own_records))
    tuned = any(c.budget > 1 for c, _ in columns)
    return {
        _with_full_name(c, [other for other, _ in columns if other.task == c.task], tuned): members
        for c, members in columns
    }


def _place(examples: tuple[tuple[str, str, str], list[Record]]) -> tuple[Any, ...]:
    key, (first, *_) = examples
    sizes = first.task.get("shots", math.inf), first.task.get("window", math.inf), first.task.get("batch", 0)
    return first.task.get("whole", first.spec.task), *sizes, key


def _column(records: Sequence[Record], training: tuple[tuple[int, ...], float, str, str], budget: int) -> Column:
    """Return the column of these records; its name is still that of the task."""
    seeds, fraction, transform, resample = training
    spec, about = records[0].spec, records[0].task
    metrics = tuple(about.get("metrics") or ()) or tuple(e.metric for r in records for e in r.estimates[:1])
    description = str(about.get("description", ""))
    n_train = (about.get("sizes") or {}).get("train")
    verdict, why = audit_of(records)
    name, data, split = spec.task, spec.data, spec.split
    column = Column(
        name, name, data, split, seeds, fraction, metrics, description, n_train, transform=transform, resample=resample
    )
    stated: dict[str, Any] = {"shots": about.get("shots", 0), "whole": about.get("whole", "")}
    stated |= {"window": about.get("window", 0), "batch": about.get("batch", 0.0)}
    stated |= {key: _of_any(records, key) for key in ("superseded_by", "unit", "coarser")}
    stated["one_value"] = bool(metrics) and _is_one_value(metrics[0], records)
    return replace(column, audit=verdict, audit_reasons=why, budget=budget, **stated)


def _is_one_value(metric: str, records: Sequence[Record]) -> bool:
    """Return whether what looks like a difference of strata is one stratum, by the first record that is done."""
    done = next((r for r in records if r.status == "done"), None)
    if done is None or "-" not in metric.partition("=")[2]:
        return False
    try:
        return parse(metric, done.predictions.strata).one_value
    except BaserateError:  # a metric that is no more, or strata or predictions that are not there
        return False


def _of_any(records: Sequence[Record], key: str) -> str:
    """Return what the first record that says so has of its task, '' where none does: older records lack some keys."""
    return next((str(r.task[key]) for r in records if r.task.get(key)), "")


def _training(r: Record) -> tuple[tuple[int, ...], float, str, str]:
    """Return the seeds, the share of training data, the transform of targets and the resample of a run that trains."""
    return r.spec.seeds, r.spec.train_fraction, r.spec.versions.get("transform", ""), r.spec.resample


def _with_full_name(column: Column, alike: Sequence[Column], tuned: bool) -> Column:
    """Return the column, its name completed by what sets it apart from the task's other columns.

    Where the table has what was `tuned`, the name of a column with trained models says under which budget they stand.
    """
    parts = {
        "seeds": " ".join(map(str, column.seeds)),
        "train_fraction": f"{column.train_fraction:g}",
        "transform": column.transform or "none",
        "data": column.data[:6],
        "split": column.split[:6],
        "budget": str(column.budget),
        "resample": column.resample or "none",
    }
    stated = {"budget"} if tuned and column.seeds else set()
    stated |= {"resample"} if column.resample else set()
    differing = [key for key in parts if key in stated or len({getattr(c, key) for c in alike}) > 1]
    suffix = ", ".join(f"{key.replace('_', ' ')} {parts[key]}" for key in differing)
    return replace(column, name=f"{column.name} ({suffix})") if suffix else column


def is_undirected(r: Record) -> bool:
    """Return whether a score may be mirrored: zero-shot, of a task that does not say which variants are harmful."""
    unstated = r.task.get("deleterious", False) is None  # older records have no such key, and are taken as they are
    return r.spec.mode == "zero_shot" and unstated and len(r.task.get("classes") or ()) <= 2
