"""Estimates with intervals: of the trained models by sampling of the test set alone, and of the method with its noise.

The standard error over test sets is a delete-a-group jackknife of clusters; the spread of the seeds' values adds what
another training would change. The interval is on the logit of the metric's span, which Fisher's z is for a correlation,
with a t for each of the two errors (`parts.py`): that of the clusters has the degrees of freedom of as many as are
effective.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import Expression, parse
from ..results import Coarser, Estimate, Predictions
from ..types import IntArray
from .jackknife import Groups, Jackknife, effective, error_of, groups_of, jackknife, seed_error
from .parts import ROUNDING, Part, half_width
from .values import not_finite, point_value, remark, undefined

METHOD = "jackknife over clusters and spread over seeds, a t for each on the logit scale"
LEVEL = 0.95

MIN_EFFECTIVE = 10
"""The effective clusters below which an interval is withheld: its coverage is no longer near its level."""
MIN_RARER = 30
"""The examples of the rarer class below which an interval is withheld."""
FEW_EFFECTIVE = 100
"""The effective clusters below which a reader is told that an interval is rough."""

UNSCALED = "needs predictions on the scale of the targets; a zero-shot score is on its own"


def estimate(predictions: Predictions, expression: str, *, level: float = LEVEL, scaled: bool = True) -> Estimate:
    """Return a metric's mean over seeds with its interval, over the examples that were scored.

    The interval is of the method: it has the noise of the test set and that of training. `trained` is of these trained
    models alone. `scaled` is whether scores are on the scale of the targets: those of a zero-shot rule are not. Raises
    ConfigError for an unknown metric, stratum column or value.
    """
    parsed = parse(expression, predictions.strata)
    groups = groups_of(predictions, parsed)
    n, seeds = int((groups.cluster >= 0).sum()), range(len(predictions.seeds))
    none = Estimate(expression, None, None, None, n, groups.n_clusters, (None,) * len(seeds), level, METHOD)
    if not scaled and parsed.metric.needs == "scale":
        return replace(none, reason=f"{parsed.metric.label} {UNSCALED}")
    reason = next(filter(None, (undefined(predictions, parsed, s) for s in seeds)), "")
    if not reason:
        with np.errstate(over="ignore", invalid="ignore"):
            made = jackknife(predictions, parsed, groups)
        reason = "" if np.isfinite(made.values).all() else not_finite(parsed)
    if reason:
        return replace(none, reason=reason, per_seed=tuple(point_value(predictions, parsed, s)[0] for s in seeds))
    found = estimate_of(made, predictions, parsed, groups, level=level)
    return found if predictions.coarser is None else replace(found, coarser=_coarser(predictions, parsed, level=level))


def _coarser(predictions: Predictions, expression: Expression, *, level: float) -> Coarser:
    """Return the interval of the same value with the coarser units as the clusters."""
    assert predictions.coarser is not None
    by_unit = replace(predictions, clusters=predictions.coarser, coarser=None)
    groups = groups_of(by_unit, expression)
    e = estimate_of(jackknife(by_unit, expression, groups), by_unit, expression, groups, level=level)
    reason = e.reason if e.low is None else ""
    return Coarser(e.low, e.high, e.n_clusters, e.n_effective, e.se_test, e.df, reason)


def estimate_of(
    made: Jackknife, predictions: Predictions, expression: Expression, groups: Groups, *, level: float = LEVEL
) -> Estimate:
    """Return the estimate that a jackknife of the predictions by these groups gives."""
    value = made.value
    note, withheld = remark(predictions, expression), too_few(predictions, expression, groups)
    n = int((groups.cluster >= 0).sum())
    (test, df_test), seed = error_of(made.mean_without, made.effective), seed_error(made.values, one_set=made.one_set)
    if not withheld and np.isnan(test):
        withheld = "no interval: undefined without one of the clusters"
    base = Estimate(
        expression.text,
        value,
        None,
        None,
        n,
        groups.n_clusters,
        tuple(map(float, made.values)),
        level,
        METHOD,
        "; ".join(filter(None, [note, withheld])),
        n_effective=groups.effective,
        se_test=None if np.isnan(test) else test,
        se_seed=seed if len(made.seeds) > 1 else None,
    )
    if withheld:
        return base
    span = expression.span
    rounding = ROUNDING * (span[1] - span[0]) if span else 0.0
    if max(test, seed) <= rounding and _is_constant(predictions, groups):  # it would score this on any test set
        return replace(base, low=value, high=value, trained=(value, value))
    parts = [(test, df_test), (seed, len(made.seeds) - 1)]
    low, high = limits(value, parts, span=span, level=level, n=groups.effective)
    trained = limits(value, parts[:1], span=span, level=level, n=groups.effective)
    return replace(base, low=low, high=high, trained=trained, df=df_test)


def _is_constant(predictions: Predictions, groups: Groups) -> bool:
    return bool(np.ptp(predictions.scores[:, groups.cluster >= 0], axis=1).max() == 0)


def limits(
    value: float, parts: Sequence[Part], *, span: tuple[float, float] | None, level: float, n: float
) -> tuple[float, float]:
    """Return the limits of the interval of a value with these independent errors, within the metric's `span`.

    Without a span they are on the metric's own scale. A value without any error has those of a share of `n` trials,
    exact at 0 and 1 (Clopper & Pearson 1934): a score without fault on 60 examples does not show one of 1.
    """
    from scipy.special import betaincinv

    tail, margin = (1 - level) / 2, half_width(parts, 1 - level)
    if span is None:
        return value - margin, value + margin
    bottom, top = span
    share, margin = (value - bottom) / (top - bottom), margin / (top - bottom)
    share = 0.0 if share < ROUNDING else 1.0 if share > 1 - ROUNDING else share
    if margin <= ROUNDING or share in (0.0, 1.0):
        low = float(betaincinv(share * n, (1 - share) * n + 1, tail)) if share > 0 else 0.0
        high = float(betaincinv(share * n + 1, (1 - share) * n, 1 - tail)) if share < 1 else 1.0
    else:
        spread = margin / (share * (1 - share))
        middle = np.log(share / (1 - share))
        low, high = (float(1 / (1 + np.exp(-(middle + side * spread)))) for side in (-1, 1))
    return bottom + (top - bottom) * low, bottom + (top - bottom) * high


def too_few(predictions: Predictions, expression: Expression, groups: Groups) -> str:
    """Return why so few clusters or examples allow no interval, '' where they do."""
    if groups.effective < MIN_EFFECTIVE:
        if groups.n_clusters < MIN_EFFECTIVE:
            return f"no interval: {groups.n_clusters} clusters, {MIN_EFFECTIVE} are needed"
        return (
            f"no interval: the {groups.n_clusters} clusters, of unequal sizes, count as {groups.effective:.1f}; "
            f"{MIN_EFFECTIVE} are needed"
        )
    return rarer_class(predictions, expression, groups)


def rarer_class(predictions: Predictions, expression: Expression, groups: Groups) -> str:
    """Return why the rarer class allows no interval of a metric that contrasts classes, '' where it does.

    In a mean over labels that is the rarer value of each label that counts in it.
    """
    metric, covered = expression.metric, groups.cluster >= 0
    if metric.needs not in ("ranking", "classes") or metric.must_vary == "never":
        return ""
    targets, cluster = predictions.targets[covered], groups.cluster[covered]
    if targets.ndim == 1:
        if metric.needs == "classes" and len(np.unique(targets)) > 2:
            return ""
        return _too_rare(targets, cluster, "")
    labels = np.flatnonzero(targets.min(axis=0) < targets.max(axis=0))
    faults = [reason for j in labels if (reason := _too_rare(targets[:, j], cluster, f" of label {j}"))]
    more = f", and {len(faults) - 1} more of {len(labels)} labels are as rare" if len(faults) > 1 else ""
    return faults[0] + more if faults else ""


def _too_rare(targets: NDArray[Any], cluster: IntArray, of: str) -> str:
    """Return why the rarest of the classes that are present allows no interval, '' where it does."""
    present, counts = np.unique(targets, return_counts=True)
    rarest = present[counts.argmin()]
    if counts.min() < MIN_RARER:
        return f"no interval: {counts.min()} examples of class {int(rarest)}{of}, {MIN_RARER} are needed"
    of_class = np.bincount(cluster[targets == rarest])
    if (n := effective(of_class[of_class > 0])) < MIN_EFFECTIVE:
        return f"no interval: the clusters with class {int(rarest)}{of} count as {n:.1f}; {MIN_EFFECTIVE} are needed"
    return ""
