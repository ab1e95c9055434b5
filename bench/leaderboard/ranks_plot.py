"""The critical-difference diagram: mean ranks over tasks, and which rows these tasks do not tell apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..statistics import ALPHA, cliques
from .plots import COLOURS, INK, SHAPES, figure_of, row_name, save
from .table import OverTasks, Table


def has_diagram(table: Table) -> bool:
    """Return whether there are enough tasks and rows in common for an order to be tested and drawn."""
    return table.over_tasks is not None and table.over_tasks.critical is not None


def plot_ranks(table: Table, path: Path, *, format: str = "") -> None:
    """Write the picture to `path`, in the `format` named or else that of its suffix.

    A dot is a row's mean rank, best at the top, and its line the range with each task in turn left out. A bar at the
    right joins rows that are not told apart (Nemenyi); where Friedman's test finds no order, one bar joins all.
    """
    found = table.over_tasks
    if found is None or found.critical is None:
        raise ValueError("there is no diagram of so few tasks: see `has_diagram`")
    rows = {row.name: row for row in table.rows}
    n = len(found.standings)
    with figure_of(width=7.2, height=1.5 + 0.26 * n) as figure:
        panel, bars = figure.subplots(1, 2, width_ratios=[5, 1], sharey=True)
        for y, s in enumerate(found.standings):
            kind = rows[s.row].kind
            panel.plot([s.low, s.high], [y, y], color=COLOURS[kind], lw=1.6, solid_capstyle="butt", zorder=2)
            panel.plot(s.mean, y, SHAPES[kind], ms=5, color=COLOURS[kind], zorder=3)
        _draw_cliques(bars, found)
        panel.plot([1, 1 + found.critical], [-1.2, -1.2], color=INK, lw=1.4, marker="|", ms=6, clip_on=False)
        panel.text(1, -1.5, f"critical difference {found.critical:.2f}", fontsize=8, color=INK, va="bottom")
        panel.set_yticks(range(n), [row_name(rows[s.row]) for s in found.standings])
        panel.set_ylim(n - 0.4, -2.4)
        panel.set_xlim(0.8, max(n, 1 + found.critical) + 0.2)
        panel.set_xlabel(f"mean rank over {len(found.columns)} tasks; line: with each task left out", color=INK)
        panel.grid(axis="x", color="#EEEEEE", lw=0.7)
        panel.set_axisbelow(True)
        for each in (panel, bars):
            each.tick_params(length=0, labelsize=8.6, colors=INK)
            for side in each.spines.values():
                side.set_visible(False)
        for text, s in zip(panel.get_yticklabels(), found.standings, strict=True):
            text.set_color(COLOURS[rows[s.row].kind])
        save(figure, path, format)


def _draw_cliques(panel: Any, found: OverTasks) -> None:
    """Draw a bar for each group of rows that are not told apart, side by side."""
    assert found.critical is not None and found.p is not None
    means = [s.mean for s in found.standings]
    groups = cliques(means, found.critical) if found.p < ALPHA else [(0, len(means) - 1)]
    for x, (first, last) in enumerate(groups):
        panel.plot([x, x], [first - 0.25, last + 0.25], color=INK, lw=3, solid_capstyle="butt")
    panel.set_xlim(-0.6, max(4, len(groups)) - 0.4)
    panel.set_xticks([])
    panel.tick_params(labelleft=False)
    panel.set_xlabel("not told apart", color=INK)
