"""Ridge regression over a path of penalties, by one eigendecomposition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..types import FloatArray
from ._descent import ROWS, Features, Loss, Step, covariance, from_strongest, moments, walk

EXACT = 2048
"""The largest matrix whose eigenvectors are all computed."""


def ridge_steps(x: Features, y: NDArray[Any], penalties: Sequence[float], *, tolerance: float) -> Iterator[Step]:
    """Yield the ridge regression of `y` (n,) or (n, k) on `x` (n, d) for each penalty, from the strongest.

    The loss is half the mean squared error. The eigenvectors are those of the rows or of the columns, whichever are
    fewer; where there are more than 2048 of either, the path is walked to `tolerance`. Raises DataError for a target
    that is not finite.
    """
    y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    if not np.isfinite(y).all():
        raise DataError(f"training target of row {int(np.argmin(np.isfinite(y).all(axis=1)))} is not finite")
    offset = y.mean(axis=0)
    n, d = x.shape
    if min(n, d) > EXACT:
        yield from walk(x, _squared(y), offset, penalties, tolerance)
        return
    mean, _ = moments(x)
    if n < d:
        features, back = _rows_space(x, mean)
        target, spread = (y - offset).T @ features / n, (features * features).mean(axis=0)
    else:
        values, vectors = np.linalg.eigh(covariance(x, mean, precision=np.float64))
        spread = np.maximum(values, 0)
        # The targets are centred, so the features need not be.
        blocks = ((y - offset)[at : at + ROWS].T @ x[at : at + ROWS] for at in range(0, n, ROWS))
        target = sum(blocks) @ vectors / n

        def back(w: FloatArray) -> FloatArray:
            return np.asarray(w @ vectors.T)

    for penalty in from_strongest(penalties):
        w = back(target / (spread + penalty))
        yield penalty, w, offset - w @ mean


def _rows_space(x: Features, mean: FloatArray) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
    """Return centred `x` (n < d) in the directions that it spans, (n, r), and the map of (k, r) weights back."""
    n, d = x.shape
    inner = np.zeros((n, n))
    by_column: Any = x if isinstance(x, np.ndarray) else x.tocsc()
    for at in range(0, d, ROWS):
        block = by_column[:, at : at + ROWS]
        block = (block if isinstance(x, np.ndarray) else block.toarray()).astype(np.float64) - mean[at : at + ROWS]
        inner += block @ block.T
    values, vectors = np.linalg.eigh(inner)
    spanned = values > 1e-12 * max(values[-1], 1e-300)
    length, vectors = np.sqrt(values[spanned]), vectors[:, spanned]

    def back(w: FloatArray) -> FloatArray:
        by_row = (w / length) @ vectors.T
        return np.asarray((x.T @ by_row.T).T - np.outer(by_row.sum(axis=1), mean), dtype=np.float64)

    return vectors * length, back


def _squared(y: FloatArray) -> Loss:
    """Return the loss of outputs (n, k): half the squared error, summed over them."""

    def loss(outputs: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        residual = outputs - y
        return 0.5 * float((residual**2).sum() / len(y)), residual / len(y), np.eye(y.shape[1])

    return loss
