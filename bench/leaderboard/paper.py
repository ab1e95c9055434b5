"""What a table for a paper shows: blocks of tasks that fit a page, the winner first, short names, p-values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .comparisons import Gain
from .table import KINDS, Column, Row, Table
from .wording import is_among_best, sign_of

PER_BLOCK = 5
"""The most tasks beside the names on a page of 980 pixels, or of A4."""


@dataclass(frozen=True)
class Block:
    """Tasks of one family that stand side by side, and the rows that were run on one of them, the best first."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    absent: tuple[Row, ...]


@dataclass(frozen=True)
class GainLine:
    """The gain of a row over the best baseline of a task."""

    column: Column
    row: Row
    gain: Gain


def paper_blocks(table: Table) -> list[Block]:
    """Return the table in blocks of at most five tasks of one benchmark, in pieces of equal width.

    The row that may be the best on most of them stands first, whatever kind it is of; equal ones by their scores.
    """
    families: dict[str, list[Column]] = {}
    for column in table.columns:
        families.setdefault(column.benchmark, []).append(column)
    out = []
    for family, members in families.items():
        pieces = -(-len(members) // PER_BLOCK)
        edges = [round(i * len(members) / pieces) for i in range(pieces + 1)]
        title = family or ("Other tasks" if len(families) > 1 else "")
        for i in range(pieces):
            columns = tuple(members[edges[i] : edges[i + 1]])
            of = f" ({i + 1} of {pieces})" if pieces > 1 and title else ""
            shown = [row for row in table.rows if any(table.cell(row, c).status != "missing" for c in columns)]
            shown.sort(key=lambda row: _place(table, row, columns))
            absent = tuple(row for row in table.rows if row not in shown)
            out.append(Block(title + of, columns, tuple(shown), absent))
    return out


def gain_lines(table: Table) -> list[GainLine]:
    """Return the gains over the best baseline, task by task, the largest first."""
    out = []
    for column in table.columns:
        found = [(row, table.cell(row, column).gain) for row in table.rows]
        lines = [GainLine(column, row, gain) for row, gain in found if gain is not None]
        out += sorted(lines, key=lambda line: -line.gain.value)
    return out


def short_names(table: Table) -> Mapping[str, str]:
    """Return the names of columns without benchmark and version, where they stay distinct; otherwise as they are."""
    short = {c.name: re.sub(r"@\d+", "", c.name.removeprefix(f"{c.benchmark}.")) for c in table.columns}
    count = Counter(short.values())
    return {name: text if count[text] == 1 else name for name, text in short.items()}


def settings_notes(rows: Sequence[Row]) -> list[str]:
    """Return the settings that set rows of one name apart, each once: footnotes, numbered from 1."""
    return list(dict.fromkeys(row.detail for row in rows if row.detail))


def about(row: Row) -> str:
    """Return the kind and the regime of a row in words, such as 'baseline, trained'."""
    return f"{KINDS[row.kind]}, {row.regime.replace('_', ' ')}"


def p_text(p: float | None) -> str:
    """Return a p-value with three decimals; '<0.001' below, and '' for none."""
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _place(table: Table, row: Row, columns: Sequence[Column]) -> tuple[int, float, str]:
    """Return what rows are sorted by: on how many tasks one may be the best, then the mean share of better scores."""
    shares = []
    for column in columns:
        if (mine := table.cell(row, column)).compared:
            cells = [cell for other in table.rows if (cell := table.cell(other, column)).compared]
            better = sum(sign_of(column) * ((cell.value or 0.0) - (mine.value or 0.0)) > 0 for cell in cells)
            shares.append(better / max(1, len(cells) - 1))
    best = sum(is_among_best(table.cell(row, column)) for column in columns)
    return -best, sum(shares) / len(shares) if shares else 2.0, row.name
