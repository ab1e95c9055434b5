"""The figures of predictions on a task's page: curves of classes, or predicted against measured values."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..leaderboard.table import Column
from ..leaderboard.wording import number
from .names import page_of, plain, row_title, short_name
from .predicted import Points, Predicted, calibration, few_of, has_curves, precision_recall, roc, share_of_positives

SIDE, _GAP, _LEFT, _TOP, _ROOM = 190, 58, 46, 46, 44
"""In pixels: a panel, what is between two, and what is left of it, above and below for its labels."""
_PER_LINE = 3
_LETTER, _MARK = 6.4, 34
"""About the width of a letter of the legend, and of a mark with the room around it."""
_POINTS = 300
"""The most examples in a panel of them; of more, as many are drawn, evenly spaced over the test examples."""

View = dict[str, Any]


def figures_of(found: Sequence[Predicted], column: Column) -> list[tuple[str, View]]:
    """Return the file and the values of each figure of a task: of the rows to look at first, then of all others.

    There is none for targets that are neither one class nor one number for each example.
    """
    if found and found[0].classes:
        found = [p for p in found if has_curves(p)]
    if not found:
        return []
    few = few_of(found, column)
    rest = [p for p in found if p not in few]
    if found[0].classes:
        floor = next((p for p in found if p.row.name == column.best_baseline), None)
        parts = [[_curves(few)], [_curves([p], beside=floor) for p in rest]]
    elif _is_measured(found[0]):
        parts = [_in_lines([_scatter(p) for p in rows]) for rows in (few, rest)]
    else:
        return []
    names = ("predicted", "predicted by others")
    return [
        (
            page_of("plots", f"{column.name} {name}").replace(".html", ".svg"),
            _view(lines, f"{short_name(column)}: {name}"),
        )
        for name, lines in zip(names, parts, strict=True)
        if lines
    ]


def _is_measured(p: Predicted) -> bool:
    return len(np.unique(p.predictions.targets)) > 2


def _title(p: Predicted) -> str:
    return plain(row_title(p.row))


def _curves(rows: Sequence[Predicted], beside: Predicted | None = None) -> View:
    """Return a line of panels with the curves of rows, which the legend names; `beside` is drawn as a thin line."""
    drawn = [(p, p.row.kind) for p in rows] + ([(beside, "beside")] if beside else [])

    def lines(made: Callable[[Predicted], Points], *, sure: bool = False) -> list[tuple[Predicted, str, Points]]:
        return [(p, kind, made(p)) for p, kind in drawn if p.is_probability or not sure]

    level = share_of_positives(rows[0])
    panels = [
        _panel("ROC", "false positive rate", "true positive rate", lines(roc), diagonal=True),
        _panel("Precision and recall", "recall", "precision", lines(precision_recall), level=level),
    ]
    if rows[0].is_probability:
        sure = lines(calibration, sure=True)
        panels.append(
            _panel("Calibration", "predicted probability", "share that is true", sure, diagonal=True, dots=True)
        )
    names = [_title(p) for p in rows]
    starts = itertools.accumulate((_MARK + _LETTER * len(name) for name in names), initial=10.0)
    legend = [{"kind": p.row.kind, "name": n, "x": round(x)} for p, n, x in zip(rows, names, starts, strict=False)]
    return {"panels": panels, "legend": legend}


def _panel(
    title: str,
    across: str,
    up: str,
    lines: Sequence[tuple[Predicted, str, Points]],
    *,
    diagonal: bool = False,
    level: float | None = None,
    dots: bool = False,
) -> View:
    return {
        "title": title,
        "across": across,
        "up": up,
        "ends": ("0", "1", "0", "1"),
        "diagonal": diagonal,
        "level": None if level is None else _y(level),
        "lines": [{"kind": kind, "name": _title(p), "points": _joined(points)} for p, kind, points in reversed(lines)],
        "dots": [{"kind": kind, "at": _dotted(points)} for _, kind, points in reversed(lines) if dots],
        "alone": False,
    }


def _scatter(p: Predicted) -> View:
    """Return a panel of a row's predictions, the mean over seeds, against what was measured."""
    x, y = p.predictions.targets.astype(float), p.scores
    good = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    at = good[np.linspace(0, len(good) - 1, min(_POINTS, len(good))).astype(int)] if len(good) else good
    low, high = ([float(v[good].min()), float(v[good].max())] if len(good) else [0.0, 1.0] for v in (x, y))
    points = np.stack([_share(x[at], *_apart(low)), _share(y[at], *_apart(high))], axis=1)
    return {
        "title": _title(p),
        "across": "measured",
        "up": "predicted" if p.record.scaled else "score",
        "ends": (number(low[0]), number(low[1]), number(high[0]), number(high[1])),
        "diagonal": False,
        "level": None,
        "lines": [],
        "dots": [{"kind": p.row.kind, "at": _dotted(points)}],
        "alone": True,
    }


def _apart(ends: Sequence[float]) -> tuple[float, float]:
    return (ends[0], ends[1]) if ends[1] > ends[0] else (ends[0] - 0.5, ends[0] + 0.5)


def _share(values: Any, low: float, high: float) -> Any:
    return (values - low) / (high - low)


def _in_lines(panels: Sequence[View]) -> list[View]:
    return [{"panels": panels[i : i + _PER_LINE], "legend": []} for i in range(0, len(panels), _PER_LINE)]


def _view(lines: Sequence[View], title: str) -> View:
    """Return the values of a figure: its lines with where each panel stands."""
    top = 0.0
    out = []
    for line in lines:
        head = 24 if line["legend"] else 0
        places = [_LEFT + i * (SIDE + _GAP) for i in range(len(line["panels"]))]
        panels = [{**panel, "x": x, "y": top + head + _TOP} for x, panel in zip(places, line["panels"], strict=True)]
        out.append({**line, "y": top + 18, "panels": panels})
        top += head + _TOP + SIDE + _ROOM
    return {
        "lines": out,
        "title": plain(title),
        "width": _LEFT + _PER_LINE * (SIDE + _GAP),
        "height": top,
        "side": SIDE,
    }


def _joined(points: Points) -> str:
    return " ".join(f"{x},{y}" for x, y in _pairs(points))


def _dotted(points: Points) -> str:
    """Return the points as a path of lines of no length, which round ends make dots."""
    return "".join(f"M{x} {y}h0" for x, y in _pairs(points))


def _pairs(points: Points) -> list[tuple[float, float]]:
    return [(round(SIDE * float(x), 1), _y(float(y))) for x, y in points]


def _y(share: float) -> float:
    return round(SIDE * (1 - share), 1)
