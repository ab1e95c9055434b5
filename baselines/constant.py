"""The base rate itself: the same prediction for every example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from baserate.errors import DataError, check_keys
from baserate.registry import baseline
from baserate.types import Examples, FloatArray, Inputs


@dataclass(frozen=True, eq=False)
class _Fitted:
    prediction: FloatArray

    def predict(self, inputs: Inputs) -> FloatArray:
        return np.tile(self.prediction, (len(inputs), 1))


class Constant:
    """Predicts the class or label frequencies, or the mean targets, of train; untrained, 0."""

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, **settings: Any) -> _Fitted:
        """Return the constant predictor. Raises DataError where train is empty."""
        check_keys(settings, (), "settings of from_scratch")
        if not len(train):
            raise DataError("there are no training examples")
        if n_classes == 0 or train.targets.ndim == 2:
            return _Fitted(np.atleast_1d(np.mean(train.targets, axis=0, dtype=np.float64)))
        return _Fitted(np.bincount(train.targets.astype(np.int64), minlength=n_classes) / len(train))

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return 0 for every variant, (n,)."""
        return np.zeros(len(inputs))


@baseline(
    "constant",
    version=1,
    modes={"from_scratch": {}, "zero_shot": {"rule": "native"}},
    description="The class or label frequencies, or the mean targets, of train; 0 for a variant without training.",
)
def load() -> Constant:
    """Return the constant baseline."""
    return Constant()
