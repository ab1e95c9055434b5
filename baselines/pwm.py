"""One position weight matrix per class, in closed form: no training but counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from baserate.baselines._onehot import aligned_codes
from baserate.dna.kmers import OTHER
from baserate.errors import ConfigError, DataError, NotApplicable, check_keys
from baserate.registry import baseline
from baserate.types import Examples, FloatArray, Inputs


@dataclass(frozen=True, eq=False)
class Matrices:
    """`log_odds` (classes, width, 5) of a base in a class over the background, 0 for none; `log_prior` (classes,)."""

    log_odds: FloatArray
    log_prior: FloatArray

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return class probabilities (n, classes), as if positions were independent given the class."""
        width = self.log_odds.shape[1]
        codes = aligned_codes(inputs.sequences, width)
        totals = np.stack([odds[np.arange(width), codes].sum(axis=1) for odds in self.log_odds], axis=1)
        totals += self.log_prior
        totals -= totals.max(axis=1, keepdims=True)
        weights = np.exp(totals)
        shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
        return shares


@dataclass(frozen=True)
class PositionWeightMatrix:
    """Fits one matrix per class on aligned sequences; `window` is how many central columns are read, 0 for all."""

    pseudocount: float
    window: int

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, **settings: Any) -> Matrices:
        """Return the matrices of the training sequences. Nothing is random or chosen, so `seed` and `valid` are unused.

        Raises NotApplicable for variants, for measurements and labels, and where training sequences differ in length.
        """
        check_keys(settings, (), "settings of from_scratch")
        if n_classes == 0 or train.targets.ndim == 2 or train.inputs.alternates is not None:
            raise NotApplicable("pwm needs one class per sequence; it fits neither measurements, labels nor variants")
        if not len(train):
            raise DataError("there are no training examples")
        lengths = {len(s) for s in train.inputs.sequences}
        if len(lengths) > 1:
            raise NotApplicable(
                f"pwm needs aligned sequences of one length; those in train have {min(lengths)} to {max(lengths)} bp"
            )
        (length,) = lengths
        width = min(self.window or length, length)
        codes = aligned_codes(train.inputs.sequences, width)
        counts = np.stack(
            [
                np.stack([(codes[train.targets == c] == base).sum(axis=0) for base in range(4)], 1)
                for c in range(n_classes)
            ]
        )
        background = counts.sum(axis=(0, 1)) + self.pseudocount
        counts = counts + self.pseudocount
        log_odds = np.zeros((n_classes, width, OTHER + 1))
        log_odds[..., :4] = np.log(counts / counts.sum(axis=2, keepdims=True)) - np.log(background / background.sum())
        classes = np.bincount(train.targets, minlength=n_classes) + self.pseudocount
        return Matrices(log_odds, np.log(classes / classes.sum()))


@baseline(
    "pwm",
    version=1,
    modes={"from_scratch": {}},
    description="One position weight matrix per class, counted from sequences of one length: log-odds of the base at "
    "each position over the background, summed, with the class frequencies.",
    variants=False,
    citation="Staden 1984, Nucleic Acids Res 12:505",
)
def load(*, pseudocount: float = 1.0, window: int = 0) -> PositionWeightMatrix:
    """Return the matrix baseline; `window` is how many central positions it reads, 0 for all."""
    if not pseudocount > 0:
        raise ConfigError(f"pwm: pseudocount is {pseudocount!r}; expected a number above 0")
    if isinstance(window, bool) or not isinstance(window, int) or window < 0:
        raise ConfigError(f"pwm: window is {window!r}; expected a whole number, 0 for the whole sequence")
    return PositionWeightMatrix(pseudocount, window)
