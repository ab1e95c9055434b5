"""The plots of the site, each an SVG file: cost against score, ranks over tasks, learning curves."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..leaderboard.curve_plot import plot_curves
from ..leaderboard.ranks_plot import has_diagram, plot_ranks
from ..leaderboard.table import Cell, Column, Curve, Row, Table
from ..leaderboard.wording import number, sign_of
from .names import metric_name, page_of, row_title, short_name
from .strips import scale_over

WIDTH, HEIGHT = 460, 310
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 50, 44
_CHARACTER = 6.3
"""About the width of a letter of a label."""
_TIMES = {0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h"}
_TIMES |= {36_000: "10 h", 360_000: "100 h"}


@dataclass(frozen=True)
class Plot:
    """A plot: its file, what it shows, and the task's page where it is of one task."""

    file: str
    title: str
    page: str = ""


def drawn(table: Table) -> tuple[dict[str, str], list[Plot]]:
    """Return the plots over tasks as SVG text by file, and what each shows; none where there is too little to draw."""
    out, plots = {}, []
    if has_diagram(table):
        plots.append(Plot("plots/ranks.svg", "Mean rank over tasks, and which rows are not told apart"))
        out["plots/ranks.svg"] = _svg(plot_ranks, table)
    for curve in table.curves:
        page = page_of("tasks", curve.columns[-1])
        shown = f"{curve.title} by {'number of ' * curve.learning}{curve.axis}"
        plots.append(Plot(curve_file(curve), shown, page))
        out[plots[-1].file] = _svg(plot_curves, replace(table, curves=(curve,)))
    return out, plots


def curve_file(curve: Curve) -> str:
    """Return the file of a curve, of which a task may have several kinds."""
    kind = "curve" if curve.learning else f"{curve.axis} curve"
    return page_of("plots", f"{curve.title} {kind}").replace(".html", ".svg")


def cost_file(column: Column) -> str:
    """Return the file of the plot of cost against score on a task."""
    return page_of("plots", f"{column.name} cost").replace(".html", ".svg")


def cost_view(table: Table, column: Column) -> dict[str, Any] | None:
    """Return the values of the plot of seconds against score on a task, None where fewer than two rows have both.

    Rows that no other beats at less cost are on the frontier, and those alone are named.
    """
    shown = [(row, cell) for row in table.rows if (cell := table.cell(row, column)).compared and cell.seconds]
    sign = sign_of(column)
    if len(shown) < 2 or not sign:
        return None
    seconds = [math.log10(cell.seconds or 1) for _, cell in shown]
    across, up = scale_over(seconds), scale_over([v for _, c in shown for v in _limits(c)])

    def x(value: float) -> float:
        return round(_LEFT + across.at(value) / 100 * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        share = up.at(value) / 100
        return round(_TOP + ((1 - share) if sign > 0 else share) * (HEIGHT - _TOP - _BOTTOM), 1)

    front = _frontier(shown, sign)
    points = _named([_point(row, cell, x, y) for row, cell in shown], {_plain(row_title(row)) for row, _ in front})
    floor = next((cell.value for row, cell in shown if row.name == column.best_baseline), None)
    at = [(x(math.log10(c.seconds or 1)), y(c.value or 0)) for _, c in front]
    corners = [(to, level) for (_, level), (to, _) in itertools.pairwise(at)]  # as good as what is as cheap
    return {
        "title": _plain(f"{short_name(column)}: {metric_name(column.metric)} against seconds"),
        "task": _plain(short_name(column)),
        "metric": metric_name(column.metric),
        "width": WIDTH,
        "height": HEIGHT,
        "points": points,
        "front": " ".join(f"{px},{py}" for px, py in sorted([*at, *corners], key=lambda p: (p[0], -p[1]))),
        "floor": None if floor is None else y(floor),
        "left": _LEFT,
        "right": WIDTH - _RIGHT,
        "base": HEIGHT - _BOTTOM,
        "seconds": [(x(k), text) for t, text in _TIMES.items() if across.low <= (k := math.log10(t)) <= across.high],
        "values": [(y(v), number(v)) for v in _ticks(up.low, up.high)],
    }


def _frontier(shown: Sequence[tuple[Row, Cell]], sign: int) -> list[tuple[Row, Cell]]:
    """Return the rows that are better than every cheaper one, the cheapest first."""
    out: list[tuple[Row, Cell]] = []
    for row, cell in sorted(shown, key=lambda pair: (pair[1].seconds or 0, -sign * (pair[1].value or 0))):
        if not out or sign * (cell.value or 0) > sign * (out[-1][1].value or 0):
            out.append((row, cell))
    return out


def _named(points: list[dict[str, Any]], names: set[str]) -> list[dict[str, Any]]:
    """Return the points, those with these names with a label where it covers no other label."""
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda p: p["y"]):
        width = _CHARACTER * len(point["row"])
        left = point["x"] + (point["shift"] if point["anchor"] == "start" else point["shift"] - width)
        free = all(abs(point["y"] - y) > 13 or left > right or left + width < x for x, right, y in taken)
        if point["row"] in names and free:
            point["name"] = point["row"]
            taken.append((left, left + width, point["y"]))
    return points


def _point(row: Row, cell: Cell, x: Callable[[float], float], y: Callable[[float], float]) -> dict[str, Any]:
    e, at = cell.estimates[0], x(math.log10(cell.seconds or 1))
    title = _plain(row_title(row))
    right = at + 8 + _CHARACTER * len(title) < WIDTH
    return {
        "x": at,
        "y": y(cell.value or 0),
        "low": None if e.low is None else y(e.low),
        "high": None if e.high is None else y(e.high),
        "kind": row.kind,
        "title": f"{title}: {number(cell.value)} in {_seconds(cell.seconds or 0)}",
        "row": title,
        "name": "",
        "anchor": "start" if right else "end",
        "shift": 8 if right else -8,
    }


def _limits(cell: Cell) -> tuple[float | None, ...]:
    e = cell.estimates[0]
    return e.value, e.low, e.high


def _ticks(low: float, high: float) -> list[float]:
    """Return about four round values between two ends."""
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(k for k in (1, 2, 5, 10) if (high - low) / (k * step) <= 5)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _plain(text: str) -> str:
    """Return the text without the signs that XML cannot have."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _seconds(value: float) -> str:
    """Return a time as text of a fitting unit."""
    for size, unit in ((3600, "h"), (60, "min")):
        if value >= 1.5 * size:
            return f"{value / size:.2g} {unit}"
    return f"{value:.2g} s"


def _svg(draw: Callable[..., object], table: Table) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plot.svg"
        draw(table, file, format="svg")
        return file.read_text(encoding="utf-8")
