"""As is: the model's own head, trained elsewhere."""

from __future__ import annotations

import numpy as np

from ..errors import DataError, NotApplicable
from ..types import FloatArray
from .job import Job
from .mode import CONTEXT, mode


@mode("as_is", needs=("predict",), trains=False, settings={"context": CONTEXT})
def run(job: Job) -> FloatArray:
    """Return (1, n, k) scores of the model's own head, trained elsewhere.

    Where the head names its classes, they are matched with the task's by name, else by order. Raises NotApplicable
    where the names differ, and DataError where the scores of classes are not probabilities.
    """
    targets = job.split.test.targets
    scores = np.asarray(job.model.predict(job.seen(job.split.test.inputs)), dtype=np.float64)
    width = job.n_classes or (1 if targets.ndim == 1 else targets.shape[1])
    if scores.ndim != 2 or scores.shape[1] != width:
        raise NotApplicable(f"{job.card.name}: its head gives {scores.shape[-1]} scores; {job.task.name} needs {width}")
    labels = tuple(label.lower() for label in getattr(job.model, "labels", ()))
    classes = tuple(name.lower() for name in job.task.classes)
    if job.n_classes and not labels:
        job.notes.append("the head names no classes: matched by order")
    if labels and job.n_classes:
        if sorted(labels) != sorted(classes):
            raise NotApplicable(
                f"{job.card.name}: its head predicts {', '.join(labels)}; {job.task.name} needs {', '.join(classes)}"
            )
        scores = scores[:, [labels.index(name) for name in classes]]
    if job.n_classes:
        total = scores.sum(axis=1) if job.task.kind == "classification" else np.ones(len(scores))
        wrong = np.flatnonzero((scores < 0).any(axis=1) | (scores > 1 + 1e-3).any(axis=1) | (np.abs(total - 1) > 1e-3))
        if len(wrong):
            what = "class probabilities of sum 1" if job.task.kind == "classification" else "one probability per label"
            values = ", ".join(f"{v:.4g}" for v in scores[wrong[0]][:6])
            raise DataError(f"{job.card.name}: predict gave {values} for example {wrong[0]}; expected {what}")
    return scores[None]
