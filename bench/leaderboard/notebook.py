"""A leaderboard as HTML, as notebooks show it."""

from __future__ import annotations

from html import escape

from .columns import COLUMNS
from .table import Cell, Column, Table
from .trust import explained
from .wording import (
    BEST,
    COLLAPSED,
    NOTHING,
    STATUS,
    arrow_of,
    best_of_regimes,
    common_set,
    floor_rule,
    label_of,
    leads_regime,
    marks,
    notes_of,
    number,
    preliminary,
    titled,
)

_LEFT, _RIGHT = 'style="text-align:left"', 'style="text-align:right"'


def to_html(table: Table) -> str:
    """Return the score table as HTML that needs no style sheet, with the signs of the Markdown and a short legend."""
    if not table.columns:
        return "<p>There are no results yet.</p>"
    leading = COLUMNS.all().values()
    heads = [f"<th {_LEFT}>{escape(c.name)}</th>" for c in leading]
    heads += [f"<th {_RIGHT}>{escape(titled(c))}<br>{_metric(c)}</th>" for c in table.columns]
    notes, lines = notes_of(table), []
    for row in table.rows:
        about = [f"<td {_LEFT}>{_leading(c.text(row, table))}</td>" for c in leading]
        scores = [f"<td {_RIGHT}>{_score(table.cell(row, c), c, notes)}</td>" for c in table.columns]
        lines.append(f"<tr>{''.join(about)}{''.join(scores)}</tr>")
    head = f"<thead><tr>{''.join(heads)}</tr></thead>"
    return f"<table><caption {_LEFT}>{_caption(table)}</caption>{head}<tbody>{''.join(lines)}</tbody></table>"


def _caption(table: Table) -> str:
    rule = f" {escape(floor_rule(table))}" if floor_rule(table) else ""
    lines = [
        "Test-set score with its 95 % interval. <b>Bold</b>: may be the best of its task, by paired "
        "tests. "
        f"{BEST} best baseline{rule}, {COLLAPSED} constant or not finite predictions, {NOTHING} not run, "
        "n/a does not apply."
    ]
    lines += best_of_regimes(table, "<u>Underlined</u>")
    lines += map(escape, [*explained(table), *filter(None, [preliminary(table), common_set(table)])])
    lines += [f"<sup>{i}</sup> {escape(note)}" for i, note in enumerate(notes_of(table), 1)]
    return "<br>".join(lines)


def _metric(column: Column) -> str:
    return f"{escape(label_of(column))} {arrow_of(column)}".rstrip()


def _leading(text: str) -> str:
    first, *rest = map(escape, text.split("\n"))
    return first + "".join(f"<br><small>{line}</small>" for line in rest)


def _score(cell: Cell, column: Column, notes: list[str]) -> str:
    numbers = ",".join(str(notes.index(note) + 1) for note in cell.notes if note in notes)
    after = f" {marks(cell, column)}".rstrip() + (f" <sup>{numbers}</sup>" if numbers else "")
    if cell.value is None:
        return ("undefined" if cell.estimates else STATUS.get(cell.status, NOTHING)) + after
    value = f"<u>{number(cell.value)}</u>" if leads_regime(cell, column) else number(cell.value)
    value = f"<b>{value}</b>" if cell.best else value
    low, high = cell.estimates[0].low, cell.estimates[0].high
    bounds = "" if low is None or high is None else f"<br><small>{number(low)} to {number(high)}</small>"
    return value + after + bounds
