"""Nearest neighbours on frozen embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..settings import Setting, among, is_count, one_of
from ..types import FloatArray, IntArray
from ._checks import check_features, check_targets
from ._descent import moments
from .probe import probe, scored

NEIGHBOURS = (1, 3, 5, 10, 20, 50, 100)

_CELLS = 1 << 24
"""How many distances are in memory at a time."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The training examples (n, d), scaled, with their targets (n, k), and how many of them tell about another.

    Classes and labels are 0 or 1 in `targets`; what the neighbours share of each is drawn to `base`, the shares in all
    of training, as if by one neighbour more.
    """

    x: NDArray[np.float32]
    targets: FloatArray
    base: FloatArray
    mean: FloatArray
    scale: FloatArray
    distance: str
    probabilities: bool
    k: int
    valid_loss: float = float("nan")
    history: tuple[Mapping[str, float], ...] = ()

    @property
    def chosen(self) -> Mapping[str, int]:
        """What was chosen on valid."""
        return {"neighbours": self.k}

    def predict(self, x: NDArray[Any]) -> FloatArray:
        """Return class or label probabilities (n, n_classes), or values (n, outputs) of a regression."""
        return self.predictions(x, [self.k])[0]

    def predictions(self, x: NDArray[Any], counts: Sequence[int]) -> list[FloatArray]:
        """Return the predictions by each number of neighbours."""
        if x.shape[1] != self.x.shape[1]:
            raise DataError(f"the probe was fitted on {self.x.shape[1]} features, not {x.shape[1]}")
        out = [np.empty((len(x), self.targets.shape[1])) for _ in counts]
        scaled = _scaled(x, self.mean, self.scale, self.distance)
        for rows, nearest in _nearest(scaled, self.x, max(counts), self.distance):
            for predicted, k in zip(out, counts, strict=True):
                mean = self.targets[nearest[:, :k]].mean(axis=1)
                predicted[rows] = (k * mean + self.base) / (k + 1) if self.probabilities else mean
        return out


@probe(
    "knn",
    description="Nearest training examples by standardised features: their mean, or of classes and labels their shares "
    "with the base rate counted as one more; how many is chosen by the lowest loss on valid.",
    settings={
        "neighbours": Setting(
            NEIGHBOURS,
            "the numbers of neighbours to try",
            "a list of whole numbers from 1",
            lambda value: isinstance(value, (list, tuple)) and bool(value) and all(map(is_count, value)),
        ),
        "distance": one_of(
            "cosine",
            "euclidean",
            default="cosine",
            about="which examples are near",
            search=among("cosine", "euclidean"),
        ),
    },
)
def fit(
    train_x: NDArray[Any],
    train_y: NDArray[Any],
    valid_x: NDArray[Any],
    valid_y: NDArray[Any],
    *,
    n_classes: int,
    seed: int,
    neighbours: Sequence[int],
    distance: str,
    valid_score: Callable[[FloatArray], float] | None = None,
) -> Neighbours:
    """Return the training examples, with the number of neighbours that has the lowest loss on valid.

    Of equal ones the larger; no more neighbours than training examples are tried. Nothing is random.
    """
    check_features(train_x, train_y, "training")
    check_features(valid_x, valid_y, "validation")
    check_targets(train_y, n_classes)
    mean, deviation = moments(train_x)
    scale = np.where(deviation > 1e-6 * np.abs(mean), deviation, np.inf)
    y, valid = (_targets(part, n_classes) for part in (train_y, valid_y))
    counts = sorted({min(k, len(train_x)) for k in neighbours}, reverse=True)
    scaled = _scaled(train_x, mean, scale, distance)
    fitted = Neighbours(scaled, y, y.mean(axis=0), mean, scale, distance, n_classes > 0, counts[0])
    spread = y.std(axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    history = []
    for k, predicted in zip(counts, fitted.predictions(valid_x, counts), strict=True):
        row = {"neighbours": k, "valid_loss": _loss(predicted, valid, n_classes, train_y.ndim == 1, unit)}
        history.append(row | scored(valid_score, predicted))
    best = min(history, key=lambda row: row["valid_loss"])
    return Neighbours(
        **{**vars(fitted), "k": int(best["neighbours"]), "valid_loss": best["valid_loss"], "history": tuple(history)}
    )


def _targets(y: NDArray[Any], n_classes: int) -> FloatArray:
    """Return targets (n, k): 0 or 1 for each class or label, or measurements."""
    if n_classes and y.ndim == 1:
        return np.eye(n_classes)[y.astype(np.int64)]
    return y.astype(np.float64).reshape(len(y), -1)


def _loss(predicted: FloatArray, y: FloatArray, n_classes: int, exclusive: bool, unit: FloatArray) -> float:
    """Return log-loss, for labels also over the labels, or squared error in units of the variance on train."""
    if not n_classes:
        return float((((predicted - y) / unit) ** 2).mean())
    right = (predicted * y).sum(axis=1) if exclusive else np.where(y == 1, predicted, 1 - predicted)
    return float(-np.log(np.maximum(right, np.finfo(np.float64).tiny)).mean())


def _scaled(x: NDArray[Any], mean: FloatArray, scale: FloatArray, distance: str) -> NDArray[np.float32]:
    """Return standardised features, of length 1 where directions are compared."""
    scaled = ((x - mean) / scale).astype(np.float32)
    if distance == "cosine":
        length = np.linalg.norm(scaled, axis=1, keepdims=True)
        scaled /= np.where(length > 0, length, 1.0)
    return scaled


def _nearest(
    x: NDArray[np.float32], train: NDArray[np.float32], k: int, distance: str
) -> Iterator[tuple[slice, IntArray]]:
    """Yield some rows of `x` at a time, and the k nearest rows of `train`, nearest first, then in their order."""
    own = np.zeros(len(train), np.float32) if distance == "cosine" else 0.5 * (train**2).sum(axis=1)
    step = max(1, _CELLS // len(train))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        apart = own - x[rows] @ train.T
        near = np.sort(np.argpartition(apart, k - 1, axis=1)[:, :k], axis=1)
        order = np.argsort(np.take_along_axis(apart, near, axis=1), axis=1, kind="stable")
        yield rows, np.take_along_axis(near, order, axis=1)
