"""The report of `baserate new task`: a preview, the role of each column and why, and what is left to the user."""

from __future__ import annotations

from collections.abc import Sequence

from . import NewTask
from .columns import Column
from .roles import describe

_ROWS = 3


def report(made: NewTask) -> str:
    """Return the preview, the guesses with their reasons, and the warnings, as lines of text."""
    sample, task = made.sample, made.task
    n = f"{sample.n:,} rows, all read" if sample.whole else f"about {sample.n:,} rows, {len(sample):,} read"
    lines = [f"{sample.reference}: {n}; {len(made.columns)} columns", ""]
    shown = [f"row {i + 1}" for i in range(min(_ROWS, len(sample)))]
    head = ["column", "holds", "taken for", "could also be", *shown]
    lines += _table([head, *(_row(made, column) for column in made.columns)])
    lines += [
        "",
        f"{made.path}: {task.kind}" + (f" of {len(task.classes)}: {_some(task.classes)}" if task.classes else ""),
    ]
    lines += _table(
        [[g.key, _some(g.value), g.reason] for g in made.guesses if g.reason and g.key != "description"], "  "
    )
    lines += ["", *(f"Note: {note}." for note in made.notes)]
    lines.append(f"To fill in before others use it: {', '.join(made.fill_in)}.")
    return "\n".join(lines)


def _row(made: NewTask, column: Column) -> list[str]:
    what = describe(column)
    if column.holds == "dna":
        what += f", {column.letters()}"
    if column.empty:
        what += f"; {column.empty:,} empty"
    role = made.taken.get(column.name, "unused").replace("unused", "-")
    others = ", ".join(made.alternatives[column.name]) or "-"
    return [column.name, what, role, others, *(_cut(v) for v in column.values[:_ROWS])]


def _table(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [indent + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cut(text: str) -> str:
    shown = "".join(sign if sign.isprintable() else "?" for sign in text)
    return shown if len(shown) <= 16 else f"{shown[:13]}..."


def _some(value: object) -> str:
    values = list(map(str, value)) if isinstance(value, (list, tuple)) else [str(value)]
    return ", ".join(map(_cut, values[:6])) + (", ..." if len(values) > 6 else "")
