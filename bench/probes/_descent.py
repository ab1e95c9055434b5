"""Minimises the penalised loss of a linear model in coordinates where the curvature is alike in every direction."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
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

ALL = 512
"""The most columns whose covariance has all its eigenvectors computed."""
RANK = 64
"""How many of them are computed beyond that: more would cost more than the steps that they spare."""
WIDEST = 2**18
"""The most columns for which any are; beyond it, columns are scaled by their variances."""
SMALL = 2**24
"""The most entries of features whose products are faster on one thread: others wait longer than they work."""
STEPS = 4
"""How many products with the covariance that takes."""
ROWS = 8192
"""How many rows, or columns, are dense in memory at once."""


@dataclass(frozen=True, eq=False)
class Space:
    """The spread of features (n, d) around their mean `centre`: what coordinates to fit in are made from.

    Their covariance is `spread` (r,) along `vectors` (d, r) and about `rest` (1,) along everything else; without
    vectors it is `rest` (d,) along each axis.
    """

    centre: FloatArray
    spread: FloatArray
    vectors: FloatArray
    rest: FloatArray


def space_of(x: Features) -> Space:
    """Return the space of the features: all eigenvectors up to 512 columns, else the leading 64."""
    d = x.shape[1]
    mean, deviation = moments(x)
    if d > WIDEST:
        return Space(mean, np.zeros(0), np.zeros((d, 0)), deviation**2)
    if d <= ALL:
        values, vectors = np.linalg.eigh(covariance(x, mean, precision=x.dtype))
        return Space(mean, np.maximum(values.astype(np.float64), 0), vectors.astype(np.float64), np.zeros(1))
    values, vectors = _leading(x, mean)
    others = max(min(x.shape) - len(values), 1)
    return Space(mean, values, vectors, np.full(1, max(float((deviation**2).sum() - values.sum()), 0) / others))


@dataclass(frozen=True, eq=False)
class Coordinates:
    """A change of variables from `w` (k, d) and `b` (k,) to one flat vector, in which the Hessian is the identity.

    Of each row of `turn.T @ w`, the part along `vectors` is divided by `unit` (k, r), what is left by `unit_rest`
    (k, 1 or d), and `turn.T @ b` by `unit_b` (k,).
    """

    turn: FloatArray
    vectors: FloatArray
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
    threads = _one_thread if math.prod(x.shape) <= SMALL else nullcontext
    with threads():
        space = space_of(x)
    k, precision = len(start), x.dtype
    w, b = np.zeros((k, x.shape[1])), start.astype(np.float64)
    advance = activity("fitting a linear model", x.shape[0] * len(order))
    transposed = x.T

    def evaluate(w: FloatArray, b: FloatArray, penalty: float) -> tuple[float, FloatArray, FloatArray, FloatArray]:
        outputs = np.asarray(x @ w.T.astype(precision), dtype=np.float64) + (b - w @ space.centre)
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
        with threads():
            result = minimize(objective, change.pack(w, b), jac=True, method="L-BFGS-B", options=options)
        w, b = change.unpack(result.x)
        # The fit is of centred features.
        yield penalty, w, b - w @ space.centre
        advance(x.shape[0])


@functools.cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _one_thread() -> AbstractContextManager[Any]:
    """Return a context in which products of matrices use one thread."""
    return _libraries().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


def covariance(x: Features, mean: FloatArray, *, precision: Any) -> NDArray[Any]:
    """Return the (d, d) covariance of `x`, accumulated over dense blocks of rows in `precision`."""
    total = np.zeros((x.shape[1], x.shape[1]), dtype=precision)
    shift = mean.astype(precision)
    for at in range(0, x.shape[0], ROWS):
        block = x[at : at + ROWS]
        block = (block if isinstance(x, np.ndarray) else block.toarray()).astype(precision) - shift
        total += block.T @ block
    total /= x.shape[0]
    return total


def _leading(x: Features, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return about the largest 64 eigenvalues of the covariance of `x`, with their vectors (d, 64): subspace iteration.

    The covariance is never made: each of its products is two with `x` (Halko et al. 2011, algorithm 4.4).
    """
    centre = mean.astype(x.dtype)
    rank = min(RANK, min(x.shape))
    basis = np.random.default_rng(0).standard_normal((x.shape[1], rank)).astype(x.dtype)
    for _ in range(STEPS):
        outputs = x @ basis - centre @ basis
        basis = np.linalg.qr(x.T @ outputs - np.outer(centre, outputs.sum(axis=0)))[0]
    outputs = (x @ basis - centre @ basis).astype(np.float64)
    values, turn = np.linalg.eigh(outputs.T @ outputs / x.shape[0])
    return np.maximum(values, 0), basis.astype(np.float64) @ turn


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
