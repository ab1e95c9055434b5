"""Trainings that came to nothing: they answer the same for all examples, and learnt no more than that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray

EQUAL = 1e-6
"""Scores that differ by no more than this share of the largest are equal."""
ALIKE = 1e-3
"""The same share where the loss, too, is that of one answer for all."""
UNMOVED = 1e-3
"""The share by which a loss must fall to have moved."""
OTHER = 2.0
"""A loss on train that is always above this many times that of one answer is in other units."""


def collapse(valid: FloatArray, history: Sequence[Mapping[str, Any]], blind: Mapping[str, float] | None = None) -> str:
    """Return how a training came to nothing, '' where it did not.

    It gives scores (n, k) on valid that are equal or not finite, its loss on train never fell, or no loss of its
    `history` is below that of one answer for all examples. `blind` has these losses, by the name that a loss has in the
    history; without it that is not asked.
    """
    scores = np.asarray(valid, np.float64)
    if not np.isfinite(scores).all():
        return "scores are not finite"
    losses = [float(row["train_loss"]) for row in history if "train_loss" in row]
    if not losses:  # no training by steps: equal scores are what it learnt
        return ""
    knows_nothing = _is_blind(history, blind or {})
    if len(scores) and np.ptp(scores, axis=0).max() <= (ALIKE if knows_nothing else EQUAL) * np.abs(scores).max():
        return "all scores on valid are equal"
    if len(losses) > 1 and min(losses[1:]) >= losses[0] * (1 - UNMOVED):
        return "the loss on train did not fall"
    # The mean loss of a first epoch is mostly that of its beginning.
    if len(losses) > 1 and knows_nothing:
        return "the loss is no lower than that of one answer for all examples"
    return ""


def _is_blind(history: Sequence[Mapping[str, Any]], blind: Mapping[str, float]) -> bool:
    """Return whether no loss is below that of the best single answer there, and that on train is about it."""
    found = False
    for name, least in blind.items():
        losses = [float(row[name]) for row in history if name in row]
        if losses and min(losses) < least * (1 - UNMOVED):
            return False
        if losses and name == "train_loss" and min(losses) > least * OTHER:
            return False
        found |= bool(losses)
    return found


def blind_loss(
    targets: NDArray[Any], n_classes: int, *, learnt: NDArray[Any] | None = None, balanced: bool = False
) -> float:
    """Return the lowest loss of one answer for all of the targets, (n,) or (n, k), in the measure of `training.Head`.

    For classes that is the entropy of their frequencies, for labels the mean of theirs, and for measurements, which are
    standardised as those that were `learnt` are, their variance. With `balanced` classes count as in a loss with class
    weights of the `learnt` targets.
    """
    learnt = targets if learnt is None else learnt
    if n_classes and targets.ndim == 1:
        counts, of_learnt = (np.bincount(t.astype(np.int64), minlength=n_classes) for t in (targets, learnt))
        share = counts / len(targets)
        if balanced:
            present = of_learnt > 0
            share = share * np.where(present, len(learnt) / (present.sum() * np.maximum(of_learnt, 1)), 0.0)
        return _entropy(share[None])
    values, own = (t.reshape(len(t), -1).astype(np.float64) for t in (targets, learnt))
    if n_classes:
        positive, of_own = values.mean(axis=0), own.mean(axis=0)
        weight = np.where(of_own > 0, (1 - of_own) / np.maximum(of_own, 1 / len(own)), 1.0) if balanced else 1.0
        return _entropy(np.stack([weight * positive, 1 - positive], axis=1))
    deviation = own.std(axis=0)
    return float((values.var(axis=0) / np.where(deviation > 0, deviation, 1.0) ** 2).mean())


def _entropy(weights: FloatArray) -> float:
    """Return the mean over rows of the loss of the best single answer where outcomes have these weights (m, k)."""
    share = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    return float(-(weights * np.log(np.where(share > 0, share, 1.0))).sum(axis=1).mean())
