"""Metrics under integer weights, in vectorised numpy, and the expressions that tasks name them by.

A weight is how often an example was drawn: a metric under weights equals the metric on the data with each example
repeated that often. A metric is prepared once for its data and then evaluated for many draws, held as `counts`
(clusters, draws). Inside this module NaN marks a draw in which a metric is undefined; it never leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, UnknownName
from .types import FloatArray, IntArray, StrArray

Better = Literal["higher", "lower", ""]
Kernel = Callable[[FloatArray], FloatArray]
"""Maps `counts` (clusters, draws) to the metric of each draw, (draws,), NaN where it is undefined."""

Prepare = Callable[[NDArray[Any], FloatArray, IntArray, int], Kernel]

N_BINS = 15


@dataclass(frozen=True)
class Metric:
    """A metric: `prepare(targets, scores, cluster, n_clusters)` returns the kernel for one seed's scores (n, outputs).

    `needs` is 'classes' for one score a class, 'probabilities' where these must also sum to 1, 'ranking' for scores
    that order examples (one of a binary target, or one a class), 'value' for one number an example, 'pair' for one
    whose sign alone matters. `definition` is what a reader of a table is told.
    """

    name: str
    label: str
    better: Better
    needs: Literal["classes", "probabilities", "ranking", "value", "pair"]
    prepare: Prepare
    definition: str

    def __call__(self, targets: NDArray[Any], scores: FloatArray, weights: NDArray[Any]) -> FloatArray:
        """Return the metric (draws,) under each row of integer `weights` (draws, n); NaN where it is undefined."""
        kernel = self.prepare(targets, scores, np.arange(len(targets)), len(targets))
        return kernel(np.ascontiguousarray(weights.T, dtype=np.float64))

    def undefined(self, targets: NDArray[Any], scores: FloatArray) -> str:
        """Return why the metric does not exist for targets (n,) and scores (n, outputs), or '' where it does."""
        n, k = scores.shape
        if n == 0:
            return "there are no examples"
        if not np.isfinite(targets).all():
            return "a target is not finite"
        if not np.isfinite(scores).all():
            return f"{int((~np.isfinite(scores)).any(axis=1).sum())} of {n} examples have a score that is not finite"
        if self.needs in ("value", "pair"):
            if k != 1:
                return f"{self.label} needs one value an example; there are {k}"
            if self.needs == "pair":
                return ""
            flat = "targets" if np.ptp(targets) == 0 else "predictions" if np.ptp(scores) == 0 else ""
            return f"all {flat} are equal" if flat else ""
        if self.needs != "ranking" and k == 1:
            return f"{self.label} needs a score for each class; there is one score an example"
        classes = max(k, 2)
        if not np.isin(targets, np.arange(classes)).all():
            return f"targets must be class indices below {classes}"
        if self.needs == "probabilities" and not (scores.min() >= -1e-6 and np.allclose(scores.sum(1), 1, atol=1e-3)):
            return f"{self.label} needs probabilities that sum to 1"
        present = np.unique(targets)
        if self.name == "mcc" and len(present) < 2:
            return "the targets hold only one class"
        if self.needs == "ranking" and len(present) < classes:
            absent = min(set(range(classes)) - {int(c) for c in present})
            return f"class {absent} is absent from the targets"
        if self.name == "f1" and k == 2 and not (targets == 1).any() and not (scores.argmax(1) == 1).any():
            return "class 1 is neither present nor predicted"
        return ""


def _additive(moments: FloatArray, cluster: IntArray, n_clusters: int, finish: Kernel) -> Kernel:
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


def _mcc(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    k = scores.shape[1]

    def finish(sums: FloatArray) -> FloatArray:
        table = sums.reshape(k, k, -1)
        truth, guess = table.sum(axis=1), table.sum(axis=0)
        total = truth.sum(axis=0)
        covariance = np.trace(table) * total - (truth * guess).sum(axis=0)
        spread = (total**2 - (truth**2).sum(axis=0)) * (total**2 - (guess**2).sum(axis=0))
        value = np.where(spread > 0, covariance / np.sqrt(spread), 0.0)
        return np.where((truth > 0).sum(axis=0) > 1, value, np.nan)

    return _additive(_confusion(targets, scores), cluster, n_clusters, finish)


def _accuracy(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    right = scores.argmax(axis=1) == targets
    return _mean(right.astype(np.float64), cluster, n_clusters)


def _paired_accuracy(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    perturbed_over_real = scores[:, 0]
    return _mean((perturbed_over_real < 0) + 0.5 * (perturbed_over_real == 0), cluster, n_clusters)


def _mean(values: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    moments = np.stack([values, np.ones(len(values))], axis=1)
    return _additive(moments, cluster, n_clusters, lambda sums: sums[0] / sums[1])


def _f1(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    k = scores.shape[1]

    def finish(sums: FloatArray) -> FloatArray:
        table = sums.reshape(k, k, -1)
        hits = np.einsum("iib->ib", table)
        marked = table.sum(axis=1) + table.sum(axis=0)  # 2 TP + FP + FN
        each: FloatArray = 2 * hits / marked
        seen = marked > 0
        macro: FloatArray = np.where(seen, each, 0.0).sum(axis=0) / seen.sum(axis=0)
        return each[1] if k == 2 else macro

    return _additive(_confusion(targets, scores), cluster, n_clusters, finish)


def _brier(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    k = scores.shape[1]
    loss = ((np.eye(k)[targets.astype(np.int64)] - scores) ** 2).sum(axis=1)
    return _mean(loss / 2 if k == 2 else loss, cluster, n_clusters)


def _ece(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    confidence = scores.max(axis=1)
    bins = np.clip(np.ceil(confidence * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
    gap = (scores.argmax(axis=1) == targets) - confidence
    moments = np.column_stack([np.eye(N_BINS)[bins] * gap[:, None], np.ones(len(gap))])
    return _additive(moments, cluster, n_clusters, lambda sums: np.abs(sums[:-1]).sum(axis=0) / sums[-1])


def _pearson(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    x, y = scores[:, 0] - scores[:, 0].mean(), targets - targets.mean()
    flat = np.ptp(scores) == 0 or np.ptp(targets) == 0

    def finish(sums: FloatArray) -> FloatArray:
        n, sx, sy, sxx, syy, sxy = sums
        vx, vy = sxx - sx**2 / n, syy - sy**2 / n
        # A draw of equal values leaves a variance of rounding errors alone.
        exists = (vx > 1e-12 * sxx) & (vy > 1e-12 * syy) & (not flat)
        return np.where(exists, (sxy - sx * sy / n) / np.sqrt(np.where(exists, vx * vy, 1.0)), np.nan)

    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    return _additive(moments, cluster, n_clusters, finish)


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


def _spearman(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
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


def _one_vs_rest(binary: Callable[[NDArray[Any], FloatArray, IntArray], Kernel]) -> Prepare:
    """Return the `prepare` of a ranking metric: class 1 of two, or the plain mean over three and more classes."""

    def prepare(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
        k = scores.shape[1]
        if k <= 2:
            return binary(targets == 1, scores[:, -1], cluster)
        kernels = [binary(targets == c, scores[:, c], cluster) for c in range(k)]
        return lambda counts: np.mean([kernel(counts) for kernel in kernels], axis=0)

    return prepare


def _auroc(positive: NDArray[Any], score: FloatArray, cluster: IntArray) -> Kernel:
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


def _auprc(positive: NDArray[Any], score: FloatArray, cluster: IntArray) -> Kernel:
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


METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric("mcc", "MCC", "higher", "classes", _mcc, "Matthews correlation of k classes (Gorodkin 2004)"),
        Metric(
            "auroc", "AUROC", "higher", "ranking", _one_vs_rest(_auroc),
            "area under the ROC curve, ties counted half (Hanley & McNeil 1982); macro one-vs-rest for k > 2 classes",
        ),
        Metric(
            "auprc", "AUPRC", "higher", "ranking", _one_vs_rest(_auprc),
            "average precision, not interpolated; macro one-vs-rest for k > 2 classes",
        ),
        Metric("accuracy", "Accuracy", "higher", "classes", _accuracy, "share of examples whose top class is right"),
        Metric(
            "f1", "F1", "higher", "classes", _f1,
            "F1 of class 1; for k > 2 the macro mean over classes that are present or predicted",
        ),
        Metric(
            "brier", "Brier", "lower", "probabilities", _brier,
            "mean squared error of the class probabilities (Brier 1950): 0 to 1 for two classes, 0 to 2 for more",
        ),
        Metric(
            "ece", "ECE", "lower", "probabilities", _ece,
            f"expected calibration error of the top class, {N_BINS} equal-width bins (Guo et al. 2017)",
        ),
        Metric("spearman", "Spearman", "higher", "value", _spearman, "Spearman's rank correlation, ties at midranks"),
        Metric("pearson", "Pearson", "higher", "value", _pearson, "Pearson's correlation"),
        Metric(
            "paired_accuracy", "Paired accuracy", "higher", "pair", _paired_accuracy,
            "share of pairs whose perturbed member scores below the real one, ties counted half",
        ),
    )
}  # fmt: skip
"""Every metric by name."""


@dataclass(frozen=True)
class Expression:
    """A metric, of all examples or of strata: `mcc`, `mcc:species=human`, `spearman:background=*`, `mcc:species=a-b`.

    `terms` is what follows `column=`: `*` for the mean over all values of the column, `a+b` for the mean over those
    listed, `a-b` for a difference of two such means.
    """

    metric: Metric
    column: str = ""
    terms: str = ""

    @property
    def text(self) -> str:
        """The expression as `parse` reads it."""
        return f"{self.metric.name}:{self.column}={self.terms}" if self.column else self.metric.name

    @property
    def label(self) -> str:
        """The expression as a table's heading shows it."""
        if not self.column:
            return self.metric.label
        if self.terms == "*":
            return f"{self.metric.label}, mean over {self.column}"
        return f"{self.metric.label}, {self.terms.replace('+', ' + ').replace('-', ' − ')}"

    @property
    def better(self) -> Better:
        """Whether higher or lower is better; '' for a difference, which is neither."""
        return "" if "-" in self.terms else self.metric.better

    def sides(self, strata: Mapping[str, StrArray]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the strata whose mean is taken and those whose mean is taken off it; both empty for all examples.

        A value that itself holds '+' or '-' is found where `terms` is that value alone. Raises ConfigError for a
        column or a value that is not there.
        """
        if not self.column:
            return (), ()
        if self.column not in strata:
            raise UnknownName("stratum column", self.column, strata, f"It is named by metric {self.text!r}.")
        known = sorted(set(strata[self.column]))
        if self.terms == "*":
            return tuple(known), ()
        if self.terms in known:
            return (self.terms,), ()
        left, _, right = self.terms.partition("-")
        sides = tuple(tuple(side.split("+")) if side else () for side in (left, right))
        for value in (*sides[0], *sides[1]):
            if value not in known:
                raise UnknownName(f"value of {self.column!r}", value, known, f"It is named by metric {self.text!r}.")
        return sides[0], sides[1]


def parse(text: str, strata: Iterable[str] | None = None) -> Expression:
    """Return the expression that `text`, NAME or NAME:COLUMN=TERMS, stands for.

    Raises ConfigError for an unknown metric, for a column that is not among `strata` where these are given, and for
    wrong syntax.
    """
    name, colon, rest = text.partition(":")
    if name not in METRICS:
        raise UnknownName("metric", name, METRICS)
    if not colon:
        return Expression(METRICS[name])
    column, equals, terms = rest.partition("=")
    if not column or not equals or not all(v for side in terms.split("-") for v in side.split("+")):
        raise ConfigError(f"metric {text!r}: expected NAME:COLUMN=VALUE, with '*', 'a', 'a+b' or 'a-b' for VALUE")
    if strata is not None and column not in strata:
        raise UnknownName("stratum column", column, strata, f"It is named by metric {text!r}.")
    return Expression(METRICS[name], column, terms)
