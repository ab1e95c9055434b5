"""What the most similar training sequences say: what is left once a model has only remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from baserate.baselines._linear import featurise
from baserate.baselines._words import canonical_counts
from baserate.errors import ConfigError, DataError, check_keys
from baserate.registry import baseline
from baserate.settings import among
from baserate.types import Examples, FloatArray, Inputs

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

CELLS = 1 << 23
"""Similarities that are in memory at once."""
TIED = 1e-5
"""Similarities that differ by less are equal: they are sums in float32."""


@dataclass(frozen=True, eq=False)
class _Fitted:
    k: int
    neighbours: int
    words: csr_matrix
    answers: FloatArray

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return class or label probabilities (n, n_classes), or values (n, outputs)."""
        queries = _unit(inputs, self.k)
        n, rest = self.neighbours, self.answers.mean(axis=0)
        out = np.empty((len(inputs), self.answers.shape[1]))
        rows = max(1, CELLS // len(self.answers))
        for at in range(0, len(out), rows):
            similar = (queries[at : at + rows] @ self.words).toarray()
            least = np.partition(similar, -n, axis=1)[:, -n, None]
            weights = np.where(similar > np.maximum(least - TIED, TIED), similar, 0).astype(np.float64)
            total = weights.sum(axis=1, keepdims=True)
            found = weights @ self.answers / np.where(total > 0, total, 1)
            out[at : at + rows] = np.where(total > 0, found, rest)
        return out


@dataclass(frozen=True)
class NearestTrain:
    """The mean answer of the training examples with the most similar words, by cosine, weighted by it.

    All that are as similar as the last of the `neighbours` count; where none has a word in common, the mean of train is
    the answer.
    """

    k: int
    neighbours: int

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, **settings: Any) -> _Fitted:
        """Return the training examples with their answers; nothing is random, and valid is not used."""
        check_keys(settings, (), "settings of from_scratch")
        if not len(train):
            raise DataError("there are no training examples")
        y = np.asarray(train.targets)
        if not np.isfinite(y.astype(np.float64)).all():
            raise DataError("a training target is not finite")
        one_class = n_classes and y.ndim == 1
        answers = np.eye(n_classes)[y] if one_class else y.reshape(len(y), -1).astype(np.float64)
        return _Fitted(self.k, min(self.neighbours, len(y)), _unit(train.inputs, self.k).T.tocsr(), answers)


def _unit(inputs: Inputs, k: int) -> csr_matrix:
    """Return the counts of canonical words, of a variant their change, as rows of length 1 or 0, CSR float32."""
    counts = featurise(inputs, lambda sequences: canonical_counts(sequences, k)).astype(np.float32)
    length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1))).ravel()
    counts.data /= np.repeat(np.where(length > 0, length, 1), np.diff(counts.indptr)).astype(np.float32)
    return counts


@baseline(
    "nearest_train",
    version=1,
    modes={"from_scratch": {}},
    description="The answer of the training sequence with the most similar words of k bases, on either strand; for a "
    "variant, of the one whose words change most alike.",
    search={"k": among(4, 6, 8, 10), "neighbours": among(1, 3, 10, 30, 100)},
)
def load(*, k: int = 8, neighbours: int = 1) -> NearestTrain:
    """Return the nearest-neighbour baseline, of words of `k` bases (1 to 10) and so many `neighbours`."""
    if isinstance(neighbours, bool) or not isinstance(neighbours, int) or neighbours < 1:
        raise ConfigError(f"neighbours is {neighbours!r}; expected a whole number from 1")
    return NearestTrain(k, neighbours)
