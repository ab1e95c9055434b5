"""The words that all renderings of a leaderboard share: numbers, signs, headings, notes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from ..errors import ConfigError
from ..metrics import Better, Expression, parse
from .comparisons import MIN_SEEDS, Gain, Verdict
from .table import REGIMES, Cell, Column, Row, Table
from .trust import TAINTED, warnings

BEST, COLLAPSED, EVERY, PRELIMINARY, NOTHING = "◆", "†", "★", "?", "–"
Family = Literal["gain", "twin_gain", "tuning_gain", "course"]
SIGNS: Mapping[Family, Mapping[Verdict, str]] = {
    "gain": {"better": "▲", "worse": "▼", "tie": "="},
    "twin_gain": {"better": "△", "worse": "▽", "tie": "≈"},
    "tuning_gain": {"better": "⇧", "worse": "⇩", "tie": "≃"},
    "course": {"better": "↗", "worse": "↘", "tie": "↔"},
}
"""What a verdict looks like, by the family of tests that it is corrected in: a sign is of one family alone."""
WIDE = 8
"""The number of columns above which a table is split into blocks, one per benchmark."""
_ARROWS: Mapping[Better, str] = {"higher": "↑", "lower": "↓", "": ""}
STATUS = {"failed": "failed", "not_applicable": "n/a", "missing": NOTHING}


def number(value: float | None, *, signed: bool = False) -> str:
    """Return the value with three decimals and a true minus sign; a dash for None."""
    if value is None:
        return NOTHING
    rounded = round(value, 3) + 0.0  # not -0.000
    text = f"{rounded:+.3f}" if signed else f"{rounded:.3f}"
    return text.replace("-", "−")


def expression(metric: str) -> Expression | None:
    """Return the metric's expression, None where it names a metric that no longer exists."""
    try:
        return parse(metric)
    except ConfigError:
        return None


def label(metric: str) -> str:
    """Return the metric as a heading shows it."""
    known = expression(metric)
    return known.label if known else metric


def better(metric: str) -> Better:
    """Return whether higher or lower is better in a metric; '' where neither is, or the metric is unknown."""
    known = expression(metric)
    return known.better if known else ""


def _primary(column: Column) -> Expression | None:
    known = expression(column.metric) if column.metrics else None
    return replace(known, one_value=column.one_value) if known else None


def label_of(column: Column) -> str:
    """Return the primary metric as a heading shows it; a dash where there is none."""
    known = _primary(column)
    return known.label if known else column.metric if column.metrics else NOTHING


def better_of(column: Column) -> Better:
    """Return whether higher or lower is better in the primary metric; '' where neither is, or there is none."""
    known = _primary(column)
    return known.better if known else ""


def sign_of(column: Column) -> int:
    """Return 1 where higher is better in the primary metric, -1 where lower is, 0 where neither is."""
    return {"higher": 1, "lower": -1, "": 0}[better_of(column)]


def arrow_of(column: Column) -> str:
    """Return the arrow towards better values of the primary metric, '' where neither direction is better."""
    return _ARROWS[better_of(column)]


def arrow(metric: str) -> str:
    """Return the arrow towards better values of a metric, '' where neither direction is better."""
    return _ARROWS[better(metric)]


def is_among_best(cell: Cell) -> bool:
    """Return whether a row may be the best of its task by tests: one of too few trainings is never told apart."""
    return cell.best and not cell.untested


def each(table: Table) -> Iterator[tuple[Row, Column, Cell]]:
    """Yield every cell with its row and column, row by row."""
    for row in table.rows:
        for column in table.columns:
            yield row, column, table.cell(row, column)


def last_line(error: str) -> str:
    """Return the last line of a traceback, '' for no error."""
    return error.strip().splitlines()[-1].strip() if error.strip() else ""


def titled(column: Column) -> str:
    """Return the column's name, with a sign where the audit fails."""
    return column.name + (f" {TAINTED}" if column.audit == "FAIL" else "")


def notes_of(table: Table) -> list[str]:
    """Return the notes below the table, each once, in the order in which they are numbered from 1."""
    return list(dict.fromkeys(note for cell in table.cells for note in cell.notes if note != "collapsed"))


def verdict_sign(gain: Gain, family: Family) -> str:
    """Return the sign of a gain's verdict, '' where it has none."""
    return PRELIMINARY if gain.verdict == "preliminary" else SIGNS[family].get(gain.verdict, "")


def leads_regime(cell: Cell, column: Column) -> bool:
    """Return whether no row of the cell's regime is surely better, where its column has several regimes."""
    return cell.best_of_regime and len(column.regimes) > 1


def best_of_regimes(table: Table, sign: str) -> list[str]:
    """Return, for the legend, what the sign of the best within a regime means; [] where no column has several."""
    found = {regime for column in table.columns if len(column.regimes) > 1 for regime in column.regimes}
    known = list(dict.fromkeys(REGIMES.values()))
    names = [regime for regime in known if regime in found] + sorted(found - set(known))
    return [f"{sign}: may be the best of its regime ({', '.join(names)})."] if found else []


def marks(cell: Cell, column: Column) -> str:
    """Return the signs that stand with a cell's number."""
    signs = (BEST if cell.row == column.best_baseline else "") + (COLLAPSED if "collapsed" in cell.flags else "")
    return signs + warnings(cell, column)


def common_set(table: Table) -> str:
    """Return, for the legend, how many examples are left out of which columns; '' where none is."""
    fewer = [f"{column.left_out} of {column.name}" for column in table.columns if column.left_out]
    return f"Test examples that a compared row cannot score are left out for all: {', '.join(fewer)}." if fewer else ""


def trials(table: Table) -> list[str]:
    """Return, for the legend, how many trial runs the table leaves out."""
    if not table.limited:
        return []
    return ["", f"Left out: {table.limited} trial {'run' if table.limited == 1 else 'runs'} made with --limit."]


_CHOSEN = {
    "declared": "as the suite declares",
    "given": "as given",
    "valid": "chosen on valid",
    "test": "by its test score",
}


def floor_rule(table: Table) -> str:
    """Return, for the legend, by what the best baselines were chosen; '' where no record has a score on valid."""
    chosen = {how: [c.name for c in table.columns if c.chosen_on == how] for how in _CHOSEN}
    used = [how for how in _CHOSEN if chosen[how]]
    lost = ", ".join(
        f"{c.declared} on {c.name}" for c in table.columns if c.declared and c.chosen_on in ("valid", "test")
    )
    if not lost and used in ([], ["test"]) and not any(cell.valid_metric for cell in table.cells):
        return ""
    first, *others = [_CHOSEN[how] for how in used] or [""]
    more = [f"{text} on {', '.join(chosen[how])}" for how, text in zip(used[1:], others, strict=True)]
    return ", but ".join([first, *more]) + (f"; declared, but not one baseline with a score: {lost}" if lost else "")


def bought(table: Table) -> str:
    """Return, in short, what tuning bought; '' where no run is there both under a budget and under its defaults."""
    verdicts = [cell.tuning_gain.verdict for cell in table.cells if cell.tuning_gain]
    return f"tuning: better than the defaults in {verdicts.count('better')} of {len(verdicts)} runs" if verdicts else ""


def preliminary(table: Table) -> str:
    """Return, for the legend, what the sign of a preliminary gain means; '' where none is."""
    verdicts = {g.verdict for cell in table.cells for g in (cell.gain, cell.twin_gain, cell.tuning_gain) if g}
    if "preliminary" not in verdicts:
        return ""
    return f"{PRELIMINARY} unlike, by fewer than {MIN_SEEDS} trainings: not a verdict (--seeds 0,1,2,3,4)."


def blocks(columns: Sequence[Column], wide: int = WIDE) -> list[tuple[str, tuple[Column, ...]]]:
    """Return blocks of at most `wide` columns with their titles: one without a title where columns are few.

    Otherwise the tasks of a benchmark stand together, in pieces of equal width.
    """
    if len(columns) <= wide:
        return [("", tuple(columns))]
    benchmarks: dict[str, list[Column]] = {}
    for column in columns:
        benchmarks.setdefault(column.benchmark, []).append(column)
    out = []
    for benchmark, members in benchmarks.items():
        pieces = -(-len(members) // wide)
        edges = [round(i * len(members) / pieces) for i in range(pieces + 1)]
        for i, (start, end) in enumerate(itertools.pairwise(edges), 1):
            title = benchmark or ("Other tasks" if len(benchmarks) > 1 else "Tasks")
            out.append((f"{title}, {i} of {pieces}" if pieces > 1 else title, tuple(members[start:end])))
    return out


def folded(name: str, width: int = 13) -> str:
    """Return the name broken at underscores and dots into lines of about `width`."""
    lines = [""]
    for piece in re.findall(r"[^_.@ ]*[_.@ ]?", name):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)
