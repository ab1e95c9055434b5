"""Metrics as kernels: prepared once for their data, then evaluated for many draws of clusters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, IntArray

Kernel = Callable[[FloatArray], FloatArray]
"""Maps `counts` (clusters, draws) to the metric of each draw, (draws,), NaN where it is undefined."""

Prepare = Callable[[NDArray[Any], FloatArray, IntArray, int], Kernel]
"""Takes targets, scores (n, outputs), each example's cluster (n,) and how many clusters there are."""

N_BINS = 15


def additive(moments: FloatArray, cluster: IntArray, n_clusters: int, finish: Kernel) -> Kernel:
    """Return the kernel of a metric that depends on the data only through sums of `moments` (n, m).

    Summing within clusters first makes a draw cost clusters x m, not n x m.
    """
    sums = np.stack([np.bincount(cluster, weights=column, minlength=n_clusters) for column in moments.T])

    def kernel(counts: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return finish(sums @ counts)

    return kernel


def _confusion(targets: NDArray[Any], scores: FloatArray) -> FloatArray:
    """Return the one-hot cell, target x predicted class, of each example: (n, k * k)."""
    k = scores.shape[1]
    cells: FloatArray = np.eye(k * k)[targets.astype(np.int64) * k + scores.argmax(axis=1)]
    return cells


def mcc(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the multi-class Matthews correlation of the top class."""
    k = scores.shape[1]

    def finish(sums: FloatArray) -> FloatArray:
        table = sums.reshape(k, k, -1)
        truth, guess = table.sum(axis=1), table.sum(axis=0)
        total = truth.sum(axis=0)
        covariance = np.trace(table) * total - (truth * guess).sum(axis=0)
        spread = (total**2 - (truth**2).sum(axis=0)) * (total**2 - (guess**2).sum(axis=0))
        value = np.where(spread > 0, covariance / np.sqrt(spread), 0.0)
        return np.where((truth > 0).sum(axis=0) > 1, value, np.nan)

    return additive(_confusion(targets, scores), cluster, n_clusters, finish)


def accuracy(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the share of right top classes."""
    right = scores.argmax(axis=1) == targets
    return mean(right.astype(np.float64), cluster, n_clusters)


def paired_accuracy(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the share of scores below 0, those of 0 counted half."""
    perturbed_over_real = scores[:, 0]
    return mean((perturbed_over_real < 0) + 0.5 * (perturbed_over_real == 0), cluster, n_clusters)


def mean(values: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the mean of `values` (n,)."""
    moments = np.stack([values, np.ones(len(values))], axis=1)
    return additive(moments, cluster, n_clusters, lambda sums: sums[0] / sums[1])


def f1(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of F1: of class 1 of two, else the mean over classes that are present or predicted."""
    k = scores.shape[1]

    def finish(sums: FloatArray) -> FloatArray:
        table = sums.reshape(k, k, -1)
        hits = np.einsum("iib->ib", table)
        marked = table.sum(axis=1) + table.sum(axis=0)  # 2 TP + FP + FN
        each: FloatArray = 2 * hits / marked
        seen = marked > 0
        macro: FloatArray = np.where(seen, each, 0.0).sum(axis=0) / seen.sum(axis=0)
        return each[1] if k == 2 else macro

    return additive(_confusion(targets, scores), cluster, n_clusters, finish)


def brier(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the squared error of class probabilities, halved for two classes."""
    k = scores.shape[1]
    loss = ((np.eye(k)[targets.astype(np.int64)] - scores) ** 2).sum(axis=1)
    return mean(loss / 2 if k == 2 else loss, cluster, n_clusters)


def ece(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the expected calibration error of the top class."""
    confidence = scores.max(axis=1)
    bins = np.clip(np.ceil(confidence * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
    gap = (scores.argmax(axis=1) == targets) - confidence
    moments = np.column_stack([np.eye(N_BINS)[bins] * gap[:, None], np.ones(len(gap))])
    return additive(moments, cluster, n_clusters, lambda sums: np.abs(sums[:-1]).sum(axis=0) / sums[-1])


def pearson(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of Pearson's correlation with the first column of scores."""
    x, y = scores[:, 0] - scores[:, 0].mean(), targets - targets.mean()
    flat = np.ptp(scores) == 0 or np.ptp(targets) == 0

    def finish(sums: FloatArray) -> FloatArray:
        n, sx, sy, sxx, syy, sxy = sums
        vx, vy = sxx - sx**2 / n, syy - sy**2 / n
        # A draw of equal values leaves a variance of rounding errors alone.
        exists = (vx > 1e-12 * sxx) & (vy > 1e-12 * syy) & (not flat)
        return np.where(exists, (sxy - sx * sy / n) / np.sqrt(np.where(exists, vx * vy, 1.0)), np.nan)

    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    return additive(moments, cluster, n_clusters, finish)


def _ties(sorted_values: NDArray[Any]) -> tuple[IntArray, IntArray]:
    """Return where each run of equal values starts, and the run that each position belongs to."""
    new = np.r_[True, sorted_values[1:] != sorted_values[:-1]]
    return np.flatnonzero(new), np.cumsum(new) - 1


def _sum_ties(weights: FloatArray, starts: IntArray) -> FloatArray:
    return weights if len(starts) == len(weights) else np.add.reduceat(weights, starts, axis=0)


def _running_sums(weights: FloatArray) -> FloatArray:
    """Return sums over all rows down to each; row by row is up to 7 times faster than cumsum where rows are long."""
    if weights.shape[1] < 200:
        return np.cumsum(weights, axis=0)
    sums = weights.copy()
    for i in range(1, len(sums)):
        sums[i] += sums[i - 1]
    return sums


def spearman(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of Spearman's correlation with the first column of scores."""
    by_x, by_y = np.argsort(scores[:, 0], kind="stable"), np.argsort(targets, kind="stable")
    starts_x, run_x = _ties(scores[by_x, 0])
    starts_y, run_y = _ties(targets[by_y])
    tied_x = len(starts_x) < len(by_x)
    run_of_y = np.empty_like(run_y)
    run_of_y[by_y] = run_y
    y_at_x = run_of_y[by_x]

    def midranks(weights: FloatArray) -> FloatArray:
        # A run's midrank is (all below) + (own + 1) / 2; the half is the same for all and left out.
        ranks = _running_sums(weights)
        ranks -= 0.5 * weights
        return ranks

    def kernel(counts: FloatArray) -> FloatArray:
        each = counts[cluster[by_x]]
        wx, wy = _sum_ties(each, starts_x), _sum_ties(counts[cluster[by_y]], starts_y)
        rx, ry = midranks(wx), midranks(wy)
        total = each.sum(axis=0)
        mean_term = total**3 / 4  # total x (mean midrank)^2; exact while total^3 < 2^53
        vx = np.einsum("nb,nb,nb->b", wx, rx, rx) - mean_term
        vy = np.einsum("nb,nb,nb->b", wy, ry, ry) - mean_term
        both = np.einsum("nb,nb,nb->b", each, rx[run_x] if tied_x else rx, ry[y_at_x]) - mean_term
        exists = (vx > 1e-12 * mean_term) & (vy > 1e-12 * mean_term)
        return np.where(exists, both / np.sqrt(np.where(exists, vx * vy, 1.0)), np.nan)

    return kernel


def one_vs_rest(binary: Callable[[NDArray[Any], FloatArray, IntArray], Kernel]) -> Prepare:
    """Return the `prepare` of a ranking metric: class 1 of two, or the plain mean over three and more classes."""

    def prepare(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
        k = scores.shape[1]
        if k <= 2:
            return binary(targets == 1, scores[:, -1], cluster)
        kernels = [binary(targets == c, scores[:, c], cluster) for c in range(k)]
        return lambda counts: np.mean([kernel(counts) for kernel in kernels], axis=0)

    return prepare


def auroc(positive: NDArray[Any], score: FloatArray, cluster: IntArray) -> Kernel:
    """Return the kernel of the area under the ROC curve of `score` (n,) for `positive` (n,)."""
    yes, no = np.flatnonzero(positive), np.flatnonzero(~positive)
    no = no[np.argsort(score[no], kind="stable")]
    below = np.searchsorted(score[no], score[yes], side="left")
    upto = np.searchsorted(score[no], score[yes], side="right")
    tied = bool((below != upto).any())

    def kernel(counts: FloatArray) -> FloatArray:
        beaten = np.zeros((len(no) + 1, counts.shape[1]))
        beaten[1:] = _running_sums(counts[cluster[no]])
        weights = counts[cluster[yes]]
        wins = np.einsum("nb,nb->b", weights, beaten[below])
        if tied:
            wins = 0.5 * (wins + np.einsum("nb,nb->b", weights, beaten[upto]))
        pairs = weights.sum(axis=0) * beaten[-1]
        return np.where(pairs > 0, wins / np.where(pairs > 0, pairs, 1.0), np.nan)

    return kernel


def auprc(positive: NDArray[Any], score: FloatArray, cluster: IntArray) -> Kernel:
    """Return the kernel of the average precision of `score` (n,) for `positive` (n,)."""
    order = np.argsort(-score, kind="stable")
    starts, _ = _ties(score[order])
    sign = positive[order].astype(np.float64)[:, None]

    def kernel(counts: FloatArray) -> FloatArray:
        weights = counts[cluster[order]]
        hits = _sum_ties(weights * sign, starts)
        found, called = _running_sums(hits), _running_sums(_sum_ties(weights, starts))
        both = (found[-1] > 0) & (called[-1] > found[-1])
        precision = found / np.where(called > 0, called, 1.0)
        return np.where(both, np.einsum("nb,nb->b", hits, precision) / np.where(both, found[-1], 1.0), np.nan)

    return kernel


def r2(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the share of variance that the first column of scores explains."""
    y = targets - targets.mean()
    moments = np.stack([np.ones_like(y), y, y * y, (targets - scores[:, 0]) ** 2], axis=1)
    flat = np.ptp(targets) == 0

    def finish(sums: FloatArray) -> FloatArray:
        n, sy, syy, missed = sums
        spread = syy - sy**2 / n
        exists = (spread > 1e-12 * syy) & (not flat)
        return np.where(exists, 1 - missed / np.where(exists, spread, 1.0), np.nan)

    return additive(moments, cluster, n_clusters, finish)


def mae(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the mean absolute error."""
    return mean(np.abs(targets - scores[:, 0]), cluster, n_clusters)


def rmse(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the root of the mean squared error."""
    squared = mean((targets - scores[:, 0]) ** 2, cluster, n_clusters)
    return lambda counts: np.sqrt(squared(counts))


def f1_micro(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of F1 over all labels (n, k) together, called above .5."""
    called = scores > 0.5
    moments = np.stack([(2 * targets * called).sum(axis=1), targets.sum(axis=1) + called.sum(axis=1)], axis=1)
    return additive(moments.astype(np.float64), cluster, n_clusters, lambda sums: sums[0] / sums[1])


def recovery(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the share of bases (n, k) predicted right."""
    return mean((np.rint(scores) == targets).mean(axis=1), cluster, n_clusters)


def exact_match(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the share of examples whose bases are all predicted right."""
    return mean((np.rint(scores) == targets).all(axis=1).astype(np.float64), cluster, n_clusters)


def where_both(kernel: Kernel, label: NDArray[Any], cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel with NaN for draws in which the label (n,) is 0, or 1, throughout."""
    moments = np.stack([label == 0, label == 1], axis=1).astype(np.float64)
    both = additive(moments, cluster, n_clusters, lambda sums: sums.min(axis=0))
    return lambda counts: np.where(both(counts) > 0, kernel(counts), np.nan)


def mean_of(kernels: Sequence[Kernel]) -> Kernel:
    """Return the kernel of the mean over `kernels`, in each draw over those that are defined there."""

    def kernel(counts: FloatArray) -> FloatArray:
        total, known = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
        for each in kernels:
            value = each(counts)
            exists = ~np.isnan(value)
            total += np.where(exists, value, 0.0)
            known += exists
        return np.where(known > 0, total / np.maximum(known, 1), np.nan)

    return kernel


def weighted_mean_of(kernels: Sequence[Kernel], sizes: Sequence[FloatArray]) -> Kernel:
    """Return the kernel of the mean of `kernels` weighted by how many of their examples a draw holds.

    `sizes[i]` (clusters,) is how many examples of each cluster kernel i is about.
    """

    def kernel(counts: FloatArray) -> FloatArray:
        total, known = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
        for each, size in zip(kernels, sizes, strict=True):
            value, n = each(counts), size @ counts
            exists = ~np.isnan(value)
            total += np.where(exists, n * value, 0.0)
            known += np.where(exists, n, 0.0)
        return np.where(known > 0, total / np.where(known > 0, known, 1.0), np.nan)

    return kernel
