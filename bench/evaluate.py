"""One cell: Task -> Split -> (Model, Mode) -> Predictions -> Estimate -> Record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import NotApplicable
from .modes import MODES
from .modes.job import Job
from .plan import Cell
from .records import SKIPPED, Record, model_snapshot, task_snapshot
from .statistics import estimate, flag_collapsed
from .types import FloatArray, Predictions, RunSpec, Split


def evaluate(
    cell: Cell, spec: RunSpec, split: Split, model: object, *, cache: Path | None
) -> tuple[Record, Predictions]:
    """Return the record of the cell and its predictions on the test examples.

    Raises NotApplicable where the mode makes no sense here or scores no example, and whatever the model raises.
    """
    mode = MODES.get(cell.mode)
    mode.check_model(model, cell.card)
    job = Job(cell.task, cell.card, model, split, spec.settings, spec.seeds, spec.train_fraction, cache)
    scores = mode.run(job)
    test = split.test
    scored = _scored(cell, scores) if mode.may_skip else None
    predictions = Predictions(test.ids, test.targets, test.clusters, test.strata, scores, spec.seeds, scored)
    record = Record(
        spec=spec,
        status="done",
        task=task_snapshot(cell.task),
        model=model_snapshot(cell.card),
        estimates=tuple(estimate(predictions, metric, scaled=mode.scaled) for metric in cell.task.metrics),
        flags=_flags(job, predictions),
        parameter_hash=job.parameter_hash(),
    )
    return record, predictions


def _scored(cell: Cell, scores: FloatArray) -> NDArray[np.bool_] | None:
    """Return which examples a mode that may skip could score, None where it is all of them.

    Raises NotApplicable where it is none. In other modes a score that is not finite is a fault, not an omission.
    """
    scored = np.asarray(~np.isnan(scores).all(axis=(0, 2)))
    if not scored.any():
        part = MODES.get(cell.mode).part
        by = f" by {part} {cell.resolved[part]!r}" if part else ""
        raise NotApplicable(f"{cell.card.name}{by} can score none of the {len(scored)} examples of {cell.task.name}")
    return None if scored.all() else scored


def _flags(job: Job, predictions: Predictions) -> tuple[str, ...]:
    """Return what a reader must know of the result: collapsed, skipped, truncated, and what the mode noted."""
    n = len(predictions.ids)
    flags = ["collapsed"] if flag_collapsed(predictions) else []
    if predictions.scored is not None:
        flags.append(f"{SKIPPED} {n - int(predictions.scored.sum())} of {n}")
    if hasattr(job.model, "n_truncated"):
        length = {"max_length": job.settings["max_length"]} if "max_length" in job.settings else {}
        truncated = job.model.n_truncated(job.split.test.inputs.sequences, **length)
        flags += [f"truncated {truncated} of {n}"] if truncated else []
    return (*flags, *job.notes)
