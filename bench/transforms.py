"""Transforms of measurements: what models learn instead of them, and the way back to the measured scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .errors import DataError
from .types import FloatArray

SKEW, KURTOSIS = 2.0, 7.0
"""Absolute skewness, and excess kurtosis, from which tails are heavy: where ridge regression on ranks begins to
gain Spearman, in planted data with tails on one side and on both (a test repeats it)."""
FEW = 20
"""The fewest measurements of which moments are taken."""
BEYOND = 1e-6
"""How far a rank beyond all of training is taken, for a whole unit of rank, as a share of the scale of the values."""


class Fitted(Protocol):
    """A transform that was fitted on training measurements."""

    def apply(self, targets: FloatArray) -> FloatArray:
        """Return measurements (n,) or (n, k) as models learn them, in the same shape."""

    def undo(self, predicted: FloatArray) -> FloatArray:
        """Return predictions (n, k) on the measured scale; the order of the predictions of an output stays."""


@dataclass(frozen=True)
class Unchanged:
    """Measurements as they are."""

    def apply(self, targets: FloatArray) -> FloatArray:
        """Return the targets."""
        return targets

    def undo(self, predicted: FloatArray) -> FloatArray:
        """Return the predictions."""
        return predicted


@dataclass(frozen=True)
class Log:
    """The natural logarithm of 1 + y, for measurements from 0, such as counts and expression."""

    def apply(self, targets: FloatArray) -> FloatArray:
        """Return log(1 + y). Raises DataError for a measurement below 0."""
        lowest = float(np.min(targets, initial=0.0))
        if lowest < 0:
            raise DataError(
                f"transform = 'log' takes measurements from 0, and one is {lowest:g}; transform = 'rank' takes any"
            )
        return np.log1p(targets)

    def undo(self, predicted: FloatArray) -> FloatArray:
        """Return exp(z) - 1, infinite where it is beyond the largest number."""
        with np.errstate(over="ignore"):
            measured: FloatArray = np.expm1(predicted)
        return measured


@dataclass(frozen=True, eq=False)
class Ranks:
    """The share of training measurements below y, ties at their middle: ranks from 0 to 1, each output by itself.

    `outputs` has, for each output, the distinct training measurements in order and their ranks. Between two of them
    ranks and measurements lie on a straight line. A measurement beyond all of training has the first or the last rank;
    a prediction beyond these ranks goes hardly beyond the measurements, but in order.
    """

    outputs: tuple[tuple[FloatArray, FloatArray], ...]

    def apply(self, targets: FloatArray) -> FloatArray:
        """Return the ranks of the targets."""
        columns = np.asarray(targets, np.float64).reshape(len(targets), -1).T
        ranks = [np.interp(y, values, r) for y, (values, r) in zip(columns, self.outputs, strict=True)]
        return np.stack(ranks, axis=1).reshape(targets.shape)

    def undo(self, predicted: FloatArray) -> FloatArray:
        """Return the training measurement at each predicted rank. Raises DataError for another number of outputs."""
        if predicted.ndim != 2 or predicted.shape[1] != len(self.outputs):
            raise DataError(
                f"the model predicted shape {predicted.shape}, expected (n, {len(self.outputs)}): a value an output"
            )
        pairs = zip(predicted.T, self.outputs, strict=True)
        return np.stack([_at(rank, values, ranks) for rank, (values, ranks) in pairs], axis=1)


def _at(rank: FloatArray, values: FloatArray, ranks: FloatArray) -> FloatArray:
    """Return the value at each rank (n,), which never falls where the rank rises."""
    scale = float(np.abs(values).max()) or 1.0
    beyond = rank - np.clip(rank, ranks[0], ranks[-1])
    if len(values) == 1:
        return np.asarray(values[0] + BEYOND * scale * beyond)
    segment = np.clip(np.searchsorted(ranks, rank, side="right") - 1, 0, len(values) - 2)
    low, high = values[segment], values[segment + 1]
    # Rounding must not take a value across the end of its segment.
    inside = np.clip(np.interp(rank, ranks, values), low, high)
    return np.asarray(inside + BEYOND * scale * beyond)


def _unchanged(targets: FloatArray) -> Unchanged:
    return Unchanged()


def _log(targets: FloatArray) -> Log:
    Log().apply(targets)
    return Log()


def _ranks(targets: FloatArray) -> Ranks:
    outputs = []
    for column in np.asarray(targets, np.float64).reshape(len(targets), -1).T:
        values, counts = np.unique(column, return_counts=True)
        outputs.append((values, (np.cumsum(counts) - counts / 2) / len(column)))
    return Ranks(tuple(outputs))


_FIT: Mapping[str, tuple[int, Callable[[FloatArray], Fitted]]] = {
    "none": (1, _unchanged),
    "log": (1, _log),
    "rank": (1, _ranks),
}
"""Version and function of each transform; a version is raised whenever what the transform computes changes."""
TRANSFORMS = tuple(_FIT)


def fit_transform(name: str, targets: FloatArray) -> Fitted:
    """Return the transform fitted on training measurements (n,) or (n, k), which are finite.

    Raises DataError where it cannot be applied to them, or there are none.
    """
    if not len(targets):
        raise DataError(f"transform = {name!r}: there are no training measurements")
    return _FIT[name][1](targets)


def transform_version(name: str) -> str:
    """Return what identifies a transform in a run: its name and its version, such as 'rank 1'."""
    return f"{name} {_FIT[name][0]}"


@dataclass(frozen=True)
class Tails:
    """Moments of measurements: skewness and excess kurtosis, 0 and 0 for a normal distribution.

    `most` is the share of the variance that the most extreme hundredth of the rows holds, which squared error learns.
    """

    skew: float
    kurtosis: float
    most: float

    @property
    def heavy(self) -> bool:
        """Whether squared error would learn a few rows rather than all."""
        return abs(self.skew) >= SKEW or self.kurtosis >= KURTOSIS

    def __str__(self) -> str:
        skew, kurtosis = _shown(self.skew), _shown(self.kurtosis)
        return f"skew {skew}, excess kurtosis {kurtosis}, {100 * self.most:.0f} % of the variance in 1 % of rows"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{round(value, 1) + 0.0:.1f}"  # not -0.0


def tails_of(values: FloatArray) -> Tails:
    """Return the tails of measurements (n,); none where they are all equal or fewer than 20."""
    y = np.asarray(values, np.float64)
    if len(y) < FEW or np.ptp(y) == 0:
        return Tails(0.0, 0.0, 0.0)
    y = y / np.abs(y).max()  # powers of large numbers overflow
    z = y - y.mean()
    square = z**2
    variance = float(square.mean())
    if variance <= np.finfo(np.float64).tiny or np.sqrt(variance) <= 1e-12 * float(np.abs(y).max()):
        return Tails(0.0, 0.0, 0.0)
    n = max(1, len(y) // 100)
    most = float(np.sort(square)[-n:].sum() / square.sum())
    return Tails(float((z**3).mean()) / variance**1.5, float((square**2).mean()) / variance**2 - 3.0, most)


def heaviest(outputs: Sequence[Tails]) -> Tails:
    """Return the heaviest of the tails of several outputs."""
    return max(outputs, key=lambda t: max(abs(t.skew) / SKEW, t.kurtosis / KURTOSIS))
