"""The pages of a task and of a model: everything that the table and the records say of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..leaderboard.comparisons import Gain
from ..leaderboard.strata import ABOUT, stratum_of
from ..leaderboard.table import APART, UNDIRECTED, Cell, Column, Curve, Row, Table
from ..leaderboard.trust import exposures
from ..leaderboard.wording import STATUS, label, last_line, number, sign_of
from ..records import Record
from ..results import Estimate, in_words
from .names import VERDICTS, metric_name, mode_name, page_of, row_title, short_name
from .overview import interval_text, p_text
from .strips import Scale, mark, scale_over

_CHOSEN_ON = {
    "declared": "declared by the suite",
    "given": "named by the reader",
    "valid": "chosen by scores on valid",
    "test": "the best test score of a baseline",
}


def task_view(table: Table, column: Column, records: Mapping[str, Record]) -> dict[str, Any]:
    """Return the values of the page of a task."""
    cells = {row: table.cell(row, column) for row in table.rows}
    card = _first([records[c.hash].task for c in cells.values() if c.hash in records])
    scored = [(row, cell) for row, cell in cells.items() if cell.value is not None]
    sign = sign_of(column) or 1
    scored.sort(key=lambda pair: (not pair[1].compared, -sign * (pair[1].value or 0.0)))
    scale = scale_over([v for _, c in scored if c.compared for v in _limits(c.estimates[0])])
    floor = next((cell.value for row, cell in scored if row.name == column.best_baseline), None)
    return {
        "column": column,
        "name": short_name(column),
        "metric": metric_name(column.metric) if column.metrics else "",
        "facts": _task_facts(column, card),
        "rows": [_scored_row(row, cell, scale) for row, cell in scored],
        "floor": None if floor is None else scale.at(floor),
        "ends": (number(scale.low), number(scale.high)),
        "others": [label(m) for m in column.metrics[1:]],
        "more": [(row_title(row), [estimate_text(e) for e in cell.estimates[1:]]) for row, cell in scored],
        "strata": _strata(column, scored),
        "curves": [_curve(table, curve) for curve in table.curves if column.name in curve.columns],
        "unscored": [
            (row_title(row), STATUS.get(cell.status, "undefined"), last_line(cell.error) or _reason(cell))
            for row, cell in cells.items()
            if cell.value is None and cell.status != "missing"
        ],
        "missing": [row_title(row) for row, cell in cells.items() if cell.status == "missing"],
    }


def model_view(table: Table, model: str, records: Mapping[str, Record]) -> dict[str, Any]:
    """Return the values of the page of a model: its card, and what each of its rows has on every task."""
    rows = [row for row in table.rows if row.model == model]
    made = [records[c.hash] for row in rows for col in table.columns if (c := table.cell(row, col)).hash in records]
    card = _first([r.model for r in made])
    cells = [(row, column, table.cell(row, column)) for row in rows for column in table.columns]
    gains = [v for *_, cell in cells if cell.gain for v in (cell.gain.value, cell.gain.low, cell.gain.high)]
    scale = scale_over(gains, zero=True)
    return {
        "model": model,
        "kind": rows[0].kind,
        "description": str(card.get("description") or ""),
        "facts": _model_facts(rows, card, made),
        "pretraining": [_corpus(c) for c in card.get("pretraining") or ()],
        "exposures": [(status, names, why) for name, status, names, why in exposures(table) if name == model],
        "zero": scale.at(0),
        "drawn": bool(gains),
        "modes": [
            {
                "title": f"{mode_name(row.mode)}{f' ({row.detail})' if row.detail else ''}",
                "cells": [
                    _cell_of_model(column, cell, records.get(cell.hash), scale)
                    for r, column, cell in cells
                    if r == row and cell.status != "missing"
                ],
                "missing": [short_name(column) for r, column, c in cells if r == row and c.status == "missing"],
            }
            for row in rows
        ],
    }


def estimate_text(e: Estimate) -> str:
    """Return a value with its interval as text, a dash for none."""
    if e.low is None or e.high is None:
        return number(e.value)
    return f"{number(e.value)} [{number(e.low)}, {number(e.high)}]"


def _scored_row(row: Row, cell: Cell, scale: Scale) -> dict[str, Any]:
    e = cell.estimates[0]
    ranks = "" if cell.rank is None else str(cell.rank)
    ranks += f" to {cell.rank_high}" if cell.rank and cell.rank_high and cell.rank_high > cell.rank else ""
    notes = [{APART: "scores too few examples: not compared", UNDIRECTED: "may be mirrored: not compared"}.get(n, n)
             for n in cell.notes]  # fmt: skip
    return {
        "title": row_title(row),
        "page": page_of("models", row.model),
        "kind": row.kind,
        "best": cell.best,
        "score": number(e.value),
        "interval": "" if e.low is None else f"{number(e.low)} to {number(e.high)}",
        "mark": mark(scale, e.value, e.low, e.high),
        "rank": ranks,
        "gain": _gain(cell.gain),
        "twin": _gain(cell.twin_gain),
        "exposure": cell.exposure,
        "exposure_reason": cell.exposure_reason,
        "notes": [*notes, *cell.older],
        "hash": cell.hash[:8],
    }


def _gain(gain: Gain | None) -> dict[str, str] | None:
    if gain is None:
        return None
    p = p_text(gain) or gain.reason
    return {"text": interval_text(gain), "verdict": gain.verdict, "word": VERDICTS[gain.verdict], "p": p}


def _cell_of_model(column: Column, cell: Cell, record: Record | None, scale: Scale) -> dict[str, Any]:
    gain = cell.gain
    settings = {**record.spec.params, **record.spec.settings} if record else {}
    return {
        "task": short_name(column),
        "page": page_of("tasks", column.name),
        "metric": metric_name(column.metric) if column.metrics else "",
        "score": estimate_text(cell.estimates[0]) if cell.value is not None else STATUS.get(cell.status, "undefined"),
        "why": last_line(cell.error) or _reason(cell),
        "best": cell.best,
        "gain": _gain(gain),
        "mark": mark(scale, gain.value, gain.low, gain.high) if gain else None,
        "twin": _gain(cell.twin_gain),
        "exposure": cell.exposure,
        "exposure_reason": cell.exposure_reason,
        "chosen": cell.chosen,
        "seconds": "" if cell.seconds is None else f"{cell.seconds:,.1f} s",
        "settings": in_words(settings),
        "notes": [*cell.notes, *cell.older],
    }


def _task_facts(column: Column, card: Mapping[str, Any]) -> list[tuple[str, str]]:
    sizes = ", ".join(f"{n:,} {part}" for part, n in (card.get("sizes") or {}).items() if isinstance(n, int))
    unit = column.unit or "clusters"
    facts = {
        "Task": column.task,
        "Kind": card.get("kind", ""),
        "Classes": ", ".join(map(str, card.get("classes") or ())),
        "Examples": sizes,
        "Scored": f"{column.n:,} test examples in {column.n_clusters:,} {unit}" if column.n else "",
        "Left out": f"{column.left_out:,} that a compared row cannot score" if column.left_out else "",
        "Split": card.get("split_rule", ""),
        "Training": f"{column.n_train:,} examples" if column.n_train else "",
        "Budget": f"{column.budget} trials" if column.budget > 1 else "",
        "Best baseline": f"{column.best_baseline}, {_CHOSEN_ON.get(column.chosen_on, '')}"
        if column.best_baseline
        else "",
        "Margin": card.get("margin") or "",
        "Species": ", ".join(map(str, card.get("species") or ())),
        "Assembly": ", ".join(map(str, card.get("assembly") or ())),
        "Licence": card.get("licence", ""),
        "Citation": card.get("citation", ""),
        "Fingerprints": f"data {column.data}, split {column.split}",
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _model_facts(rows: Sequence[Row], card: Mapping[str, Any], made: Sequence[Record]) -> list[tuple[str, str]]:
    hashes = sorted({r.parameter_hash for r in made if r.parameter_hash})
    facts = {
        "Parameters": f"{card['parameters']:,}" if card.get("parameters") else "",
        "Context": f"{card['context']:,} bp" if card.get("context") else "",
        "Tokenizer": card.get("tokenizer", ""),
        "Revision": ", ".join(dict.fromkeys(row.revision for row in rows if row.revision)),
        "Weights": ", ".join(hashes[:4]) + (f" and {len(hashes) - 4} more" if len(hashes) > 4 else ""),
        "Twin of": card.get("twin_of", ""),
        "Licence": card.get("licence", ""),
        "Citation": card.get("citation", ""),
        "From": card.get("place", ""),
    }
    return [(name, str(value)) for name, value in facts.items() if value]


def _corpus(corpus: Mapping[str, Any]) -> str:
    parts = [corpus.get("corpus"), corpus.get("species"), corpus.get("assembly")]
    held_out = ", ".join(map(str, corpus.get("held_out") or ()))
    text = ", ".join(str(p) for p in parts if p)
    return text + (f"; without {held_out}" if held_out else "")


def _strata(column: Column, scored: Sequence[tuple[Row, Cell]]) -> list[dict[str, Any]]:
    """Return a table for each stratum column that was asked for."""
    names = dict.fromkeys(stratum_of(metric)[0] for metric in column.strata)
    out = []
    for name in names:
        at = [i for i, metric in enumerate(column.strata) if stratum_of(metric)[0] == name]
        shown = [(row_title(r), [estimate_text(c.by_stratum[i]) for i in at]) for r, c in scored if c.by_stratum]
        out.append(
            {
                "name": name,
                "values": [stratum_of(column.strata[i])[1] for i in at],
                "rows": shown,
                "about": ABOUT.get(name, ""),
            }
        )
    return out


def _curve(table: Table, curve: Curve) -> dict[str, Any]:
    rows = {row.name: row for row in table.rows}
    columns = [next(c for c in table.columns if c.name == name) for name in curve.columns]
    return {
        "metric": metric_name(curve.metric),
        "axis": f"number of {curve.axis}" if curve.learning else curve.axis,
        "last": "mean over log n" if curve.learning else "gain of the last over the first",
        "sizes": [f"{n:,}" for n in curve.n_train],
        "rows": [
            (
                row_title(rows[name]),
                [_point(curve, i, table.cell(rows[name], column), column) for i, column in enumerate(columns)],
                number(area.value) + (f" [{number(area.low)}, {number(area.high)}]" if area.low is not None else ""),
            )
            for name, area in zip(curve.rows, curve.areas, strict=True)
        ],
    }


def _point(curve: Curve, at: int, cell: Cell, column: Column) -> str:
    return (
        estimate_text(curve.estimate(at, cell, column))
        if cell.value is not None
        else STATUS.get(cell.status, "undefined")
    )


def _limits(e: Estimate) -> tuple[float | None, ...]:
    return e.value, e.low, e.high


def _reason(cell: Cell) -> str:
    return cell.estimates[0].reason if cell.estimates else ""


def _first(cards: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the fullest of the cards that records have: those of older versions say less."""
    return max(cards, key=len, default={})
