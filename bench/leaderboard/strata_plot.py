"""The plot of scores by stratum: a panel for each task and stratum column, a line with intervals for each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .curve_plot import explain, looks_of
from .plots import INK, figure_of, save
from .strata import stratum_of
from .table import Column, Row, Table
from .wording import better, label, titled

_PER_LINE = 3
_APART = 0.6
"""The width over which the rows of a stratum are spread, so that their intervals can be told from one another."""


def plot_strata(table: Table, path: Path, *, format: str = "") -> None:
    """Write the picture of a table with scores by stratum, in the `format` named or else that of the path's suffix."""
    panels = [(c, by) for c in table.columns for by in dict.fromkeys(stratum_of(name)[0] for name in c.strata)]
    shown = [row for row in table.rows if any(table.cell(row, c).by_stratum for c, _ in panels)]
    looks = looks_of(shown)
    per_line = min(_PER_LINE, len(panels))
    lines = -(-len(panels) // per_line)
    with figure_of(width=0.6 + 3.6 * per_line, height=0.5 + 3.1 * lines + 0.17 * len(shown)) as figure:
        axes = figure.subplots(lines, per_line, squeeze=False).ravel()
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        for axis, (column, by) in zip(axes, panels, strict=False):
            _draw(axis, table, column, by, shown, looks)
        explain(figure, shown, looks, columns=min(2, per_line))
        save(figure, path, format)


def _draw(axis: Any, table: Table, column: Column, by: str, rows: list[Row], looks: Any) -> None:
    at = [i for i, name in enumerate(column.strata) if stratum_of(name)[0] == by]
    for r, row in enumerate(rows):
        found = table.cell(row, column).by_stratum
        if not found:
            continue
        shift = _APART * ((r + 0.5) / len(rows) - 0.5)
        points = [(x + shift, found[i]) for x, i in enumerate(at) if found[i].value is not None]
        for x, e in points:
            if e.low is not None and e.high is not None:
                axis.plot([x, x], [e.low, e.high], color=looks[row.name]["color"], lw=1, zorder=2)
        axis.plot([x for x, _ in points], [e.value for _, e in points], zorder=3, mfc="white", **looks[row.name])
    axis.set_title(titled(column), fontsize=9, fontweight="bold", color=INK, loc="left", pad=5)
    values = [stratum_of(column.strata[i])[1] for i in at]
    axis.set_xticks(range(len(at)), values, rotation=30 if max(map(len, values)) > 6 else 0, ha="right")
    axis.set_xlabel(by, color=INK, labelpad=2)
    metric = column.metric.partition(":")[0]
    direction = {"higher": " →", "lower": " (lower is better)", "": ""}[better(metric)]
    axis.set_ylabel(label(metric) + direction, color=INK, labelpad=2)
    axis.tick_params(length=0, labelsize=8.6, colors=INK)
    axis.grid(color="#EEEEEE", lw=0.7)
    axis.set_axisbelow(True)
    for side in axis.spines.values():
        side.set_visible(False)
