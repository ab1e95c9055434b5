"""L2-penalised linear models over a path of penalties, for the cost of about one cold fit.

The penalty is per example: `mean loss + penalty / 2 * ||coefficients||**2`, the intercept free, so that one grid suits
any number of examples n: scikit-learn's `LogisticRegression` has C = 1 / (penalty n), its `Ridge` alpha = penalty n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, DataError
from .progress import activity
from .types import FloatArray

Features = Any
"""A (n, d) float array, or a CSR matrix of scipy's."""

_EXACT = 2048
"""The largest matrix whose eigenvectors are computed; a larger problem is scaled by its variances instead."""
_ROWS = 8192
"""How many rows, or columns, are held in float64 at once."""

Loss = Callable[[FloatArray], tuple[float, FloatArray, FloatArray]]
"""Takes outputs (n, k); returns the mean loss, its gradient (n, k) and its mean second derivative (k, k)."""


@dataclass(frozen=True, eq=False)
class Path:
    """A linear model for each penalty, in the order given: `coefficients` (p, k, d) and `intercepts` (p, k).

    k is 1 for a regression and for two classes (the log-odds of class 1), else the number of classes.
    """

    penalties: tuple[float, ...]
    coefficients: FloatArray
    intercepts: FloatArray


@dataclass(frozen=True, eq=False)
class Probe:
    """A fitted linear model of raw features: `coefficients` (k, d), `intercepts` (k,), and the penalty that was chosen.

    `classes` are those that the training labels held; any other of the `n_classes` gets probability 0.
    """

    coefficients: FloatArray
    intercepts: FloatArray
    penalty: float
    n_classes: int
    classes: tuple[int, ...]

    def predict(self, x: Features) -> FloatArray:
        """Return class probabilities (n, n_classes), or values (n, 1) of a regression."""
        if x.shape[1] != self.coefficients.shape[1]:
            raise DataError(f"the probe was fitted on {self.coefficients.shape[1]} features, not {x.shape[1]}")
        _require_finite(x, "features to predict from")
        outputs = _outputs(x, self.coefficients, self.intercepts)
        if self.n_classes == 0:
            return outputs
        probabilities = np.zeros((len(outputs), self.n_classes))
        probabilities[:, self.classes] = _probabilities(outputs)
        return probabilities


def fit_probe(
    train_x: Features,
    train_y: NDArray[Any],
    valid_x: Features,
    valid_y: NDArray[Any],
    *,
    n_classes: int,
    penalties: Sequence[float],
    standardise: bool = True,
) -> Probe:
    """Return the logistic (or, with `n_classes` 0, ridge) regression whose penalty has the lowest loss on valid.

    Features (n, d), dense or CSR, are scaled to unit variance on train; one that is constant there is not used. The
    loss is log-loss, or squared error; of equals the stronger penalty wins, and the path ends once two weaker ones in
    a row have not been better. Raises DataError for features that are not
    finite, for too few examples, and for labels that cannot be learned from.
    """
    for x, y, part in ((train_x, train_y, "training"), (valid_x, valid_y, "validation")):
        if x.shape[0] != len(y) or not len(y):
            raise DataError(
                f"{part} features have {x.shape[0]} rows and labels {len(y)}; expected the same, at least 1"
            )
        _require_finite(x, f"{part} features")
    mean, deviation = _moments(train_x)
    # A column of one value has a deviation of rounding errors alone.
    used = deviation > 1e-6 * np.abs(mean)
    scale = np.where(used, deviation if standardise else 1.0, np.inf)
    x = _scaled(train_x, scale)
    if n_classes:
        classes, labels = np.unique(np.asarray(train_y, dtype=np.int64), return_inverse=True)
        if classes[0] < 0 or classes[-1] >= n_classes:
            raise DataError(f"class indices run from {classes[0]} to {classes[-1]}; expected 0 to {n_classes - 1}")
        if len(classes) == 1:
            raise DataError(f"training labels hold class {classes[0]} alone; expected two classes or more")
        steps = _logistic(x, labels, len(classes), penalties, tolerance=1e-7)
    else:
        classes = np.zeros(0, dtype=np.int64)
        steps = _ridge(x, train_y, penalties, tolerance=1e-10)
    best: Probe | None = None
    lowest, worse = np.inf, 0
    for penalty, w, b in steps:
        probe = Probe(w / scale, b, penalty, n_classes, tuple(classes.tolist()))
        loss = _loss(probe.predict(valid_x), np.asarray(valid_y), n_classes)
        if best is None or loss < lowest:
            best, lowest, worse = probe, loss, 0
        else:
            worse += 1
        if worse == 2:
            break
    assert best is not None
    return best


def logistic_path(
    x: Features, y: NDArray[Any], n_classes: int, penalties: Sequence[float], *, tolerance: float = 1e-8
) -> Path:
    """Return the logistic (two classes) or multinomial regression for each penalty; `y` (n,) holds every class.

    The path is walked from the strongest penalty, each fit starting at the last, by L-BFGS in coordinates where the
    mean Hessian at the start is the identity: one Gram matrix and one eigendecomposition serve all penalties. A fit
    ends when a step gains less than `tolerance` of loss. Products are in the precision of `x`, sums in float64.
    """
    return _path(_logistic(x, y, n_classes, penalties, tolerance=tolerance), penalties)


def ridge_path(x: Features, y: NDArray[Any], penalties: Sequence[float], *, tolerance: float = 1e-10) -> Path:
    """Return the ridge regression of `y` (n,) on `x` for each penalty, in closed form from one eigendecomposition.

    The loss is half the mean squared error. Where neither side of `x` is at most 2048, the path is walked as in
    `logistic_path`.
    """
    return _path(_ridge(x, y, penalties, tolerance=tolerance), penalties)


Step = tuple[float, FloatArray, FloatArray]
"""A penalty with its coefficients (k, d) and intercepts (k,)."""


def _path(steps: Iterator[Step], penalties: Sequence[float]) -> Path:
    found = {penalty: (w, b) for penalty, w, b in steps}
    return Path(
        tuple(penalties), np.stack([found[p][0] for p in penalties]), np.stack([found[p][1] for p in penalties])
    )


def _logistic(
    x: Features, y: NDArray[Any], n_classes: int, penalties: Sequence[float], *, tolerance: float
) -> Iterator[Step]:
    y = np.asarray(y, dtype=np.int64)
    counts = np.bincount(y, minlength=n_classes)
    if n_classes < 2 or (counts == 0).any():
        raise DataError(f"class counts in training are {counts.tolist()}; expected two classes or more, none empty")
    prior = np.log(counts / len(y))
    if n_classes == 2:
        return _walk(x, _binary(y), prior[1:] - prior[:1], penalties, tolerance)
    return _walk(x, _multinomial(y, n_classes), prior - prior.mean(), penalties, tolerance)


def _ridge(x: Features, y: NDArray[Any], penalties: Sequence[float], *, tolerance: float) -> Iterator[Step]:
    y = np.asarray(y, dtype=np.float64)
    if not np.isfinite(y).all():
        raise DataError(f"training target of row {int(np.argmin(np.isfinite(y)))} is not finite")
    offset = y.mean()
    n, d = x.shape
    if not (n <= _EXACT and n < d) and not (d <= _EXACT and isinstance(x, np.ndarray)):
        yield from _walk(x, _squared(y), np.array([offset]), penalties, tolerance)
        return
    mean, deviation = _moments(x)
    space = _space(x, mean, deviation, precision=np.float64)
    # The targets are centred, so the features need not be.
    target = sum(space.x[at : at + _ROWS].T @ (y - offset)[at : at + _ROWS] for at in range(0, n, _ROWS)) / n
    if space.vectors is not None:
        target = space.vectors.T @ target
    for penalty in _from_strongest(penalties):
        w = (target / (space.spread + penalty))[None]
        if space.vectors is not None:
            w = w @ space.vectors.T
        if space.back is not None:
            w = space.back(w)
        yield penalty, w, offset - w @ mean


@dataclass(frozen=True, eq=False)
class _Space:
    """Features to fit on, their means, their variances along `vectors` (the axes if None), and the way back."""

    x: Any
    centre: FloatArray
    spread: FloatArray
    vectors: NDArray[Any] | None
    back: Callable[[FloatArray], FloatArray] | None


@dataclass(frozen=True, eq=False)
class _Coordinates:
    """A change of variables, `w = turn @ (u * unit) @ vectors.T` and `b = turn @ (v * unit_b)`, in one flat vector."""

    turn: FloatArray
    vectors: NDArray[Any] | None
    unit: FloatArray
    unit_b: FloatArray

    def gradient(self, w: FloatArray, b: FloatArray) -> FloatArray:
        """Return the gradient by the new variables, given that by `w` (k, d) and `b` (k,)."""
        inner = self.turn.T @ w
        inner = inner if self.vectors is None else inner @ self.vectors
        return np.concatenate([(self.turn.T @ b) * self.unit_b, (inner * self.unit).ravel()])

    def pack(self, w: FloatArray, b: FloatArray) -> FloatArray:
        """Return the new variables of `w` and `b`."""
        units = np.concatenate([self.unit_b, self.unit.ravel()])
        return np.asarray(self.gradient(w, b) / units**2)

    def unpack(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return `w` and `b` of the new variables."""
        k = len(self.turn)
        inner = u[k:].reshape(self.unit.shape) * self.unit
        inner = inner if self.vectors is None else inner @ self.vectors.T
        return np.asarray(self.turn @ inner), self.turn @ (u[:k] * self.unit_b)


def _walk(x: Features, loss: Loss, start: FloatArray, penalties: Sequence[float], tolerance: float) -> Iterator[Step]:
    """Yield the minimiser of `mean loss + penalty / 2 * ||w||**2` for each penalty, from `w` = 0 and `b` = `start`."""
    from scipy.optimize import minimize

    order = _from_strongest(penalties)
    mean, deviation = _moments(x)
    space = _space(x, mean, deviation, precision=x.dtype)
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
        change = _coordinates(space, curvature, penalty)
        # The first step of L-BFGS-B has length 1; in these units that is the Newton step.
        step = max(float(np.linalg.norm(change.gradient(gradient, total))), 1e-12)
        change = replace(change, unit=change.unit * step, unit_b=change.unit_b * step)

        def objective(
            u: FloatArray, change: _Coordinates = change, penalty: float = penalty
        ) -> tuple[float, FloatArray]:
            value, gradient, total, _ = evaluate(*change.unpack(u), penalty)
            return value, change.gradient(gradient, total)

        options = {"ftol": tolerance, "gtol": 0.0, "maxiter": 1000, "maxcor": 20}
        found = minimize(objective, change.pack(w, b), jac=True, method="L-BFGS-B", options=options)
        w, b = change.unpack(found.x)
        coefficients = w if space.back is None else space.back(w)
        # The fit is of centred features, in either space.
        yield penalty, coefficients, b - coefficients @ mean
        advance(x.shape[0])


def _space(x: Features, mean: FloatArray, deviation: FloatArray, *, precision: Any) -> _Space:
    """Return the space to fit in: the rows' own where they are few, else the columns' with eigenvectors if not many."""
    n, d = x.shape
    if n < d and n <= _EXACT:
        z, back = _reduced(x, mean)
        return _Space(z, np.zeros(z.shape[1]), (z * z).mean(axis=0), None, back)
    if isinstance(x, np.ndarray) and d <= _EXACT:
        values, vectors = np.linalg.eigh(_gram(x, mean, precision=precision))
        return _Space(x, mean, np.maximum(values.astype(np.float64), 0), vectors, None)
    return _Space(x, mean, deviation**2, None, None)


def _coordinates(space: _Space, curvature: FloatArray, penalty: float) -> _Coordinates:
    """Return the variables in which the Hessian, taken as curvature x covariance + penalty, is the identity."""
    bends, turn = np.linalg.eigh(curvature)
    bends = np.maximum(bends, 1e-3 * bends[-1])
    return _Coordinates(turn, space.vectors, 1 / np.sqrt(np.outer(bends, space.spread) + penalty), 1 / np.sqrt(bends))


def _reduced(x: Features, mean: FloatArray) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
    """Return centred `x` (n < d) in the directions that it spans, (n, r), and what brings (k, r) weights back."""
    n, d = x.shape
    inner = np.zeros((n, n))
    by_column: Any = x if isinstance(x, np.ndarray) else x.tocsc()
    for at in range(0, d, _ROWS):
        block = by_column[:, at : at + _ROWS]
        block = (block if isinstance(x, np.ndarray) else block.toarray()).astype(np.float64) - mean[at : at + _ROWS]
        inner += block @ block.T
    values, vectors = np.linalg.eigh(inner)
    kept = values > 1e-12 * max(values[-1], 1e-300)
    length, vectors = np.sqrt(values[kept]), vectors[:, kept]

    def back(w: FloatArray) -> FloatArray:
        by_row = (w / length) @ vectors.T
        return np.asarray((x.T @ by_row.T).T - np.outer(by_row.sum(axis=1), mean), dtype=np.float64)

    return vectors * length, back


def _gram(x: NDArray[Any], mean: FloatArray, *, precision: Any) -> NDArray[Any]:
    """Return the (d, d) covariance of `x`, accumulated over blocks of rows in `precision`."""
    total = np.zeros((x.shape[1], x.shape[1]), dtype=precision)
    shift = mean.astype(precision)
    for at in range(0, len(x), _ROWS):
        block = x[at : at + _ROWS].astype(precision) - shift
        total += block.T @ block
    return total / len(x)


def _moments(x: Features) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the standard deviation of each column, in float64."""
    if isinstance(x, np.ndarray):
        mean = x.mean(axis=0, dtype=np.float64)
        square = np.zeros(x.shape[1])
        for at in range(0, len(x), _ROWS):
            square += ((x[at : at + _ROWS] - mean) ** 2).sum(axis=0)
        return mean, np.sqrt(square / len(x))
    mean = np.asarray(x.mean(axis=0, dtype=np.float64)).ravel()
    square = np.asarray(x.multiply(x).mean(axis=0, dtype=np.float64)).ravel()
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _scaled(x: Features, scale: FloatArray) -> Features:
    factor = (1 / scale).astype(x.dtype)
    return x * factor if isinstance(x, np.ndarray) else x.multiply(factor[None, :]).tocsr()


def _outputs(x: Features, coefficients: FloatArray, intercepts: FloatArray) -> FloatArray:
    """Return `x @ coefficients.T + intercepts`, (n, k), in float64."""
    blocks = [x[at : at + _ROWS] @ coefficients.T for at in range(0, x.shape[0], _ROWS)]
    return np.concatenate([np.zeros((0, len(intercepts))), *blocks]) + intercepts


def _probabilities(outputs: FloatArray) -> FloatArray:
    if outputs.shape[1] == 1:
        outputs = np.hstack([np.zeros_like(outputs), outputs])
    exponent = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    probabilities: FloatArray = exponent / exponent.sum(axis=1, keepdims=True)
    return probabilities


def _loss(predicted: FloatArray, y: NDArray[Any], n_classes: int) -> float:
    if n_classes == 0:
        return float(np.mean((predicted[:, 0] - y) ** 2))
    chosen = predicted[np.arange(len(y)), y.astype(np.int64)]
    return float(-np.mean(np.log(np.maximum(chosen, np.finfo(np.float64).tiny))))


def _binary(y: NDArray[np.int64]) -> Loss:
    def loss(outputs: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        z = outputs[:, 0]
        small = np.exp(-np.abs(z))
        chance = np.where(z >= 0, 1.0, small) / (1 + small)
        value = float(np.mean(np.maximum(z, 0) + np.log1p(small) - y * z))
        return value, ((chance - y) / len(y))[:, None], np.array([[np.mean(chance * (1 - chance))]])

    return loss


def _multinomial(y: NDArray[np.int64], n_classes: int) -> Loss:
    rows, hot = np.arange(len(y)), np.eye(n_classes)[y]

    def loss(outputs: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        chance = _probabilities(outputs)
        top = outputs.max(axis=1)
        value = float(np.mean(top + np.log(np.exp(outputs - top[:, None]).sum(axis=1)) - outputs[rows, y]))
        curvature = np.diag(chance.mean(axis=0)) - chance.T @ chance / len(y)
        return value, (chance - hot) / len(y), curvature

    return loss


def _squared(y: FloatArray) -> Loss:
    def loss(outputs: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        residual = outputs - y[:, None]
        return 0.5 * float(np.mean(residual**2)), residual / len(y), np.ones((1, 1))

    return loss


def _from_strongest(penalties: Sequence[float]) -> list[float]:
    if not len(penalties) or not all(np.isfinite(p) and p > 0 for p in penalties):
        raise ConfigError(f"penalties are {list(penalties)}; expected one or more positive numbers")
    return sorted(set(map(float, penalties)), reverse=True)


def _require_finite(x: Features, what: str) -> None:
    values = x if isinstance(x, np.ndarray) else x.data
    if not np.isfinite(values).all():
        row = "" if not isinstance(x, np.ndarray) else f" in row {int(np.argmin(np.isfinite(x).all(axis=1)))}"
        raise DataError(f"{what} hold a value that is not finite{row}")
