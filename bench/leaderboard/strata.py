"""Scores by stratum, where they are asked for: a column of a table for each value of a stratum column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import ConfigError, UnknownName
from ..metrics import Expression
from ..records import Record
from ..results import CLEAN, INPUT
from ..statistics import LIKELIHOOD, QUARTERS
from ..types import StrArray
from .table import Column
from .wording import expression

MAX_VALUES = 50
"""The most values of a stratum column that a table shows."""
ABOUT = {
    LIKELIHOOD: "From q1 to q4: the quarters of the variants by how likely the row's own model finds their reference, "
    "the least likely first. Rows are in quarters of their own, so that a line compares a model with itself alone."
}
"""What a reader must know of a stratum column that is no property of the examples."""


def with_strata(placed: Mapping[Column, list[Record]], by: Sequence[str]) -> dict[Column, list[Record]]:
    """Return the columns with the primary metric in each stratum of the columns `by` that their records have.

    A task with perturbed inputs is shown by these in any case. Raises UnknownName for one that no record has, and
    ConfigError for one with too many values.
    """
    known: set[str] = set()
    out = {}
    for column, records in placed.items():
        wanted = [*by, *([INPUT] if any(f":{INPUT}={CLEAN}-" in metric for metric in column.metrics) else [])]
        if not wanted:
            out[column] = records
            continue
        strata: dict[str, set[str]] = {}
        for r in records:
            if r.status == "done" and not set(wanted) <= set(strata):
                strata = {name: _shown(name, values) for name, values in r.predictions.strata.items()} | strata
        known |= set(strata)
        out[replace(column, strata=_expressions(column, strata, wanted))] = records
    if unknown := [name for name in by if name not in known]:
        hint = "Sequences of one length have no length, and records from before both were stored no gc either."
        raise UnknownName("stratum column", unknown[0], known, hint)
    return out


def _shown(name: str, values: StrArray) -> set[str]:
    """Return the values of a stratum column that a table shows."""
    return set(QUARTERS) if name == LIKELIHOOD else set(values)


def stratum_of(metric: str) -> tuple[str, str]:
    """Return the column and the value of a metric in a stratum."""
    column, _, value = metric.partition(":")[2].partition("=")
    return column, value


def _expressions(column: Column, strata: Mapping[str, set[str]], by: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics of a column in the strata, in order of their values."""
    primary = expression(column.metric) if column.metrics else None
    if primary is None:
        return ()
    out = []
    for name in dict.fromkeys(by):
        values = sorted(strata.get(name, ()), key=lambda value: ((name, value) != (INPUT, CLEAN), _in_order(value)))
        if len(values) > MAX_VALUES:
            raise ConfigError(
                f"stratum {name!r} of {column.task} has {len(values):,} values; expected at most {MAX_VALUES}"
            )
        for value in values:
            metric = Expression(primary.metric, name, value).text
            if value in ("*", "*n") or expression(metric) is None:
                raise ConfigError(
                    f"stratum {name!r} of {column.task} has the value {value!r}, which no metric can name"
                )
            out.append(metric)
    return tuple(out)


def _in_order(value: str) -> list[tuple[int, float, str]]:
    """Return what sorts text with numbers in it by these, so that 200..299 stands before 1000..1499."""
    parts = re.findall(r"\d+(?:\.\d+)?|\D+", value)
    return [(0, float(part), "") if part[0].isdigit() else (1, 0.0, part) for part in parts]
