"""Scores of predictions of the test labels: in the task's primary metric, and as AUROC or Spearman's correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BaserateError
from ..metrics import METRICS
from ..results import Predictions
from ..statistics import estimate
from ..types import Examples, FloatArray, Task

WARN, FAIL = 0.6, 0.9
"""AUROC of a single feature from which a task gets a WARN, and a FAIL."""

WHOLE = 0.95
"""AUROC of a simple model of whole sequences from which a task gets a WARN."""

CHANCE_ERRORS = 3.0
"""Standard errors under chance by which a feature must also exceed chance."""


@dataclass(frozen=True)
class Score:
    """A score in the primary metric, and `rank` in AUROC or |Spearman|; None where undefined, and `reason` says why.

    `error` is the standard error of `rank` under chance, which is .5 for AUROC and 0 for Spearman.
    """

    primary: float | None
    rank: float | None
    error: float = 0.0
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as a JSON object."""
        return {"primary": self.primary, "rank": self.rank, "reason": self.reason}


def rank_name(task: Task) -> str:
    """Return the name of the metric that `rank` is for a task of this kind."""
    return {"regression": "spearman", "paired": "paired_accuracy"}.get(task.kind, "auroc")


def encoded(task: Task, targets: NDArray[Any]) -> FloatArray:
    """Return targets as columns of numbers (n, k): 0 or 1 for each class or label, or the measurements."""
    if task.kind == "classification":
        columns: FloatArray = np.eye(len(task.classes))[targets]
        return columns
    return np.asarray(targets, np.float64).reshape(len(targets), -1)


def score(task: Task, examples: Examples, predicted: FloatArray) -> Score:
    """Return the score of predictions (n, k): probabilities of classes or labels, or measurements."""
    primary, reason = primary_of(task, examples, predicted)
    rank, error = _rank(task, examples.targets, predicted)
    return Score(primary, rank, error, reason)


def primary_of(task: Task, examples: Examples, predicted: FloatArray) -> tuple[float | None, str]:
    """Return the primary metric of predictions, or None and the reason."""
    strata = {name: column for name, column in examples.strata.items()}
    given = Predictions(examples.ids, examples.targets, examples.clusters, strata, predicted[None], (0,))
    try:
        result = estimate(given, task.metrics[0], draws=lambda: np.zeros(1))
    except BaserateError as error:
        return None, str(error)
    return result.value, "" if result.value is not None else result.reason


def untrained(task: Task, examples: Examples, feature: FloatArray) -> Score:
    """Return the score of the feature (n,) itself as a ranking, its sign chosen for each class or label.

    For pairs the feature is real less perturbed, and the score is the share of pairs that its sign tells apart.
    """
    if task.kind == "paired":
        wins = float(np.mean((feature > 0) + 0.5 * (feature == 0)))
        better = max(wins, 1 - wins)
        return Score(better, better, 0.5 / math.sqrt(max(len(feature), 1)))
    columns = np.repeat(feature[:, None], encoded(task, examples.targets).shape[1], axis=1)
    rank, error = _rank(task, examples.targets, columns, signed=False)
    return Score(None, rank, error, "not trained: there is no training part")


def judged(score: Score, task: Task) -> str:
    """Return the status of a single feature's score, PASS unless it is clearly better than chance."""
    if score.rank is None:
        return "PASS"
    gain = score.rank if rank_name(task) == "spearman" else 2 * score.rank - 1
    error = score.error * (1 if rank_name(task) == "spearman" else 2)
    if gain <= CHANCE_ERRORS * error:
        return "PASS"
    # Rounded, since 2 x .6 - 1 is less than .2 in binary.
    return "FAIL" if round(gain, 9) >= round(2 * FAIL - 1, 9) else "WARN" if round(gain, 9) >= 0.2 else "PASS"


def whole_limit(task: Task) -> float:
    """Return the score from which a simple model of whole sequences is a WARN for a task of this kind."""
    return round(2 * WHOLE - 1, 9) if rank_name(task) == "spearman" else WHOLE


def judged_whole(score: Score, task: Task) -> Literal["WARN", "NOTE"]:
    """Return the status of a simple model of whole sequences: a WARN from `whole_limit`, else a NOTE."""
    chance = 0.0 if rank_name(task) == "spearman" else 0.5
    if score.rank is None or score.rank - chance <= CHANCE_ERRORS * score.error:
        return "NOTE"
    return "WARN" if round(score.rank, 9) >= whole_limit(task) else "NOTE"


def _rank(
    task: Task, targets: NDArray[Any], predicted: FloatArray, *, signed: bool = True
) -> tuple[float | None, float]:
    """Return the mean AUROC or |Spearman| over classes, labels or measurements, and its error under chance."""
    truth = encoded(task, targets)
    if task.kind == "classification" and truth.shape[1] == 2:
        truth, predicted = truth[:, 1:], predicted[:, 1:]
    if predicted.shape[1] != truth.shape[1]:
        return None, 0.0
    name = "spearman" if task.kind == "regression" else "auroc"
    metric, n = METRICS.get(name), len(targets)
    values, errors = [], []
    for t, p in zip(truth.T, predicted.T, strict=True):
        t, p = np.ascontiguousarray(t), np.ascontiguousarray(p)[:, None]
        if np.ptp(t) == 0 if n else True:
            continue
        chance = 0.0 if name == "spearman" else 0.5
        if np.ptp(p) == 0:
            value = chance
        else:
            value = float(metric(t, p, np.ones((1, n)))[0])
        if name == "spearman":
            value, error = abs(value), 1 / math.sqrt(max(n - 1, 1))
        else:
            value = value if signed else max(value, 1 - value)
            positive = int(t.sum())
            error = math.sqrt((1 / positive + 1 / (n - positive)) / 12)
        values.append(value)
        errors.append(error)
    if not values:
        return None, 0.0
    return float(np.mean(values)), float(np.mean(errors))


LABELS = {"auroc": "AUROC", "spearman": "|Spearman|", "paired_accuracy": "paired accuracy"}
"""How `rank` is called in text."""


def score_text(task: Task, result: Score, *, learnt: bool) -> str:
    """Return the score in words; `learnt` is whether a model was trained."""
    rank = f"{LABELS[rank_name(task)]} {shown(result.rank)}"
    if not learnt:
        return f"{rank} on test, not trained, with the better sign"
    if task.metrics[0] in ("auroc", "spearman"):
        return f"{rank} on test"
    return f"{task.metrics[0]} {shown(result.primary)}, {rank} on test"


def shown(value: float | None) -> str:
    """Return a score as text, '–' for none."""
    return "–" if value is None else f"{round(value, 3) + 0.0:.3f}"  # not -0.000


def thresholds(task: Task) -> Mapping[str, float]:
    """Return the scores from which a single feature is a WARN and a FAIL for a task of this kind."""
    if rank_name(task) == "spearman":
        return {"WARN": 2 * WARN - 1, "FAIL": 2 * FAIL - 1}
    return {"WARN": WARN, "FAIL": FAIL}


def on(examples: Examples, task: Task, rows: NDArray[Any], predicted: FloatArray) -> Score:
    """Return the score on the given rows alone."""
    return score(task, examples.take(rows), predicted[rows])
