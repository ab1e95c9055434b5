"""What short words predict, wherever they are in the sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from baserate.baselines._linear import Features, LinearBaseline, featurise
from baserate.dna.kmers import kmer_features
from baserate.registry import baseline
from baserate.types import Inputs, Strings


@baseline(
    "kmer_logreg",
    version=1,
    modes={"from_scratch": {}},
    description="A linear model of the frequencies of all words of 1 to max_k bases; for a variant, of their change.",
)
def load(*, max_k: int = 6) -> LinearBaseline:
    """Return the k-mer baseline; `max_k` is the length of the longest words."""
    ks = range(1, max_k + 1)

    def features_for(train: Inputs) -> Features:
        """Return frequencies scaled so that the variances of all words of length k sum to 2**k on train.

        Scaling each word by itself would give the rarest words most weight, and no scaling would give long words none.
        """
        x = featurise(train, lambda sequences: kmer_features(sequences, ks))
        mean = np.asarray(x.mean(axis=0, dtype=np.float64)).ravel()
        variance = np.asarray(x.multiply(x).mean(axis=0, dtype=np.float64)).ravel() - mean**2
        totals = np.add.reduceat(variance, np.cumsum([0, *(4**k for k in ks)])[:-1])
        factors = np.sqrt([2**k / total if total > 0 else 1.0 for k, total in zip(ks, totals, strict=True)])
        scale = np.repeat(factors, [4**k for k in ks]).astype(np.float32)

        def features(sequences: Strings) -> Any:
            frequencies = kmer_features(sequences, ks)
            frequencies.data *= scale[frequencies.indices]
            return frequencies

        return features

    return LinearBaseline(features_for, standardise=False)
