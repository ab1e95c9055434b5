"""The leaderboard as Markdown that fits a README of 980 pixels: a family a block, the winner first, p-values below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .grids import escape, head, more_text, named, score_text
from .paper import Block, gain_lines, p_text, paper_blocks, settings_notes, short_names
from .table import Column, Table
from .trust import TAINTED, explained
from .wording import (
    BEST,
    COLLAPSED,
    NOTHING,
    arrow_of,
    folded,
    label_of,
    notes_of,
    number,
    preliminary,
    trials,
)


def to_compact(table: Table) -> str:
    """Return the scores in blocks of at most five tasks, and the gains over the best baselines with their p-values."""
    if not table.columns:
        return "\n".join(["There are no results yet.", *trials(table)]) + "\n"
    names, notes = short_names(table), all_notes(table)
    parts = [*score_blocks(table, names, notes), ""]
    parts += [
        "Test-set score with its 95 % interval; the row that is most often among the best is first. **Bold**: may"
    ]
    parts += [f"be the best of its task, by paired tests. {BEST} the best baseline, {COLLAPSED} constant or not finite"]
    parts += [f"predictions, {NOTHING} not run, n/a does not apply."]
    parts += [*map(escape, explained(table)), *filter(None, [preliminary(table)]), *trials(table), ""]
    parts += [f"Tasks: {escape(', '.join(c.name for c in table.columns))}.", ""]
    parts += [*(f"- <sup>{i}</sup> {escape(note)}" for i, note in enumerate(notes, 1)), ""] if notes else []
    parts += _gains(table, names)
    return "\n".join(parts).rstrip() + "\n"


def score_blocks(table: Table, names: Mapping[str, str], notes: Sequence[str], *, regimes: bool = False) -> list[str]:
    """Return the scores in blocks of at most five tasks, with the numbers of `notes`, the winner of a block first.

    With `regimes` what may be the best of its regime is underlined.
    """
    parts: list[str] = []
    for block in paper_blocks(table):
        parts += [""] * bool(parts) + _block(table, block, names, notes, regimes=regimes)
    return parts


def _block(table: Table, block: Block, names: Mapping[str, str], notes: Sequence[str], *, regimes: bool) -> list[str]:
    lines = [f"### {escape(block.title)}", ""] if block.title else []
    lines += head(*(_heading(column, names) for column in block.columns))
    for row in block.rows:
        note = f" <sup>{notes.index(row.detail) + 1}</sup>" if row.detail else ""
        cells = [score_text(table.cell(row, column), column, notes, regimes=regimes) for column in block.columns]
        lines += [f"| {' | '.join([named(row, note), *more_text(row, table), *cells])} |"]
    if block.absent:
        lines += ["", f"Not run here: {escape(', '.join(row.name for row in block.absent))}."]
    return lines


def all_notes(table: Table) -> list[str]:
    """Return the footnotes below the scores, numbered from 1: settings that set rows apart, then notes on cells."""
    settings = settings_notes(table.rows)
    return [*settings, *(note for note in notes_of(table) if note not in settings)]


def _heading(column: Column, names: Mapping[str, str]) -> str:
    metric = f"{label_of(column)} {arrow_of(column)}".rstrip() if column.metrics else NOTHING
    name = names[column.name] + (f" {TAINTED}" if column.audit == "FAIL" else "")
    return "<br>".join(map(escape, f"{folded(name)}\n{folded(metric, 16)}".split("\n")))


def _gains(table: Table, names: Mapping[str, str]) -> list[str]:
    lines = gain_lines(table)
    if not lines:
        return []
    out = ["<details>", "<summary>Gains over the best baseline, with p-values</summary>", ""]
    out += ["| Task | Model | Gain | 95 % interval | p | p, adjusted | |", "|:--|:--|--:|:--|--:|--:|:--|"]
    for line in lines:
        gain = line.gain
        bounds = NOTHING
        if gain.low is not None and gain.high is not None:
            bounds = f"{number(gain.low, signed=True)}&nbsp;to&nbsp;{number(gain.high, signed=True)}"
        cells = [escape(names[line.column.name]), escape(line.row.name), number(gain.value, signed=True), bounds]
        ps = [escape(p_text(p)) or NOTHING for p in (gain.p, gain.p_adjusted)]
        out += [f"| {' | '.join([*cells, *ps, gain.verdict or NOTHING])} |"]
    best = "; ".join(f"{names[c.name]}: {c.best_baseline}" for c in table.columns if c.best_baseline)
    out += [
        "",
        f"Best baselines: {escape(best)}. Two-sided p, paired on the same test examples; adjusted by Holm's method",
    ]
    return [*out, "for all gains in this table.", "", "</details>"]
