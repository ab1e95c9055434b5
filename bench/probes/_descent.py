"""Minimises the penalised loss of a linear model in coordinates where the curvature is alike in every direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..progress import activity
from ..types import FloatArray

Features = Any
"""A (n, d) float array, or a CSR matrix of scipy's."""

Loss = Callable[[FloatArray], tuple[float, FloatArray, FloatArray]]
"""Takes outputs (n, k); returns the mean loss, its gradient (n, k) and its mean second derivative (k, k)."""

Step = tuple[float, FloatArray, FloatArray]
"""A penalty with its coefficients (k, d) and intercepts (k,)."""

EXACT = 2048
"""The largest matrix whose eigenvectors are all computed."""
LEADING = 8192
"""The largest covariance whose leading eigenvectors are computed; beyond it, columns are scaled by their variances."""
RANK = 256
"""How many leading eigenvectors that is."""
ROWS = 8192
"""How many rows, or columns, are dense in memory at once."""


@dataclass(frozen=True, eq=False)
class Space:
    """Features (n, d) to fit on, centred at `centre`, and the way back to the features that they were made from.

    Their covariance is `spread` (r,) along `vectors` (d, r) and `rest` along everything else; without vectors it is
    `rest` (d,) along each axis.
    """

    x: Features
    centre: FloatArray
    spread: FloatArray
    vectors: NDArray[Any]
    rest: FloatArray
    back: Callable[[FloatArray], FloatArray] | None = None


def space_of(x: Features, *, precision: Any) -> Space:
    """Return the space to fit in: that of the rows where they are few, else that of the columns.

    The eigenvectors of the covariance are all computed up to 2048 columns, the leading 256 up to 8192, none beyond.
    """
    n, d = x.shape
    mean, deviation = moments(x)
    if n < d and n <= EXACT:
        z, back = _rows_space(x, mean)
        return Space(z, np.zeros(z.shape[1]), np.zeros(0), np.zeros((z.shape[1], 0)), (z * z).mean(axis=0), back)
    if d <= EXACT:
        values, vectors = np.linalg.eigh(_covariance(x, mean, precision=precision))
        return Space(x, mean, np.maximum(values.astype(np.float64), 0), vectors, np.zeros(1))
    if d <= LEADING:
        covariance = _covariance(x, mean, precision=np.float32)
        values, vectors = _leading(covariance)
        rest = max(float(np.trace(covariance, dtype=np.float64) - values.sum()), 0) / (d - RANK)
        return Space(x, mean, np.maximum(values, 0), vectors, np.full(1, rest))
    return Space(x, mean, np.zeros(0), np.zeros((d, 0)), deviation**2)


@dataclass(frozen=True, eq=False)
class Coordinates:
    """A change of variables from `w` (k, d) and `b` (k,) to one flat vector, in which the Hessian is the identity.

    Of each row of `turn.T @ w`, the part along `vectors` is divided by `unit` (k, r), what is left by `unit_rest`
    (k, 1 or d), and `turn.T @ b` by `unit_b` (k,).
    """

    turn: FloatArray
    vectors: NDArray[Any]
    unit: FloatArray
    unit_rest: FloatArray
    unit_b: FloatArray

    def gradient(self, w: FloatArray, b: FloatArray) -> FloatArray:
        """Return the gradient by the new variables, given that by `w` and `b`."""
        inner = self._stretch(self.turn.T @ w, self.unit, self.unit_rest)
        return np.concatenate([(self.turn.T @ b) * self.unit_b, inner.ravel()])

    def pack(self, w: FloatArray, b: FloatArray) -> FloatArray:
        """Return the new variables of `w` and `b`."""
        inner = self._stretch(self.turn.T @ w, 1 / self.unit, 1 / self.unit_rest)
        return np.concatenate([(self.turn.T @ b) / self.unit_b, inner.ravel()])

    def unpack(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return `w` and `b` of the new variables."""
        k = len(self.turn)
        inner = self._stretch(u[k:].reshape(k, -1), self.unit, self.unit_rest)
        return np.asarray(self.turn @ inner), self.turn @ (u[:k] * self.unit_b)

    def longer(self, factor: float) -> Coordinates:
        """Return the coordinates in which every length is divided by `factor`."""
        units = {name: getattr(self, name) * factor for name in ("unit", "unit_rest", "unit_b")}
        return replace(self, **units)

    def _stretch(self, u: FloatArray, along: FloatArray, rest: FloatArray) -> FloatArray:
        if not self.vectors.shape[1]:
            return u * rest
        return np.asarray(u * rest + ((u @ self.vectors) * (along - rest)) @ self.vectors.T)


def coordinates(space: Space, curvature: FloatArray, penalty: float) -> Coordinates:
    """Return the variables in which a Hessian of curvature (k, k) x covariance + penalty is the identity."""
    curvatures, turn = np.linalg.eigh(curvature)
    curvatures = np.maximum(curvatures, 1e-3 * curvatures[-1])
    unit, unit_rest = (1 / np.sqrt(np.outer(curvatures, values) + penalty) for values in (space.spread, space.rest))
    return Coordinates(turn, space.vectors, unit, unit_rest, 1 / np.sqrt(curvatures))


def from_strongest(penalties: Sequence[float]) -> list[float]:
    """Return the distinct penalties in falling order. Raises ConfigError where there is none or one is not positive."""
    if not len(penalties) or not all(np.isfinite(p) and p > 0 for p in penalties):
        raise ConfigError(f"penalties are {list(penalties)}; expected one or more positive numbers")
    return sorted(set(map(float, penalties)), reverse=True)


def walk(x: Features, loss: Loss, start: FloatArray, penalties: Sequence[float], tolerance: float) -> Iterator[Step]:
    """Yield the minimiser of `mean loss + penalty / 2 * ||w||**2` for each penalty, from `w` = 0 and `b` = `start`."""
    from scipy.optimize import minimize

    order = from_strongest(penalties)
    space = space_of(x, precision=x.dtype)
    mean = moments(x)[0] if space.back else space.centre
    k, precision = len(start), space.x.dtype
    w, b = np.zeros((k, len(space.centre))), start.astype(np.float64)
    advance = activity("fitting a linear model", x.shape[0] * len(order))
    transposed = space.x.T

    def evaluate(w: FloatArray, b: FloatArray, penalty: float) -> tuple[float, FloatArray, FloatArray, FloatArray]:
        outputs = np.asarray(space.x @ w.T.astype(precision), dtype=np.float64) + (b - w @ space.centre)
        value, residual, curvature = loss(outputs)
        total = residual.sum(axis=0)
        gradient = np.asarray(transposed @ residual.astype(precision), dtype=np.float64).T
        gradient += penalty * w - np.outer(total, space.centre)
        return value + 0.5 * penalty * float((w * w).sum()), gradient, total, curvature

    for penalty in order:
        _, gradient, total, curvature = evaluate(w, b, penalty)
        change = coordinates(space, curvature, penalty)
        # The first step of L-BFGS-B has length 1; in these units that is the Newton step.
        step = max(float(np.linalg.norm(change.gradient(gradient, total))), 1e-12)
        change = change.longer(step)

        def objective(
            u: FloatArray, change: Coordinates = change, penalty: float = penalty
        ) -> tuple[float, FloatArray]:
            value, gradient, total, _ = evaluate(*change.unpack(u), penalty)
            return value, change.gradient(gradient, total)

        options = {"ftol": tolerance, "gtol": 0.0, "maxiter": 1000, "maxcor": 20}
        result = minimize(objective, change.pack(w, b), jac=True, method="L-BFGS-B", options=options)
        w, b = change.unpack(result.x)
        coefficients = w if space.back is None else space.back(w)
        # The fit is of centred features, in either space.
        yield penalty, coefficients, b - coefficients @ mean
        advance(x.shape[0])


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


def _covariance(x: Features, mean: FloatArray, *, precision: Any) -> NDArray[Any]:
    """Return the (d, d) covariance of `x`, accumulated over dense blocks of rows in `precision`."""
    total = np.zeros((x.shape[1], x.shape[1]), dtype=precision)
    shift = mean.astype(precision)
    for at in range(0, x.shape[0], ROWS):
        block = x[at : at + ROWS]
        block = (block if isinstance(x, np.ndarray) else block.toarray()).astype(precision) - shift
        total += block.T @ block
    total /= x.shape[0]
    return total


def _leading(covariance: NDArray[np.float32]) -> tuple[FloatArray, NDArray[np.float32]]:
    """Return approximately the largest 256 eigenvalues with their vectors (d, 256), by subspace iteration."""
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((len(covariance), RANK)).astype(np.float32)
    for _ in range(4):
        basis = np.linalg.qr(covariance @ basis)[0]
    values, turn = np.linalg.eigh(basis.T @ covariance @ basis)
    return values.astype(np.float64), basis @ turn


def moments(x: Features) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the standard deviation of each column, in float64."""
    if isinstance(x, np.ndarray):
        mean = x.mean(axis=0, dtype=np.float64)
        square = np.zeros(x.shape[1])
        for at in range(0, len(x), ROWS):
            square += ((x[at : at + ROWS] - mean) ** 2).sum(axis=0)
        return mean, np.sqrt(square / len(x))
    mean = np.asarray(x.mean(axis=0, dtype=np.float64)).ravel()
    square = np.asarray(x.multiply(x).mean(axis=0, dtype=np.float64)).ravel()
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
