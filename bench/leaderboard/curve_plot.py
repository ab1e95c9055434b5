"""The plot of learning curves: a panel for each task, a line for each row, a level for one that does not train."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .plots import INK, figure_of, row_name, save
from .rarity import SHARE
from .table import Curve, Kind, Row, Table
from .wording import better, label

# Okabe & Ito (2008), without the grey of baselines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREYS = ("#222222", "#666666", "#999999", "#BBBBBB")
_SHAPES = "osD^vP*X"
_LINES: dict[Kind, Any] = {"model": "-", "random": (0, (4, 2)), "baseline": "-"}
_PER_LINE = 3
_APART = 0.12
"""How far apart numbers stand below an axis, at least, for its length."""


def plot_curves(table: Table, path: Path, *, format: str = "") -> None:
    """Write the picture to `path`, in the `format` named or else that of its suffix.

    A point is a score with its interval at a number of training examples, or in a window of so many bp, on a
    logarithmic scale; a row that does not train is a level across the panel of a learning curve.
    """
    curves = table.curves
    per_line = min(_PER_LINE, len(curves))
    lines = -(-len(curves) // per_line)
    shown = [row for row in table.rows if any(row.name in curve.rows for curve in curves)]
    look = looks_of(shown)
    with figure_of(width=0.6 + 3.6 * per_line, height=0.5 + 2.9 * lines + 0.17 * len(shown)) as figure:
        panels = figure.subplots(lines, per_line, squeeze=False).ravel()
        for i, panel in enumerate(panels):
            if i < len(curves):
                _draw(panel, table, curves[i], look)
            else:
                panel.set_visible(False)
        explain(figure, shown, look, columns=min(2, per_line))
        save(figure, path, format)


def looks_of(rows: list[Row]) -> Mapping[str, dict[str, Any]]:
    """Return the colour, shape and line of each row: grey for baselines, so that models stand out."""
    out, n = {}, {"grey": 0, "colour": 0}
    for i, row in enumerate(rows):
        palette, which = (_GREYS, "grey") if row.kind == "baseline" else (COLOURS, "colour")
        colour = palette[n[which] % len(palette)]
        n[which] += 1
        out[row.name] = {
            "color": colour,
            "marker": _SHAPES[i % len(_SHAPES)],
            "ls": _LINES[row.kind],
            "ms": 4,
            "lw": 1.3,
        }
    return out


def _draw(panel: Any, table: Table, curve: Curve, look: Mapping[str, dict[str, Any]]) -> None:
    columns = {c.name: c for c in table.columns}
    rows = {row.name: row for row in table.rows}
    panel.set_xscale("log")
    for at, name in enumerate(curve.rows):
        cells = [table.cell(rows[name], columns[c]) for c in curve.columns]
        points = [
            # Points of one number stand a little apart, so that their intervals can be told from one another.
            (n * 1.02 ** (at - len(curve.rows) / 2), curve.estimate(i, cell, columns[curve.columns[i]]))
            for i, (n, cell) in enumerate(zip(curve.n_train, cells, strict=True))
            if cell.compared and curve.estimate(i, cell, columns[curve.columns[i]]).value is not None
        ]
        style = look[name]
        if len(points) == 1 and curve.learning and curve.areas[at].value is not None:  # it does not train
            panel.axhline(points[0][1].value, color=style["color"], ls=":", lw=1.3, zorder=1)
            continue
        for x, e in points:
            if e.low is not None and e.high is not None:
                panel.plot([x, x], [e.low, e.high], color=style["color"], lw=1, solid_capstyle="butt", zorder=2)
        panel.plot([x for x, _ in points], [e.value for _, e in points], zorder=3, mfc="white", **style)
    panel.set_title(curve.title, fontsize=9, fontweight="bold", color=INK, loc="left", pad=5)
    panel.set_xlabel(curve.axis, color=INK, labelpad=2)
    direction = {"higher": " →", "lower": " (lower is better)", "": ""}[better(curve.metric)]
    panel.set_ylabel((SHARE if curve.metrics else label(curve.metric)) + direction, color=INK, labelpad=2)
    panel.set_xticks(curve.n_train, labels_of(curve.n_train))
    panel.minorticks_off()
    panel.tick_params(length=0, labelsize=8.6, colors=INK)
    panel.grid(color="#EEEEEE", lw=0.7)
    panel.set_axisbelow(True)
    for side in panel.spines.values():
        side.set_visible(False)


def labels_of(numbers: Sequence[int]) -> list[str]:
    """Return what stands under each number on a logarithmic axis; '' where it would touch what stands at the next."""
    least = _APART * math.log(max(numbers) / min(numbers))
    out: list[str] = []
    after = math.inf
    for n in reversed(numbers):
        shown = abs(math.log(after / n)) >= least
        out.append(f"{n:,}" if shown else "")
        after = n if shown else after
    return out[::-1]


def explain(figure: Any, rows: list[Row], look: Mapping[str, dict[str, Any]], *, columns: int) -> None:
    """Draw the legend below the panels: what each row looks like."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=row_name(row), mfc="white", **look[row.name]) for row in rows]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.6)
