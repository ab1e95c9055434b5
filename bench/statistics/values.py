"""The value of a metric on the predictions of a model, over all examples or over strata, and why there is none."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..metrics import Expression, Kernel, mean_of, weighted_mean_of
from ..results import Predictions
from ..types import FloatArray, IntArray
from .examples import scored_mask


def point_value(model: Predictions, expression: Expression, s: int = 0) -> tuple[float | None, str]:
    """Return the value of an expression for seed number `s`, or None and why it does not exist.

    Raises ConfigError for a stratum column or value that does not exist.
    """
    if reason := undefined(model, expression, s):
        return None, reason
    n = len(model.ids)
    with np.errstate(over="ignore", invalid="ignore"):
        computed = float(kernel_of(model, s, expression, np.arange(n), n)(np.ones((n, 1)))[0])
    return (computed, "") if math.isfinite(computed) else (None, not_finite(expression))


def undefined(model: Predictions, expression: Expression, s: int = 0) -> str:
    """Return why an expression does not exist for seed number `s`, '' where it does, if it is a finite number.

    Raises ConfigError for a stratum column or value that does not exist.
    """
    left, right = sides_of(model, expression)
    if expression.weighted and not left:
        return f"for no {expression.column}: {_unanswerable(model, expression)[0][1]}"
    for value in (*left, *right) or (None,):
        rows = _rows(model, expression, value)
        reason = expression.metric.undefined(model.targets[rows], model.scores[s][rows])
        if reason:
            return reason if value is None else f"{expression.column} {value}: {reason}"
    return ""


def not_finite(expression: Expression) -> str:
    """Return why there is no value where what was computed is none."""
    return f"{expression.metric.label} of such large or small scores is not a finite number"


def unanswerable(model: Predictions, expression: Expression) -> bool:
    """Return whether an expression exists for no scores at all on these targets.

    Raises ConfigError for a stratum column or value that does not exist.
    """
    if not expression.column:
        return bool(expression.metric.unanswerable(model.targets[scored_mask(model)], model.scores.shape[2]))
    without, every = _unanswerable(model, expression), [s for side in expression.sides(model.strata) for s in side]
    return len(without) == len(every) if expression.weighted else bool(without)


def kernel_of(model: Predictions, s: int, expression: Expression, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of an expression for seed number `s`: a mean over strata, minus a mean over others."""
    left, right = sides_of(model, expression)

    def prepare(rows: IntArray) -> Kernel:
        return expression.metric.prepare(model.targets[rows], model.scores[s][rows], cluster[rows], n_clusters)

    if not left:
        return prepare(_rows(model, expression, None))
    plus, minus = ([_rows(model, expression, value) for value in side] for side in (left, right))
    if expression.weighted:
        sizes = [np.bincount(cluster[rows], minlength=n_clusters).astype(np.float64) for rows in plus]
        return weighted_mean_of([prepare(rows) for rows in plus], sizes)
    if expression.terms == "*":  # of the strata that there are: a draw of clusters may lack one
        return mean_of([prepare(rows) for rows in plus])
    kernels, less = ([prepare(rows) for rows in side] for side in (plus, minus))

    def kernel(counts: FloatArray) -> FloatArray:
        value: FloatArray = np.mean([k(counts) for k in kernels], axis=0)
        return value - np.mean([k(counts) for k in less], axis=0) if less else value

    return kernel


def sides_of(model: Predictions, expression: Expression) -> tuple[tuple[str, ...], tuple[str, ...]]:
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


def remark(model: Predictions, expression: Expression) -> str:
    """Return what a reader must know about a value that exists: the strata, labels or outputs that it leaves out."""
    if expression.weighted:
        strata, n = expression.sides(model.strata)[0], len(_unanswerable(model, expression))
        return f"{n} of {len(strata)} values of {expression.column} left out, for want of a class" if n else ""
    return "" if expression.column else expression.metric.left_out(model.targets[scored_mask(model)])


def _rows(model: Predictions, expression: Expression, stratum: str | None) -> IntArray:
    """Return the scored examples of a stratum, or of all of them."""
    rows = scored_mask(model)
    return np.flatnonzero(rows if stratum is None else rows & (model.strata[expression.column] == stratum))


def used(model: Predictions, expression: Expression) -> NDArray[np.bool_]:
    """Return which examples the expression covers, a (n,) mask."""
    left, right = sides_of(model, expression)
    rows = scored_mask(model)
    return rows & np.isin(model.strata[expression.column].astype(str), [*left, *right]) if left else rows
