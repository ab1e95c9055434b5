"""Checks of targets: that they suit the kind of the task, and that training can learn from them."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..transforms import TRANSFORMS, fit_transform
from ..types import Examples, Split, Task


def check_targets(task: Task, examples: Examples) -> None:
    """Raise DataError, in one line that names the task, where the targets do not suit its kind."""
    targets, where = examples.targets, f"task {task.id}"
    if not len(examples):
        raise DataError(f"{where}: the source returned no examples")
    actual = f"found {targets.dtype}" + (f" of shape {targets.shape}" if targets.ndim > 1 else "")
    k = len(task.classes)
    whole = targets.dtype.kind in "iu"
    if task.kind == "classification":
        if not whole or targets.ndim != 1 or targets.min() < 0 or targets.max() >= k:
            raise DataError(
                f"{where}: targets must be class indices 0 to {k - 1}, {actual} from {targets.min()} to {targets.max()}"
            )
    elif task.kind == "multilabel":
        if not whole or targets.ndim != 2 or (k and targets.shape[1] != k):
            raise DataError(f"{where}: targets must be 0 or 1 for each of {k} labels, {actual}")
        if targets.min() < 0 or targets.max() > 1:
            raise DataError(f"{where}: labels must be 0 or 1, found {targets.min()} to {targets.max()}")
    elif task.kind == "generation":
        if not whole or targets.ndim != 2 or not targets.shape[1]:
            raise DataError(f"{where}: targets must be the bases that follow, (n, k) indices into ACGT, {actual}")
        if targets.min() < 0 or targets.max() > 3:
            raise DataError(f"{where}: next bases must be 0 to 3, found {targets.min()} to {targets.max()}")
    else:
        if targets.dtype.kind != "f" or not np.isfinite(targets).all():
            raise DataError(f"{where}: targets must be finite floats, {actual}")
        if k and targets.ndim == 2 and targets.shape[1] != k:
            raise DataError(f"{where}: {targets.shape[1]} measurements per example, but classes names {k}; name each")
    if task.per_base:
        _check_sites(where, examples)
    if task.transform not in TRANSFORMS or (task.transform != "none" and task.kind != "regression"):
        expected = f"one of {', '.join(TRANSFORMS)}, and only for measurements"
        raise DataError(f"{where}: transform = {task.transform!r} of a {task.kind} task; expected {expected}")


def check_learnable(task: Task, split: Split) -> None:
    """Raise DataError, in one line that names the task, where training lacks a class or every label.

    The same where the task's transform does not take a measurement.
    """
    if not len(split.train):
        return
    if task.kind == "classification":
        counts = np.bincount(split.train.targets, minlength=len(task.classes))
        if not counts.all():
            raise DataError(f"task {task.id}: no training example of class {task.classes[int(counts.argmin())]!r}")
    if task.kind == "multilabel" and not split.train.targets.any():
        raise DataError(f"task {task.id}: no training example has a label")
    if task.transform == "none":
        return
    for part, examples in split:
        try:
            if len(examples):
                fit_transform(task.transform, examples.targets)
        except DataError as error:
            lowest = int(examples.targets.reshape(len(examples), -1).min(axis=1).argmin())
            raise DataError(f"task {task.id}: {part}: id {examples.ids[lowest]!r}: {error}") from error


def _check_sites(where: str, examples: Examples) -> None:
    positions, span = examples.inputs.positions, examples.inputs.span
    if positions is None or examples.inputs.alternates is not None:
        raise DataError(f"{where}: per_base = true needs a position in each sequence, and no alternates")
    lengths = np.fromiter((len(s) for s in examples.inputs.sequences), np.int64, len(examples))
    outside = np.flatnonzero((positions < 0) | (positions + span > lengths))
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"{where}: id {examples.ids[row]!r} is on bases {positions[row]} to {positions[row] + span} of a "
            f"sequence of {lengths[row]} bp"
        )
