"""A paired difference by leaving out one cluster after the other, written out: what the leaderboard's must equal."""

from __future__ import annotations

import numpy as np
from scipy import stats

from baserate.results import Predictions
from baserate.statistics import estimate


def difference_by_hand(a: Predictions, b: Predictions, metric: str) -> tuple[float, float, float, float]:
    """Return the difference, its limits and its p-value, of models of the same examples and seeds."""
    from dataclasses import replace

    def value(p: Predictions, rows: np.ndarray) -> np.ndarray:
        part = replace(
            p,
            ids=p.ids[rows],
            targets=p.targets[rows],
            clusters=p.clusters[rows],
            strata={k: v[rows] for k, v in p.strata.items()},
            scores=p.scores[:, rows],
        )
        return np.array(estimate(part, metric).per_seed, float)

    names = np.unique(a.clusters.astype(str))
    every = value(a, np.arange(len(a.ids))) - value(b, np.arange(len(a.ids)))
    left = [np.flatnonzero(a.clusters.astype(str) != name) for name in names]
    without = np.array([(value(a, rows) - value(b, rows)).mean() for rows in left])
    squares, g = (without - without.mean()) ** 2, len(names)
    sizes = np.array([(a.clusters.astype(str) == name).sum() for name in names])
    df = min(sizes.sum() ** 2 / (sizes**2).sum() - 1, 2 * squares.sum() ** 2 / (squares**2).sum())
    test, seed = (g - 1) / g * squares.sum(), every.var(ddof=1) / len(every) if len(every) > 1 else 0.0
    parts = [(test, df), *([(seed, len(every) - 1)] if seed else [])]

    def half(alpha: float) -> float:
        return float(np.sqrt(sum(stats.t.isf(alpha / 2, freedom) ** 2 * variance for variance, freedom in parts)))

    low, high = 1e-300, 1.0  # the alpha at which the half width is the difference, halving what is left
    for _ in range(80):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if half(middle) > abs(every.mean()) else (low, middle)
    t = half(0.05)
    return float(every.mean()), float(every.mean() - t), float(every.mean() + t), high
