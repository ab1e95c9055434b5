"""The delete-a-group jackknife of clusters: values of a metric without each, their standard error and its freedom.

Leaving out a cluster leaves out all of its examples. Above `MAX_GROUPS` clusters random groups of them are left out in
place of single ones (Kott 2001, J. Off. Stat. 17:521-526). The groups depend only on the names of the clusters, so that
all models of a task have the same ones and their differences are paired.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics import Expression
from ..results import Predictions
from ..types import FloatArray, IntArray
from .values import kernel_of, sides_of, used

MAX_GROUPS = 1000


@dataclass(frozen=True, eq=False)
class Groups:
    """What is left out together: `of_example` (n,) numbers the groups from 0, -1 for examples that are not covered.

    `cluster` (n,) numbers the clusters in the same way. `effective` is how many clusters of one size would be as good
    as these, (sum of sizes)^2 / sum of squared sizes (Kish 1965, section 8.2), or as those of the stratum with fewest.
    """

    of_example: IntArray
    cluster: IntArray
    n: int
    n_clusters: int
    effective: float


@dataclass(frozen=True, eq=False)
class Jackknife:
    """A metric by seed: `values` (seeds,) on all examples, `without` (seeds, groups) each group of clusters.

    A value is NaN where it is undefined. `effective` is of the clusters, as in `Groups`, and `one_set` is that of the
    predictions.
    """

    seeds: tuple[int, ...]
    values: FloatArray
    without: FloatArray
    effective: float
    one_set: bool = False

    @functools.cached_property
    def value(self) -> float:
        """The mean over seeds."""
        return float(self.values.mean())

    @functools.cached_property
    def mean_without(self) -> FloatArray:
        """The mean over seeds without each group, (groups,)."""
        mean: FloatArray = self.without.mean(axis=0)
        return mean


def groups_of(predictions: Predictions, expression: Expression) -> Groups:
    """Return the groups of clusters among the examples that the expression covers."""
    covered = used(predictions, expression)
    names, cluster = np.unique(predictions.clusters[covered].astype(str), return_inverse=True)
    group_of = np.arange(len(names))
    if len(names) > MAX_GROUPS:
        group_of = np.random.default_rng(0).permutation(len(names)) % MAX_GROUPS
    of_example, of_cluster = np.full((2, len(covered)), -1)
    of_example[covered], of_cluster[covered] = group_of[cluster], cluster
    n = min(len(names), MAX_GROUPS)
    freest = min([effective(np.bincount(cluster)), *_of_strata(predictions, expression, covered, cluster)])
    return Groups(of_example, of_cluster, n, len(names), freest)


def _of_strata(
    predictions: Predictions, expression: Expression, covered: NDArray[np.bool_], cluster: IntArray
) -> list[float]:
    """Return the effective clusters of each stratum that has its own share in the value.

    Strata that are the clusters are themselves the sample, and have none.
    """
    strata = sorted({value for side in sides_of(predictions, expression) for value in side})
    if len(strata) < 2:
        return []
    at = predictions.strata[expression.column][covered].astype(str)
    sizes = [np.unique(cluster[at == value], return_counts=True)[1] for value in strata]
    return [] if all(len(s) <= 1 for s in sizes) else [effective(s) for s in sizes]


def effective(sizes: IntArray) -> float:
    """Return how many clusters of one size would be as good as clusters of these; 0 for none (Kish 1965)."""
    squares = float((sizes.astype(np.float64) ** 2).sum())
    return float(sizes.sum()) ** 2 / squares if squares else 0.0


def jackknife(predictions: Predictions, expression: Expression, groups: Groups) -> Jackknife:
    """Return the values of an expression on all examples and without each group, for every seed."""
    counts = np.ones((groups.n, groups.n + 1))
    np.fill_diagonal(counts, 0.0)
    drawn = []
    for s in range(len(predictions.seeds)):
        kernel = kernel_of(predictions, s, expression, groups.of_example, groups.n)
        drawn.append(kernel(counts))
    every = np.stack(drawn)
    return Jackknife(predictions.seeds, every[:, -1], every[:, :-1], groups.effective, predictions.one_set)


def error_of(without: FloatArray, effective: float) -> tuple[float, float]:
    """Return the standard error of a value from those without each group, (groups,), and its degrees of freedom.

    Both are NaN where a value is undefined. The freedom is that of as many clusters as are effective, or less where few
    of them make up most of the variance s^2: 2 s^4 / Var(s^2), with the variance of s^2 by the fourth power of what it
    is the sum of, on the safe side (Satterthwaite 1946, Biometrics 2:110).
    """
    g = len(without)
    if g < 2:
        return math.nan, math.nan
    apart = without - without.sum() / g
    most = float(max(apart.max(), -apart.min()))
    if math.isnan(most):
        return math.nan, math.nan
    if not most:
        return 0.0, max(1.0, effective - 1)
    squares = (apart / most) ** 2  # relative to the largest, so that nothing vanishes
    total = float(squares.sum())
    df = 2 * total**2 / float((squares**2).sum())
    return most * float(np.sqrt((g - 1) / g * total)), max(1.0, min(effective - 1, df))


def seed_error(values: FloatArray, *, one_set: bool = False) -> float:
    """Return the standard error of the mean over seeds (seeds,) by their spread, 0 for a single one.

    It is the spread itself where the seeds resample `one_set`: their mean varies with that set as each of them does.
    """
    if len(values) < 2:
        return 0.0
    n = len(values)
    apart = values - values.sum() / n  # std() is twice as slow, and boards have 100,000 pairs of rows
    return math.sqrt(float((apart * apart).sum()) / (n - 1)) / (1.0 if one_set else math.sqrt(n))
