"""Estimates with intervals, and differences of two models on the same examples, from one seeded cluster bootstrap.

Clusters are drawn with replacement and every example of a drawn cluster comes along (Davison & Hinkley 1997,
section 3.8). The draws depend only on the number of clusters and the seed, so that all models of a task see the same
ones and their differences are paired. Examples that a model did not score are left out everywhere here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .metrics import Expression, Kernel, parse, weighted_mean_of
from .results import Estimate, Predictions
from .types import FloatArray, IntArray

MAX_UNDEFINED = 0.05
"""The share of draws that may be undefined before an interval is withheld."""

UNSCALED = "needs predictions on the scale of the targets; a zero-shot score is on its own"

# Draws come in blocks of about this many example weights: arrays that stay in the CPU's cache are twice as fast.
_BLOCK = 1 << 17
_MIN_DRAWS = 256
_MAX_CACHED = 2_000_000
"""The most counts of clusters in draws that are cached for the next metric of the same task (16 MB)."""


def estimate(
    predictions: Predictions,
    expression: str,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    draws: Callable[[], FloatArray] | None = None,
    scaled: bool = True,
) -> Estimate:
    """Return a metric's mean over seeds with a percentile interval over clusters (Efron & Tibshirani 1993, ch. 13).

    It covers the examples that were scored. Draws in which the metric is undefined are left out; where these are more
    than 5 %, the interval is None and `reason` says so. `draws()` returns what `replicates` would, (n_resamples,),
    where that is cached; `scaled` is whether scores are on the scale of the targets: those of a zero-shot rule are not.
    Raises ConfigError for an unknown metric, stratum column or value.
    """
    parsed = parse(expression, predictions.strata)
    used = _used(predictions, parsed)
    n, n_clusters = int(used.sum()), len(set(predictions.clusters[used]))
    per_seed, reasons = zip(*(point_value(predictions, parsed, s) for s in range(len(predictions.seeds))), strict=True)
    method = f"percentile bootstrap over clusters, {n_resamples} resamples, seed {seed}"
    reason = next((r for r in reasons if r), "")
    if not scaled and parsed.metric.needs == "scale":
        per_seed = (None,) * len(per_seed)
        reason = f"{parsed.metric.label} {UNSCALED}"
    value = low = high = None
    if not reason:
        value = float(np.mean(per_seed))
        drawn = draws() if draws else replicates([predictions], expression, n_resamples=n_resamples, seed=seed)[0]
        low, high, reason = interval(drawn, n_clusters=n_clusters, level=level)
        reason = "; ".join(filter(None, [_remark(predictions, parsed), reason]))
    return Estimate(expression, value, low, high, n, n_clusters, per_seed, level, method, reason)


def point_value(model: Predictions, expression: Expression, s: int = 0) -> tuple[float | None, str]:
    """Return the value of an expression for seed number `s`, or None and why it does not exist.

    Raises ConfigError for a stratum column or value that does not exist.
    """
    left, right = _sides(model, expression)
    if expression.weighted and not left:
        return None, f"for no {expression.column}: {_unanswerable(model, expression)[0][1]}"
    for value in (*left, *right) or (None,):
        rows = _rows(model, expression, value)
        reason = expression.metric.undefined(model.targets[rows], model.scores[s][rows])
        if reason:
            return None, reason if value is None else f"{expression.column} {value}: {reason}"
    n = len(model.ids)
    with np.errstate(over="ignore", invalid="ignore"):
        computed = float(_kernel(model, s, expression, np.arange(n), n)(np.ones((n, 1)))[0])
    if not math.isfinite(computed):
        return None, f"{expression.metric.label} of such large or small scores is not a finite number"
    return computed, ""


def unanswerable(model: Predictions, expression: Expression) -> bool:
    """Return whether an expression exists for no scores at all on these targets.

    Raises ConfigError for a stratum column or value that does not exist.
    """
    if not expression.column:
        return bool(expression.metric.unanswerable(model.targets[scored_mask(model)], model.scores.shape[2]))
    without, every = _unanswerable(model, expression), [s for side in expression.sides(model.strata) for s in side]
    return len(without) == len(every) if expression.weighted else bool(without)


def replicates(models: Sequence[Predictions], expression: str, *, n_resamples: int = 1000, seed: int = 0) -> FloatArray:
    """Return the metric of each model under the same draws of clusters, (models, draws); NaN where it is undefined.

    Each value is the mean over the model's seeds. All models must have the examples of the first, and have scored the
    same of them.
    """
    names = np.unique(models[0].clusters[scored_mask(models[0])].astype(str))
    kernels = []
    for model in models:
        # A cluster without a scored example is not among the names; none of its rows is used.
        cluster = np.searchsorted(names, model.clusters.astype(str))
        parsed = parse(expression, model.strata)
        kernels.append([_kernel(model, s, parsed, cluster, len(names)) for s in range(len(model.seeds))])
    out = np.empty((len(models), n_resamples))
    done = 0
    for counts in _draws(len(names), n_resamples, seed, rows=max(len(m.ids) for m in models)):
        stop = done + counts.shape[1]
        for i, seeds in enumerate(kernels):
            out[i, done:stop] = np.mean([kernel(counts) for kernel in seeds], axis=0)
        done = stop
    return out


def aligned(b: Predictions, a: Predictions) -> Predictions:
    """Return `b` with its examples in the order of `a`.

    Raises DataError where ids, targets or clusters of the two differ, since a paired comparison would mean nothing.
    """
    if len(a.ids) != len(b.ids) or set(a.ids) != set(b.ids):
        missing = sorted(set(a.ids) ^ set(b.ids))
        raise DataError(
            f"cannot pair {len(a.ids)} with {len(b.ids)} predictions: example {missing[0]!r} is in one only"
        )
    if not np.array_equal(a.ids, b.ids):
        where = {name: i for i, name in enumerate(b.ids)}
        order = np.array([where[name] for name in a.ids])
        b = replace(
            b,
            ids=b.ids[order],
            targets=b.targets[order],
            clusters=b.clusters[order],
            strata={name: column[order] for name, column in b.strata.items()},
            scores=b.scores[:, order],
            scored=None if b.scored is None else b.scored[order],
        )
    for what, left, right in (("target", a.targets, b.targets), ("cluster", a.clusters, b.clusters)):
        if not np.array_equal(left, right):
            differs = left != right if left.shape == right.shape else np.ones(len(left), bool)
            i = int(np.flatnonzero(differs.reshape(len(left), -1).any(axis=1))[0])
            raise DataError(
                f"cannot pair predictions: the {what} of {a.ids[i]!r} is {left[i]!r} in one, {right[i]!r} in the other"
            )
    return b


def interval(draws: FloatArray, *, n_clusters: int, level: float = 0.95) -> tuple[float | None, float | None, str]:
    """Return the percentile interval of the draws that are defined, or None, None and why there is none."""
    if n_clusters < 2:
        return None, None, f"no interval: {n_clusters} cluster to resample"
    defined = draws[np.isfinite(draws)]
    undefined = 1 - len(defined) / len(draws)
    if undefined > MAX_UNDEFINED:
        return None, None, f"no interval: undefined in {undefined:.0%} of the resamples"
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), ""


def two_sided_p(draws: FloatArray) -> float:
    """Return the two-sided bootstrap p-value of a difference of 0, given its draws.

    It is twice the smaller share of draws on either side, each with one draw more so that it is never 0 (Davison &
    Hinkley 1997, section 4.2); it falls below 0.05 where the 95 % percentile interval leaves 0 out.
    """
    defined = draws[np.isfinite(draws)]
    tail = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(defined) + 1))


def holm(pvalues: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down method (Holm 1979, Scand. J. Stat. 6:65-70)."""
    p = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return [float(v) for v in adjusted]


def scored_mask(predictions: Predictions) -> NDArray[np.bool_]:
    """Return which examples were scored, (n,)."""
    return np.ones(len(predictions.ids), dtype=bool) if predictions.scored is None else predictions.scored


def flag_collapsed(predictions: Predictions) -> bool:
    """Return whether a seed's scores of examples are not finite, or all equal to within 1e-6 of the largest."""
    for scores in predictions.scores[:, scored_mask(predictions)]:
        if not np.isfinite(scores).all():
            return True
        if len(scores) and np.ptp(scores, axis=0).max() <= 1e-6 * np.abs(scores).max():
            return True
    return False


def _draws(n_clusters: int, n_resamples: int, seed: int, *, rows: int) -> Iterable[FloatArray]:
    """Return how often each cluster is drawn, (clusters, draws), in blocks; the draws do not depend on the blocks."""
    block = min(n_resamples, max(_MIN_DRAWS, _BLOCK // max(rows, n_clusters, 1)))
    few = n_clusters * n_resamples <= _MAX_CACHED
    return (
        _cached_draws(n_clusters, n_resamples, seed, block)
        if few
        else _make_draws(n_clusters, n_resamples, seed, block)
    )


@functools.lru_cache(maxsize=1)
def _cached_draws(n_clusters: int, n_resamples: int, seed: int, block: int) -> tuple[FloatArray, ...]:
    """Return the blocks, made once for all metrics of a task."""
    return tuple(_make_draws(n_clusters, n_resamples, seed, block))


def _make_draws(n_clusters: int, n_resamples: int, seed: int, block: int) -> Iterator[FloatArray]:
    rng = np.random.default_rng(seed)
    for start in range(0, n_resamples, block):
        b = min(block, n_resamples - start)
        drawn = rng.integers(n_clusters, size=(b, n_clusters)) + np.arange(b)[:, None] * n_clusters
        counts = np.bincount(drawn.ravel(), minlength=b * n_clusters).reshape(b, n_clusters)
        yield np.ascontiguousarray(counts.T, dtype=np.float64)


def _kernel(model: Predictions, s: int, expression: Expression, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of an expression for seed number `s`: a mean over strata, minus a mean over others."""
    left, right = _sides(model, expression)

    def prepare(rows: IntArray) -> Kernel:
        return expression.metric.prepare(model.targets[rows], model.scores[s][rows], cluster[rows], n_clusters)

    if not left:
        return prepare(_rows(model, expression, None))
    plus, minus = ([_rows(model, expression, value) for value in side] for side in (left, right))
    if expression.weighted:
        sizes = [np.bincount(cluster[rows], minlength=n_clusters).astype(np.float64) for rows in plus]
        return weighted_mean_of([prepare(rows) for rows in plus], sizes)
    kernels, less = ([prepare(rows) for rows in side] for side in (plus, minus))

    def kernel(counts: FloatArray) -> FloatArray:
        value: FloatArray = np.mean([k(counts) for k in kernels], axis=0)
        return value - np.mean([k(counts) for k in less], axis=0) if less else value

    return kernel


def _sides(model: Predictions, expression: Expression) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the strata averaged and those subtracted; a weighted mean leaves out those that cannot be answered."""
    left, right = expression.sides(model.strata)
    if not expression.weighted:
        return left, right
    out = {value for value, _ in _unanswerable(model, expression)}
    return tuple(value for value in left if value not in out), ()


def _unanswerable(model: Predictions, expression: Expression) -> list[tuple[str, str]]:
    """Return the strata on whose targets the metric does not exist, each with the reason."""
    reasons = []
    for value in expression.sides(model.strata)[0]:
        targets = model.targets[_rows(model, expression, value)]
        reason = expression.metric.unanswerable(targets, model.scores.shape[2])
        reasons += [(value, reason)] if reason else []
    return reasons


def _remark(model: Predictions, expression: Expression) -> str:
    """Return what a reader must know about a value that exists: the strata, labels or outputs that it leaves out."""
    if expression.weighted:
        strata, n = expression.sides(model.strata)[0], len(_unanswerable(model, expression))
        return f"{n} of {len(strata)} values of {expression.column} left out, for want of a class" if n else ""
    return "" if expression.column else expression.metric.left_out(model.targets[scored_mask(model)])


def _rows(model: Predictions, expression: Expression, stratum: str | None) -> IntArray:
    """Return the scored examples of a stratum, or of all of them."""
    rows = scored_mask(model)
    return np.flatnonzero(rows if stratum is None else rows & (model.strata[expression.column] == stratum))


def _used(model: Predictions, expression: Expression) -> NDArray[np.bool_]:
    """Return which examples the expression covers, a (n,) mask."""
    left, right = _sides(model, expression)
    rows = scored_mask(model)
    return rows & np.isin(model.strata[expression.column].astype(str), [*left, *right]) if left else rows
