"""What the linear baselines share: features of sequences or variants, and a linear model on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from baserate.errors import DataError, check_keys
from baserate.probes.linear import PENALTIES, LinearProbe, fit_probe
from baserate.types import Examples, FloatArray, Inputs, Strings, strings

_BLOCK = 50_000
Features = Callable[[Strings], Any]
"""Takes sequences (n,); returns features (n, d), an array or a CSR matrix."""


def featurise(inputs: Inputs, features: Features) -> Any:
    """Return the features of each sequence or, for variants, those of ALT minus those of REF, (n, d).

    Many variants share a REF, so each distinct one is computed once.
    """
    if inputs.alternates is None:
        return features(inputs.sequences)
    references, which = np.unique(inputs.sequences.astype(str), return_inverse=True)
    return features(inputs.alternates) - features(strings(references))[which]


@dataclass(frozen=True, eq=False)
class FittedLinear:
    """A linear model on fixed features of the inputs."""

    probe: LinearProbe
    features: Features

    @property
    def chosen(self) -> dict[str, float]:
        """The penalty per example that valid chose."""
        return {"penalty": self.probe.penalty}

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return class or label probabilities (n, n_classes), or values (n, outputs)."""
        starts = range(0, max(len(inputs), 1), _BLOCK)  # the features of all bases of genes would fill the memory
        parts = (inputs.take(slice(at, at + _BLOCK)) for at in starts)
        return np.concatenate([self.probe.predict(featurise(part, self.features)) for part in parts])


@dataclass(frozen=True)
class LinearBaseline:
    """L2-penalised logistic or ridge regression on features; the penalty is chosen on valid.

    `features_for(train inputs)` returns the features, which may thus depend on the training sequences.
    """

    features_for: Callable[[Inputs], Features]
    standardise: bool = True

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, **settings: Any) -> FittedLinear:
        """Return the fitted predictor; nothing is random, so `seed` changes nothing."""
        check_keys(settings, (), "settings of from_scratch")
        if not len(train):
            raise DataError("there are no training examples")
        features = self.features_for(train.inputs)
        probe = fit_probe(
            featurise(train.inputs, features),
            train.targets,
            featurise(valid.inputs, features),
            valid.targets,
            n_classes=n_classes,
            penalties=PENALTIES,
            standardise=self.standardise,
        )
        return FittedLinear(probe, features)
