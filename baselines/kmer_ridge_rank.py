"""What short words predict of the order of measurements."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

from baserate.baselines._linear import FittedLinear, LinearBaseline
from baserate.baselines._words import Words, scaled_features
from baserate.errors import NotApplicable
from baserate.registry import baseline
from baserate.settings import among
from baserate.transforms import Fitted, fit_transform
from baserate.types import Examples, FloatArray, Inputs


@dataclass(frozen=True, eq=False)
class _Fitted:
    linear: FittedLinear
    ranks: Fitted

    @property
    def chosen(self) -> dict[str, float]:
        """The penalty per example that valid chose."""
        return self.linear.chosen

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return values (n, outputs) on the measured scale."""
        return self.ranks.undo(self.linear.predict(inputs))


@dataclass(frozen=True)
class RankRidge:
    """Ridge regression of the ranks of the measurements; the penalty is chosen on valid by squared error of ranks."""

    linear: LinearBaseline

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, **settings: Any) -> _Fitted:
        """Return the fitted predictor; nothing is random. Raises NotApplicable for classes, which have no order."""
        if n_classes:
            raise NotApplicable("kmer_ridge_rank predicts measurements, and this task has classes; see kmer_logreg")
        ranks = fit_transform("rank", train.targets)
        parts = [replace(part, targets=ranks.apply(part.targets)) for part in (train, valid)]
        return _Fitted(self.linear.fit(*parts, n_classes=0, seed=seed, **settings), ranks)


@baseline(
    "kmer_ridge_rank",
    version=1,
    modes={"from_scratch": {}},
    description="Ridge regression of the ranks of measurements on frequencies of words of 1 to max_k bases; for a "
    "variant, on their change.",
    search={"max_k": among(4, 5, 6, 7), "canonical": among(False, True), "positional": among(1, 4, 8, 16)},
)
def load(*, max_k: int = 6, gapped: int = 0, canonical: bool = False, positional: int = 1) -> RankRidge:
    """Return the rank ridge; its words are those of `kmer_logreg`."""
    words = Words(max_k, gapped, canonical, positional)
    return RankRidge(LinearBaseline(functools.partial(scaled_features, words), standardise=False))
