"""What rows predicted for the test examples of a task: read once, one number for each example, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..leaderboard.table import Cell, Column, Row, Table
from ..leaderboard.wording import sign_of
from ..records import Record
from ..results import Predictions
from ..statistics import scored_mask
from ..types import FloatArray

MOST = 3000
"""The most records whose predictions a site reads: of very many, those of the best rows of each task."""
_FEW = 3
_GRID = np.linspace(0, 1, 51) ** 1.5
"""Where curves are drawn: closer together at the left, where they bend."""
_RECALL = _GRID[1:]
"""Precision is not defined where nothing is found."""
_BINS = 10

Points = NDArray[np.float64]
"""(n, 2): across and up, from 0 to 1."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """The predictions of one row of a task; `at` is the row's number in the table."""

    at: int
    row: Row
    cell: Cell
    record: Record
    predictions: Predictions

    @property
    def scores(self) -> FloatArray:
        """One number for each example (n,), the mean over seeds: the last class, the true one of several, the score."""
        p = self.predictions
        mean: FloatArray = p.scores.mean(axis=0)
        if mean.shape[1] > 2 and p.targets.ndim == 1 and p.targets.dtype.kind == "i":
            return np.asarray(mean[np.arange(len(mean)), p.targets])
        return np.asarray(mean[:, -1])

    @property
    def classes(self) -> int:
        """The number of classes, 0 where targets are numbers or several at once."""
        p = self.predictions
        if p.targets.ndim != 1 or p.targets.dtype.kind != "i":
            return 0
        return max(2, int(p.scores.shape[2]))

    @property
    def has_one_number(self) -> bool:
        """Whether there is one target for each example and one number that says what was predicted of it."""
        return self.predictions.targets.ndim == 1 and (self.classes > 0 or self.predictions.scores.shape[2] == 1)

    @property
    def is_probability(self) -> bool:
        """Whether scores are probabilities of classes."""
        scores = self.predictions.scores[np.isfinite(self.predictions.scores)]
        inside = len(scores) > 0 and scores.min() >= 0 and scores.max() <= 1
        return self.classes > 0 and self.predictions.scores.shape[2] > 1 and bool(self.record.scaled and inside)


def rows_at_once(table: Table) -> int:
    """Return how many rows of each task are read, so that all together are not more than `MOST`."""
    return max(_FEW, MOST // max(1, len(table.columns)))


def predicted_of(table: Table, column: Column, records: Mapping[str, Record]) -> list[Predicted]:
    """Return the predictions of the rows that are compared on a task, the best first, over the same test examples.

    Rows over other examples are left out, and so is a task with several targets for each example; of very many rows
    the best are read. Raises DataError where predictions are missing or altered.
    """
    sign = sign_of(column) or 1
    cells = [(i, row, table.cell(row, column)) for i, row in enumerate(table.rows)]
    known = [(i, row, cell) for i, row, cell in cells if cell.compared and cell.hash in records]
    known.sort(key=lambda found: -sign * (found[2].value or 0.0))
    found: list[Predicted] = []
    for i, row, cell in known[: rows_at_once(table)]:
        record = records[cell.hash]
        predictions = record.predictions
        if not found or np.array_equal(found[0].predictions.ids, predictions.ids):
            found.append(Predicted(i, row, cell, record, predictions))
    return _over_common([p for p in found if p.has_one_number])


def _over_common(found: Sequence[Predicted]) -> list[Predicted]:
    """Return the rows without the examples that one of them did not score, as their estimates are."""
    if not found:
        return []
    common = np.logical_and.reduce([scored_mask(p.predictions) for p in found])[None, :, None]
    shown = [replace(p.predictions, scores=np.where(common, p.predictions.scores, np.nan)) for p in found]
    return [replace(p, predictions=predictions) for p, predictions in zip(found, shown, strict=True)]


def few_of(found: Sequence[Predicted], column: Column) -> list[Predicted]:
    """Return the rows to look at first: the best model, its twin and the best baseline, or else the best rows."""
    model = next((p for p in found if p.row.kind == "model"), None)
    over = model.cell.twin_gain.over if model and model.cell.twin_gain else ""
    wanted = [model, *(p for p in found if p.row.name in (over, column.best_baseline))]
    few = [p for p in wanted if p is not None]
    return few if len(few) > 1 else [*few, *(p for p in found if p not in few)][:_FEW]


def has_curves(p: Predicted) -> bool:
    """Return whether the test examples are of two classes or more, without which there is no curve."""
    return p.classes > 0 and bool(_binary(p))


def roc(p: Predicted) -> Points:
    """Return the true positive rate by the false positive rate, the mean over seeds, so that its area is the AUROC.

    Of several classes each stands against the rest, and the mean over classes is taken too.
    """
    return np.stack([_GRID, np.mean([_roc(t, s) for t, s in _binary(p)], axis=0)], axis=1)


def precision_recall(p: Predicted) -> Points:
    """Return precision by recall, the mean over seeds, and over several classes, each against the rest."""
    return np.stack([_RECALL, np.mean([_precision(t, s) for t, s in _binary(p)], axis=0)], axis=1)


def calibration(p: Predicted) -> Points:
    """Return how often what is predicted with a probability is true, in bins of as many predictions of any class."""
    pairs = _binary(p)
    truth, scores = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    order = np.argsort(scores, kind="stable")
    bins = np.array_split(order, min(_BINS, len(order)))
    return np.array([[scores[b].mean(), truth[b].mean()] for b in bins])


def share_of_positives(p: Predicted) -> float:
    """Return the precision of a guess: the share of positives, the mean over several classes."""
    return float(np.mean([truth.mean() for truth, _ in _binary(p)]))


def _binary(p: Predicted) -> list[tuple[NDArray[np.bool_], FloatArray]]:
    """Return for each seed, and each of several classes that occurs, which examples are of it and their scores."""
    targets = p.predictions.targets
    out = []
    for scores in p.predictions.scores:
        good = np.isfinite(scores).all(axis=1)
        last = scores.shape[1] - 1
        for column, label in [(k, k) for k in range(last + 1)] if p.classes > 2 else [(last, 1)]:
            truth = targets[good] == label
            if truth.any() and not truth.all():
                out.append((truth, scores[good, column]))
    return out


def _counts(truth: NDArray[np.bool_], scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the true and the false positives at each threshold, from none to all; equal scores go together."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    true = np.cumsum(truth[order])[ends]
    return np.append(0.0, true), np.append(0.0, ends + 1 - true)


def _roc(truth: NDArray[np.bool_], scores: FloatArray) -> FloatArray:
    true, false = _counts(truth, scores)
    across, up = false / max(1.0, false[-1]), true / max(1.0, true[-1])
    return np.asarray(np.interp(_GRID, across, up))


def _precision(truth: NDArray[np.bool_], scores: FloatArray) -> FloatArray:
    true, false = _counts(truth, scores)
    recall = true[1:] / max(1.0, true[-1])
    at = np.minimum(np.searchsorted(recall, _RECALL - 1e-12), len(recall) - 1)
    return np.asarray((true[1:] / (true[1:] + false[1:]))[at])
