"""Scores on valid, by which everything is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import UnknownName
from ..metrics import Expression, parse
from ..results import Predictions
from ..statistics import point_value, unanswerable
from ..types import Examples, FloatArray, Task


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores of models on validation examples, by `expression`; `undo` takes predictions to the measured scale."""

    valid: Examples
    expression: Expression
    undo: Callable[[FloatArray], FloatArray] | None = None

    @property
    def metric(self) -> str:
        """The metric as a task names it."""
        return self.expression.text

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1."""
        return -1 if self.expression.better == "lower" else 1

    def score(self, scores: FloatArray) -> float | None:
        """Return the metric of scores (n, k) of the validation examples, None where it is undefined."""
        measured = np.asarray(scores, np.float64) if self.undo is None else self.undo(np.asarray(scores, np.float64))
        value, _ = point_value(_predictions(self.valid, measured), self.expression)
        return value

    def height(self, scores: FloatArray) -> float:
        """Return the metric with the sign by which higher is better, NaN where it is undefined."""
        value = self.score(scores)
        return np.nan if value is None else value * self.sign


def scorer_of(task: Task, valid: Examples, undo: Callable[[FloatArray], FloatArray] | None = None) -> Scorer:
    """Return the scorer by the task's primary metric.

    Where valid lacks strata that the metric names, or a class in one of them, or the metric is a difference, it is the
    same metric over all validation examples.
    """
    primary = task.metrics[0]
    bare = parse(primary.partition(":")[0])
    expression = parse(primary)
    width = len(task.classes) or (1 if valid.targets.ndim == 1 else valid.targets.shape[1])
    empty = _predictions(valid, np.zeros((len(valid), width)))
    try:
        fits = bool(expression.better) and not unanswerable(empty, expression)
    except UnknownName:
        fits = False
    return Scorer(valid, expression if fits else bare, undo)


def _predictions(valid: Examples, scores: FloatArray) -> Predictions:
    return Predictions(valid.ids, valid.targets, valid.clusters, valid.strata, scores[None], (0,))
