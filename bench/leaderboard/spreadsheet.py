"""The leaderboard as a workbook for Excel: scores, gains with p-values, and every field of the CSV."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from ..errors import MissingExtra
from .fields import FIELDS, lines_of
from .paper import about, gain_lines
from .table import Table

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST = 32_767
"""The most characters that a cell of Excel has."""


def to_xlsx(table: Table) -> bytes:
    """Return a workbook with the sheets Scores, Gains and All; numbers are numbers, and text is never a formula.

    Raises MissingExtra where openpyxl is not installed.
    """
    try:
        import openpyxl  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise MissingExtra('writing .xlsx needs openpyxl: `pip install "baserate[data]"`') from error
    book = openpyxl.Workbook()
    book.properties.created = book.properties.modified = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    book.remove(book.active)
    fields = FIELDS.all().values()
    _sheet(book, "Scores", ["Model", "Mode", "Kind", "Settings", *_score_heads(table)], _scores(table))
    _sheet(book, "Gains", ["Task", "Model", "Over", "Gain", "Low", "High", "p", "p adjusted", "Verdict"], _gains(table))
    _sheet(book, "All", [f.name for f in fields], ([f.content(x) for f in fields] for x in lines_of(table)))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _score_heads(table: Table) -> list[str]:
    return [f"{c.name} {what}" for c in table.columns for what in (c.metric if c.metrics else "score", "low", "high")]


def _scores(table: Table) -> Iterable[list[Any]]:
    for row in table.rows:
        line: list[Any] = [row.model, row.mode, about(row), row.detail]
        for column in table.columns:
            cell = table.cell(row, column)
            e = cell.estimates[0] if cell.estimates else None
            line += [cell.status if e is None or e.value is None else e.value, e and e.low, e and e.high]
        yield line


def _gains(table: Table) -> Iterable[list[Any]]:
    for line in gain_lines(table):
        g = line.gain
        yield [line.column.name, line.row.name, g.over, g.value, g.low, g.high, g.p, g.p_adjusted, g.verdict]


def _sheet(book: Any, title: str, heads: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    sheet = book.create_sheet(title)
    for i, line in enumerate([heads, *lines], 1):
        for j, value in enumerate(line, 1):
            if value is None:
                continue
            cell = sheet.cell(i, j)
            if isinstance(value, str):
                cell.value = _CONTROL.sub("", value)[:_LONGEST]
                cell.data_type = "s"  # not a formula, whatever it starts with
            else:
                cell.value = value
    sheet.freeze_panes = "B2"
