"""The columns before the scores in tables; a package adds one with `@column`, and it follows the built-in ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..registry import Registry, origin_of
from .table import KINDS, Row, Table

Text = Callable[[Row, Table], str]
"""Returns the column's text for a row; lines after the first are set small below it."""


@dataclass(frozen=True)
class LeadingColumn:
    """A column before the scores; `terminal` is whether the terminal shows it too, where space is short."""

    name: str
    text: Text
    terminal: bool = True


COLUMNS: Registry[LeadingColumn] = Registry("leaderboard column")
"""The leading columns by heading, in the order in which they stand."""


def column(name: str, *, terminal: bool = True) -> Callable[[Text], Text]:
    """Return a decorator that registers a function of a row and its table as a leading column.

    >>> from baserate.leaderboard import column
    >>> @column("Failed")                                                             # doctest: +SKIP
    ... def failed(row, table):
    ...     return str(sum(table.cell(row, c).status == "failed" for c in table.columns))
    """

    def register(text: Text) -> Text:
        COLUMNS.add(name, LeadingColumn(name, text, terminal), origin=origin_of(text))
        return text

    return register


@column("Model")
def _model(row: Row, table: Table) -> str:
    return "\n".join(" ".join(text.split()) for text in (row.model, row.detail) if text)


@column("Mode")
def _mode(row: Row, table: Table) -> str:
    return row.mode


@column("Kind", terminal=False)  # there the colour shows it
def _kind(row: Row, table: Table) -> str:
    return KINDS[row.kind]
