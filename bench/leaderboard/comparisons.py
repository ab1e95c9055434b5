"""Scores, gains and ranks of models on one task, from the draws of their stored predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..digests import digest
from ..errors import ConfigError
from ..records import Record
from ..results import Estimate, Predictions
from ..statistics import aligned, estimate, holm, interval, replicates, two_sided_p
from ..types import FloatArray, StrArray
from .cache import draws_file, is_intact, read_draws, write_draws
from .common import restricted
from .proof import is_scaled, not_computed

ALPHA = 0.05
Verdict = Literal["better", "worse", "tie", ""]


@dataclass(frozen=True)
class Gain:
    """How much better one row is than another, paired on the same examples; positive is better in any metric.

    `p_adjusted` is Holm's over all gains of its kind in the table, and `verdict` follows it; '' where there is no p.
    """

    over: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None = None
    verdict: Verdict = ""
    reason: str = ""


def resamples_for(n_gains: int) -> int:
    """Return how many draws allow `n_gains` p-values to survive Holm's correction: the least p is 2 / (draws + 1)."""
    return 10_000 * max(1, -(-n_gains // 100))


def draws_of(records: Sequence[Record], metric: str, *, n_resamples: int, ids: StrArray | None = None) -> FloatArray:
    """Return a metric of records of one task under the same draws of clusters, (records, draws).

    It covers the examples with these `ids`, which every record must have scored; None means all. The draws depend only
    on the predictions, the ids and baserate's code, and are cached by these. Raises DataError where predictions are
    missing or altered.
    """
    about = [str(n_resamples)] + ([] if ids is None else [digest(*ids)])
    files = [draws_file(r, metric, *about) for r in records]
    known = [read_draws(file, n_resamples) if is_intact(r) else None for r, file in zip(records, files, strict=True)]
    missing = [i for i, draws in enumerate(known) if draws is None]
    if missing:
        models = [restricted(records[i].predictions, ids) for i in missing]
        models = [aligned(m, models[0]) for m in models]
        for i, draws in zip(missing, replicates(models, metric, n_resamples=n_resamples), strict=True):
            known[i] = draws
            if records[i].predictions_digest:
                write_draws(files[i], draws)
    return np.stack([d for d in known if d is not None]) if records else np.empty((0, n_resamples))


def estimates_on(record: Record, stated: Sequence[Estimate], ids: StrArray) -> list[Estimate]:
    """Return these estimates of a record over the examples with these `ids`, computed by `statistics.estimate`.

    Where a metric cannot be computed here its estimate has no value, and the reason says so.
    """
    predictions = restricted(record.predictions, ids)
    return [_estimate_on(record, predictions, e, ids) for e in stated]


def _estimate_on(record: Record, predictions: Predictions, stated: Estimate, ids: StrArray) -> Estimate:
    def draws() -> FloatArray:
        values: FloatArray = draws_of([record], stated.metric, n_resamples=1000, ids=ids)[0]
        return values

    try:
        return estimate(predictions, stated.metric, draws=draws, scaled=is_scaled(record, stated))
    except ConfigError as error:
        return not_computed(stated, error)


def gain(apart: FloatArray, *, value: float, over: str, n_clusters: int) -> Gain:
    """Return the gain of `value`, given its draws (draws,), signed so that positive is better."""
    low, high, reason = interval(apart, n_clusters=n_clusters)
    return Gain(over, value, low, high, None if low is None else two_sided_p(apart), reason=reason)


def adjusted(gains: Sequence[Gain]) -> list[Gain]:
    """Return the gains with p-values adjusted for each other (Holm 1979) and the verdicts that follow."""
    p_adjusted = iter(holm([g.p for g in gains if g.p is not None]))
    out = []
    for g in gains:
        if g.p is None:
            out.append(g)
            continue
        p = next(p_adjusted)
        verdict: Verdict = "tie" if p >= ALPHA else "better" if g.value > 0 else "worse"
        out.append(replace(g, p_adjusted=p, verdict=verdict))
    return out


def ranks(values: Sequence[float], draws: FloatArray) -> list[int]:
    """Return each row's rank; rows that cannot be told apart from the best of their group share it.

    `values` (rows,) and `draws` (rows, draws) are signed so that higher is better. The best row and all that do not
    differ from it (paired, Holm over the group's tests) have rank 1; the best of the others leads the next group, whose
    rank counts all rows before it.
    """
    waiting = sorted(range(len(values)), key=lambda i: -values[i])
    rank = [0] * len(values)
    placed = 0
    while waiting:
        best, *others = waiting
        p = holm([two_sided_p(draws[best] - draws[i]) for i in others])
        group = [best, *(i for i, p_i in zip(others, p, strict=True) if p_i >= ALPHA)]
        for i in group:
            rank[i] = placed + 1
        placed += len(group)
        waiting = [i for i in others if i not in group]
    return rank
