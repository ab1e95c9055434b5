"""The built-in metrics, each a function that prepares its data and returns a kernel that evaluates draws of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, IntArray
from .kernels import TIE, Kernel, additive, mean, one_vs_rest, runs
from .metric import metric

N_BINS = 15
"""How many bins of equal width the calibration errors have."""


def _confusion(targets: NDArray[Any], scores: FloatArray) -> FloatArray:
    """Return the one-hot cell, target x predicted class, of each example: (n, k * k)."""
    k = scores.shape[1]
    cells: FloatArray = np.eye(k * k)[targets.astype(np.int64) * k + scores.argmax(axis=1)]
    return cells


@metric(
    "mcc",
    label="MCC",
    span=(-1.0, 1.0),
    better="higher",
    needs="classes",
    labels=True,
    definition="Matthews correlation of k classes (Gorodkin 2004); for labels the mean over them, called above .5",
)
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


@metric(
    "auroc",
    label="AUROC",
    span=(0.0, 1.0),
    better="higher",
    needs="ranking",
    labels=True,
    definition="area under the ROC curve, ties counted half (Hanley & McNeil 1982); macro one-vs-rest for k > 2 "
    "classes, macro over labels",
)
@one_vs_rest
def auroc(positive: NDArray[Any], score: FloatArray, cluster: IntArray) -> Kernel:
    """Return the kernel of the area under the ROC curve of `score` (n,) for `positive` (n,)."""
    from ._ranks import pairs_won

    order = np.argsort(score, kind="stable")
    examples = cluster[order], positive[order], runs(score[order])

    def kernel(counts: FloatArray) -> FloatArray:
        won, pairs = pairs_won(counts, *examples)
        return np.where(pairs > 0, won / np.where(pairs > 0, 2 * pairs, 1.0), np.nan)

    return kernel


@metric(
    "auprc",
    label="AUPRC",
    span=(0.0, 1.0),
    better="higher",
    needs="ranking",
    labels=True,
    definition="average precision, the step-wise sum as in scikit-learn's average_precision_score, not the trapezoidal "
    "area; macro one-vs-rest for k > 2 classes, macro over labels",
)
@one_vs_rest
def auprc(positive: NDArray[Any], score: FloatArray, cluster: IntArray) -> Kernel:
    """Return the kernel of the average precision of `score` (n,) for `positive` (n,)."""
    from ._ranks import average_precision

    order = np.argsort(-score, kind="stable")
    examples = cluster[order], positive[order], runs(score[order])

    def kernel(counts: FloatArray) -> FloatArray:
        total, hits, n = average_precision(counts, *examples, np.ones(counts.shape[1]))
        both = (hits > 0) & (n > hits)
        return np.where(both, total / np.where(both, hits, 1.0), np.nan)

    return kernel


@metric(
    "accuracy",
    label="Accuracy",
    span=(0.0, 1.0),
    better="higher",
    needs="classes",
    must_vary="never",
    definition="share of examples whose top class is right",
)
def accuracy(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the share of examples whose top class is right."""
    right = scores.argmax(axis=1) == targets
    return mean(right.astype(np.float64), cluster, n_clusters)


def _no_class_1(targets: NDArray[Any], scores: FloatArray) -> str:
    two = targets.ndim == 1 and scores.shape[1] == 2
    if two and not (targets == 1).any() and not (scores.argmax(1) == 1).any():
        return "class 1 is neither present nor predicted"
    return ""


@metric(
    "f1",
    label="F1",
    span=(0.0, 1.0),
    better="higher",
    needs="classes",
    labels=True,
    must_vary="labels",
    no_value=_no_class_1,
    definition="F1 of class 1; for k > 2 the macro mean over classes that are present or predicted; for labels the "
    "macro mean, called above .5",
)
def f1(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of F1: that of class 1 of two, else the mean over classes present or predicted."""
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


def _no_label(targets: NDArray[Any], scores: FloatArray) -> str:
    return "" if targets.any() or (scores > 0.5).any() else "no label is set or predicted"


@metric(
    "f1_micro",
    label="micro-F1",
    span=(0.0, 1.0),
    better="higher",
    needs="labels",
    no_value=_no_label,
    definition="F1 of all labels of all examples together, called above .5",
)
def f1_micro(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of F1 over all labels (n, k) together, called above .5."""
    called = scores > 0.5
    moments = np.stack([(2 * targets * called).sum(axis=1), targets.sum(axis=1) + called.sum(axis=1)], axis=1)
    return additive(moments.astype(np.float64), cluster, n_clusters, lambda sums: sums[0] / sums[1])


@metric(
    "brier",
    label="Brier",
    span=(0.0, 2.0),
    better="lower",
    needs="probabilities",
    labels=True,
    must_vary="never",
    definition="mean squared error of the class probabilities (Brier 1950): 0 to 1 for two classes, 0 to 2 for more; "
    "for labels the mean over them",
)
def brier(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the squared error of class probabilities, halved for two classes."""
    k = scores.shape[1]
    loss = ((np.eye(k)[targets.astype(np.int64)] - scores) ** 2).sum(axis=1)
    return mean(loss / 2 if k == 2 else loss, cluster, n_clusters)


@metric(
    "ece",
    label="ECE",
    span=(0.0, 1.0),
    better="lower",
    needs="probabilities",
    must_vary="never",
    definition=f"expected calibration error of the top class, {N_BINS} equal-width bins (Guo et al. 2017)",
)
def ece(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the expected calibration error of the top class."""
    of_bin, gap = _binned_gaps(targets, scores)
    moments = np.column_stack([of_bin * gap[:, None], np.ones(len(gap))])
    return additive(moments, cluster, n_clusters, lambda sums: np.abs(sums[:-1]).sum(axis=0) / sums[-1])


def _no_pair(targets: NDArray[Any], scores: FloatArray) -> str:
    of_bin, _ = _binned_gaps(targets, scores)
    return "" if of_bin.sum(axis=0).max() > 1 else "no bin of confidence has two examples"


@metric(
    "ece_debiased",
    label="CE², debiased",
    better="lower",
    needs="probabilities",
    must_vary="never",
    no_value=_no_pair,
    definition=f"squared calibration error of the top class over {N_BINS} equal-width bins, less what chance adds to "
    "it (Kumar et al. 2019): 0 on average where probabilities are right, so that it may be a little below; bins of one "
    "example do not count",
)
def ece_debiased(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the squared calibration error of the top class without its bias.

    The square of a bin's mean gap is too large by the variance of that mean. There is no root: it would bring the bias
    back, and has no slope at 0 for a jackknife.
    """
    of_bin, gap = _binned_gaps(targets, scores)
    moments = np.column_stack([of_bin, of_bin * gap[:, None], of_bin * gap[:, None] ** 2])

    def finish(sums: FloatArray) -> FloatArray:
        n, total, squares = sums.reshape(3, N_BINS, -1)
        counts = n > 1.5  # of whole draws of examples
        mean_gap = total / n
        chance = (squares / n - mean_gap**2) / (n - 1)
        value: FloatArray = np.where(counts, n * (mean_gap**2 - chance), 0.0).sum(axis=0)
        weight: FloatArray = np.where(counts, n, 0.0).sum(axis=0)
        return value / weight

    return additive(moments, cluster, n_clusters, finish)


def _binned_gaps(targets: NDArray[Any], scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the bin of each example's confidence, one-hot (n, bins), and how much more often than that it is right."""
    confidence = scores.max(axis=1)
    bins = np.clip(np.ceil(confidence * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
    of_bin: FloatArray = np.eye(N_BINS)[bins]
    return of_bin, (scores.argmax(axis=1) == targets) - confidence


@metric(
    "spearman",
    label="Spearman",
    span=(-1.0, 1.0),
    better="higher",
    needs="value",
    definition="Spearman's rank correlation, ties at midranks; for several outputs the mean",
)
def spearman(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of Spearman's correlation with the first column of scores."""
    from ._ranks import rank_moments

    by_x, by_y = np.argsort(scores[:, 0], kind="stable"), np.argsort(targets, kind="stable")
    run_x, run_y = runs(scores[by_x, 0]), runs(targets[by_y])
    run_of_y = np.empty_like(run_y)
    run_of_y[by_y] = run_y
    examples = cluster[by_x], run_x, run_of_y[by_x], cluster[by_y], run_y

    def kernel(counts: FloatArray) -> FloatArray:
        n, xx, yy, xy = rank_moments(counts, *examples)
        mean_term = n**3 / 4  # n x (mean midrank)^2; exact while n^3 < 2^53
        vx, vy = xx - mean_term, yy - mean_term
        exists = (vx > 1e-12 * mean_term) & (vy > 1e-12 * mean_term)
        return np.where(exists, (xy - mean_term) / np.sqrt(np.where(exists, vx * vy, 1.0)), np.nan)

    return kernel


@metric(
    "pearson",
    label="Pearson",
    span=(-1.0, 1.0),
    better="higher",
    needs="value",
    definition="Pearson's correlation; for several outputs the mean",
)
def pearson(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of Pearson's correlation with the first column of scores."""
    x, y = scores[:, 0] - scores[:, 0].mean(), targets - targets.mean()
    flat = np.ptp(scores) == 0 or np.ptp(targets) == 0

    def finish(sums: FloatArray) -> FloatArray:
        n, sx, sy, sxx, syy, sxy = sums
        vx, vy = sxx - sx**2 / n, syy - sy**2 / n
        # The variance of a draw of equal values is only rounding error.
        exists = (vx > 1e-12 * sxx) & (vy > 1e-12 * syy) & (not flat)
        return np.where(exists, (sxy - sx * sy / n) / np.sqrt(np.where(exists, vx * vy, 1.0)), np.nan)

    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    return additive(moments, cluster, n_clusters, finish)


@metric(
    "r2",
    label="R2",
    better="higher",
    needs="scale",
    definition="share of variance explained, 1 - squared error / variance of the targets, which may be below 0; the "
    "mean over outputs",
)
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


@metric(
    "mae",
    label="MAE",
    better="lower",
    needs="scale",
    must_vary="never",
    definition="mean absolute error; the mean over outputs",
)
def mae(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the mean absolute error."""
    return mean(np.abs(targets - scores[:, 0]), cluster, n_clusters)


@metric(
    "rmse",
    label="RMSE",
    better="lower",
    needs="scale",
    must_vary="never",
    definition="root mean squared error; the mean over outputs",
)
def rmse(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the root of the mean squared error."""
    squared = mean((targets - scores[:, 0]) ** 2, cluster, n_clusters)
    return lambda counts: np.sqrt(squared(counts))


@metric(
    "paired_accuracy",
    label="Paired accuracy",
    span=(0.0, 1.0),
    better="higher",
    needs="pair",
    definition="share of pairs whose perturbed member scores below the real one, ties (within 1e-9) counted half",
)
def paired_accuracy(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the share of scores below 0, those within TIE of it counted half."""
    perturbed_over_real = scores[:, 0]
    tied = np.abs(perturbed_over_real) <= TIE
    return mean(((perturbed_over_real < 0) & ~tied) + 0.5 * tied, cluster, n_clusters)


@metric(
    "recovery",
    label="Recovery",
    span=(0.0, 1.0),
    better="higher",
    needs="bases",
    definition="share of the following bases that are predicted correctly; chance is about .25",
)
def recovery(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the share of bases (n, k) predicted correctly."""
    return mean((np.rint(scores) == targets).mean(axis=1), cluster, n_clusters)


@metric(
    "exact_match",
    label="Exact match",
    span=(0.0, 1.0),
    better="higher",
    needs="bases",
    definition="share of examples whose following bases are all predicted correctly",
)
def exact_match(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the share of examples whose bases are all predicted correctly."""
    return mean((np.rint(scores) == targets).all(axis=1).astype(np.float64), cluster, n_clusters)
