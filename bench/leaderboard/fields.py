"""The fields of the CSV and of the data frame; a package adds one with `@field`, and it follows the built-in ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..registry import Registry, origin_of
from ..results import Estimate
from .comparisons import Gain
from .table import Cell, Column, Row, Table
from .trust import NOT_AUDITED
from .wording import each, last_line

if TYPE_CHECKING:
    import pandas as pd

_DTYPES: dict[type, Any] = {str: "string", int: "Int64", float: "float64", bool: "boolean"}


@dataclass(frozen=True)
class Line:
    """What a line shows: one metric of a cell; `estimate` is None where the cell has no number.

    `primary` marks the metric by which rank and gains are made.
    """

    table: Table
    row: Row
    column: Column
    cell: Cell
    estimate: Estimate | None
    primary: bool


Content = Callable[[Line], Any]
"""Returns a field's value, None where there is none."""


@dataclass(frozen=True)
class Field:
    """A named value of every line, of one type: `str`, `int`, `float` or `bool`."""

    name: str
    content: Content
    type: type


FIELDS: Registry[Field] = Registry("leaderboard field")
"""The fields by name, in the order in which they stand."""


def field(name: str, type: type = str) -> Callable[[Content], Content]:
    """Return a decorator that registers a function of a `Line` as a field whose values are of `type`, or None.

    >>> from baserate.leaderboard import field
    >>> @field("width", float)                                                        # doctest: +SKIP
    ... def width(line):
    ...     return line.estimate and line.estimate.high - line.estimate.low
    """

    def register(content: Content) -> Content:
        FIELDS.add(name, Field(name, content, type), origin=origin_of(content))
        return content

    return register


def to_csv(table: Table) -> str:
    """Return one line per row, column and metric; gain and rank stand only with the primary metric."""
    fields = FIELDS.all().values()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(f.name for f in fields)
    writer.writerows([f.content(line) for f in fields] for line in lines_of(table))
    return out.getvalue()


def to_frame(table: Table) -> pd.DataFrame:
    """Return the lines of the CSV as a pandas DataFrame, each field with its type; absent values are missing."""
    import pandas as pd

    lines = list(lines_of(table))
    fields = FIELDS.all().values()
    return pd.DataFrame({f.name: pd.Series([f.content(x) for x in lines], dtype=_DTYPES[f.type]) for f in fields})


def lines_of(table: Table) -> Iterator[Line]:
    """Yield one line per row, column and metric."""
    for row, column, cell in each(table):
        for i, estimate in enumerate((*cell.estimates, *cell.by_stratum) or (None,)):
            yield Line(table, row, column, cell, estimate, i == 0)


def _add_estimate_field(name: str, type: type = str) -> None:
    field(name, type)(lambda line: getattr(line.estimate, name) if line.estimate else None)


def _add_gain_field(prefix: str, gain_of: Callable[[Cell], Gain | None], name: str, type: type) -> None:
    def content(line: Line) -> Any:
        gain = gain_of(line.cell) if line.primary else None
        return getattr(gain, name) if gain else None

    field(f"{prefix}_{name}", type)(content)


def _add_every_field(name: str, type: type) -> None:
    def content(line: Line) -> Any:
        return getattr(line.cell.every, name) if line.primary and line.cell.every else None

    field(f"every_baseline_{name}", type)(content)


def _add_standing_field(name: str, type: type) -> None:
    """Add a field of a row over tasks, the same on each of its lines."""

    def content(line: Line) -> Any:
        standings = line.table.over_tasks.standings if line.table.over_tasks else ()
        return next((getattr(s, name) for s in standings if s.row == line.row.name), None)

    field(f"over_tasks_{name}", type)(content)


field("task")(lambda line: line.column.task)
field("column")(lambda line: line.column.name)
field("model")(lambda line: line.row.model)
field("mode")(lambda line: line.row.mode)
field("detail")(lambda line: line.row.detail)
field("kind")(lambda line: line.row.kind)
field("status")(lambda line: line.cell.status)


@field("metric")
def _metric(line: Line) -> str:
    if line.estimate:
        return line.estimate.metric
    return line.column.metric if line.column.metrics else ""


field("primary", bool)(lambda line: line.primary)
for _name, _type in {"value": float, "low": float, "high": float, "level": float, "n": int, "n_clusters": int}.items():
    _add_estimate_field(_name, _type)
_add_estimate_field("reason")
field("rank", int)(lambda line: line.cell.rank if line.primary else None)
_GAIN = {"over": str, "value": float, "low": float, "high": float, "p": float, "p_adjusted": float, "verdict": str}
for _name, _type in _GAIN.items():
    _add_gain_field("gain", lambda cell: cell.gain, _name, _type)
for _name, _type in _GAIN.items():
    _add_gain_field("twin_gain", lambda cell: cell.twin_gain, _name, _type)
field("flags")(lambda line: "; ".join(line.cell.notes))
field("seconds", float)(lambda line: line.cell.seconds)
field("run")(lambda line: line.cell.hash)
field("error")(lambda line: last_line(line.cell.error))
field("exposure")(lambda line: line.cell.exposure)
field("exposure_reason")(lambda line: line.cell.exposure_reason)
field("audit")(lambda line: line.column.audit or NOT_AUDITED)
field("audit_reasons")(lambda line: "; ".join(line.column.audit_reasons))
field("superseded_by")(lambda line: line.column.superseded_by)
field("revision")(lambda line: line.row.revision)
field("versions")(lambda line: line.cell.versions)
field("older_versions")(lambda line: "; ".join(line.cell.older))
field("budget", int)(lambda line: line.column.budget)
field("valid", float)(lambda line: line.cell.valid)
field("valid_metric")(lambda line: line.cell.valid_metric)
field("trials", int)(lambda line: line.cell.trials)
field("chosen")(lambda line: line.cell.chosen)
field("best_baseline_chosen_on")(lambda line: line.column.chosen_on)
field("untuned", float)(lambda line: line.cell.untuned if line.primary else None)
for _name, _type in _GAIN.items():
    _add_gain_field("tuning_gain", lambda cell: cell.tuning_gain, _name, _type)
field("rank_high", int)(lambda line: line.cell.rank_high if line.primary else None)
field("ranked", int)(lambda line: (line.column.ranked or None) if line.primary else None)
field("regime")(lambda line: line.row.regime)
field("best", bool)(lambda line: line.cell.best if line.primary and line.cell.rank else None)
field("best_of_regime", bool)(lambda line: line.cell.best_of_regime if line.primary and line.cell.rank else None)
field("best_baseline")(lambda line: line.column.best_baseline)
for _name, _type in {"n": int, "p": float, "p_adjusted": float, "better": bool}.items():
    _add_every_field(_name, _type)
for _name, _type in {"mean": float, "low": float, "high": float, "first": int, "last": int, "wins": float}.items():
    _add_standing_field(_name, _type)
for _name in ("q", "detectable"):
    _add_gain_field("gain", lambda cell: cell.gain, _name, float)
field("earlier_looks", int)(lambda line: line.cell.earlier_looks)
field("look_reason")(lambda line: line.cell.look_reason)
field("strand_metric")(lambda line: line.cell.strand.metric if line.cell.strand else None)
field("strand", float)(lambda line: line.cell.strand.value if line.cell.strand else None)
field("strand_low", float)(lambda line: line.cell.strand.low if line.cell.strand else None)
field("strand_high", float)(lambda line: line.cell.strand.high if line.cell.strand else None)
