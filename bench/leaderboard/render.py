"""A leaderboard as Markdown, CSV and JSON. No clock enters: the same records give the same bytes."""

from __future__ import annotations

import csv
import html
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict

from ..metrics import parse
from ..types import Estimate
from .comparisons import ALPHA, Gain
from .table import KINDS, Cell, Column, Leaderboard, Row
from .trust import NOT_AUDITED, TAINTED, explained, exposures, reasons, some, warnings

BEST, COLLAPSED, TIE, NOTHING = "◆", "†", "=", "–"
_FEW_CLUSTERS = 20
WIDE = 8
"""Columns past which a table is set in blocks, a suite at a time."""
STATUS = {"failed": "failed", "not_applicable": "n/a", "missing": NOTHING}


def number(value: float | None, *, signed: bool = False) -> str:
    """Return the value with three decimals and a true minus sign; a dash for None."""
    if value is None:
        return NOTHING
    rounded = round(value, 3) + 0.0  # not -0.000
    text = f"{rounded:+.3f}" if signed else f"{rounded:.3f}"
    return text.replace("-", "−")


def escape(text: str) -> str:
    """Return the text so that it stands for itself in a Markdown table on GitHub: on one line, with no markup."""
    plain = html.escape(" ".join(text.split()), quote=False)
    plain = re.sub(r"([\\`*\[\]|~])", r"\\\1", plain)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", plain)


def to_json(table: Leaderboard) -> str:
    """Return everything in the leaderboard as JSON."""
    return json.dumps(asdict(table), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def to_csv(table: Leaderboard) -> str:
    """Return one line a row, column and metric; gain and rank stand with the primary metric alone."""
    gains = ("over", "value", "low", "high", "p", "p_adjusted", "verdict")
    head = (
        "task column model mode detail kind status metric primary value low high level n n_clusters reason rank".split()
    )
    head += [f"gain_{g}" for g in gains] + [f"twin_gain_{g}" for g in gains] + ["flags", "seconds", "run", "error"]
    head += ["exposure", "exposure_reason", "audit", "audit_reasons", "superseded_by"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for row, column, cell in each(table):
        for i, e in enumerate(cell.estimates or (None,)):
            what = [column.task, column.name, row.model, row.mode, row.detail, row.kind, cell.status]
            name = e.metric if e else column.metric if column.metrics else ""
            values = [e.value, e.low, e.high, e.level, e.n, e.n_clusters, e.reason] if e else [None] * 7
            own = [cell.rank, *_fields(cell.gain, gains), *_fields(cell.twin_gain, gains)] if i == 0 else [None] * 15
            end = ["; ".join(cell.notes), cell.seconds, cell.hash, last_line(cell.error)]
            end += [cell.exposure, cell.exposure_reason, column.audit or NOT_AUDITED]
            end += ["; ".join(column.audit_reasons), column.superseded_by]
            writer.writerow([*what, name, i == 0, *values, *own, *end])
    return out.getvalue()


def _fields(gain: Gain | None, names: Sequence[str]) -> list[object]:
    return [getattr(gain, name) if gain else None for name in names]


def each(table: Leaderboard) -> Iterator[tuple[Row, Column, Cell]]:
    """Return every cell with its row and column, row by row."""
    for row in table.rows:
        for column in table.columns:
            yield row, column, table.cell(row, column)


def last_line(error: str) -> str:
    """Return what a traceback ends with, '' for no error."""
    return error.strip().splitlines()[-1].strip() if error.strip() else ""


def to_markdown(table: Leaderboard) -> str:
    """Return the leaderboard as Markdown for GitHub: scores, gains, then what is needed to read them, and details."""
    parts = ["# Leaderboard", ""]
    if not table.columns:
        return "\n".join([*parts, "There are no results yet.", *trials(table)]) + "\n"
    notes = notes_of(table)
    parts += [*_grids(table, table.rows, _heading, lambda c, column: _score(c, column, notes)), ""]
    parts += [*_legend(table), ""]
    tested = [row for row in table.rows if any(table.cell(row, c).gain for c in table.columns)]
    if tested:
        parts += ["## Gain over the best baseline", ""]
        parts += [*_grids(table, tested, _over, lambda c, column: _gain(c.gain, warnings(c, column))), ""]
        parts += [f"{TIE} the two are not told apart (p ≥ {ALPHA:g}, two-sided, paired on the same test examples,"]
        parts += ["adjusted by Holm's method for all gains in this table).", ""]
    paired = [row for row in table.rows if any(table.cell(row, c).twin_gain for c in table.columns)]
    if paired:
        parts += ["## What pretraining bought: gain over the same network with random weights", ""]
        parts += [*_grids(table, paired, _heading, lambda c, column: _gain(c.twin_gain, warnings(c, column))), ""]
    seen = exposures(table)
    if seen:
        parts += [
            "## Whether the test was seen in pretraining",
            "",
            "| Model | Seen | Tasks | Why |",
            "|:--|:--|:--|:--|",
        ]
        parts += [
            f"| {escape(m)} | {status} | {escape(some(names))} | {escape(why)} |" for m, status, names, why in seen
        ]
        parts += [""]
    parts += ["## Tasks", "", *_tasks(table), ""]
    failed = [(row, column, cell) for row, column, cell in each(table) if cell.status == "failed"]
    if failed:
        parts += ["## Failed", ""]
        parts += [f"- {escape(r.name)} on {escape(c.name)}: {escape(last_line(x.error))}" for r, c, x in failed] + [""]
    many = [column for column in table.columns if len(column.metrics) > 1]
    if many:
        parts += ["## Every metric", ""]
        for column in many:
            parts += [*_details(table, column), ""]
    return "\n".join(parts).rstrip() + "\n"


def blocks(columns: Sequence[Column]) -> list[tuple[str, tuple[Column, ...]]]:
    """Return the columns in tables of a readable width with their titles: one without a title where they are few.

    Else the tasks of a suite stand together, in pieces of equal width.
    """
    if len(columns) <= WIDE:
        return [("", tuple(columns))]
    suites: dict[str, list[Column]] = {}
    for column in columns:
        suites.setdefault(column.suite, []).append(column)
    out = []
    for suite, members in suites.items():
        pieces = -(-len(members) // WIDE)
        edges = [round(i * len(members) / pieces) for i in range(pieces + 1)]
        for i, (start, end) in enumerate(itertools.pairwise(edges), 1):
            title = suite or ("Other tasks" if len(suites) > 1 else "Tasks")
            out.append((f"{title}, {i} of {pieces}" if pieces > 1 else title, tuple(members[start:end])))
    return out


def _grids(
    table: Leaderboard,
    rows: Sequence[Row],
    heading: Callable[[Column], str],
    content: Callable[[Cell, Column], str],
) -> list[str]:
    """Return a table a block; every row stands in each, so that what was not run is seen."""
    lines: list[str] = []
    for title, columns in blocks(table.columns):
        lines += [""] * bool(lines) + ([f"### {escape(title)}", ""] if title else [])
        lines += _grid(table, rows, columns, heading, content)
    return lines


def _grid(
    table: Leaderboard,
    rows: Iterable[Row],
    columns: Sequence[Column],
    heading: Callable[[Column], str],
    content: Callable[[Cell, Column], str],
) -> list[str]:
    lines = ["| Model | Mode | Kind | " + " | ".join(heading(c) for c in columns) + " |"]
    lines += ["|:--|:--|:--" + "|--:" * len(columns) + "|"]
    for row in rows:
        name = escape(row.model) + (f"<br><sub>{escape(row.detail)}</sub>" if row.detail else "")
        cells = " | ".join(content(table.cell(row, c), c) for c in columns)
        lines += [f"| {name} | {row.mode} | {KINDS[row.kind]} | {cells} |"]
    return lines


def arrow(metric: str) -> str:
    """Return the arrow towards better values of a metric, '' where neither direction is."""
    return {"higher": "↑", "lower": "↓", "": ""}[parse(metric).better]


def _heading(column: Column) -> str:
    metric = f"{escape(parse(column.metric).label)} {arrow(column.metric)}" if column.metrics else NOTHING
    return f"{_broken(titled(column))}<br>{metric}"


def _over(column: Column) -> str:
    return f"{_broken(titled(column))}<br>over {escape(column.best_baseline) or NOTHING}"


def titled(column: Column) -> str:
    """Return the column's name with the sign of an audit that fails."""
    return column.name + (f" {TAINTED}" if column.audit == "FAIL" else "")


def _broken(name: str) -> str:
    return "<br>".join(escape(line) for line in folded(name).split("\n"))


def notes_of(table: Leaderboard) -> list[str]:
    """Return the notes that are told below the table, each once, in the order in which they are numbered from 1."""
    return list(dict.fromkeys(note for cell in table.cells for note in cell.notes if note != "collapsed"))


def marks(cell: Cell, column: Column) -> str:
    """Return the signs that stand with a cell's number."""
    own = (BEST if cell.row == column.best_baseline else "") + (COLLAPSED if "collapsed" in cell.flags else "")
    return own + warnings(cell, column)


def common_set(table: Leaderboard) -> str:
    """Return, for the legend, how many examples are left out of which columns; '' where none is."""
    fewer = [f"{column.left_out} of {column.name}" for column in table.columns if column.left_out]
    return f"Test examples that a compared row cannot score are left out for all: {', '.join(fewer)}." if fewer else ""


def _score(cell: Cell, column: Column, notes: Sequence[str]) -> str:
    numbers = ",".join(str(notes.index(note) + 1) for note in cell.notes if note in notes)
    after = f" {marks(cell, column)}".rstrip() + (f" <sup>{numbers}</sup>" if numbers else "")
    if cell.status != "done" or not cell.estimates:
        return STATUS.get(cell.status, NOTHING) + after
    e = cell.estimates[0]
    if e.value is None:
        return f"undefined{after}"
    value = f"**{number(e.value)}**" if cell.rank == 1 else number(e.value)
    return value + after + _range(e.low, e.high)


def _range(low: float | None, high: float | None, *, signed: bool = False) -> str:
    if low is None or high is None:
        return ""
    return f"<br><sub>{number(low, signed=signed)} to {number(high, signed=signed)}</sub>"


def _gain(gain: Gain | None, signs: str) -> str:
    if gain is None:
        return NOTHING
    value = number(gain.value, signed=True)
    text = {"better": f"**{value}**", "worse": value, "tie": f"{TIE} {value}", "": f"{value} (no interval)"}[
        gain.verdict
    ]
    return text + f" {signs}".rstrip() + _range(gain.low, gain.high, signed=True)


def _legend(table: Leaderboard) -> list[str]:
    lines = [
        "Test-set score with its 95 % interval (bootstrap over clusters; mean over seeds). **Bold**: the best of its",
        f"task, or not told apart from it (paired test, Holm). {BEST} the task's best baseline. {COLLAPSED} constant",
        f"or not finite predictions. {NOTHING} not run, n/a does not apply. Baselines and networks with random",
        "weights are the floor: a score means what it adds to them. `docs/statistics.md` says how intervals, gains",
        "and ties are made.",
        *map(escape, explained(table)),
    ]
    notes = notes_of(table)
    lines += ["", *(f"- <sup>{i}</sup> {escape(note)}" for i, note in enumerate(notes, 1))] if notes else []
    lines += ["", escape(common_set(table))] if common_set(table) else []
    few = [c for c in table.columns if 0 < c.n_clusters < _FEW_CLUSTERS]
    if few:
        lines += ["", "Few clusters, so intervals are rough: "]
        lines[-1] += ", ".join(f"{escape(c.name)} ({c.n_clusters})" for c in few) + "."
    if table.commits:
        commits = ", ".join(commit[:10] for commit in table.commits)
        lines += [
            "",
            f"Commit {commits}." + (" **Some runs were made with uncommitted changes.**" if table.dirty else ""),
        ]
    return [*lines, *trials(table)]


def trials(table: Leaderboard) -> list[str]:
    """Return, for the legend, how many trial runs the table leaves out."""
    if not table.limited:
        return []
    return ["", f"Left out: {table.limited} trial {'run' if table.limited == 1 else 'runs'} made with --limit."]


def _tasks(table: Leaderboard) -> list[str]:
    lines = ["| Task | Metric | Train | Test | Clusters | Seeds | Audit | Best baseline | What is asked |"]
    lines += ["|:--|:--|--:|--:|--:|:--|:--|:--|:--|"]
    for c in table.columns:
        metric = f"{escape(parse(c.metric).label)} {arrow(c.metric)}" if c.metrics else NOTHING
        seeds = " ".join(map(str, c.seeds)) or NOTHING
        newer = f"**Superseded by {escape(c.superseded_by)}.** " if c.superseded_by else ""
        audit = (c.audit or NOT_AUDITED) + (f" {TAINTED}" if c.audit == "FAIL" else "")
        about = f"{audit} | {escape(c.best_baseline) or NOTHING} | {newer}{escape(c.description)}"
        train = NOTHING if c.n_train is None else c.n_train
        lines += [f"| {escape(c.name)} | {metric} | {train} | {c.n} | {c.n_clusters} | {seeds} | {about} |"]
    told = [f"- {escape(titled(c))}: {escape(line)}" for c in table.columns for line in reasons(c)]
    lines += ["", "What the audits found:", "", *told] if told else []
    defined = {m.label: m.definition for c in table.columns for m in (parse(name).metric for name in c.metrics)}
    return [*lines, "", *(f"- {escape(label)}: {escape(text)}" for label, text in defined.items())]


def _details(table: Leaderboard, column: Column) -> list[str]:
    lines = ["<details>", f"<summary>{html.escape(column.name)}</summary>", ""]
    heads = [f"{escape(parse(m).label)} {arrow(m)}".rstrip() for m in column.metrics]
    lines += ["| Model | Mode | " + " | ".join(heads) + " |", "|:--|:--" + "|--:" * len(heads) + "|"]
    for row in table.rows:
        estimates = table.cell(row, column).estimates
        if estimates:
            cells = " | ".join(_estimate(e) for e in estimates)
            lines += [f"| {escape(row.model + (f' ({row.detail})' if row.detail else ''))} | {row.mode} | {cells} |"]
    reasons = {f"{e.metric}: {e.reason}" for row in table.rows for e in table.cell(row, column).estimates if e.reason}
    lines += ["", *(f"- {escape(reason)}" for reason in sorted(reasons))] if reasons else []
    return [*lines, "", "</details>"]


def _estimate(e: Estimate) -> str:
    return number(e.value) + _range(e.low, e.high)


def folded(name: str, width: int = 13) -> str:
    """Return the name broken at underscores and dots into lines of about `width`."""
    lines = [""]
    for piece in re.findall(r"[^_.@ ]*[_.@ ]?", name):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)
