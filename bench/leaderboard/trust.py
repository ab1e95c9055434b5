"""What a reader must know to trust a number: how the task's audit went, and whether the model saw the test examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..records import Record

if TYPE_CHECKING:
    from .table import Cell, Column, Leaderboard

TAINTED, EXPOSED, UNSURE = "‡", "●", "○"
NOT_AUDITED = "not audited"
NOT_PRETRAINED = "not pretrained"
_NAMED = 4
_VERDICTS = ("FAIL", "WARN", "PASS")


def audit_of(records: Sequence[Record]) -> tuple[str, tuple[str, ...]]:
    """Return the worst verdict that records of one task and split carry, with its reasons; '' where none was audited.

    Reasons without a verdict say why there is none.
    """
    for verdict in _VERDICTS:
        audits = [r.audit for r in records if r.audit.get("verdict") == verdict]
        if audits:
            return verdict, tuple(dict.fromkeys(str(line) for a in audits for line in a.get("reasons", ())))
    return "", tuple(dict.fromkeys(str(line) for r in records for line in r.audit.get("reasons", ())))


def exposure_in(record: Record) -> tuple[str, str]:
    """Return the record's exposure and why; of a record that does not say it, what its kind of model tells."""
    if record.exposure:
        return str(record.exposure["status"]), str(record.exposure["reason"])
    if record.model.get("baseline") or record.model.get("twin_of") or record.spec.mode == "from_scratch":
        return "clean", NOT_PRETRAINED
    return "unknown", "the record does not say"


def warnings(cell: Cell, column: Column) -> str:
    """Return the signs that warn of a cell's number: the task's audit fails, the model saw the test, or may have."""
    if cell.status != "done":
        return ""
    return (TAINTED if column.audit == "FAIL" else "") + {"exposed": EXPOSED, "unknown": UNSURE}.get(cell.exposure, "")


def explained(table: Leaderboard) -> list[str]:
    """Return what the warning signs in the table mean, a sentence each."""
    shown = "".join(warnings(cell, column) for row in table.rows for column in table.columns
                    for cell in (table.cell(row, column),))  # fmt: skip
    meaning = {
        TAINTED: f"{TAINTED} the audit of the task fails: see its reasons with the tasks.",
        EXPOSED: f"{EXPOSED} the model saw test examples in pretraining.",
        UNSURE: f"{UNSURE} it is not known whether it did.",
    }
    lines = [text for sign, text in meaning.items() if sign in shown]
    if UNSURE in shown and EXPOSED not in shown:
        lines[-1] = f"{UNSURE} it is not known whether the model saw test examples in pretraining."
    old = [f"{c.name} by {c.superseded_by}" for c in table.columns if c.superseded_by]
    return lines + ([f"Superseded: {some(old)}."] if old else [])


def exposures(table: Leaderboard) -> list[tuple[str, str, list[str], str]]:
    """Return (model, status, columns, reason) of the pretrained models with a score, columns of one reason together."""
    columns_of: dict[tuple[str, str, str], list[str]] = {}
    for row in table.rows:
        for column in table.columns:
            cell = table.cell(row, column)
            if cell.status == "done" and cell.exposure_reason != NOT_PRETRAINED:
                names = columns_of.setdefault((row.model, cell.exposure, cell.exposure_reason), [])
                names += [] if column.name in names else [column.name]
    return [(model, status, names, reason) for (model, status, reason), names in sorted(columns_of.items())]


def reasons(column: Column) -> list[str]:
    """Return why a column's audit does not pass, a line each; the first few where there are many."""
    lines = list(column.audit_reasons)
    if len(lines) <= _NAMED:
        return lines
    return [*lines[:_NAMED], f"and {len(lines) - _NAMED} more: `baserate audit {column.task.partition('@')[0]}`"]


def some(names: Sequence[str]) -> str:
    """Return the names in a line, the first few where there are many."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
