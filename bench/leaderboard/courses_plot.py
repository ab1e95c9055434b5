"""The plot of scores by pretraining: a panel for each task, a line for each training and mode, the floor as a level."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .courses_text import amount
from .curve_plot import COLOURS
from .plots import BAND, INK, figure_of, save
from .plots import COLOURS as KINDS
from .table import Column, Course, Table
from .wording import better, label, titled

_PER_LINE = 3
_SHAPES = "osD^vP*X"
_LINES = ("-", (0, (4, 2)), (0, (1, 1)), "-.")


def has_courses(table: Table) -> bool:
    """Return whether there is a training with several checkpoints in a column."""
    return any(len(course.rows) > 1 for course in table.courses)


def plot_courses(table: Table, path: Path, *, format: str = "") -> None:
    """Write the picture to `path`, in the `format` named or else that of its suffix.

    A point is the score of a checkpoint with its interval, by the bases that it had seen, on a logarithmic scale that
    has 0 at its left end. The level is the task's best baseline, and the band its interval.
    """
    shown = [course for course in table.courses if len(course.rows) > 1]
    panels = [c for c in table.columns if any(course.column == c.name for course in shown)]
    looks = _looks(shown)
    per_line = min(_PER_LINE, len(panels))
    lines = -(-len(panels) // per_line)
    with figure_of(width=0.6 + 3.6 * per_line, height=0.7 + 2.9 * lines + 0.17 * len(looks)) as figure:
        axes = figure.subplots(lines, per_line, squeeze=False).ravel()
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        for axis, column in zip(axes, panels, strict=False):
            _draw(axis, table, column, [course for course in shown if course.column == column.name], looks)
        _explain(figure, looks, columns=min(2, per_line), floor=any(column.best_baseline for column in panels))
        save(figure, path, format)


def _looks(courses: list[Course]) -> Mapping[tuple[str, str], dict[str, Any]]:
    """Return the look of each training and mode: a colour a training, a line and a shape a mode."""
    trainings = list(dict.fromkeys(course.training for course in courses))
    modes = list(dict.fromkeys(course.mode for course in courses))
    return {
        (course.training, course.mode): {
            "color": COLOURS[trainings.index(course.training) % len(COLOURS)],
            "marker": _SHAPES[modes.index(course.mode) % len(_SHAPES)],
            "ls": _LINES[modes.index(course.mode) % len(_LINES)],
            "ms": 4,
            "lw": 1.3,
        }
        for course in courses
    }


def _draw(axis: Any, table: Table, column: Column, courses: list[Course], looks: Mapping[Any, dict[str, Any]]) -> None:
    rows = {row.name: row for row in table.rows}
    if column.best_baseline:
        e = table.cell(rows[column.best_baseline], column).estimates[0]
        if e.low is not None and e.high is not None:
            axis.axhspan(e.low, e.high, color=BAND, lw=0, zorder=0)
        axis.axhline(e.value, color=KINDS["baseline"], lw=0.9, ls=(0, (4, 2)), zorder=1)
    every = sorted({n for course in courses for n in course.bases})
    smallest = next((n for n in every if n), 1)
    axis.set_xscale("symlog", linthresh=smallest, linscale=0.5)
    for course in courses:
        look = looks[course.training, course.mode]
        points = [table.cell(rows[name], column).estimates[0] for name in course.rows]
        for n, e in zip(course.bases, points, strict=True):
            if e.low is not None and e.high is not None:
                axis.plot([n, n], [e.low, e.high], color=look["color"], lw=1, solid_capstyle="butt", zorder=2)
        axis.plot(course.bases, [e.value for e in points], zorder=3, mfc="white", **look)
    ticks = every if len(every) <= 7 else [0, *_powers(smallest, every[-1])]
    axis.set_xticks(ticks, [amount(n) for n in ticks])
    axis.minorticks_off()
    axis.margins(x=0.06)
    axis.set_title(titled(column), fontsize=9, fontweight="bold", color=INK, loc="left", pad=5)
    axis.set_xlabel("bases seen in pretraining", color=INK, labelpad=2)
    direction = {"higher": " →", "lower": " (lower is better)", "": ""}[better(column.metric)]
    axis.set_ylabel(label(column.metric) + direction, color=INK, labelpad=2)
    axis.tick_params(length=0, labelsize=8.6, colors=INK)
    axis.grid(color="#EEEEEE", lw=0.7)
    axis.set_axisbelow(True)
    for side in axis.spines.values():
        side.set_visible(False)


def _powers(low: int, high: int) -> list[int]:
    """Return the powers of ten from the first at or above `low` to the last at or below `high`."""
    return [10**k for k in range(19) if low <= 10**k <= high]


def _explain(figure: Any, looks: Mapping[tuple[str, str], dict[str, Any]], *, columns: int, floor: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], label=f"{training} · {mode.replace('_', ' ')}", mfc="white", **look)
        for (training, mode), look in looks.items()
    ]
    if floor:
        handles.append(Line2D([], [], label="best baseline", color=KINDS["baseline"], lw=0.9, ls=(0, (4, 2))))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.6)
