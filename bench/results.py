"""The values of a run: what decides it, its predictions, and the estimates from them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .digests import canonical_json, digest
from .frames import predictions_frame
from .types import FloatArray, StrArray

if TYPE_CHECKING:
    from pandas import DataFrame

INPUT = "input"
"""The stratum of a task whose test part is repeated with perturbed inputs: CLEAN, or the name of what was done."""
STATE = "state"
"""The stratum beside it: CLEAN or PERTURBED."""
CLEAN, PERTURBED = "clean", "perturbed"


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a result; its hash is the run's identity.

    `data` and `split` are fingerprints, `revision` identifies the weights, `settings` are all settings of the mode
    with their values, `limit` is 0 unless examples were cut for a trial. `versions` are those that the mode, its rule
    or probe, and the split rule declare, and those of the transform of the targets and of the trials of a budget, if
    any: they change when the computation changes, not when code is tidied. `budget` is the number of trials from which
    settings are chosen on valid, 1 for the defaults. `resample` says how seeds draw training sets of their own, ''
    where each sees its share of one.
    """

    task: str
    data: str
    split: str
    model: str
    params: Mapping[str, Any]
    revision: str
    mode: str
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    train_fraction: float
    limit: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    budget: int = 1
    resample: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `RunSpec.from_json` reads back.

        Runs before versions were declared have none, a run without tuning has no budget, and most have no resample.
        """
        # Not asdict, whose copies of copies take half the time of reading a record.
        value = {name: getattr(self, name) for name in self.__dataclass_fields__} | {"seeds": list(self.seeds)}
        unstated = {"versions"} if not self.versions else set()
        unstated |= {"budget"} if self.budget == 1 else set()
        unstated |= set() if self.resample else {"resample"}
        return {k: v for k, v in value.items() if k not in unstated}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RunSpec:
        """Return the RunSpec that `to_json` wrote."""
        return RunSpec(**{**value, "seeds": tuple(value["seeds"])})

    @property
    def one_set(self) -> bool:
        """Whether the seeds' training sets were all drawn from one, in which they overlap."""
        return self.resample == "train"

    @functools.cached_property
    def hash(self) -> str:
        """The run's identity: 16 hex digits over every field."""
        return digest(canonical_json(self.to_json()))


def in_short(revision: str) -> str:
    """Return the end of a revision that stands in names: 8 letters after its kind, such as 'network:'."""
    return revision.rpartition(":")[2][:8]


def twin_revision(revision: str) -> str:
    """Return the revision of a checkpoint's network with random weights, from that of the checkpoint."""
    return digest("random", revision)


@dataclass(frozen=True, eq=False)
class Predictions:
    """A score for every test example and seed, with all that a metric needs, so that any metric can be recomputed.

    `scores` is (seeds, n, outputs): class probabilities, one value for a regression, or one zero-shot score. `scored`
    (n,) is False where the model cannot score an example by its rule (None: it scores all); its scores there are NaN.
    `coarser` (n,) are units that clusters lie in, such as chromosomes, where the task declares them. `one_set` is
    whether seeds resampled one training set: more seeds do not average out what another set would change.
    """

    ids: StrArray
    targets: NDArray[Any]
    clusters: StrArray
    strata: Mapping[str, StrArray]
    scores: FloatArray
    seeds: tuple[int, ...]
    scored: NDArray[np.bool_] | None = None
    coarser: StrArray | None = None
    one_set: bool = False

    def to_frame(self) -> DataFrame:
        """Return a pandas table with a row per seed and example: id, target, cluster, strata, seed, scores."""
        return predictions_frame(self)


CHOICE_HEAD = ("seed", "metric", "on valid", "trial", "chosen")
TRIAL_HEAD = ("trial", "on valid", "seconds", "changed", "")


@dataclass(frozen=True)
class Trial:
    """One try of settings: those that differ from the defaults, its score on valid, and what it took.

    `valid` is None where the trial failed, or the metric is undefined on valid; `error` says what went wrong, such as a
    training that collapsed.
    """

    changed: Mapping[str, Any]
    valid: float | None
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Choice:
    """What one seed chose on valid, and its score there, which a mode that chooses nothing has too.

    `valid` is its score on valid by `metric`, the task's primary one where valid has what that needs, and None where
    it is undefined. `chosen` are the values that were chosen, by trials or by the model's own fit, such as a penalty or
    an epoch, and `history` has a row for each epoch of training, or each penalty. `trials` are those of a budget, on
    the first seed, and `trial` is the number of the one that was chosen; the first has the defaults. `n_train` counts
    the examples that the seed trained on, 0 in records from before this was stored.
    """

    seed: int
    metric: str
    valid: float | None
    chosen: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    trials: tuple[Trial, ...] = ()
    trial: int = 0
    n_train: int = 0

    @property
    def row(self) -> tuple[str, ...]:
        """What was chosen, as text under CHOICE_HEAD."""
        return str(self.seed), self.metric, _number(self.valid), str(self.trial), in_words(self.chosen)

    @property
    def trial_rows(self) -> list[tuple[str, ...]]:
        """The trials, as text under TRIAL_HEAD."""
        return [
            (
                str(number),
                "failed" if trial.error and trial.valid is None else _number(trial.valid),
                f"{trial.seconds:.1f}",
                in_words(trial.changed) or "the defaults",
                "; ".join(filter(None, ["chosen" if number == self.trial else "", trial.error])),
            )
            for number, trial in enumerate(self.trials)
        ]

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Choice:
        """Return the choice from the JSON object of its fields."""
        trials = tuple(Trial(**trial) for trial in value["trials"])
        return Choice(**{**value, "history": tuple(value["history"]), "trials": trials})


def in_words(values: Mapping[str, Any]) -> str:
    """Return values by name on one line, such as 'lr 0.0003, pooling mean'; numbers have four significant digits."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items())


def value_text(value: Any) -> str:
    """Return a value as text: a number with four significant digits, text as it is, anything else as JSON."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else "none" if value is None else canonical_json(value)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


@dataclass(frozen=True)
class Components:
    """Where the noise of a score comes from, by a crossed design: every training sample is trained on with every seed.

    `values` are the scores by `metric` on test, by training sample and then by seed. `sample`, `seed` and `rest` are
    the variances between training samples, between seeds, and of what is neither (analysis of variance, negative
    estimates set to 0; Searle, Casella & McCulloch 1992, chapter 4). `test` is the variance of the record's score over
    test sets, by a jackknife of clusters. None where a score is undefined.
    """

    metric: str
    values: tuple[tuple[float | None, ...], ...]
    sample: float | None
    seed: float | None
    rest: float | None
    test: float | None

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Components:
        """Return the components from the JSON object of their fields."""
        return Components(**{**value, "values": tuple(tuple(row) for row in value["values"])})


@dataclass(frozen=True)
class Coarser:
    """The interval of a value with coarser units as the sample; `reason` says why there is none.

    There are `n_clusters` of them, which count as `n_effective` of one size; `se_test` is the standard error over them,
    with `df` degrees of freedom.
    """

    low: float | None
    high: float | None
    n_clusters: int
    n_effective: float | None = None
    se_test: float | None = None
    df: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Estimate:
    """A metric's value with its interval; `value` is None where undefined, and `reason` says why.

    `per_seed` holds the value of each seed alone. The interval is of the method: it has the noise of the test set,
    whose `n_clusters` clusters count as `n_effective` of one size, and that of training, with standard errors `se_test`
    and `se_seed`; `df` is the degrees of freedom of `se_test`, those of `se_seed` are the seeds less one. `trained` is
    the interval of these trained models, by test sampling alone. How earlier estimates were made, and whether `df` is
    of both errors together, is for the `method` that they name.
    `coarser` is the interval over the task's coarser units, where it declares them.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    n_clusters: int
    per_seed: tuple[float | None, ...] = ()
    level: float = 0.95
    method: str = "percentile bootstrap over clusters, 1000 resamples, seed 0"
    reason: str = ""
    n_effective: float | None = None
    se_test: float | None = None
    se_seed: float | None = None
    df: float | None = None
    trained: tuple[float, float] | None = None
    coarser: Coarser | None = None

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Estimate:
        """Return the estimate from the JSON object of its fields."""
        trained, coarser = value.get("trained"), value.get("coarser")
        more: dict[str, Any] = {"per_seed": tuple(value["per_seed"])}
        more["trained"] = None if trained is None else tuple(trained)
        more["coarser"] = None if coarser is None else Coarser(**coarser)
        return Estimate(**{**value, **more})
