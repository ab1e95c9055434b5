"""Which examples were scored, and the same examples of two models side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..results import Predictions


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


def aligned(b: Predictions, a: Predictions) -> Predictions:
    """Return `b` with its examples in the order of `a`.

    Raises DataError where ids, targets or clusters of the two differ, since a paired comparison would mean nothing.
    """
    if not np.array_equal(a.ids, b.ids):
        if len(a.ids) != len(b.ids) or set(a.ids) != set(b.ids):
            missing = sorted(set(a.ids) ^ set(b.ids))
            raise DataError(
                f"cannot pair {len(a.ids)} with {len(b.ids)} predictions: example {missing[0]!r} is in one only"
            )
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
            coarser=None if b.coarser is None else b.coarser[order],
        )
    for what, left, right in (("target", a.targets, b.targets), ("cluster", a.clusters, b.clusters)):
        if not np.array_equal(left, right):
            differs = left != right if left.shape == right.shape else np.ones(len(left), bool)
            i = int(np.flatnonzero(differs.reshape(len(left), -1).any(axis=1))[0])
            raise DataError(
                f"cannot pair predictions: the {what} of {a.ids[i]!r} is {left[i]!r} in one, {right[i]!r} in the other"
            )
    return b
