"""Two models on the same examples: their difference, its interval, and p-values, alone and among others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..metrics import Expression
from ..results import Predictions
from ..types import FloatArray
from .examples import scored_mask
from .intervals import LEVEL
from .jackknife import Groups, Jackknife, error_of, freedom, seed_error
from .values import kernel_of

FEW_DIFFER = 50
"""The clusters in which two models differ below which the p-value is also that of swapping them."""
N_SWAPS = 9_999
_ALL_SWAPS = 12
"""The clusters that differ up to which every way to swap them is tried."""


@dataclass(frozen=True)
class Difference:
    """How much higher one model scores than another, with the interval and p-value of its t; None where withheld.

    `se_test` is the standard error over test sets, `se_seed` that over trainings, `df` the degrees of freedom of both.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    se_test: float | None = None
    se_seed: float | None = None
    df: float | None = None
    reason: str = ""

    @property
    def se(self) -> float | None:
        """The standard error over test sets and trainings."""
        return None if self.se_test is None or self.se_seed is None else float(np.hypot(self.se_test, self.se_seed))


def difference(a: Jackknife, b: Jackknife, *, level: float = LEVEL, reason: str = "") -> Difference:
    """Return the difference of `a` and `b`, jackknives of one metric on the same examples; `reason` withholds its p.

    Seeds are paired where both have the same, since each is one sample of training examples for all models.
    """
    from scipy.special import stdtr, stdtrit

    value = a.value - b.value
    test, df_test = error_of(a.mean_without - b.mean_without, a.effective)
    if reason or np.isnan(test):
        return Difference(value, reason=reason or "no interval: undefined without one of the clusters")
    if a.seeds == b.seeds:
        parts = [(seed_error(a.values - b.values) ** 2, len(a.seeds) - 1)]
    else:
        parts = [(seed_error(x.values) ** 2, len(x.seeds) - 1) for x in (a, b)]
    seed = float(np.sqrt(sum(variance for variance, _ in parts)))
    df = freedom([(test**2, df_test), *parts])
    error = float(np.hypot(test, seed))
    margin = float(stdtrit(max(df, 1.0), (1 + level) / 2)) * error
    if error == 0:  # the same predictions, or the same difference whatever is left out
        p = 1.0 if value == 0 else 0.0
    else:
        p = float(2 * stdtr(max(df, 1.0), -abs(value) / error))
    return Difference(value, value - margin, value + margin, p, test, seed, min(df, 1e9))


def swap_p(a: Predictions, b: Predictions, expression: Expression, groups: Groups) -> float | None:
    """Return the p-value of the difference if in each cluster either model might have made either's predictions.

    It is the share of ways to swap the two in clusters whose difference is at least as large; McNemar's exact test is
    the case of one example a cluster and a share of right answers. None where `FEW_DIFFER` clusters or more differ. For
    metrics of ranks, scores are the models' own ranks, since two models need not share a scale (Pesarin & Salmaso 2010,
    chapter 1).
    """
    from scipy.stats import rankdata

    cluster, n = groups.cluster, groups.n_clusters
    n_seeds = max(len(a.seeds), len(b.seeds))
    left, right = (m.scores[np.arange(n_seeds) % len(m.seeds)] for m in (a, b))
    unlike = np.unique(cluster[(left != right).any(axis=(0, 2)) & (cluster >= 0)])
    if len(unlike) >= FEW_DIFFER:
        return None
    if not len(unlike):
        return 1.0
    ways = _swaps(len(unlike))
    of_a = np.ones((n, ways.shape[1]))
    of_a[unlike] = 1 - ways
    # Examples of both models, those of b in clusters of their own: what is drawn says whose predictions are taken.
    double = np.concatenate([cluster, np.where(cluster >= 0, cluster + n, -1)])
    if expression.metric.needs in ("ranking", "value"):
        left, right = (rankdata(scores, axis=1) for scores in (left, right))
    both = replace(
        a,
        ids=np.concatenate([a.ids, b.ids]),
        targets=np.concatenate([a.targets, b.targets]),
        clusters=np.concatenate([a.clusters, b.clusters]),
        strata={name: np.concatenate([column, b.strata[name]]) for name, column in a.strata.items()},
        scores=np.concatenate([left, right], axis=1),
        scored=np.concatenate([scored_mask(a), scored_mask(b)]),
        seeds=tuple(range(n_seeds)),
    )
    taken = np.concatenate([of_a, 1 - of_a]), np.concatenate([1 - of_a, of_a])
    apart = np.zeros(ways.shape[1])
    for s in range(n_seeds):
        kernel = kernel_of(both, s, expression, double, 2 * n)
        apart += kernel(taken[0]) - kernel(taken[1])
    found = np.abs(apart)
    return float((found >= found[0] * (1 - 1e-9)).mean())


def _swaps(k: int) -> FloatArray:
    """Return whether each of `k` clusters is swapped, (k, ways), the first way swapping none."""
    if k <= _ALL_SWAPS:
        ways = (np.arange(2**k)[None, :] >> np.arange(k)[:, None]) & 1
        return ways.astype(np.float64)
    drawn = np.random.default_rng(0).integers(2, size=(k, N_SWAPS))
    return np.concatenate([np.zeros((k, 1)), drawn], axis=1).astype(np.float64)


def holm(pvalues: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down method (Holm 1979, Scand. J. Stat. 6:65-70)."""
    p = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(v) for v in adjusted]
