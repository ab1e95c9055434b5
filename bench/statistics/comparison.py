"""Two models on the same examples: their difference, its interval, and p-values, alone and among others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..metrics import Expression, Span
from ..results import Predictions
from ..types import FloatArray, IntArray
from .examples import scored_mask
from .intervals import LEVEL
from .jackknife import Groups, Jackknife, error_of, seed_error
from .parts import ROUNDING, Part, half_width, p_of
from .values import kernel_of

ALPHA = 0.05
"""The chance at most of calling two models different that are equal, after adjustment."""
FEW_DIFFER = 50
"""The clusters in which two models differ below which the p-value is also that of swapping them."""
N_SWAPS = 2_000
_ALL_SWAPS, _BLOCK, _ENOUGH = 12, 250, 25
"""The clusters that differ up to which every way to swap them is tried."""


@dataclass(frozen=True)
class Difference:
    """How much higher one model scores than another, with its interval and p-value; None where withheld.

    `se_test` is the standard error over test sets, `se_seed` that over trainings, and `parts` has each standard error
    with its degrees of freedom. `p` may be that of swapping the two models; `wider` is then how many times as large the
    standard errors would have to be for it.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    se_test: float | None = None
    se_seed: float | None = None
    parts: tuple[Part, ...] = ()
    reason: str = ""
    wider: float = 1.0

    @property
    def se(self) -> float | None:
        """The standard error over test sets and trainings."""
        return None if self.se_test is None or self.se_seed is None else float(np.hypot(self.se_test, self.se_seed))

    @property
    def turned(self) -> Difference:
        """The difference the other way round."""
        low, high = (None if limit is None else -limit for limit in (self.high, self.low))
        return replace(self, value=-self.value, low=low, high=high)

    @property
    def detectable(self) -> float | None:
        """The smallest difference that a test at .05 finds in 80 % of cases, as many as here; None where withheld."""
        return half_width(self.parts, ALPHA) + half_width(self.parts, 0.4) if self.parts else None

    def tail(self, value: float) -> float:
        """Return the one-sided p-value of the difference being no more than `value`. It must have `parts`."""
        over = self.value - value
        if not any(error for error, _ in self.parts):
            return 0.5 if not over else float(over < 0)
        half = p_of(self.parts, over / self.wider) / 2
        return half if over > 0 else 1 - half

    def by_swaps(self, p: float | None) -> Difference:
        """Return the difference with the p-value of swapping the two models, if that is larger than its own.

        It must have `parts`. Swaps know of no margin: for one, errors are wider by as much as this p-value asks for.
        The interval has what no test rejects, and so 0 where swaps do not reject it.
        """
        if p is None or self.p is None or p <= self.p:
            return self
        half = half_width(self.parts, min(p, 1 - 1e-9))
        low, high = self.low, self.high
        if p >= ALPHA and low is not None and high is not None:
            low, high = min(low, 0.0), max(high, 0.0)
        return replace(self, p=p, wider=abs(self.value) / half if half else 1.0, low=low, high=high)


def difference(
    a: Jackknife,
    b: Jackknife,
    *,
    span: Span | None = None,
    identical: bool = False,
    level: float = LEVEL,
    reason: str = "",
) -> Difference:
    """Return the difference of `a` and `b`, jackknives of one metric on the same examples; `reason` withholds its p.

    Seeds are paired where both have the same, since each is one sample of training examples for all models. Where the
    difference does not depend on any cluster, such as that of two models without a fault, as large a share of the
    metric's `span` may still differ as would show in none of the clusters with a chance of 1 in 40; not if predictions
    are `identical`.
    """
    from scipy.special import stdtrit

    value = a.value - b.value
    test, df_test = error_of(a.mean_without - b.mean_without, a.effective)
    if reason or np.isnan(test):
        return Difference(value, reason=reason or "no interval: undefined without one of the clusters")
    if span is not None and test <= ROUNDING * (span[1] - span[0]) and not identical:
        unseen = (span[1] - span[0]) * (1 - ((1 - level) / 2) ** (1 / max(a.effective, 1.0)))
        test = unseen / float(stdtrit(df_test, (1 + level) / 2))
    if a.seeds == b.seeds:
        trained = [(seed_error(a.values - b.values, one_set=a.one_set or b.one_set), len(a.seeds) - 1)]
    else:
        trained = [(seed_error(x.values, one_set=x.one_set), len(x.seeds) - 1) for x in (a, b)]
    seed = float(np.sqrt(sum(error**2 for error, _ in trained)))
    parts = ((test, df_test), *((error, float(df)) for error, df in trained if error))
    if test == seed == 0:
        p = 1.0 if value == 0 else 0.0
        return Difference(value, value, value, p, 0.0, 0.0, parts)
    margin = half_width(parts, 1 - level)
    return Difference(value, value - margin, value + margin, p_of(parts, value), test, seed, parts)


def swap_p(a: Predictions, b: Predictions, expression: Expression, groups: Groups) -> float | None:
    """Return the p-value of the difference if in each cluster either model might have made either's predictions.

    It is the share of ways to swap the two in clusters whose difference is at least as large; McNemar's exact test is
    the case of one example a cluster and a share of right answers. None where `FEW_DIFFER` clusters or more differ. Up
    to 12 clusters every way is tried, else at most `N_SWAPS` at random, fewer where many are as large (Besag & Clifford
    1991, Biometrika 78:301); then it is 0 where none is. Scores need not share a scale: those of a ranking are replaced
    by the model's own ranks, those of a correlation standardised (Pesarin & Salmaso 2010, chapter 1).
    """
    covered = groups.cluster >= 0
    cluster = groups.cluster[covered]
    left, right = paired_seeds(comparable(a, expression, groups), comparable(b, expression, groups))
    n_seeds, unlike = len(left), unlike_clusters(left, right, groups)
    k = len(unlike)
    if k >= FEW_DIFFER:
        return None
    if not k:
        return 1.0
    # All clusters in which the two agree are one: swapping them changes nothing.
    place = np.full(groups.n_clusters, k)
    place[unlike] = np.arange(k)
    # Examples of both models, those of b in clusters of their own: what is drawn says whose predictions are taken.
    double = np.full(2 * len(covered), -1)
    double[np.concatenate([covered, covered])] = np.concatenate([place[cluster], place[cluster] + k + 1])
    both = replace(
        a,
        ids=np.concatenate([a.ids, b.ids]),
        targets=np.concatenate([a.targets, b.targets]),
        clusters=np.concatenate([a.clusters, b.clusters]),
        strata={name: np.concatenate([a.strata[name], b.strata[name]]) for name in a.strata if name in b.strata},
        scores=np.concatenate([_whole(left, covered), _whole(right, covered)], axis=1),
        scored=np.concatenate([scored_mask(a), scored_mask(b)]),
        seeds=tuple(range(n_seeds)),
        coarser=None,
    )
    kernels = [kernel_of(both, s, expression, double, 2 * (k + 1)) for s in range(n_seeds)]

    def apart(ways: FloatArray) -> FloatArray:
        of_a = np.concatenate([1 - ways, np.ones((1, ways.shape[1]))])
        taken = np.concatenate([of_a, 1 - of_a]), np.concatenate([1 - of_a, of_a])
        each = [kernel(taken[0]) - kernel(taken[1]) for kernel in kernels]
        mean: FloatArray = np.abs(np.mean(each, axis=0))
        return mean

    found = float(apart(np.zeros((k, 1)))[0]) * (1 - 1e-9)
    if k <= _ALL_SWAPS:
        ways = (np.arange(2**k)[None, :] >> np.arange(k)[:, None]) & 1
        return float((apart(ways.astype(np.float64)) >= found).mean())
    rng, larger, drawn = np.random.default_rng(0), 0, 0
    while drawn < N_SWAPS and larger < _ENOUGH:
        larger += int((apart(rng.integers(2, size=(k, _BLOCK)).astype(np.float64)) >= found).sum())
        drawn += _BLOCK
    return larger / drawn


def paired_seeds(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return comparable scores of two models with as many seeds each, those of fewer repeated, (seeds, m, k)."""
    n_seeds = max(len(left), len(right))
    if len(left) == len(right):
        return left, right
    return left[np.arange(n_seeds) % len(left)], right[np.arange(n_seeds) % len(right)]


def unlike_clusters(left: FloatArray, right: FloatArray, groups: Groups) -> IntArray:
    """Return the clusters in which comparable scores (seeds, m, k) of two models differ."""
    unlike = groups.cluster[groups.cluster >= 0][(left != right).any(axis=(0, 2))]
    clusters: IntArray = np.flatnonzero(np.bincount(unlike, minlength=groups.n_clusters))
    return clusters


def comparable(model: Predictions, expression: Expression, groups: Groups) -> FloatArray:
    """Return the scores of covered examples, (seeds, m, k), on a scale that two models share."""
    scores: FloatArray = model.scores[:, groups.cluster >= 0]
    metric = expression.metric
    if metric.needs == "ranking" or metric.name == "spearman":
        from scipy.stats import rankdata

        ranked: FloatArray = rankdata(scores, axis=1)
        return ranked
    if metric.needs == "value":
        spread = scores.std(axis=1, keepdims=True)
        standard: FloatArray = (scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        return standard
    if metric.needs == "classes" and model.targets.ndim == 1:
        called: FloatArray = np.eye(scores.shape[2])[scores.argmax(axis=2)]
        return called
    return scores


def _whole(scores: FloatArray, covered: NDArray[np.bool_]) -> FloatArray:
    """Return the scores with zeros for the examples that are not covered, (seeds, n, k)."""
    out = np.zeros((scores.shape[0], len(covered), scores.shape[2]))
    out[:, covered] = scores
    return out


def false_discovery(pvalues: Sequence[float]) -> list[float]:
    """Return p-values adjusted for the share of false discoveries (Benjamini & Hochberg 1995, JRSS B 57:289)."""
    p = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(-p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    return [float(v) for v in adjusted]


def holm(pvalues: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down method (Holm 1979, Scand. J. Stat. 6:65-70)."""
    p = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(v) for v in adjusted]
