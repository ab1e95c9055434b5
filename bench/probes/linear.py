"""L2-penalised linear models over a path of penalties, for the cost of about one cold fit.

The penalty is per example: `mean loss + penalty / 2 * ||coefficients||**2`, the intercept free, so that one grid suits
any number of examples n: scikit-learn's `LogisticRegression` has C = 1 / (penalty n), its `Ridge` alpha = penalty n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..settings import Setting, is_positive
from ..types import FloatArray
from ._checks import check_features, check_targets, require_finite
from ._descent import ROWS, Features, Loss, Step, moments, walk
from ._ridge import ridge_steps
from .probe import probe, scored

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)
"""The path of penalties that is tried by default."""


@dataclass(frozen=True, eq=False)
class Path:
    """A linear model for each penalty, in the order given: `coefficients` (p, k, d) and `intercepts` (p, k).

    k is 1 for two classes (the log-odds of class 1), else the number of classes, of labels or of outputs.
    """

    penalties: tuple[float, ...]
    coefficients: FloatArray
    intercepts: FloatArray


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted linear model of raw features: `coefficients` (k, d), `intercepts` (k,), and the penalty that was chosen.

    `valid_loss` is its loss on valid; `classes` are those among the training labels; any other of the `n_classes`
    gets probability 0. With `labels` an example may have several of them, and `classes` are those that some training
    examples have and others lack; the intercept of any other is infinite, so that it gets its base rate, 0 or 1.
    `history` has a row for each penalty that was tried, from the strongest.
    """

    coefficients: FloatArray
    intercepts: FloatArray
    penalty: float
    n_classes: int
    classes: tuple[int, ...]
    valid_loss: float = float("nan")
    labels: bool = False
    history: tuple[Mapping[str, float], ...] = ()

    @property
    def chosen(self) -> Mapping[str, float]:
        """What was chosen on valid."""
        return {"penalty": self.penalty}

    def predict(self, x: Features) -> FloatArray:
        """Return class or label probabilities (n, n_classes), or values (n, outputs) of a regression."""
        if x.shape[1] != self.coefficients.shape[1]:
            raise DataError(f"the probe was fitted on {self.coefficients.shape[1]} features, not {x.shape[1]}")
        require_finite(x, "features to predict from")
        outputs = _outputs(x, self.coefficients, self.intercepts)
        if self.n_classes == 0:
            return outputs
        if self.labels:
            return _chance(outputs)
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
    valid_score: Callable[[FloatArray], float] | None = None,
) -> LinearProbe:
    """Return the logistic (or, with `n_classes` 0, ridge) regression whose penalty has the lowest loss on valid.

    Features (n, d), dense or CSR, are scaled to unit variance on train; one that is constant there is not used. Labels
    (n, n_classes) of 0 and 1 get a logistic regression each, and outputs (n, k) a ridge regression each, all with one
    penalty. The loss is log-loss or squared error, averaged over labels, or over outputs in units of their variance.
    `valid_score` of the predictions stands in the history beside the loss.
    Of equal losses that of the stronger penalty wins, and the path ends once two weaker ones in a row are no better.
    Raises DataError for features that are not finite, too few examples, and labels that cannot be learned from.
    """
    train_x, valid_x = (x if x.dtype in (np.float32, np.float64) else x.astype(np.float64) for x in (train_x, valid_x))
    for x, y, part in ((train_x, train_y, "training"), (valid_x, valid_y, "validation")):
        check_features(x, y, part)
    mean, deviation = moments(train_x)
    # The deviation of a column of one value is only rounding error.
    used = deviation > 1e-6 * np.abs(mean)
    scale = np.where(used, deviation if standardise else 1.0, np.inf)
    x = _scaled(train_x, scale)
    make, steps = _learnable(x, np.asarray(train_y), n_classes, penalties)
    best: LinearProbe | None = None
    lowest, worse = np.inf, 0
    history = []
    for penalty, w, b in steps:
        made = make(w / scale, b, penalty)
        predicted = made.predict(valid_x)
        loss = _loss(made, predicted, np.asarray(valid_y), np.asarray(train_y))
        history.append({"penalty": penalty, "valid_loss": loss, **scored(valid_score, predicted)})
        if best is None or loss < lowest:
            best, lowest, worse = replace(made, valid_loss=loss), loss, 0
        else:
            worse += 1
        if worse == 2:
            break
    assert best is not None
    return replace(best, history=tuple(history))


def _are_penalties(value: object) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(map(is_positive, value))


@probe(
    "linear",
    description="Logistic regression, or ridge for measurements, on standardised features; the L2 penalty is the one "
    "with the lowest loss on valid.",
    version=2,
    settings={
        "penalties": Setting(
            PENALTIES,
            "the penalties to try",
            "a list of finite numbers above 0",
            _are_penalties,
        )
    },
)
def fit(
    train_x: Features,
    train_y: NDArray[Any],
    valid_x: Features,
    valid_y: NDArray[Any],
    *,
    n_classes: int,
    seed: int,
    penalties: Sequence[float],
    valid_score: Callable[[FloatArray], float] | None = None,
) -> LinearProbe:
    """Return `fit_probe` on the features; nothing is random, so `seed` changes nothing."""
    return fit_probe(
        train_x, train_y, valid_x, valid_y, n_classes=n_classes, penalties=penalties, valid_score=valid_score
    )


def _learnable(
    x: Features, y: NDArray[Any], n_classes: int, penalties: Sequence[float]
) -> tuple[Callable[[FloatArray, FloatArray, float], LinearProbe], Iterator[Step]]:
    """Return a function that makes a probe from coefficients, intercepts and penalty, and the fits along the path."""
    if not n_classes:
        if y.ndim == 1:
            return lambda w, b, penalty: LinearProbe(w, b, penalty, 0, ()), ridge_steps(
                x, y, penalties, tolerance=1e-10
            )
        y = y.astype(np.float64)
        unit = _deviation(y)
        return (
            lambda w, b, penalty: LinearProbe(w * unit[:, None], b * unit, penalty, 0, ()),
            ridge_steps(x, y / unit, penalties, tolerance=1e-10),
        )
    check_targets(y, n_classes)
    if y.ndim == 1:
        classes, labels = np.unique(y.astype(np.int64), return_inverse=True)
        present = tuple(classes.tolist())
        return (
            lambda w, b, penalty: LinearProbe(w, b, penalty, n_classes, present),
            _logistic(x, labels, len(classes), penalties, tolerance=1e-7),
        )
    rate = y.mean(axis=0)
    varied = np.flatnonzero((rate > 0) & (rate < 1))

    def of_labels(w: FloatArray, b: FloatArray, penalty: float) -> LinearProbe:
        coefficients = np.zeros((n_classes, w.shape[1]))
        intercepts = np.where(rate > 0, np.inf, -np.inf)
        coefficients[varied], intercepts[varied] = w, b
        return LinearProbe(coefficients, intercepts, penalty, n_classes, tuple(varied.tolist()), labels=True)

    # The labels share nothing but the features: fitted at once, they share the matrix products too.
    prior = np.log(rate[varied]) - np.log1p(-rate[varied])
    return of_labels, walk(x, _binary(y[:, varied].astype(np.float64)), prior, penalties, tolerance=1e-8)


def logistic_path(
    x: Features, y: NDArray[Any], n_classes: int, penalties: Sequence[float], *, tolerance: float = 1e-8
) -> Path:
    """Return the logistic (two classes) or multinomial regression for each penalty; `y` (n,) has every class.

    The path is walked from the strongest penalty, each fit starting at the last, by L-BFGS in coordinates where the
    mean Hessian at the start is the identity: one Gram matrix and one eigendecomposition serve all penalties. A fit
    ends when a step gains less than `tolerance` of loss. Products are in the precision of `x`, sums in float64.
    """
    return _path(_logistic(x, y, n_classes, penalties, tolerance=tolerance), penalties)


def _path(steps: Iterator[Step], penalties: Sequence[float]) -> Path:
    by_penalty = {penalty: (w, b) for penalty, w, b in steps}
    return Path(
        tuple(penalties),
        np.stack([by_penalty[p][0] for p in penalties]),
        np.stack([by_penalty[p][1] for p in penalties]),
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
        return walk(x, _binary(y[:, None].astype(np.float64)), prior[1:] - prior[:1], penalties, tolerance)
    return walk(x, _multinomial(y, n_classes), prior - prior.mean(), penalties, tolerance)


def _scaled(x: Features, scale: FloatArray) -> Features:
    factor = (1 / scale).astype(x.dtype)
    return x * factor if isinstance(x, np.ndarray) else x.multiply(factor[None, :]).tocsr()


def _outputs(x: Features, coefficients: FloatArray, intercepts: FloatArray) -> FloatArray:
    """Return `x @ coefficients.T + intercepts`, (n, k), in float64."""
    blocks = [x[at : at + ROWS] @ coefficients.T for at in range(0, x.shape[0], ROWS)]
    return np.concatenate([np.zeros((0, len(intercepts))), *blocks]) + intercepts


def _probabilities(outputs: FloatArray) -> FloatArray:
    if outputs.shape[1] == 1:
        outputs = np.hstack([np.zeros_like(outputs), outputs])
    exponent = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    probabilities: FloatArray = exponent / exponent.sum(axis=1, keepdims=True)
    return probabilities


def _chance(outputs: FloatArray) -> FloatArray:
    """Return the logistic function of each output."""
    small = np.exp(-np.abs(outputs))
    chance: FloatArray = np.where(outputs >= 0, 1.0, small) / (1 + small)
    return chance


def _deviation(y: FloatArray) -> FloatArray:
    """Return the standard deviation of each output (n, k), 1 where it does not vary."""
    deviation = y.std(axis=0)
    return np.where(deviation > 1e-12 * np.abs(y).max(axis=0), deviation, 1.0)


def _loss(probe: LinearProbe, predicted: FloatArray, y: NDArray[Any], train_y: NDArray[Any]) -> float:
    """Return the loss of predictions on valid: the mean over examples and over learnt labels or outputs."""
    if probe.n_classes == 0 and y.ndim == 1:
        return float(np.mean((predicted[:, 0] - y) ** 2))
    if probe.n_classes == 0:
        return float(np.mean(((predicted - y) / _deviation(train_y.astype(np.float64))) ** 2))
    if probe.labels:
        learnt = list(probe.classes)
        chosen = np.where(y[:, learnt] == 1, predicted[:, learnt], 1 - predicted[:, learnt])
    else:
        chosen = predicted[np.arange(len(y)), y.astype(np.int64)]
    return float(-np.mean(np.log(np.maximum(chosen, np.finfo(np.float64).tiny))))


def _binary(y: FloatArray) -> Loss:
    """Return the loss of labels (n, k): the sum over them of the mean log-loss."""

    def loss(outputs: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        chance = _chance(outputs)
        each = np.maximum(outputs, 0) + np.log1p(np.exp(-np.abs(outputs))) - y * outputs
        return float(each.sum() / len(y)), (chance - y) / len(y), np.diag((chance * (1 - chance)).mean(axis=0))

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
