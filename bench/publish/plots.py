"""The plots of the site, each an SVG file: score against cost, size and context, ranks over tasks, learning curves."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..leaderboard.curve_plot import plot_curves
from ..leaderboard.ranks_plot import has_diagram, plot_ranks
from ..leaderboard.table import Cell, Column, Curve, Row, Table
from ..leaderboard.wording import number, sign_of
from .names import metric_name, page_of, plain, row_title, short_name
from .strips import Scale, scale_over

WIDTH, HEIGHT = 460, 310
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 50, 44
_CHARACTER = 6.3
"""About the width of a letter of a label."""
_TIMES = {0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h"}
_TIMES |= {36_000: "10 h", 360_000: "100 h"}
_MOST_TICKS = 6


@dataclass(frozen=True)
class Shown:
    """A row on a task with what its score is drawn against."""

    row: Row
    cell: Cell
    value: float


@dataclass(frozen=True)
class Axis:
    """What scores are drawn against, on a logarithmic scale: its name, heading, label, note, and the marks by value.

    With `front`, the rows that are better than every one with less of it are named, and a line goes through them.
    """

    name: str
    heading: str
    title: str
    label: str
    note: str
    marks: Mapping[float, str]
    front: bool = True


def _counts(units: Mapping[int, str]) -> dict[float, str]:
    """Return marks at 1, 2 and 5 times each power of ten, as text in these units, the largest first."""
    values = [step * 10.0**power for power in range(13) for step in (1, 2, 5)]
    size = {v: next(k for k in units if v >= k) for v in values}
    return {v: f"{v / size[v]:g} {units[size[v]]}".rstrip() for v in values}


COST = Axis(
    "cost",
    "Score against cost",
    "seconds",
    "time of the run",
    "seconds of the whole run, on the machine that ran it; rows on the line are better than every cheaper one",
    _TIMES,
)
PARAMETERS = Axis(
    "parameters",
    "Score against parameters",
    "parameters",
    "parameters",
    "models that state their parameters; rows on the line are better than every smaller one",
    _counts({10**9: "B", 10**6: "M", 10**3: "k", 1: ""}),
)
CONTEXT = Axis(
    "context",
    "Score against context",
    "context",
    "context of the model",
    "models that state the longest sequence they take at once; models differ in more than that",
    _counts({10**6: "Mb", 10**3: "kb", 1: "bp"}),
    front=False,
)
AXES = (COST, PARAMETERS, CONTEXT)


@dataclass(frozen=True)
class Plot:
    """A plot: its file, what it shows, and the task's page where it is of one task."""

    file: str
    title: str
    page: str = ""


def drawn(table: Table, *, pdf: bool) -> tuple[dict[str, bytes], list[Plot]]:
    """Return the plots over tasks by file, SVG and on demand PDF, and what each shows.

    There is none where there is too little to draw.
    """
    out: dict[str, bytes] = {}
    plots = []

    def add(plot: Plot, draw: Callable[..., object], table: Table) -> None:
        plots.append(plot)
        out[plot.file] = _drawn(draw, table, "svg")
        out.update({pdf_name(plot.file): _drawn(draw, table, "pdf")} if pdf else {})

    if has_diagram(table):
        add(Plot("plots/ranks.svg", "Mean rank over tasks, and which rows are not told apart"), plot_ranks, table)
    for curve in table.curves:
        page = page_of("tasks", curve.columns[-1])
        title = f"{curve.title} by {'number of ' * curve.learning}{curve.axis}"
        add(Plot(curve_file(curve), title, page), plot_curves, replace(table, curves=(curve,)))
    return out, plots


def pdf_name(file: str) -> str:
    """Return the file of the PDF of a figure, beside its SVG file."""
    return f"{file.removesuffix('.svg')}.pdf"


def curve_file(curve: Curve) -> str:
    """Return the file of a curve, of which a task may have several kinds."""
    kind = "curve" if curve.learning else f"{curve.axis} curve"
    return page_of("plots", f"{curve.title} {kind}").replace(".html", ".svg")


def plot_file(column: Column, axis: Axis) -> str:
    """Return the file of the plot of scores on a task against an axis."""
    return page_of("plots", f"{column.name} {axis.name}").replace(".html", ".svg")


def score_view(
    table: Table, column: Column, axis: Axis, values: Mapping[str, float | None] | None = None
) -> dict[str, Any] | None:
    """Return the values of the plot of scores on a task against an axis, None where there are not two points to draw.

    `values` are those of the rows by name; without them they are the seconds of the cells. At least two rows must
    differ in them: scores against one value show nothing.
    """
    cells = [(row, table.cell(row, column)) for row in table.rows]
    known = {row.name: values.get(row.name) if values is not None else cell.seconds for row, cell in cells}
    shown = [Shown(row, cell, v) for row, cell in cells if cell.compared and (v := known[row.name])]
    sign = sign_of(column)
    if len({s.value for s in shown}) < 2 or not sign:
        return None
    floor = next((cell.value for row, cell in cells if row.name == column.best_baseline), None)
    across = scale_over(math.log10(s.value) for s in shown)
    up = scale_over([floor, *(v for s in shown for v in _limits(s.cell))])

    def x(value: float) -> float:
        return round(_LEFT + across.at(math.log10(value)) / 100 * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        share = up.at(value) / 100
        return round(_TOP + ((1 - share) if sign > 0 else share) * (HEIGHT - _TOP - _BOTTOM), 1)

    front = _frontier(shown, sign) if axis.front else []
    names = {plain(row_title(s.row)) for s in (front or shown)}
    points = _named([_point(s, axis, x, y) for s in shown], names)
    at = [(x(s.value), y(s.cell.value or 0)) for s in front]
    corners = [(to, level) for (_, level), (to, _) in itertools.pairwise(at)]  # as good as what has as little
    return {
        "title": plain(f"{short_name(column)}: {metric_name(column.metric)} against {axis.title}"),
        "task": plain(short_name(column)),
        "metric": metric_name(column.metric),
        "width": WIDTH,
        "height": HEIGHT,
        "points": points,
        "front": " ".join(f"{px},{py}" for px, py in sorted([*at, *corners], key=lambda p: (p[0], -p[1]))),
        "floor": None if floor is None else y(floor),
        "left": _LEFT,
        "right": WIDTH - _RIGHT,
        "base": HEIGHT - _BOTTOM,
        "label": f"{axis.label}, logarithmic" + ("; dashed: the best baseline" if floor is not None else ""),
        "marks": [(x(v), text) for v, text in _marks(axis, across)],
        "values": [(y(v), number(v)) for v in _ticks(up.low, up.high)],
    }


def _marks(axis: Axis, across: Scale) -> list[tuple[float, str]]:
    """Return the marks that lie on a scale of logarithms, of very many those at powers of ten alone."""
    inside = [(v, text) for v, text in axis.marks.items() if across.low <= math.log10(v) <= across.high]
    return inside if len(inside) <= _MOST_TICKS else [(v, text) for v, text in inside if text.startswith("1")]


def _frontier(shown: Sequence[Shown], sign: int) -> list[Shown]:
    """Return the rows that are better than every one with less of what is drawn, the least first."""
    out: list[Shown] = []
    for one in sorted(shown, key=lambda s: (s.value, -sign * (s.cell.value or 0))):
        if not out or sign * (one.cell.value or 0) > sign * (out[-1].cell.value or 0):
            out.append(one)
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


def _point(shown: Shown, axis: Axis, x: Callable[[float], float], y: Callable[[float], float]) -> dict[str, Any]:
    e, at = shown.cell.estimates[0], x(shown.value)
    title = plain(row_title(shown.row))
    right = at + 8 + _CHARACTER * len(title) < WIDTH
    what = f"in {_seconds(shown.value)}" if axis is COST else f"with {axis.title} {shown.value:,.0f}"
    return {
        "x": at,
        "y": y(shown.cell.value or 0),
        "low": None if e.low is None else y(e.low),
        "high": None if e.high is None else y(e.high),
        "kind": shown.row.kind,
        "title": f"{title}: {number(shown.cell.value)} {what}",
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


def _seconds(value: float) -> str:
    """Return a time as text of a fitting unit."""
    for size, unit in ((3600, "h"), (60, "min")):
        if value >= 1.5 * size:
            return f"{value / size:.2g} {unit}"
    return f"{value:.2g} s"


def _drawn(draw: Callable[..., object], table: Table, format: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"plot.{format}"
        draw(table, file, format=format)
        return file.read_bytes()
