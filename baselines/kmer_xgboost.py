"""What combinations of short words predict."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from baserate.baselines._linear import featurise
from baserate.dna.kmers import kmer_features
from baserate.errors import DataError, check_keys
from baserate.progress import Advance, activity
from baserate.registry import baseline
from baserate.settings import among, check_values, count, log_uniform, positive, uniform
from baserate.types import Examples, FloatArray, Inputs

MAX_ROUNDS = 1000
PATIENCE = 20
PARAMETERS = {
    "depth": count(5, "the depth of a tree"),
    "rate": positive(0.1, "the share of a tree's answer that is added"),
}


@dataclass(frozen=True, eq=False)
class _Fitted:
    booster: Any
    max_k: int
    n_classes: int
    labels: bool
    offset: FloatArray
    scale: FloatArray

    @property
    def chosen(self) -> dict[str, int]:
        """The number of rounds of trees that valid chose."""
        return {"rounds": self.booster.best_iteration + 1}

    def predict(self, inputs: Inputs) -> FloatArray:
        import xgboost

        data = xgboost.DMatrix(_features(inputs, self.max_k), nthread=_threads())
        outputs = np.asarray(self.booster.predict(data), dtype=np.float64).reshape(len(inputs), -1)
        if not self.n_classes:
            return outputs * self.scale + self.offset
        if self.labels:
            return outputs
        return (
            np.hstack([1 - outputs, outputs]) if self.n_classes == 2 else outputs / outputs.sum(axis=1, keepdims=True)
        )


@dataclass(frozen=True)
class KmerXGBoost:
    """Gradient-boosted trees on k-mer frequencies; the number of trees is chosen on valid."""

    max_k: int
    depth: int
    rate: float

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, **settings: Any) -> _Fitted:
        """Return the fitted predictor; `seed` draws each tree's rows and words. Raises DataError for bad labels."""
        check_keys(settings, (), "settings of from_scratch")
        import xgboost

        y = np.asarray(train.targets)
        if not len(y) or not len(valid):
            raise DataError(f"there are {len(y)} training and {len(valid)} validation examples; expected some of both")
        labels = bool(n_classes) and y.ndim == 2
        if n_classes and not labels and len(np.unique(y)) == 1:
            raise DataError(f"training labels have only class {y[0]}; expected two classes or more")
        if not np.isfinite(y.astype(np.float64)).all():
            raise DataError("a training target is not finite")
        offset, scale = np.zeros(1), np.ones(1)
        if y.ndim == 2 and not n_classes:  # so that outputs in different units count alike
            offset, scale = y.mean(axis=0), np.where(np.ptp(y, axis=0) > 0, y.std(axis=0), 1.0)
        base = float(y.mean()) if y.ndim == 1 else 0.0
        objective: dict[str, Any] = {"objective": "reg:squarederror", "base_score": base}
        if n_classes == 2 or labels:
            objective = {"objective": "binary:logistic"}
        elif n_classes:
            objective = {"objective": "multi:softprob", "num_class": n_classes}
        settings = {
            "tree_method": "hist",
            "max_depth": self.depth,
            "eta": self.rate,
            "subsample": 0.8,
            "colsample_bytree": 0.3,
            "seed": seed,
            "nthread": _threads(),
            "verbosity": 0,
        }
        data = [
            xgboost.DMatrix(
                _features(part.inputs, self.max_k),
                label=part.targets if n_classes or y.ndim == 1 else (part.targets - offset) / scale,
                nthread=_threads(),
            )
            for part in (train, valid)
        ]

        class Progress(xgboost.callback.TrainingCallback):
            def __init__(self, advance: Advance) -> None:
                self.advance = advance

            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                self.advance(len(y))
                return False

        booster = xgboost.train(
            objective | settings,
            data[0],
            num_boost_round=MAX_ROUNDS,
            evals=[(data[1], "valid")],
            verbose_eval=False,
            callbacks=[
                xgboost.callback.EarlyStopping(rounds=PATIENCE, save_best=True),
                Progress(activity("growing trees", MAX_ROUNDS * len(y))),
            ],
        )
        return _Fitted(booster, self.max_k, n_classes, labels, offset, scale)


def _features(inputs: Inputs, max_k: int) -> Any:
    return featurise(inputs, lambda sequences: kmer_features(sequences, range(1, max_k + 1)))


def _threads() -> int:
    """Return the number of threads: OMP_NUM_THREADS where it is set, else the cores, at most 8."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdigit() and int(value) else min(8, os.cpu_count() or 1)


@baseline(
    "kmer_xgboost",
    version=1,
    modes={"from_scratch": {}},
    description="Gradient-boosted trees on frequencies of words of 1 to max_k bases; for a variant, of their change.",
    citation="Chen & Guestrin 2016, KDD",
    search={"max_k": among(4, 5, 6), "depth": uniform(2, 7, whole=True), "rate": log_uniform(0.03, 0.3)},
    later={"depth": 5, "rate": 0.1},
)
def load(*, max_k: int = 6, depth: int = 5, rate: float = 0.1) -> KmerXGBoost:
    """Return the boosted k-mer baseline: `max_k` is the length of the longest words, `depth` that of a tree."""
    check_values({"depth": depth, "rate": rate}, [PARAMETERS])
    return KmerXGBoost(max_k, depth, rate)
