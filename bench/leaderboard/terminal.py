"""A leaderboard on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .columns import COLUMNS
from .ranks_text import ranks_in_short
from .table import Cell, Column, Table
from .trust import EXPOSED, TAINTED, UNSURE, explained, exposures, reasons, some
from .wording import (
    BEST,
    COLLAPSED,
    EVERY,
    SIGNS,
    STATUS,
    arrow_of,
    best_of_regimes,
    blocks,
    bought,
    common_set,
    each,
    floor_rule,
    folded,
    label_of,
    last_line,
    leads_regime,
    marks,
    notes_of,
    number,
    preliminary,
    titled,
    trials,
    verdict_sign,
)

if TYPE_CHECKING:
    from rich.console import Console

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def print_leaderboard(table: Table, console: Console | None = None) -> None:
    """Print scores and gains, in as many tables side by side as the terminal's width allows."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid
    from rich.text import Text

    console = console or Console()
    if not table.columns:
        console.print("There are no results yet.")
    leading = [column for column in COLUMNS.all().values() if column.terminal]
    about = {row: [column.text(row, table) for column in leading] for row in table.rows}
    names = max((len(" ".join(text.split("\n")[0] for text in texts)) for texts in about.values()), default=0) + 8
    wide = max(1, (console.width - names) // 15)
    notes = notes_of(table)
    pieces = [(t, c[i : i + wide]) for t, c in blocks(table.columns) for i in range(0, len(c), wide)]
    for title, piece in pieces:
        drawn = Grid(
            box=SIMPLE_HEAD, header_style="bold", pad_edge=False, title=escape(title) or None, title_justify="left"
        )
        for leader in leading:
            drawn.add_column(escape(leader.name))
        for column in piece:
            metric = f"{folded(label_of(column))} {arrow_of(column)}" if column.metrics else ""
            drawn.add_column(Text(f"{folded(titled(column))}\n{metric}"), justify="right")
        for row, following in zip(table.rows, [*table.rows[1:], None], strict=True):
            cells = [_terminal_cell(table.cell(row, column), column, notes) for column in piece]
            drawn.add_row(
                *map(Text, about[row]),
                *(Text(text, style=style) for text, style in cells),
                end_section=following is not None and following.kind != row.kind,
                style="" if row.kind == "model" else "dim" if row.kind == "baseline" else "yellow",
            )
        console.print(drawn)
    for line in _terminal_legend(table):
        console.print(Text(line), soft_wrap=True)


def _terminal_cell(cell: Cell, column: Column, notes: Sequence[str]) -> tuple[str, str]:
    """Return the text of a cell and its style."""
    raised = "".join(" " + str(notes.index(note) + 1).translate(_RAISED) for note in cell.notes if note in notes)
    if cell.value is None:
        text = f"{marks(cell, column)}undefined" if cell.status == "done" else STATUS[cell.status]
        return text + raised, "bold red" if cell.status == "failed" else "dim"
    e = cell.estimates[0]
    text = f"{marks(cell, column)}{number(e.value)}"
    if cell.gain and cell.gain.verdict:
        text += f" {verdict_sign(cell.gain, 'gain')}"
    text += EVERY if cell.every and cell.every.better else ""
    text += raised
    if e.low is not None and e.high is not None:
        text += f"\n{round(e.low, 2) + 0.0:.2f}..{round(e.high, 2) + 0.0:.2f}".replace("-", "−")
    return text, " ".join(["bold"] * cell.best + ["underline"] * leads_regime(cell, column))


def _terminal_legend(table: Table) -> list[str]:
    if not table.columns:
        return [line for line in trials(table) if line]
    rule = f" {floor_rule(table)}" if floor_rule(table) else ""
    above, below, alike = (SIGNS["gain"][verdict] for verdict in ("better", "worse", "tie"))
    meanings = f"{above} above it   {below} below it   {alike} not told apart (paired, Holm)"
    lines = [f"{BEST} best baseline{rule}   {meanings}   bold: may be the best of its task"]
    if any(cell.every and cell.every.better for cell in table.cells):
        lines += [f"{EVERY} above every baseline of its task"]
    lines += best_of_regimes(table, "underlined")
    if any("collapsed" in cell.flags for cell in table.cells):
        lines += [f"{COLLAPSED} predictions are constant or not finite"]
    lines += [f"{str(i).translate(_RAISED)} {note}" for i, note in enumerate(notes_of(table), 1)]
    lines += explained(table)
    for model, status, names, why in exposures(table):
        if status in (signs := {"exposed": EXPOSED, "unknown": UNSURE}):
            lines += [f"{signs[status]} {model} on {some(names)}: {why}"]
    lines += [f"{TAINTED} {c.name}: {line}" for c in table.columns if c.audit == "FAIL" for line in reasons(c)]
    lines += [line for line in (preliminary(table), common_set(table), bought(table)) if line]
    lines += [
        f"failed: {row.name} on {column.name}: {last_line(cell.error)}"
        for row, column, cell in each(table)
        if cell.status == "failed"
    ]
    lines += ranks_in_short(table)
    if table.dirty:
        lines += ["some runs were made with uncommitted changes"]
    return lines + [line for line in trials(table) if line]
