"""Curves in words and tables: by number of training examples, window, artefact, or how rare positives are."""

from __future__ import annotations

from collections.abc import Mapping

from ..statistics import ALPHA
from .columns import COLUMNS
from .grids import escape, estimate_text, leading_text, limits
from .rarity import RARITY
from .table import Curve, Table, Turn
from .windows import AXIS, BATCH
from .wording import NOTHING, arrow, label, number

_TITLES: Mapping[str, str] = {
    AXIS: "Score by window",
    BATCH: "Score by artefact in training",
    RARITY: "Score by how rare positives are",
}


def curve_sections(table: Table) -> list[str]:
    """Return a section for each curve of the table."""
    lines = []
    for curve in table.curves:
        lines += [f"## {_TITLES.get(curve.axis, 'Learning curve')}: {escape(curve.title)}", "", *_curve(table, curve)]
        lines += ["", *_turns(table, curve)]
    return lines


def _curve(table: Table, curve: Curve) -> list[str]:
    """Return a table of a row's scores at the points of a curve, with the area or the gain, where there is one."""
    leading = COLUMNS.all().values()
    last = [] if curve.metrics else ["Area" if curve.learning else "Gain"]
    heads = [*(escape(c.name) for c in leading), *(f"{n:,}" for n in curve.n_train), *last]
    lines = ["| " + " | ".join(heads) + " |"]
    lines += ["|" + ":--|" * len(leading) + "--:|" * (len(heads) - len(leading))]
    rows = {row.name: row for row in table.rows}
    columns = [next(c for c in table.columns if c.name == name) for name in curve.columns]
    for name, area in zip(curve.rows, curve.areas, strict=True):
        about = [leading_text(c.text(rows[name], table)) for c in leading]
        points = [(table.cell(rows[name], column), column) for column in columns]
        scores = [
            estimate_text(curve.estimate(i, cell, column)) if cell.compared else NOTHING
            for i, (cell, column) in enumerate(points)
        ]
        signed = number(area.value, signed=not curve.learning) if area.value is not None else ""
        under = signed + limits(area.low, area.high) if signed else NOTHING
        lines += ["| " + " | ".join([*about, *scores, *([under] if last else [])]) + " |"]
    metric = f"{escape(label(curve.metric))} {arrow(curve.metric)}".rstrip()
    if curve.metrics:
        text = f"Average precision by {curve.axis}, from the same predictions: negatives are weighted, none is drawn."
        return [*lines, "", text]
    if not curve.learning:
        by = f"{AXIS} about the middle of each input" if curve.axis == AXIS else BATCH
        return [*lines, "", f"{metric} by {by}. Gain: of the last over the first, paired, not adjusted."]
    return [
        *lines,
        "",
        f"{metric} by number of training examples. Area: the mean over the logarithm of that number, from the first to",
        "the last, by trapezoids; a row that does not train has one score.",
    ]


def _turns(table: Table, curve: Curve) -> list[str]:
    """Return which rows change places where positives are rarer; [] for another curve."""
    if not curve.metrics:
        return []
    found = [turn for turn in table.turns if turn.column == curve.columns[0]]
    sure, unsure = ([turn for turn in found if turn.sure is known] for known in (True, False))
    about = (
        f"two differences in opposite directions, each with p < {ALPHA:g}, paired, adjusted by Holm's method for all"
    )
    lines = [f"Rows whose order turns where positives are rarer ({about} pairs and shares):", ""]
    lines += [f"- {_turn(turn)}" for turn in sure] or ["- none"]
    if unsure:
        lines += ["", "By the scores alone, which do not tell both orders from chance:", ""]
        lines += [f"- {_turn(turn)}" for turn in unsure]
    return [*lines, ""]


def _turn(turn: Turn) -> str:
    gains = [(turn.metric, turn.gain), (turn.second, turn.second_gain)]
    text = [f"{escape(label(m))} {number(g.value, signed=True)}{limits(g.low, g.high, signed=True)}" for m, g in gains]
    return f"{escape(turn.row)} over {escape(turn.other)}: {text[0]}, but {text[1]}"
