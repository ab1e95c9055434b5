"""What the length of a sequence alone predicts."""

from __future__ import annotations

import numpy as np

from baserate.baselines._linear import LinearBaseline
from baserate.registry import baseline
from baserate.types import FloatArray, Strings


def length_features(sequences: Strings) -> FloatArray:
    """Return the length in bp and the logarithm of one more, (n, 2)."""
    length = np.array([len(s) for s in sequences], dtype=np.float64)
    return np.stack([length, np.log1p(length)], axis=1)


@baseline(
    "length",
    version=1,
    modes={"from_scratch": {}},
    description="A linear model of sequence length (for a variant, of its change) and its logarithm; it sees no base.",
)
def load() -> LinearBaseline:
    """Return the length baseline."""
    return LinearBaseline(lambda train: length_features)
