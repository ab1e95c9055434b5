"""How much predictions change where the same examples are read otherwise: on the other strand, or perturbed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import Expression, Kernel, Metric, additive, mean
from ..results import Estimate, Predictions
from ..types import FloatArray, IntArray, StrArray
from .intervals import LEVEL, METHOD, estimate_of
from .jackknife import groups_of, jackknife

FLIPS = "strand_flips"
"""The share of test examples, or of their labels, that are called something else."""
CHANGE = "strand_change"
"""The mean absolute change of a predicted value, in standard deviations of the predictions."""


def change_between(
    ids: StrArray, clusters: StrArray, first: FloatArray, second: FloatArray, seeds: tuple[int, ...], *, kind: str
) -> Estimate:
    """Return how much two scores (seeds, n, outputs) of the same examples differ, with its interval.

    That is FLIPS for classes and labels, and CHANGE for values and for classes of a single score.
    """
    k = first.shape[2]
    called = kind == "multilabel" or (kind == "classification" and k > 1)
    of = _flips(k, labels=kind == "multilabel") if called else _change(k)
    name, span = (FLIPS, (0.0, 1.0)) if called else (CHANGE, None)
    # No target has a say in it.
    about = Metric(name, name, "lower", "pair", of, "", must_vary="never", span=span)
    none = np.zeros(len(ids), np.int64)
    both = Predictions(ids, none, clusters, {}, np.concatenate([first, second], axis=2), seeds)
    expression = Expression(about)
    groups = groups_of(both, expression)
    unknown = Estimate(name, None, None, None, len(ids), groups.n_clusters, method=METHOD)
    if not np.isfinite(both.scores).all():
        return replace(unknown, reason="a score is not finite")
    made = jackknife(both, expression, groups)
    if not np.isfinite(made.values).all():
        return replace(unknown, reason="all predictions are equal")
    return estimate_of(made, both, expression, groups, level=LEVEL)


Of = Callable[[NDArray[Any], FloatArray, IntArray, int], Kernel]


def _flips(k: int, *, labels: bool) -> Of:
    def of(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
        a, b = scores[:, :k], scores[:, k:]
        other = ((a > 0.5) != (b > 0.5)).mean(axis=1) if labels else a.argmax(axis=1) != b.argmax(axis=1)
        return mean(np.asarray(other, np.float64), cluster, n_clusters)

    return of


def _change(k: int) -> Of:
    def of(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
        a, b = scores[:, :k], scores[:, k:]
        centred = a - a.mean(axis=0)
        equal = np.ptp(a, axis=0) == 0
        moments = np.column_stack([np.ones(len(a)), np.abs(a - b), centred, centred**2])

        def finish(sums: FloatArray) -> FloatArray:
            n = sums[0]
            apart, first, second = (part / n for part in np.split(sums[1:], 3))
            variance = second - first**2
            ratio = np.where(equal[:, None] | (variance <= 1e-12 * second), np.nan, apart / np.sqrt(variance))
            value: FloatArray = ratio.mean(axis=0)
            return value

        return additive(moments, cluster, n_clusters, finish)

    return of
