"""The first view: on each task the best model, the best baseline and the twin, and what pretraining bought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..leaderboard.comparisons import Gain
from ..leaderboard.over_tasks import one_a_task
from ..leaderboard.table import Cell, Column, Row, Table
from ..leaderboard.wording import expression, number, sign_of
from .families import families_of
from .names import VERDICTS, metric_name, page_of, row_title, short_name
from .strips import Mark, Scale, mark, scale_over

Found = tuple[Row, Cell] | None


@dataclass(frozen=True)
class Scored:
    """A row on one task as the overview shows it; `gain` is over the best baseline, as text, '' without one.

    `best` is whether it may be the best of all rows of its task.
    """

    title: str
    page: str
    score: str
    gain: str = ""
    mark: Mark | None = None
    best: bool = False


@dataclass(frozen=True)
class Glance:
    """One task at a glance; `model`, `twin` and `baseline` are None where none has a score that is compared.

    `verdict` is that of the model over the baseline. `twin_verdict` is that over its twin, '' without one, of the best
    model that has one: `paired` names it where that is another.
    """

    task: str
    page: str
    metric: str
    audit: str
    exposure: str
    model: Scored | None
    baseline: Scored | None
    twin: Scored | None
    verdict: str = ""
    p: str = ""
    twin_gain: str = ""
    twin_verdict: str = ""
    paired: str = ""
    own_scale: bool = False


@dataclass(frozen=True)
class Family:
    """The tasks of a family, with the counts of their verdicts over the best baseline, also in words."""

    name: str
    tasks: tuple[Glance, ...]
    counts: Counter[str]

    @property
    def summary(self) -> str:
        """The counts in words."""
        return ", ".join(f"{self.counts[v]} {VERDICTS[v]}" for v in VERDICTS if self.counts[v])


@dataclass(frozen=True)
class Overview:
    """The families, and how many tasks have each verdict: over the best baseline, and over the twin.

    `ends` are those of the scale of gains that all tasks share, and `zero` is where the floor stands on it, in percent.
    """

    families: tuple[Family, ...]
    over_baseline: Counter[str]
    over_twin: Counter[str]
    ends: tuple[str, str]
    zero: float

    @property
    def tasks(self) -> list[Glance]:
        """The tasks of all families."""
        return [task for family in self.families for task in family.tasks]

    @property
    def doubts(self) -> str:
        """Of the tasks on which a model beats the baseline, how many are in doubt, in words; '' where none is."""
        won = [task for task in self.tasks if task.verdict == "better"]
        seen = sum(task.exposure != "clean" for task in won)
        failing = sum(task.audit == "FAIL" for task in won)
        words = [f"{seen} by a model that saw test examples or may have"] if seen else []
        words += [f"{failing} where the audit of the task fails"] if failing else []
        return f"Of these, {' and '.join(words)}." if words else ""

    @property
    def n_tasks(self) -> int:
        """How many tasks have a gain of a model over a baseline."""
        return sum(self.over_baseline.values())

    @property
    def n_twins(self) -> int:
        """How many tasks have a gain of a model over its twin."""
        return sum(self.over_twin.values())


def overview_of(table: Table) -> Overview:
    """Return the overview of the tasks, each once: at its newest version, with most training examples."""
    columns = one_a_task(table.columns)
    shown = {column.name: _shown(table, column) for column in columns}
    scale = _scale([shown[column.name] for column in columns if is_bounded(column)])
    families = []
    for name, members in families_of(columns).items():
        tasks = tuple(_glance(table, column, *shown[column.name], scale) for column in members)
        families.append(Family(name, tasks, Counter(t.verdict for t in tasks if t.verdict)))
    every = [task for family in families for task in family.tasks]
    return Overview(
        tuple(families),
        Counter(t.verdict for t in every if t.verdict),
        Counter(t.twin_verdict for t in every if t.twin_verdict),
        (number(scale.low, signed=True), number(scale.high, signed=True)),
        scale.at(0),
    )


def _best_model(table: Table, column: Column, *, paired: bool = False) -> Found:
    """Return the model with the best score on a column, None where none is compared or no score is better.

    If `paired`, it is the best of those that are compared with their twin.
    """
    sign = sign_of(column)
    found = [(row, cell) for row in table.rows if row.kind == "model" and (cell := table.cell(row, column)).compared]
    found = [(row, cell) for row, cell in found if cell.twin_gain or not paired]
    return max(found, key=lambda pair: sign * (pair[1].value or 0.0)) if found and sign else None


def is_bounded(column: Column) -> bool:
    """Return whether gains in the column's metric can share a scale with those in others: its values have bounds."""
    known = expression(column.metric) if column.metrics else None
    return known is not None and known.metric.span is not None


def _scale(pairs: Sequence[tuple[Found, ...]]) -> Scale:
    """Return a scale that holds the gains of all models and twins, with the floor well within it.

    An interval that is much wider than the gains are large, as by two trainings, does not widen it.
    """
    gains = [found[1].gain for pair in pairs for found in pair if found and found[1].gain]
    most = 2 * max((abs(g.value) for g in gains if g), default=0.0)
    ends = [max(-most, min(most, v)) for g in gains if g for v in (g.low, g.high) if v is not None]
    scale = scale_over([*ends, *(g.value for g in gains if g)], zero=True)
    room = 0.25 * (scale.high - scale.low)
    return Scale(min(scale.low, -room), max(scale.high, room))


def _shown(table: Table, column: Column) -> tuple[Found, Found, Found]:
    """Return the best model, the best of those with a twin, and the twin of that, each None where there is none."""
    model, paired = _best_model(table, column), _best_model(table, column, paired=True)
    over = paired[1].twin_gain.over if paired and paired[1].twin_gain else ""
    twin = next(((row, table.cell(row, column)) for row in table.rows if over and row.name == over), None)
    return model, paired, twin


def _glance(table: Table, column: Column, model: Found, paired: Found, twin: Found, shared: Scale) -> Glance:
    own = not is_bounded(column)
    scale = _stretched(_scale([(model, twin)]), shared) if own else shared
    floor = next((row for row in table.rows if row.name == column.best_baseline), None)
    gain = model[1].gain if model else None
    over_twin = paired[1].twin_gain if paired else None
    return Glance(
        short_name(column),
        page_of("tasks", column.name),
        metric_name(column.metric) if column.metrics else "",
        column.audit,
        model[1].exposure if model else "",
        _scored(model, scale),
        _scored((floor, table.cell(floor, column)), scale) if floor else None,
        _scored(twin, scale),
        gain.verdict or "" if gain else "",
        p_text(gain),
        interval_text(over_twin),
        over_twin.verdict or "" if over_twin else "",
        row_title(paired[0]) if paired and model and paired[0] != model[0] else "",
        own,
    )


def _stretched(own: Scale, shared: Scale) -> Scale:
    """Return a scale that holds what `own` does, with zero where the `shared` one has it."""
    width = max(own.low / shared.low, own.high / shared.high)
    return Scale(shared.low * width, shared.high * width)


def _scored(found: Found, scale: Scale) -> Scored | None:
    if found is None:
        return None
    row, cell = found
    gain = cell.gain
    where = mark(scale, gain.value, gain.low, gain.high) if gain else None
    return Scored(
        row_title(row), page_of("models", row.model), number(cell.value), interval_text(gain), where, cell.best
    )


def interval_text(gain: Gain | None) -> str:
    """Return a gain with its interval as text, '' for none."""
    if gain is None:
        return ""
    if gain.low is None or gain.high is None:
        return number(gain.value, signed=True)
    return f"{number(gain.value, signed=True)} [{number(gain.low, signed=True)}, {number(gain.high, signed=True)}]"


def p_text(gain: Gain | None) -> str:
    """Return the adjusted p-value of a gain as text, '' where it has none."""
    if gain is None or gain.p_adjusted is None:
        return ""
    return "p < 0.001" if gain.p_adjusted < 0.001 else f"p = {gain.p_adjusted:.3f}"
