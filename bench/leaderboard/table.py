"""The leaderboard as a value: rows, columns, and what stands in each cell."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..results import Estimate
from .comparisons import Every, Gain

Kind = Literal["model", "random", "baseline"]

KINDS: Mapping[Kind, str] = {"model": "model", "random": "random weights", "baseline": "baseline"}

REGIMES: Mapping[str, str] = {
    "zero_shot": "zero-shot",
    "as_is": "as is",
    "linear_probe": "probed",
    "fine_tune": "trained",
    "from_scratch": "trained",
}
"""What may learn from labels in a mode: nothing, or something elsewhere, or a probe, or the whole model."""

APART = "scores too few of the examples: its number covers those alone, and is not compared with others"

UNDIRECTED = (
    "the card does not say which variants are the more harmful (deleterious = true or false): the score may be "
    "mirrored, and is not compared with others"
)

CellStatus = Literal["done", "failed", "not_applicable", "missing"]


@dataclass(frozen=True)
class Column:
    """A task under one protocol: the same examples, split, seeds, share of training data, transform of targets, budget.

    `name` is the task's id, with what differs in brackets where a task has more than one column. `best_baseline` is the
    row over which gains are taken, '' where no baseline has a score, and `chosen_on` says by what: 'declared' by the
    suite, 'given' by the reader, or the part of the data by whose scores it is the best, 'valid' or 'test'. `declared`
    is what was declared or given, even where it has no score. `ranked` counts the rows with a rank, and `regimes` are
    theirs. `budget` is the number of trials of what is tuned. `n` counts the test examples that the primary metric
    covers, `left_out` those that some compared row could not score, which are left out for every such row.
    `strata` are the primary metric in each stratum that was asked for.
    `shots` is the number of training examples of each class where it is not all of them, and `whole` the task with all.
    `window` is the bp to which inputs are cut, and `batch` how strongly an artefact in training goes with the label, 0
    where they are as they were.
    `unit` and `coarser` are those of the task: what a cluster is, and what is larger; '' where no record says.
    `resample` says how each seed draws a training set of its own, '' where it sees a share of one.
    `one_value` says that the primary metric is of one stratum whose name has '-' in it, and is no difference.
    """

    name: str
    task: str
    data: str
    split: str
    seeds: tuple[int, ...]
    train_fraction: float
    metrics: tuple[str, ...]
    description: str
    n_train: int | None = None
    n: int = 0
    n_clusters: int = 0
    left_out: int = 0
    best_baseline: str = ""
    shots: int = 0
    whole: str = ""
    audit: str = ""
    audit_reasons: tuple[str, ...] = ()
    superseded_by: str = ""
    transform: str = ""
    budget: int = 1
    chosen_on: str = ""
    unit: str = ""
    coarser: str = ""
    resample: str = ""
    declared: str = ""
    ranked: int = 0
    regimes: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    window: int = 0
    one_value: bool = False
    batch: float = 0.0

    @property
    def benchmark(self) -> str:
        """The benchmark of a task that is called `benchmark.task`, '' for any other task."""
        first, dot, _ = self.task.partition("@")[0].partition("(")[0].removesuffix(".small").partition(".")
        return first if dot else ""

    @property
    def metric(self) -> str:
        """The primary metric."""
        return self.metrics[0]


@dataclass(frozen=True)
class Row:
    """A model in a mode, of one revision of its weights.

    `name` is unique in the table, and so is `model` of one network; `detail` is what sets similar rows apart, if any.
    """

    name: str
    model: str
    mode: str
    kind: Kind
    detail: str = ""
    revision: str = ""

    @property
    def regime(self) -> str:
        """What may learn from labels; a mode of a package is a regime of its own."""
        return REGIMES.get(self.mode, self.mode)


@dataclass(frozen=True)
class Cell:
    """What a row has in a column; `estimates` are in the order of the column's metrics.

    `rank` is one more than the rows that are surely better, and `rank_high` counts the rows with an interval that
    are not surely worse; they are None where there is no score or no interval. `best` is whether the row may be the
    best of its column, `best_of_regime` whether it may be that of its regime; a row that is `untested`, of too few
    trainings, may always be. `gain` is over the best baseline,
    `every` says whether it is over all of them, `twin_gain` is over the same network with random weights,
    `tuning_gain` over the same run under its defaults, whose score is `untuned`. `valid` is the mean over seeds of
    the score on valid by `valid_metric`, `trials` how many were made, and `chosen` what was chosen, in short; a
    record that does not say has none of them. `apart` marks a row that scores too few of the examples to be
    compared: its estimates cover only those; `undirected` a zero-shot score that may be mirrored.
    `exposure` is 'clean', 'exposed' or 'unknown'. `versions` are those of the packages that made it, `older` the ones
    of which the column has a newer release. `earlier_looks` counts the evaluations of the test part by the same network
    before this one, None where they were not counted, and `look_reason` is why it was scored again under a lock.
    `strand` is how much predictions change on the other strand, where that was asked for. `by_stratum` are in the
    order of the column's strata. `changes` are, by perturbation of the inputs, how many examples are called otherwise.
    """

    row: str
    column: str
    status: CellStatus
    estimates: tuple[Estimate, ...] = ()
    rank: int | None = None
    gain: Gain | None = None
    twin_gain: Gain | None = None
    tuning_gain: Gain | None = None
    flags: tuple[str, ...] = ()
    apart: bool = False
    undirected: bool = False
    error: str = ""
    hash: str = ""
    seconds: float | None = None
    exposure: str = ""
    exposure_reason: str = ""
    versions: str = ""
    older: tuple[str, ...] = ()
    untuned: float | None = None
    valid: float | None = None
    valid_metric: str = ""
    trials: int | None = None
    chosen: str = ""
    rank_high: int | None = None
    best: bool = False
    best_of_regime: bool = False
    untested: bool = False
    every: Every | None = None
    earlier_looks: int | None = None
    look_reason: str = ""
    strand: Estimate | None = None
    by_stratum: tuple[Estimate, ...] = ()
    changes: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def value(self) -> float | None:
        """The primary metric, None where it is undefined or the cell has none."""
        return self.estimates[0].value if self.estimates else None

    @property
    def compared(self) -> bool:
        """Whether there is a score on the same examples, and in the same direction, as in the other rows."""
        return self.value is not None and not self.apart and not self.undirected

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know beside the number: flags, why it or its gain has no interval, whether it is not compared."""
        first = self.estimates[0] if self.estimates else None
        withheld = (first.reason,) if first and first.value is not None and first.low is None and first.reason else ()
        more = ((APART,) if self.apart else ()) + ((UNDIRECTED,) if self.undirected else ())
        more += tuple(gain.reason for gain in (self.gain, self.twin_gain) if gain and gain.reason)
        return (*self.flags, *withheld, *more)


@dataclass(frozen=True)
class Area:
    """The mean of a score over the logarithm of the number of training examples, with its interval.

    `value` is None where a point of the curve is missing, and `reason` says what is.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str = ""


@dataclass(frozen=True)
class Curve:
    """The columns of a task and budget by number of training examples, `n_train`, and the area under each row's scores.

    `rows` are those with a score in any of the columns. A row that does not train has one score, which is its area.
    Where `axis` is a window, `n_train` are its bp, and where it is the strength of an artefact, `n_train` are percents:
    the area is then the gain of the last over the first, paired on the same test examples. Where `metrics` are given,
    each point is of another metric of one column, and there is no area.
    """

    task: str
    metric: str
    columns: tuple[str, ...]
    n_train: tuple[int, ...]
    rows: tuple[str, ...]
    areas: tuple[Area, ...]
    budget: int = 1
    axis: str = "training examples"
    metrics: tuple[str, ...] = ()

    @property
    def learning(self) -> bool:
        """Whether it is a learning curve, with areas, and not one of gains."""
        return self.axis == "training examples"

    def estimate(self, at: int, cell: Cell, column: Column) -> Estimate:
        """Return the score that a cell has at the point number `at`."""
        return cell.estimates[column.metrics.index(self.metrics[at]) if self.metrics else 0]

    @property
    def title(self) -> str:
        """The task, with the budget where that is more than the defaults."""
        return self.task + (f" (budget {self.budget})" if self.budget > 1 else "")


@dataclass(frozen=True)
class Course:
    """The checkpoints of a training in a column and a mode: the names of their `rows`, by the `bases` that each saw.

    `operations` are what these cost, 0 where it is not known. `gain` is that of the last checkpoint over the first, or
    over the twin with random weights, paired; None where there is one checkpoint alone, or no interval. `over` are the
    trainings whose last checkpoint scores surely lower in this column and mode.
    """

    column: str
    training: str
    mode: str
    rows: tuple[str, ...]
    bases: tuple[int, ...]
    operations: tuple[float, ...]
    gain: Gain | None = None
    over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Turn:
    """Two rows of a column whose order in one metric is another in a second: gains of `row` over `other` in both.

    `sure` is whether both gains are told from none.
    """

    column: str
    row: str
    other: str
    metric: str
    second: str
    gain: Gain
    second_gain: Gain
    sure: bool


@dataclass(frozen=True)
class Standing:
    """A row over the tasks of a table: the mean of its ranks, 1 for the best of all rows.

    `low` to `high` is the range of the mean when each task in turn is left out, `first` to `last` that of its place
    among the rows. `wins` is the share of comparisons (another row, a task) in which it scores higher, equal ones half;
    `surely_better` and `surely_worse` are the shares in which the two are told apart. `by_family` has the mean rank
    within each family of tasks, where there are several.
    """

    row: str
    mean: float
    low: float
    high: float
    first: int
    last: int
    wins: float
    surely_better: float
    surely_worse: float
    by_family: tuple[float, ...] = ()


@dataclass(frozen=True)
class OverTasks:
    """The rows by mean rank, over the `columns` that all of them have; `left_out` names the rows that lack one.

    `families` are benchmarks with their numbers of tasks. `p` is Friedman's for no order at all over tasks, `critical`
    how far two mean ranks must lie apart to be told apart (Nemenyi); both None where there are too few, and `reason`
    says so.
    """

    columns: tuple[str, ...]
    families: tuple[tuple[str, int], ...]
    standings: tuple[Standing, ...]
    left_out: tuple[str, ...] = ()
    p: float | None = None
    critical: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Table:
    """Rows, columns and one cell for each pair; `limited` counts the trial runs that were left out."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    cells: tuple[Cell, ...]
    limited: int = 0
    commits: tuple[str, ...] = ()
    dirty: bool = False
    curves: tuple[Curve, ...] = ()
    over_tasks: OverTasks | None = None
    courses: tuple[Course, ...] = ()
    turns: tuple[Turn, ...] = ()

    def cell(self, row: Row, column: Column) -> Cell:
        """Return what `row` has in `column`."""
        return self._at[row.name, column.name]

    @functools.cached_property
    def _at(self) -> Mapping[tuple[str, str], Cell]:
        return {(cell.row, cell.column): cell for cell in self.cells}
