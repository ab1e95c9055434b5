"""Ranks in words: where a row may stand in each task, and its mean rank over tasks."""

from __future__ import annotations

from ..statistics import ALPHA, cliques
from .columns import COLUMNS
from .grids import escape, grids, leading_text, wrapped
from .table import Cell, Column, OverTasks, Table
from .wording import NOTHING, titled

_SHORT = 5
"""The rows that the terminal names."""


def rank_sections(table: Table) -> list[str]:
    """Return the section of Markdown about ranks; [] where no two rows are ranked together."""
    if not any(column.ranked > 1 for column in table.columns):
        return []
    lines = ["## Ranks", ""]
    if table.over_tasks:
        lines += [*_over_tasks(table, table.over_tasks), ""]
    ranked = [c for c in table.columns if c.ranked > 1]
    rows = [row for row in table.rows if any(table.cell(row, c).rank for c in ranked)]
    lines += ["<details>", "<summary>Ranks within each task, with what is not known about them</summary>", ""]
    lines += [*grids(table, rows, lambda c: f"{wrapped(titled(c))}<br>of {c.ranked}", _interval, ranked), ""]
    lines += ["1–4: no row is surely better, and all but four are surely worse. In 95 % of tables of a task all of its"]
    lines += [
        "intervals have the true ranks (paired tests of all pairs, Holm). A preliminary comparison decides nothing."
    ]
    return [*lines, "", "</details>", ""]


def ranks_in_short(table: Table) -> list[str]:
    """Return, for the terminal, the first rows over tasks in a line, and whether their order is told from chance."""
    found = table.over_tasks
    if found is None or len(found.columns) < 2:
        return []
    shown = [f"{s.row} {s.mean:.1f} ({s.low:.1f}–{s.high:.1f})" for s in found.standings[:_SHORT]]
    more = len(found.standings) - len(shown)
    first = f"mean rank over {_tasks(found)} (range without any one): " + ", ".join(shown)
    return [first + (f" and {more} more" if more else ""), _verdict(found)]


def _tasks(found: OverTasks) -> str:
    return f"{len(found.columns)} task" + "s" * (len(found.columns) != 1)


def _verdict(found: OverTasks) -> str:
    """Return whether the order over tasks is told from chance, and how far the first leads."""
    if found.p is None or found.critical is None:
        return f"{found.reason}."
    if found.p >= ALPHA:
        return f"no order over tasks is told from chance (Friedman p {_p(found.p)})."
    order = f"there is an order over tasks (Friedman p {_p(found.p)})"
    by = f"mean ranks must differ by {found.critical:.2f} (Nemenyi)."
    groups = cliques([s.mean for s in found.standings], found.critical)
    tied = groups[0][1] + 1 if groups and groups[0][0] == 0 else 1
    if tied == len(found.standings):
        return f"{order}, but no two rows are told apart: {by}"
    return f"{order}; " + (f"the first {tied} are not told apart: {by}" if tied > 1 else f"the first leads all: {by}")


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "< .001"


def _over_tasks(table: Table, found: OverTasks) -> list[str]:
    """Return a table of the rows by mean rank: families of tasks first, all tasks last."""
    leading = COLUMNS.all().values()
    several = found.families if len(found.families) > 1 else ()
    heads = [f"{escape(name)}<br>{n} task{'s' * (n != 1)}" for name, n in several]
    heads += [f"All<br>{_tasks(found)}", "Place", "Wins", "Surely better", "Surely worse"]
    lines = ["| " + " | ".join([*(escape(c.name) for c in leading), *heads]) + " |"]
    lines += ["|" + ":--|" * len(leading) + "--:|" * len(heads)]
    rows = {row.name: row for row in table.rows}
    for s in found.standings:
        about = [leading_text(c.text(rows[s.row], table)) for c in leading]
        means = [f"{mean:.2f}" for mean in s.by_family]
        means += [f"{s.mean:.2f}<br><sub>{s.low:.2f} to {s.high:.2f}</sub>", _range(s.first, s.last)]
        shares = [f"{100 * share:.0f} %" for share in (s.wins, s.surely_better, s.surely_worse)]
        lines += ["| " + " | ".join([*about, *means, *shares]) + " |"]
    verdict = _verdict(found)
    lines += [
        "",
        f"Mean rank by score, 1 the best of {len(found.standings)} rows, over the tasks that all of these rows have:",
    ]
    lines += [
        f"{', '.join(map(escape, found.columns))}. Small: its range, and that of the place, with each task in turn"
    ]
    lines += [
        "left out. Wins: the share of comparisons with another row in which it scores higher, and those that are sure."
    ]
    lines += [verdict[0].upper() + verdict[1:]]
    if found.left_out:
        lines += ["", f"Without all of these tasks, and so without a place: {', '.join(map(escape, found.left_out))}."]
    return lines


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"


def _interval(cell: Cell, column: Column) -> str:
    return NOTHING if cell.rank is None or cell.rank_high is None else _range(cell.rank, cell.rank_high)
