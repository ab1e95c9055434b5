"""The scores that may stand alone on a model's page elsewhere, each with the notes without which it misleads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..digests import digest
from ..leaderboard.table import APART, UNDIRECTED, Cell, Column, Row, Table
from ..leaderboard.wording import better, better_of, label, label_of, last_line, sign_of
from ..records import Record
from ..results import Estimate, in_short
from .names import VERDICTS, mode_name

DIGITS = 4
"""The decimals of published values."""
_STATUS = {"failed": "failed", "not_applicable": "does not apply"}


@dataclass(frozen=True)
class Entry:
    """A score of a pretrained model that may be published: its place in the table, its record, and its task's id."""

    row: Row
    column: Column
    cell: Cell
    record: Record
    task_id: str

    @property
    def estimate(self) -> Estimate:
        """The primary metric."""
        return self.cell.estimates[0]


@dataclass(frozen=True)
class LeftOut:
    """A score that is not published, and why."""

    row: str
    column: str
    reason: str


def entries_of(table: Table, records: Mapping[str, Record]) -> tuple[list[Entry], list[LeftOut]]:
    """Return the scores of pretrained models that may be published, and those that may not, each with the reason.

    Elsewhere a number stands without the table around it. So one without an interval is left out, and one that is not
    compared, is of a task whose audit fails, or of a model that saw the test.
    """
    found, left_out = [], []
    for row, column in _of_models(table):
        cell = table.cell(row, column)
        if reason := _reason(cell, column, records):
            left_out.append(LeftOut(row.name, column.name, reason))
        else:
            found.append(Entry(row, column, cell, records[cell.hash], task_id(column, row.mode)))
    times = Counter((entry.row.model, entry.task_id) for entry in found)
    twice = "the model has several rows of this mode, and a model's page has a place for one"
    # To choose the best of them by the test would flatter it.
    left_out += [LeftOut(e.row.name, e.column.name, twice) for e in found if times[e.row.model, e.task_id] > 1]
    return [entry for entry in found if times[entry.row.model, entry.task_id] == 1], left_out


def task_id(column: Column, mode: str) -> str:
    """Return the id of a column and mode: plain letters, the mode and metric in it, so that unlike rows do not meet."""
    metric = column.metric if column.metrics else "none"
    whole = f"{column.name}.{mode}.{metric}"
    plain = re.sub(r"[^a-z0-9.]+", "_", whole.lower()).strip("_.")
    return plain if plain == whole.replace("@", "_") else f"{plain}.{digest(whole)[:6]}"


def notes_of(entry: Entry) -> str:
    """Return what a reader must know of a score, on one line: interval, examples, protocol, doubts, and origin."""
    return "; ".join(part for part in _parts(entry) if part)


def rounded(value: float) -> float:
    """Return the value as it is published."""
    return round(value, DIGITS) + 0.0  # not -0.0


def _of_models(table: Table) -> Iterator[tuple[Row, Column]]:
    for row in table.rows:
        for column in table.columns:
            if row.kind == "model" and table.cell(row, column).status != "missing":
                yield row, column


def _reason(cell: Cell, column: Column, records: Mapping[str, Record]) -> str:
    """Return why a score is not published, '' where it may be."""
    first = cell.estimates[0] if cell.estimates else None
    if first is None or first.value is None:
        why = last_line(cell.error) or (first.reason if first else "")
        return f"{_STATUS.get(cell.status, 'undefined')}: {why}".removesuffix(": ")
    reasons = {
        "its record is not there": cell.hash not in records,
        APART: cell.apart,
        UNDIRECTED: cell.undirected,
        "constant or not finite predictions": "collapsed" in cell.flags,
        f"no interval: {first.reason}".removesuffix(": "): first.low is None or first.high is None,
        f"the audit of the task fails: {'; '.join(column.audit_reasons)}".removesuffix(": "): column.audit == "FAIL",
        f"the model saw the test: {cell.exposure_reason}".removesuffix(": "): cell.exposure == "exposed",
        f"the task is superseded by {column.superseded_by}": bool(column.superseded_by),
        "its metric has no better side": sign_of(column) == 0,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def interval_of(e: Estimate) -> str:
    """Return the interval of an estimate in words; it must have one."""
    return f"{100 * e.level:g} % interval {e.low:.{DIGITS}f} to {e.high:.{DIGITS}f}"


def metric_of(e: Estimate, column: Column) -> str:
    """Return the name of an estimate's metric, with which side is better where that is the lower one."""
    primary = e.metric == column.metric
    side = better_of(column) if primary else better(e.metric)
    return (label_of(column) if primary else label(e.metric)) + (", lower is better" if side == "lower" else "")


def _parts(entry: Entry) -> Iterator[str]:
    row, column, cell, e, spec = entry.row, entry.column, entry.cell, entry.estimate, entry.record.spec
    yield f"{metric_of(e, column)}, {interval_of(e)}"
    yield f"{e.n:,} test examples in {e.n_clusters:,} clusters"
    seeds = len(spec.seeds)
    yield f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    yield f"{mode_name(row.mode)}{f' ({row.detail})' if row.detail else ''}"
    given = ", ".join(f"{name} {value}" for name, value in sorted(spec.settings.items()))
    tuned = "settings chosen on valid among trials" if spec.budget > 1 else "settings not tuned here"
    yield f"budget {spec.budget}: {tuned}{f' ({given})' if given else ''}"
    yield f"task {column.name}, split {spec.split}: {entry.record.task.get('split_rule') or 'rule not stated'}"
    if cell.gain:
        yield f"gain over the best baseline, {cell.gain.over}: {_gain(entry)}"
    else:
        yield "not set against a baseline"
    yield f"audit of the task {column.audit}" if column.audit else "task not audited"
    yield {"clean": "the model saw no test example"}.get(cell.exposure, "it is unknown whether the model saw the test")
    if cell.earlier_looks:
        yield f"the same network was scored on this test part {cell.earlier_looks} times before"
    yield "; ".join((*cell.notes, *cell.older))
    yield f"weights {in_short(row.revision) or 'of no stated revision'}"
    environment = entry.record.environment
    commit = str(environment.get("git_commit") or "")[:10] or "unknown"
    yield f"{cell.versions or 'baserate'}, commit {commit}{' with changes' if environment.get('git_dirty') else ''}"
    yield f"run {cell.hash}"


def _gain(entry: Entry) -> str:
    gain = entry.cell.gain
    assert gain is not None
    text = f"{gain.value:+.{DIGITS}f}"
    if gain.low is not None and gain.high is not None:
        text += f" [{gain.low:+.{DIGITS}f}, {gain.high:+.{DIGITS}f}]"
    return f"{text}, {VERDICTS[gain.verdict]}"
