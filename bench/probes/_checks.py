"""What nothing can be learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .tokens import TokenStates


def check_features(x: Any, y: NDArray[Any], part: str) -> None:
    """Raise DataError where features, dense, CSR or of tokens, and targets differ in number, or are not finite."""
    n = len(x) if isinstance(x, TokenStates) else x.shape[0]
    if n != len(y) or not len(y):
        raise DataError(f"{part} features have {n} rows and labels {len(y)}; expected the same, at least 1")
    if not isinstance(x, TokenStates):
        require_finite(x, f"{part} features")


def check_targets(y: NDArray[Any], n_classes: int) -> None:
    """Raise DataError for training targets that cannot be learned from: of one class, or not finite."""
    if not n_classes:
        finite = np.isfinite(y.astype(np.float64).reshape(len(y), -1)).all(axis=1)
        if not finite.all():
            raise DataError(f"training target of row {int(np.argmin(finite))} is not finite")
    elif y.ndim == 1:
        classes = np.unique(y.astype(np.int64))
        if classes[0] < 0 or classes[-1] >= n_classes:
            raise DataError(f"class indices run from {classes[0]} to {classes[-1]}; expected 0 to {n_classes - 1}")
        if len(classes) == 1:
            raise DataError(f"training labels have only class {classes[0]}; expected two classes or more")
    elif (y == y[0]).all():
        raise DataError(f"each of the {n_classes} labels is the same in all training examples")


def require_finite(x: Any, what: str) -> None:
    """Raise DataError for features, dense or CSR, that are not finite."""
    values = x if isinstance(x, np.ndarray) else x.data
    if not np.isfinite(values).all():
        row = "" if not isinstance(x, np.ndarray) else f" in row {int(np.argmin(np.isfinite(x).all(axis=1)))}"
        raise DataError(f"{what} contain a value that is not finite{row}")
