"""The differences of every two rows on each task, from the draws that ranks were made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..leaderboard.common import common_examples
from ..leaderboard.pairs import differences_of
from ..leaderboard.placing import is_undirected
from ..leaderboard.table import Table
from ..leaderboard.wording import sign_of
from ..progress import activity
from ..records import Record
from .scores import script, short

Pairs = Mapping[int, Mapping[int, Mapping[int, list[Any]]]]
"""The gain of a row over a later one on a column, with its interval and p-value: by row, other row and column."""


def pairs_of(table: Table, records: Mapping[str, Record]) -> Pairs:
    """Return the gain of every row over every later one, on each column where both are ranked and have records.

    A gain is positive where the earlier row is better, and its p-value is not adjusted for the others.
    """
    place = {row.name: i for i, row in enumerate(table.rows)}
    by_name = sorted(table.rows, key=lambda row: row.name)  # the order in which the differences were cached
    out: dict[int, dict[int, dict[int, list[Any]]]] = {}
    advance = activity("pairing the rows of each task", len(table.columns))
    for k, column in enumerate(table.columns):
        cells = [table.cell(row, column) for row in by_name]
        ranked = [c for c in cells if c.compared and c.estimates[0].low is not None and c.hash in records]
        sign, made = sign_of(column), [records[c.hash] for c in ranked]
        shown = [records[c.hash] for c in cells if c.status == "done" and c.hash in records]
        if sign and len(made) > 1:
            ids = common_examples([r for r in shown if not is_undirected(r)]).ids
            for (i, j), d in differences_of(made, column.metric, ids).items():
                a, b = place[ranked[i].row], place[ranked[j].row]
                gain = d if (sign > 0) == (a < b) else d.turned
                p = None if d.p is None else float(f"{d.p:.2g}")
                numbers = [short(gain.value), short(gain.low), short(gain.high), p]
                out.setdefault(min(a, b), {}).setdefault(max(a, b), {})[k] = numbers
        advance(1)
    return out


def pair_files(pairs: Pairs, n_rows: int) -> dict[str, str]:
    """Return the scripts with the pairs, one for each row with a later one."""
    return {f"data/pairs-{i}.js": script(f"pairs-{i}", pairs.get(i, {})) for i in range(n_rows - 1)}
