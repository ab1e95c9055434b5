"""Scikit-learn estimators of raw sequences as models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, NotApplicable
from ..types import Examples, FloatArray, Inputs
from .functions import upper_case


class EstimatorModel:
    """An estimator or Pipeline whose X is a list of str or, with `variants`, of (REF, ALT) pairs of str.

    `fit` trains a clone. If the estimator is fitted already, the model has `predict` as well, and uses it as it is;
    where it was fitted on names of classes, `classes` are the task's, in the task's order. If it was fitted on labels
    (n, k), they are the task's labels in their order. Raises ConfigError unless it is a scikit-learn estimator.
    """

    def __init__(self, estimator: Any, *, variants: bool = False, classes: Sequence[str] = ()) -> None:
        from sklearn.base import BaseEstimator

        if not isinstance(estimator, BaseEstimator) or not hasattr(estimator, "fit"):
            raise ConfigError(f"expected a scikit-learn estimator such as make_pipeline(...), got {estimator!r}")
        self.estimator = estimator
        self.variants = variants
        # Modes look at which methods there are.
        if _is_fitted(estimator):
            labels = _n_labels(estimator)
            columns = None if labels else _columns(estimator, classes)
            self.predict = Fitted(estimator, columns, variants, labels if columns is None else len(classes)).predict

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Fitted:
        """Return a clone fitted on `train`, with `seed` as every `random_state` in it; `valid` is not used.

        Raises NotApplicable where the estimator does not suit the task, and DataError where it cannot be fitted.
        """
        from sklearn.base import clone, is_classifier

        name = type(self.estimator).__name__
        if is_classifier(self.estimator) != bool(n_classes):
            kinds = ("is not a classifier", "has classes") if n_classes else ("is a classifier", "has measurements")
            raise NotApplicable(f"the estimator {name} {kinds[0]}; the task {kinds[1]}")
        estimator = clone(self.estimator)
        random = [p for p in estimator.get_params(deep=True) if p == "random_state" or p.endswith("__random_state")]
        estimator.set_params(**dict.fromkeys(random, seed))
        x = _features(train.inputs, self.variants)
        several = bool(n_classes) and train.targets.ndim == 2
        # Some estimators want labels without gaps, and train may lack a class.
        present, labels = (None, train.targets) if several else np.unique(train.targets, return_inverse=True)
        try:
            estimator.fit(x, labels if n_classes else train.targets)
        except ValueError as error:
            raise DataError(f"{name}.fit on {len(x)} examples: {str(error).splitlines()[0]}") from error
        columns = present[estimator.classes_] if n_classes and present is not None else None
        return Fitted(estimator, columns, self.variants, n_classes)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted estimator; `columns` are the class index of each of its outputs, None for labels and for a regression.

    Of `n_classes` (0: as many as it has), those that it has not seen get probability 0.
    """

    estimator: Any
    columns: NDArray[np.int64] | None
    variants: bool
    n_classes: int = 0

    def predict(self, inputs: Inputs) -> FloatArray:
        """Return probabilities (n, n_classes), or values (n, outputs). Raises DataError where one is not finite."""
        x = _features(inputs, self.variants)
        name = type(self.estimator).__name__
        if self.columns is None and self.n_classes:
            values = _label_probabilities(self.estimator, x, self.n_classes)
        elif self.columns is None:
            values = np.asarray(self.estimator.predict(x), np.float64)
            if values.ndim not in (1, 2) or len(values) != len(x) or not values.size:
                raise DataError(
                    f"{name}.predict gave shape {values.shape} for {len(x)} examples, expected a row of values for each"
                )
            values = values.reshape(len(x), -1)
        else:
            values = np.zeros((len(x), self.n_classes or int(self.columns.max()) + 1))
            values[:, self.columns] = _probabilities(self.estimator, x, len(self.columns))
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(wrong):
            raise DataError(f"{name} gave a value that is not finite for example {wrong[0]}")
        return values


def _features(inputs: Inputs, variants: bool) -> list[Any]:
    if variants != (inputs.alternates is not None):
        if variants:
            raise NotApplicable("the estimator takes (REF, ALT) pairs; the task has no variants")
        raise NotApplicable(
            "the estimator takes one sequence per example; for variants, use EstimatorModel(variants=True)"
        )
    sequences = upper_case(inputs.sequences, "inputs of the estimator")
    if inputs.alternates is None:
        return sequences
    return list(zip(sequences, upper_case(inputs.alternates, "inputs of the estimator"), strict=True))


def _label_probabilities(estimator: Any, x: list[Any], k: int) -> FloatArray:
    """Return the probability of each label (n, k): the estimator's own, or the logistic of its decision function."""
    name = type(estimator).__name__
    if hasattr(estimator, "predict_proba"):
        outputs = estimator.predict_proba(x)
        if isinstance(outputs, list):  # one array per label, with a column for each of its values
            known = [list(values) for values in (estimator[-1] if hasattr(estimator, "steps") else estimator).classes_]
            columns = [p[:, v.index(1)] if 1 in v else np.zeros(len(x)) for p, v in zip(outputs, known, strict=True)]
            outputs = np.stack(columns, axis=1)
    elif hasattr(estimator, "decision_function"):
        outputs = 1 / (1 + np.exp(-np.asarray(estimator.decision_function(x), np.float64)))
    else:
        outputs = estimator.predict(x)
    values = np.asarray(outputs, np.float64)
    if values.shape != (len(x), k):
        raise DataError(f"{name} gave shape {values.shape} for {len(x)} examples of {k} labels")
    return values


def _probabilities(estimator: Any, x: list[Any], k: int) -> FloatArray:
    """Return the estimator's own probabilities (n, k), or the softmax of its decision function."""
    name = type(estimator).__name__
    if hasattr(estimator, "predict_proba"):
        values = np.asarray(estimator.predict_proba(x), np.float64)
    elif hasattr(estimator, "decision_function"):
        scores = np.asarray(estimator.decision_function(x), np.float64)
        if scores.ndim == 1:
            scores = np.stack([np.zeros(len(scores)), scores], axis=1)
        values = np.exp(scores - scores.max(axis=1, keepdims=True))
        values /= values.sum(axis=1, keepdims=True)
    else:
        raise NotApplicable(
            f"the estimator {name} has neither predict_proba nor decision_function, so it gives no scores"
        )
    if values.shape != (len(x), k):
        raise DataError(f"{name} gave scores of shape {values.shape}, expected {(len(x), k)}: one per class")
    return values


def _n_labels(estimator: Any) -> int:
    """Return how many labels a fitted estimator predicts for each example, 0 where it predicts one class or a value."""
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    known = getattr(last, "classes_", ())
    # Estimators show it in three ways.
    several = isinstance(known, list) or getattr(last, "multilabel_", False)
    several = several or getattr(getattr(last, "_label_binarizer", None), "y_type_", "") == "multilabel-indicator"
    return len(known) if several else 0


def _columns(estimator: Any, names: Sequence[str]) -> NDArray[np.int64] | None:
    """Return the class index of each class that a fitted estimator knows, None where it is not a classifier."""
    from sklearn.base import is_classifier

    if not is_classifier(estimator):
        return None
    known = np.asarray(estimator.classes_)
    if not names:
        if known.dtype.kind not in "iu" or known.min() < 0:
            first_classes = ", ".join(repr(str(c)) for c in known[:5])
            raise ConfigError(
                f"the estimator was fitted on classes {first_classes}; name the task's in order: classes=(...)"
            )
        return known.astype(np.int64)
    unknown = [str(c) for c in known if str(c) not in names]
    if unknown:
        raise ConfigError(f"the estimator knows class {unknown[0]!r}, which is not among classes={tuple(names)}")
    return np.array([list(names).index(str(c)) for c in known], np.int64)


def _is_fitted(estimator: Any) -> bool:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True
