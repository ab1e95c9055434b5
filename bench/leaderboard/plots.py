"""The plot of a leaderboard: a panel for each task, a dot and an interval for each row, and the floor as a band."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..files import writable
from .table import Cell, Column, Kind, Row, Table
from .trust import TAINTED
from .wording import better_of, label_of, titled

# Okabe & Ito (2008): told apart by readers with any of the common colour-vision deficiencies, and by shape besides.
COLOURS: dict[Kind, str] = {"model": "#0072B2", "random": "#D55E00", "baseline": "#555555"}
SHAPES: dict[Kind, str] = {"model": "o", "random": "D", "baseline": "s"}
_KIND_NAMES: dict[Kind, str] = {"model": "model", "random": "same network, random weights", "baseline": "baseline"}
INK, _FAINT, BAND = "#222222", "#999999", "#E8E4D8"
_PER_LINE, _MANY, _PER_LINE_OF_MANY = 3, 24, 6
_MADE = {"png": "Software", "pdf": "CreationDate"}
"""What each format would state of the making of a picture: a time, or the release of the library."""
_MOST_PIXELS = 30_000
"""The height above which the resolution is lowered; the drawing library's limit is 65,536."""


def plot_leaderboard(table: Table, path: Path, *, format: str = "") -> None:
    """Write the picture to `path`, in the `format` named or else that of its suffix.

    Rows stand in the table's order in every panel, so that one can be followed across. The band is the interval of the
    best baseline; a hollow mark is a gain over it that the paired test does not tell from zero, and a faint one a score
    over fewer examples.
    """
    per_line = min(_PER_LINE if len(table.columns) <= _MANY else _PER_LINE_OF_MANY, len(table.columns))
    lines = -(-len(table.columns) // per_line)
    with figure_of(width=2.7 + 2.55 * per_line, height=0.62 + lines * (0.235 * len(table.rows) + 1.05)) as figure:
        panels = figure.subplots(lines, per_line, squeeze=False).ravel()  # a shared axis would cost the square
        for i, panel in enumerate(panels):
            if i < len(table.columns):
                _draw(panel, table, table.columns[i])
            else:
                panel.set_visible(False)
        _label_rows(panels[::per_line], table.rows)
        _explain(figure, table)
        save(figure, path, format)


@contextlib.contextmanager
def figure_of(*, width: float, height: float) -> Iterator[Any]:
    """Return, as a context, an empty figure of that size in inches, in the style of all plots."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style = {"font.family": "DejaVu Sans", "font.size": 9, "text.parse_math": False}
    with matplotlib.rc_context({**style, "svg.hashsalt": "baserate", "svg.fonttype": "none"}):
        figure = Figure(figsize=(width, height), dpi=min(160, _MOST_PIXELS / height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def save(figure: Any, path: Path, format: str) -> None:
    """Write the figure in `format`, or else that of the suffix of `path`; the same figure gives the same bytes."""
    kind = format or path.suffix.removeprefix(".")
    metadata = {_MADE.get(kind, "Date"): None}
    figure.savefig(path, format=kind, metadata=metadata, facecolor="white")


def _draw(panel: Any, table: Table, column: Column) -> None:
    cells = [table.cell(row, column) for row in table.rows]
    floor = next((c for c in cells if c.row == column.best_baseline), None)
    if floor is not None and floor.value is not None:
        e = floor.estimates[0]
        if e.low is not None and e.high is not None:
            panel.axvspan(e.low, e.high, color=BAND, lw=0, zorder=0)
        panel.axvline(floor.value, color=COLOURS["baseline"], lw=0.9, ls=(0, (4, 2)), zorder=1)
    for y, (row, cell) in enumerate(zip(table.rows, cells, strict=True)):
        _mark(panel, y, row, cell)
    for edge in _boundaries(table.rows):
        panel.axhline(edge, color="#DDDDDD", lw=0.7, zorder=0)
    panel.set_ylim(len(table.rows) - 0.4, -0.6)
    panel.set_title(titled(column).replace(" (", "\n("), fontsize=9, fontweight="bold", color=INK, loc="left", pad=5)
    if column.metrics:
        direction = {"higher": " →", "lower": " (lower is better)", "": ""}[better_of(column)]
        panel.set_xlabel(label_of(column) + direction, color=INK, labelpad=2)
    panel.set_yticks([])
    panel.tick_params(length=0, labelsize=8.6, colors=INK)
    panel.grid(axis="x", color="#EEEEEE", lw=0.7)
    panel.set_axisbelow(True)
    panel.locator_params(axis="x", nbins=5)
    panel.margins(x=0.06)
    for side in panel.spines.values():
        side.set_visible(False)


def _mark(panel: Any, y: int, row: Row, cell: Cell) -> None:
    colour = COLOURS[row.kind]
    if cell.value is None:
        text = {"failed": "failed", "not_applicable": "n/a", "missing": "not run", "done": "undefined"}[cell.status]
        style: dict[str, Any] = {"color": "#CC0000", "weight": "bold"} if cell.status == "failed" else {"color": _FAINT}
        place = panel.get_yaxis_transform()
        panel.text(0.02, y, text, transform=place, va="center", fontsize=8, style="italic", **style)
        return
    e = cell.estimates[0]
    faint: dict[str, Any] = {"alpha": 0.35} if cell.apart or cell.undirected else {}
    if e.low is not None and e.high is not None:
        panel.plot([e.low, e.high], [y, y], color=colour, lw=1.6, solid_capstyle="butt", zorder=2, **faint)
    unsure = cell.gain is not None and cell.gain.verdict not in ("better", "worse")
    face = "white" if unsure else colour
    panel.plot(cell.value, y, SHAPES[row.kind], ms=5, mec=colour, mfc=face, mew=1.3, zorder=3, **faint)


def _boundaries(rows: tuple[Row, ...]) -> list[float]:
    return [i + 0.5 for i in range(len(rows) - 1) if rows[i].kind != rows[i + 1].kind]


def _label_rows(panels: Any, rows: tuple[Row, ...]) -> None:
    """Name the rows at the left of each line of panels, with the mode unless it is the usual one of a baseline."""
    for panel in panels:
        panel.set_yticks(range(len(rows)))
        panel.set_yticklabels([row_name(row) for row in rows])
        for text, row in zip(panel.get_yticklabels(), rows, strict=True):
            text.set_color(COLOURS[row.kind])


def row_name(row: Row) -> str:
    """Return what a row is called in a plot."""
    mode = "" if row.kind == "baseline" and row.mode == "from_scratch" else f" · {row.mode.replace('_', ' ')}"
    return writable(row.model + mode + (f" ({row.detail})" if row.detail else ""))


def _explain(figure: Any, table: Table) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    kinds = [kind for kind in COLOURS if any(row.kind == kind for row in table.rows)]
    handles: list[Any] = [
        Line2D([], [], color=COLOURS[k], marker=SHAPES[k], ms=5, lw=1.6, label=_KIND_NAMES[k]) for k in kinds
    ]
    if any(cell.gain is not None and cell.gain.verdict not in ("better", "worse") for cell in table.cells):
        hollow: dict[str, Any] = {"marker": "o", "ms": 5, "mfc": "white", "mec": INK, "mew": 1.3, "ls": "none"}
        handles.append(Line2D([], [], label="not told apart from the best baseline", **hollow))
    if any(cell.apart for cell in table.cells):
        handles.append(
            Line2D([], [], label="over fewer examples: not compared", color=INK, marker="o", ms=5, alpha=0.35)
        )
    if any(column.best_baseline for column in table.columns):
        handles.append(Patch(color=BAND, label="best baseline, 95 % interval"))
    if any(column.audit == "FAIL" for column in table.columns):
        handles.append(Line2D([], [], label=f"{TAINTED} the task's audit fails", ls="none"))
    columns = len(handles) if len(table.columns) >= _PER_LINE else 1
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.6, columnspacing=1.4
    )
