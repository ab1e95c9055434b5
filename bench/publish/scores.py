"""What the table of the first page needs, as JSON: rows and columns in the page, cells in files by family."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ..leaderboard.comparisons import Gain
from ..leaderboard.table import KINDS, Cell, Column, Row, Table
from ..leaderboard.wording import better, label, last_line, leads_regime, sign_of
from ..records import Record
from ..results import Estimate
from .families import families_of
from .names import metric_name, mode_name, page_of, short_name

_SHOWN = Decimal("0.001")
AT_ONCE = 24
"""The most columns that the page shows before a reader chooses."""
_STATUS = {"failed": "f", "not_applicable": "n", "missing": "m", "done": "u"}
_SIZES = {10**7: "below 10 M", 10**8: "10 M to 100 M", 10**9: "100 M to 1 B"}
"""Classes of models by their number of parameters, which is below the key."""
_VERDICTS = {"better": "b", "worse": "w", "tie": "t", "preliminary": "p", "": ""}


def in_page(table: Table, records: Mapping[str, Record]) -> dict[str, Any]:
    """Return the rows, columns and settings of the table, without cells."""
    parts = _parts(table)
    place = {c.name: (family, i) for i, (family, members) in enumerate(parts.items()) for c in members}
    standings = {s.row: s for s in table.over_tasks.standings} if table.over_tasks else {}
    names = {row.name: i for i, row in enumerate(table.rows)}
    rows = [
        {
            "name": row.name,
            "model": row.model,
            "detail": row.detail,
            "mode": mode_name(row.mode),
            "kind": row.kind,
            "regime": row.regime,
            "page": page_of("models", row.model),
            "mean": short(standings[row.name].mean) if row.name in standings else None,
            **about(row, table, records),
        }
        for row in table.rows
    ]
    columns = [
        {
            "name": c.name,
            "short": short_name(c),
            "page": page_of("tasks", c.name),
            "family": place[c.name][0],
            "part": place[c.name][1],
            "benchmark": c.benchmark,
            "metrics": [label(m) for m in c.metrics],
            "heads": [metric_name(m) for m in c.metrics],
            "signs": [sign_of(c), *({"higher": 1, "lower": -1, "": 0}[better(m)] for m in c.metrics[1:])],
            "audit": c.audit,
            "budget": c.budget,
            "floor": names.get(c.best_baseline, -1),
            "n": c.n,
            "old": c.superseded_by,
            "split": _split(c, table, records),
        }
        for c in table.columns
    ]
    common = len(table.over_tasks.columns) if table.over_tasks else 0
    kinds = {kind: KINDS[kind] for kind in dict.fromkeys(row.kind for row in table.rows)}
    return {"rows": rows, "columns": columns, "kinds": kinds, "atOnce": AT_ONCE, "parts": list(parts), "common": common}


def files_of(table: Table) -> dict[str, str]:
    """Return the scripts with the cells, by file: for each family its primary scores and gains, then other metrics."""
    out = {}
    at = {c.name: i for i, c in enumerate(table.columns)}
    for i, columns in enumerate(_parts(table).values()):
        cells = {at[c.name]: [_cell(table.cell(row, c), c) for row in table.rows] for c in columns}
        more = {at[c.name]: [_others(table.cell(row, c)) for row in table.rows] for c in columns}
        out[f"data/scores-{i}.js"] = script(f"scores-{i}", cells)
        out[f"data/metrics-{i}.js"] = script(f"metrics-{i}", more)
    return out


def script(name: str, value: Any) -> str:
    """Return a script that gives the page a value; a page that is a file may run one, and may fetch nothing."""
    return f"baserate.load({_json(name)},{_json(value)});\n"


def inline(value: Any) -> str:
    """Return JSON that can stand in a <script> element of a page, whatever text is in it."""
    return _json(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _parts(table: Table) -> dict[str, list[Column]]:
    return families_of(table.columns)


def about(row: Row, table: Table, records: Mapping[str, Record]) -> dict[str, Any]:
    """Return what the records of a row say about its model."""
    hashes = (table.cell(row, column).hash for column in table.columns)
    card = next((records[h].model for h in hashes if h in records), {})
    known = {name: card.get(name) or None for name in ("parameters", "context", "tokenizer")}
    return known | {"size": size_class(card.get("parameters"))}


def size_class(parameters: int | None) -> str:
    """Return the class of sizes that a number of parameters is in, '' for none."""
    if not parameters:
        return ""
    return next((name for most, name in _SIZES.items() if parameters < most), "1 B and more")


def _split(column: Column, table: Table, records: Mapping[str, Record]) -> str:
    """Return the kind of a column's split rule, such as 'by chromosome'; '' where no record says."""
    hashes = (table.cell(row, column).hash for row in table.rows)
    rules = (records[h].spec.versions.get("split", "") for h in hashes if h in records)
    return next((rule.rpartition(" ")[0].replace("_", " ") for rule in rules if rule), "")


def _cell(cell: Cell, column: Column) -> Any:
    """Return a cell as a short list: value, low, high, marks, ranks, gain, twin gain, exposure, seconds, notes.

    A cell without a score is one letter, with the error of a failed one; scales are made in the page.
    """
    if cell.value is None:
        text = last_line(cell.error) or (cell.estimates[0].reason if cell.estimates else "")
        return [_STATUS[cell.status], text] if text else _STATUS[cell.status]
    e = cell.estimates[0]
    marks = (
        1 * cell.best
        | 2 * leads_regime(cell, column)
        | 4 * ("collapsed" in cell.flags)
        | 8 * cell.apart
        | 16 * cell.undirected
        | 32 * bool(cell.older)
    )
    notes = [n for n in (*cell.notes, *cell.older) if n != "collapsed"]
    ranks = [] if cell.rank is None else [cell.rank, cell.rank_high]
    exposure = {"exposed": "e", "unknown": "u"}.get(cell.exposure, "")
    head = [*_numbers(e), marks, ranks, _gain(cell.gain), _gain(cell.twin_gain), exposure, short(cell.seconds or 0)]
    return [*head, notes] if notes else head


def _others(cell: Cell) -> Any:
    return [_numbers(e) if e.value is not None else 0 for e in cell.estimates[1:]]


def _numbers(e: Estimate) -> list[float | None]:
    return [short(e.value), short(e.low), short(e.high)]


def _gain(gain: Gain | None) -> Any:
    if gain is None:
        return 0
    return [*map(short, (gain.value, gain.low, gain.high)), _VERDICTS[gain.verdict], short(gain.p_adjusted)]


def short(value: float | None) -> float | None:
    """Return the number with as few decimals, four or more, as leave the three that are shown as they are.

    A page rounds a half away from zero, and all other renderings as Python does.
    """
    if value is None:
        return None
    shown = round(value, 3)
    for digits in (4, 5, 6):
        less = round(value, digits)
        if Decimal(less).quantize(_SHOWN, ROUND_HALF_UP) == Decimal(repr(shown)).quantize(_SHOWN):
            return less + 0.0
    return shown + 0.0
