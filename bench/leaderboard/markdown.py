"""A leaderboard as Markdown for GitHub. It has no dates: the same records give the same bytes."""

from __future__ import annotations

import html
from collections.abc import Sequence
from statistics import median

from ..results import Estimate
from ..statistics import ALPHA
from ..statistics.intervals import FEW_EFFECTIVE, MIN_EFFECTIVE
from .compact import all_notes, score_blocks
from .comparisons import Every, Gain
from .courses_text import course_sections
from .curves_text import curve_sections
from .details import by_stratum, looks, strands
from .grids import escape, estimate_text, grids, limits, wrapped
from .paper import short_names
from .perturbed import perturbations
from .ranks_text import rank_sections
from .strata import stratum_of
from .table import Cell, Column, Table
from .trust import NOT_AUDITED, TAINTED, explained, exposures, reasons, some, warnings
from .wording import (
    BEST,
    COLLAPSED,
    EVERY,
    NOTHING,
    SIGNS,
    Family,
    arrow,
    arrow_of,
    best_of_regimes,
    common_set,
    each,
    expression,
    floor_rule,
    label,
    label_of,
    last_line,
    number,
    preliminary,
    titled,
    trials,
    verdict_sign,
)


def to_markdown(table: Table) -> str:
    """Return the leaderboard as Markdown for GitHub: scores, gains, then what is needed to read them, and details."""
    parts = ["# Table", ""]
    if not table.columns:
        return "\n".join([*parts, "There are no results yet.", *trials(table)]) + "\n"
    notes = all_notes(table)
    parts += [*score_blocks(table, short_names(table), notes, regimes=True), "", *_legend(table, notes), ""]
    tested = [row for row in table.rows if any(table.cell(row, c).gain for c in table.columns)]
    if tested:
        parts += ["## Gain over the best baseline", ""]
        parts += [*grids(table, tested, _over, lambda c, column: _gain(c.gain, warnings(c, column), every=c.every)), ""]
        parts += [*_signs_of("gain", "the best baseline"), *_every_baseline(table), ""]
    paired = [row for row in table.rows if any(table.cell(row, c).twin_gain for c in table.columns)]
    if paired:
        parts += ["## What pretraining bought: gain over the same network with random weights", ""]
        parts += [
            *grids(table, paired, _heading, lambda c, column: _gain(c.twin_gain, warnings(c, column), "twin_gain")),
            "",
            *_signs_of("twin_gain", "the same network with random weights"),
            "",
        ]
    parts += [*rank_sections(table)]
    parts += course_sections(table)
    parts += curve_sections(table)
    for column in table.columns:
        if changed := perturbations(table, column):
            parts += [*changed, ""]
    tuned = [row for row in table.rows if any(table.cell(row, c).tuning_gain for c in table.columns)]
    if tuned:
        with_budget = [c for c in table.columns if any(table.cell(row, c).tuning_gain for row in tuned)]
        parts += ["## What tuning bought", ""]
        parts += [*grids(table, tuned, _heading, lambda c, column: _bought(c), with_budget), ""]
        parts += ["The score under the defaults (budget 1), that under the settings which the budget's trials chose on"]
        parts += ["valid, and their paired difference on the same test examples."]
        parts += [*_signs_of("tuning_gain", "the defaults"), ""]
    chosen = _chosen(table)
    if chosen:
        parts += [*chosen, ""]
    if looked := looks(table):
        parts += [*looked, ""]
    if turned := strands(table):
        parts += [*turned, ""]
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
    for column in table.columns:
        for by in dict.fromkeys(stratum_of(name)[0] for name in column.strata):
            parts += [*by_stratum(table, column, by), ""]
    return "\n".join(parts).rstrip() + "\n"


def _heading(column: Column) -> str:
    metric = f"{escape(label_of(column))} {arrow_of(column)}" if column.metrics else NOTHING
    return f"{wrapped(titled(column))}<br>{metric}"


def _over(column: Column) -> str:
    return f"{wrapped(titled(column))}<br>over {escape(column.best_baseline) or NOTHING}"


def _gain(gain: Gain | None, signs: str, family: Family = "gain", *, every: Every | None = None) -> str:
    if gain is None:
        return NOTHING
    value = number(gain.value, signed=True)
    sign = verdict_sign(gain, family) + (EVERY if every is not None and every.better else "")
    text = f"{sign} {value}".strip() if gain.verdict else f"{sign} {value} (no interval)".strip()
    return text + f" {signs}".rstrip() + limits(gain.low, gain.high, signed=True)


def _signs_of(family: Family, other: str) -> list[str]:
    """Return what the signs of a family of tests mean, which the terminal has too."""
    above, below, alike = (SIGNS[family][v] for v in ("better", "worse", "tie"))
    return [
        f"{above} better, {below} worse than {other}, {alike} the two are not told apart (p ≥ {ALPHA:g}, two-sided,",
        "paired on the same test examples, adjusted by Holm's method for all gains in this table).",
    ]


def _every_baseline(table: Table) -> list[str]:
    if not any(cell.every and cell.every.better for cell in table.cells):
        return []
    return [
        f"{EVERY} better than every baseline of the task (the largest of its one-sided p < {ALPHA:g}, Holm likewise)."
    ]


def _bought(cell: Cell) -> str:
    """Return the scores under the defaults and under the budget, and what the budget gained."""
    if cell.tuning_gain is None:
        return NOTHING
    return f"{number(cell.untuned)} → {number(cell.value)}<br>{_gain(cell.tuning_gain, '', 'tuning_gain')}"


def _chosen(table: Table) -> list[str]:
    """Return a folded table of what valid chose: one line a cell of which something was chosen; [] where none was."""
    told = [(row, column, cell) for row, column, cell in each(table) if cell.chosen or (cell.trials or 1) > 1]
    if not told:
        return []
    lines = ["<details>", "<summary>What was chosen on valid</summary>", ""]
    lines += ["| Task | Model | Mode | Trials | Score on valid | Chosen |", "|:--|:--|:--|--:|--:|:--|"]
    for row, column, cell in told:
        model = escape(row.model + (f" ({row.detail})" if row.detail else ""))
        score = f"{escape(label(cell.valid_metric))} {number(cell.valid)}"
        what = escape(cell.chosen) or "the defaults"
        lines += [f"| {escape(column.name)} | {model} | {row.mode} | {cell.trials} | {score} | {what} |"]
    return [*lines, "", "`baserate show FOLDER` has every trial of a record.", "", "</details>"]


def _legend(table: Table, notes: Sequence[str]) -> list[str]:
    rule = f" {escape(floor_rule(table))}" if floor_rule(table) else ""
    lines = [
        "Test-set score with its 95 % interval, which has the noise of the test set and of training (mean over seeds).",
        "The row that is most often among the best is first. **Bold**: may be the best of its task, by paired tests.",
        *best_of_regimes(table, "<ins>Underlined</ins>"),
        f"{BEST} the task's best baseline{rule}. {COLLAPSED} constant",
        f"or not finite predictions. {NOTHING} not run, n/a does not apply. Baselines and networks with random",
        "weights are the floor: a score means what it adds to them. `docs/statistics.md` says how intervals, gains",
        "and ties are made.",
        *map(escape, explained(table)),
    ]
    lines += ["", *(f"- <sup>{i}</sup> {escape(note)}" for i, note in enumerate(notes, 1))] if notes else []
    lines += ["", escape(common_set(table))] if common_set(table) else []
    lines += ["", preliminary(table)] if preliminary(table) else []
    few = {c.name: n for c in table.columns if MIN_EFFECTIVE <= (n := _effective(table, c)) < FEW_EFFECTIVE}
    if few:
        lines += ["", "Few clusters, by how many of one size they count as, so intervals are rough: "]
        lines[-1] += ", ".join(f"{escape(name)} ({n:.0f})" for name, n in few.items()) + "."
    if table.commits:
        commits = ", ".join(commit[:10] for commit in table.commits)
        lines += [
            "",
            f"Commit {commits}." + (" **Some runs were made with uncommitted changes.**" if table.dirty else ""),
        ]
    return [*lines, *trials(table)]


def _effective(table: Table, column: Column) -> float:
    """Return the fewest effective clusters of the column's primary scores, 0 where none states them."""
    first = [table.cell(row, column).estimates[:1] for row in table.rows]
    return min((e.n_effective for each in first for e in each if e.n_effective), default=0.0)


def _tasks(table: Table) -> list[str]:
    lines = ["| Task | Metric | Train | Test | Clusters | Seeds | Found from | Audit | Best baseline | What is asked |"]
    lines += ["|:--|:--|--:|--:|--:|:--|--:|:--|:--|:--|"]
    for c in table.columns:
        metric = f"{escape(label_of(c))} {arrow_of(c)}" if c.metrics else NOTHING
        seeds = " ".join(map(str, c.seeds)) or NOTHING
        newer = f"**Superseded by {escape(c.superseded_by)}.** " if c.superseded_by else ""
        audit = (c.audit or NOT_AUDITED) + (f" {TAINTED}" if c.audit == "FAIL" else "")
        learnt = f" Learnt: the {c.transform.partition(' ')[0]} of the measurements." if c.transform else ""
        about = f"{audit} | {escape(c.best_baseline) or NOTHING} | {newer}{escape(c.description)}{learnt}"
        train = NOTHING if c.n_train is None else c.n_train
        clusters = f"{c.n_clusters} (unit: {escape(c.unit)})" if c.unit else str(c.n_clusters)
        sizes = f"{train} | {c.n} | {clusters} | {seeds} | {_detectable(table, c)}"
        lines += [f"| {escape(c.name)} | {metric} | {sizes} | {about} |"]
    lines += [
        "",
        "Found from: the smallest gain over the best baseline that one comparison finds in 80 % of cases (median).",
    ]
    faults = [f"- {escape(titled(c))}: {escape(line)}" for c in table.columns for line in reasons(c)]
    lines += ["", "What the audits found:", "", *faults] if faults else []
    known = [e.metric for c in table.columns for name in c.metrics if (e := expression(name))]
    defined = {metric.label: metric.definition for metric in known}
    return [*lines, "", *(f"- {escape(name)}: {escape(text)}" for name, text in defined.items())]


def _detectable(table: Table, column: Column) -> str:
    """Return the smallest gain over the best baseline that is found in 80 % of cases, of the median row."""
    found = [cell.gain.detectable for row in table.rows if (cell := table.cell(row, column)).gain]
    known = [value for value in found if value is not None]
    return number(median(known)) if known else NOTHING


def _details(table: Table, column: Column) -> list[str]:
    lines = ["<details>", f"<summary>{html.escape(column.name)}</summary>", ""]
    heads = [f"{escape(label(m))} {arrow(m)}".rstrip() for m in column.metrics]
    lines += ["| Model | Mode | " + " | ".join(heads) + " |", "|:--|:--" + "|--:" * len(heads) + "|"]
    for row in table.rows:
        estimates = table.cell(row, column).estimates
        if estimates:
            cells = " | ".join(estimate_text(e) + _by_coarser(e, column) for e in estimates)
            lines += [f"| {escape(row.model + (f' ({row.detail})' if row.detail else ''))} | {row.mode} | {cells} |"]
    reasons = {f"{e.metric}: {e.reason}" for row in table.rows for e in table.cell(row, column).estimates if e.reason}
    lines += ["", *(f"- {escape(reason)}" for reason in sorted(reasons))] if reasons else []
    return [*lines, "", "</details>"]


def _by_coarser(e: Estimate, column: Column) -> str:
    """Return the interval over coarser units below the other, or that there is none; '' where none was asked for."""
    if (by := e.coarser) is None:
        return ""
    what = f"by {escape(column.coarser)} ({by.n_clusters})"
    if by.low is None or by.high is None:
        return f"<br><sub>{what}: no interval</sub>"
    return f"<br><sub>{what}: {number(by.low)} to {number(by.high)}</sub>"
