"""What a reader must know to trust a number: the task's audit, what the model saw, and the versions that made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..records import Record

if TYPE_CHECKING:
    from .table import Cell, Column, Table

TAINTED, EXPOSED, UNSURE, OLDER = "‡", "●", "○", "§"
NOT_AUDITED = "not audited"
NOT_PRETRAINED = "not pretrained"
_MOST_LISTED = 4
_VERDICTS = ("FAIL", "WARN", "PASS")


def audit_of(records: Sequence[Record]) -> tuple[str, tuple[str, ...]]:
    """Return the worst verdict in the records of one task and split, with its reasons; '' where none was audited.

    Reasons without a verdict say why there is none.
    """
    for verdict in _VERDICTS:
        audits = [r.audit for r in records if r.audit.get("verdict") == verdict]
        if audits:
            return verdict, tuple(dict.fromkeys(str(line) for a in audits for line in a.get("reasons", ())))
    return "", tuple(dict.fromkeys(str(line) for r in records for line in r.audit.get("reasons", ())))


def exposure_in(record: Record) -> tuple[str, str]:
    """Return the record's exposure and why; where the record does not state it, what follows from the kind of model."""
    if record.exposure:
        return str(record.exposure["status"]), str(record.exposure["reason"])
    if record.model.get("baseline") or record.model.get("twin_of") or record.spec.mode == "from_scratch":
        return "clean", NOT_PRETRAINED
    return "unknown", "the record does not say"


def warnings(cell: Cell, column: Column) -> str:
    """Return the signs that warn about a cell: a failed audit, a test that the model saw or may have, old versions."""
    if cell.status != "done":
        return ""
    seen = {"exposed": EXPOSED, "unknown": UNSURE}.get(cell.exposure, "")
    return (TAINTED if column.audit == "FAIL" else "") + seen + (OLDER if cell.older else "")


def explained(table: Table) -> list[str]:
    """Return what the warning signs in the table mean, one sentence each."""
    signs = "".join(warnings(cell, column) for row in table.rows for column in table.columns
                    for cell in (table.cell(row, column),))  # fmt: skip
    meaning = {
        TAINTED: f"{TAINTED} the audit of the task fails: see its reasons with the tasks.",
        EXPOSED: f"{EXPOSED} the model saw test examples in pretraining.",
        UNSURE: f"{UNSURE} it is not known whether it did.",
    }
    lines = [text for sign, text in meaning.items() if sign in signs]
    if UNSURE in signs and EXPOSED not in signs:
        lines[-1] = f"{UNSURE} it is not known whether the model saw test examples in pretraining."
    if older := list(dict.fromkeys(what for cell in table.cells for what in cell.older)):
        lines.append(
            f"{OLDER} made under older versions than others of its column, {some(older)}: "
            "the same run with --fresh-versions makes it anew."
        )
    old = [f"{c.name} by {c.superseded_by}" for c in table.columns if c.superseded_by]
    return lines + ([f"Superseded: {some(old)}."] if old else [])


def exposures(table: Table) -> list[tuple[str, str, list[str], str]]:
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
    """Return why a column's audit does not pass, one reason per line; the first few where there are many."""
    lines = list(column.audit_reasons)
    if len(lines) <= _MOST_LISTED:
        return lines
    return [
        *lines[:_MOST_LISTED],
        f"and {len(lines) - _MOST_LISTED} more: `baserate audit {column.task.partition('@')[0]}`",
    ]


def some(names: Sequence[str]) -> str:
    """Return the names on one line, the first few where there are many."""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more
