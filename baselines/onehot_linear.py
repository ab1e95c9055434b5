"""What each base at each position predicts on its own: a position weight matrix fitted to the labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from baserate.baselines._linear import Features, LinearBaseline
from baserate.baselines._onehot import aligned_codes, one_hot, widest
from baserate.registry import baseline
from baserate.types import Inputs, Strings


def _features_for(train: Inputs) -> Features:
    width = widest(train)

    def features(sequences: Strings) -> NDArray[np.float32]:
        return one_hot(aligned_codes(sequences, width)).reshape(len(sequences), 4 * width)

    return features


@baseline(
    "onehot_linear",
    version=2,
    modes={"from_scratch": {}},
    description="A linear model of the base at every position, aligned at the window's centre; for a variant, of the "
    "bases that change.",
)
def load() -> LinearBaseline:
    """Return the one-hot baseline."""
    return LinearBaseline(_features_for, standardise=False)
