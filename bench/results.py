"""The values of a run: what decides it, its predictions, and the estimates from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .digests import canonical_json, digest
from .frames import predictions_frame
from .types import FloatArray, StrArray

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a result; its hash is the run's identity.

    `data` and `split` are fingerprints, `revision` identifies the weights, `settings` are all settings of the mode
    with their values, `limit` is 0 unless examples were cut for a trial. `versions` are those that the mode, its rule
    or probe, and the split rule declare, and that of the transform of the targets, if any: they change when the
    computation changes, not when code is tidied. `budget` is the number of trials from which settings are chosen on
    valid, 1 for the defaults.
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

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `RunSpec.from_json` reads back.

        Runs before versions were declared have none, and a run without tuning has no budget.
        """
        value = asdict(self) | {"seeds": list(self.seeds)}
        unstated = {"versions"} if not self.versions else set()
        unstated |= {"budget"} if self.budget == 1 else set()
        return {k: v for k, v in value.items() if k not in unstated}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RunSpec:
        """Return the RunSpec that `to_json` wrote."""
        return RunSpec(**{**value, "seeds": tuple(value["seeds"])})

    @property
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
    """

    ids: StrArray
    targets: NDArray[Any]
    clusters: StrArray
    strata: Mapping[str, StrArray]
    scores: FloatArray
    seeds: tuple[int, ...]
    scored: NDArray[np.bool_] | None = None

    def to_frame(self) -> DataFrame:
        """Return a pandas table with a row per seed and example: id, target, cluster, strata, seed, scores."""
        return predictions_frame(self)


@dataclass(frozen=True)
class Trial:
    """One try of settings: those that differ from the defaults, its score on valid, and what it took.

    `valid` is None where the trial failed, with the reason in `error`, or the metric is undefined on valid.
    """

    changed: Mapping[str, Any]
    valid: float | None
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Choice:
    """What one seed chose on valid.

    `valid` is its score on valid by `metric`, the task's primary one where valid has what that needs, and None where
    it is undefined. `chosen` are the values that were chosen, by trials or by the model's own fit, such as a penalty or
    an epoch, and `history` has a row for each epoch of training. `trials` are those of a budget, on the first seed, and
    `trial` is the number of the one that was chosen; the first has the defaults.
    """

    seed: int
    metric: str
    valid: float | None
    chosen: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    trials: tuple[Trial, ...] = ()
    trial: int = 0

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Choice:
        """Return the choice from the JSON object of its fields."""
        trials = tuple(Trial(**trial) for trial in value["trials"])
        return Choice(**{**value, "history": tuple(value["history"]), "trials": trials})


@dataclass(frozen=True)
class Estimate:
    """A metric's value with its interval; `value` is None where undefined, and `reason` says why.

    `per_seed` holds the value of each seed alone; the interval is a percentile bootstrap over `n_clusters` clusters.
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
