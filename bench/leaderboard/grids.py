"""Tables of Markdown: a grid of rows by columns, with names that break nothing."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence

from ..results import Estimate
from .columns import COLUMNS, LeadingColumn
from .paper import PER_BLOCK, about
from .table import Cell, Column, Row, Table
from .wording import NOTHING, STATUS, blocks, folded, leads_regime, marks, number


def escape(text: str) -> str:
    """Return the text so that it stands for itself in a Markdown table on GitHub: on one line, with no markup."""
    plain = html.escape(" ".join(text.split()), quote=False)
    plain = re.sub(r"([\\`*\[\]|~])", r"\\\1", plain)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", plain)


def grids(
    table: Table,
    rows: Sequence[Row],
    heading: Callable[[Column], str],
    content: Callable[[Cell, Column], str],
    shown: Sequence[Column] | None = None,
) -> list[str]:
    """Return one table per block of all columns or those shown, with every row, so that missing runs can be seen."""
    lines: list[str] = []
    for title, columns in blocks(table.columns if shown is None else shown, PER_BLOCK):
        lines += [""] * bool(lines) + ([f"### {escape(title)}", ""] if title else [])
        lines += _grid(table, rows, columns, heading, content)
    return lines


def _grid(
    table: Table,
    rows: Iterable[Row],
    columns: Sequence[Column],
    heading: Callable[[Column], str],
    content: Callable[[Cell, Column], str],
) -> list[str]:
    """Return a table with the rows' names, then the columns given, one line a row."""
    lines = head(*map(heading, columns))
    for row in rows:
        cells = [content(table.cell(row, c), c) for c in columns]
        lines += ["| " + " | ".join([named(row), *more_text(row, table), *cells]) + " |"]
    return lines


def head(*headings: str) -> list[str]:
    """Return the first lines of a table: the names of rows, the leading columns of packages, and the headings."""
    more = _more()
    line = "| " + " | ".join(["Model", *(escape(c.name) for c in more), *headings]) + " |"
    return [line, "|:--|" + ":--|" * len(more) + "--:|" * len(headings)]


def named(row: Row, note: str = "") -> str:
    """Return the name of a row, with its kind and regime small below, and what sets it apart or a `note` instead."""
    detail = f"<br><sub>{escape(row.detail)}</sub>" if row.detail and not note else ""
    return f"{escape(row.model)}{note}<br><sub>{escape(about(row))}</sub>{detail}"


def more_text(row: Row, table: Table) -> list[str]:
    """Return what the leading columns of packages show."""
    return [leading_text(c.text(row, table)) for c in _more()]


def _more() -> list[LeadingColumn]:
    """Return the leading columns of packages: the built-in ones are one column here, since space is short."""
    return [c for c in COLUMNS.all().values() if c.name not in ("Model", "Mode", "Kind")]


def leading_text(text: str) -> str:
    """Return what a leading column shows: its first line, and the others small below."""
    first, *rest = text.split("\n")
    return escape(first) + "".join(f"<br><sub>{escape(line)}</sub>" for line in rest)


def wrapped(name: str) -> str:
    """Return a name in lines of readable width."""
    return "<br>".join(escape(line) for line in folded(name).split("\n"))


def limits(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Return an interval, small on a line of its own; '' where there is none."""
    if low is None or high is None:
        return ""
    return f"<br><sub>{number(low, signed=signed)} to {number(high, signed=signed)}</sub>"


def estimate_text(e: Estimate) -> str:
    """Return the value with its interval."""
    return number(e.value) + limits(e.low, e.high)


def score_text(cell: Cell, column: Column, notes: Sequence[str], *, regimes: bool = False) -> str:
    """Return a cell's score with marks, numbers of its `notes` and interval; bold where it may be the best of its task.

    With `regimes` it is underlined where it may be the best of its regime.
    """
    numbers = ",".join(str(notes.index(note) + 1) for note in cell.notes if note in notes)
    after = f" {marks(cell, column)}".rstrip() + (f" <sup>{numbers}</sup>" if numbers else "")
    if cell.status != "done" or not cell.estimates:
        return STATUS.get(cell.status, NOTHING) + after
    e = cell.estimates[0]
    if e.value is None:
        return f"undefined{after}"
    value = f"<ins>{number(e.value)}</ins>" if regimes and leads_regime(cell, column) else number(e.value)
    return (f"**{value}**" if cell.best else value) + after + limits(e.low, e.high)
