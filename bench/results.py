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
    computation changes, not when code is tidied.
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

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `RunSpec.from_json` reads back; runs before versions were declared have none."""
        value = asdict(self) | {"seeds": list(self.seeds)}
        return value if self.versions else {k: v for k, v in value.items() if k != "versions"}

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
