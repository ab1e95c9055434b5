"""Fine-tuning, and training from scratch: the model learns from labels by its own fit()."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..digests import canonical_json, digest
from ..errors import check_keys
from ..networks.families import FAMILIES
from ..provenance import engine_digest
from ..splits import repeated
from ..types import Examples, FloatArray
from .job import Job
from .mode import CONTEXT, mode
from .tuning import Fit, tuned

TRAININGS = "trainings"
"""The folder of the cache with the states of trainings that were cut short."""

_LARGEST = 1 << 28
"""Bytes of the largest state that stays until all seeds are done; a larger one goes as soon as its training ends."""


@mode("fine_tune", needs=("fit",), settings={"context": CONTEXT}, version=2)
@mode("from_scratch", needs=("fit",), settings={"context": CONTEXT})
def run(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores of the model trained on labels, with every choice made on valid.

    A training that is killed goes on, the next time, after its last epoch, if the model can and the job has a cache.
    Raises ConfigError for a setting that the model's fit() does not take, and where the trained model is to be saved
    and cannot be.
    """
    if job.models is not None and hasattr(job.model, "check_saving"):
        job.model.check_saving()
    states: list[Path] = []
    scores = tuned(job, functools.partial(_fit, states=states))
    for file in states:
        file.unlink(missing_ok=True)
    return scores


def _fit(job: Job, seed: int, *, states: list[Path]) -> Fit:
    parameters = inspect.signature(job.model.fit).parameters
    settings = {name: value for name, value in job.settings.items() if name != "context"}
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        check_keys(settings, list(parameters), f"settings of {job.card.name}")
    train, valid, test = (
        replace(e, inputs=job.seen(e.inputs))
        for e in (repeated(job.split.train, job.train_rows(seed)), job.split.valid, job.split.test)
    )
    passed: dict[str, Any] = dict(settings)
    if "valid_score" in parameters:
        passed["valid_score"] = job.scorer.height
    if "state_file" in parameters and job.cache is not None:
        passed["state_file"] = state = _state_file(job, job.cache, seed, settings, (train, valid))
        states.append(state)
    predictor = job.model.fit(train, valid, n_classes=job.n_classes, seed=seed, **passed)
    if states and states[-1].exists() and states[-1].stat().st_size > _LARGEST:
        states[-1].unlink()
    classes, save = job.task.classes, getattr(predictor, "save", None)
    return Fit(
        predictor.predict(valid.inputs),
        functools.partial(predictor.predict, test.inputs),
        getattr(predictor, "chosen", {}),
        getattr(predictor, "history", ()),
        None if save is None else functools.partial(save, classes=classes, transform=job.transform, task=job.task.id),
        tuple(getattr(predictor, "notes", ())),
    )


def _state_file(job: Job, cache: Path, seed: int, settings: Mapping[str, Any], data: tuple[Examples, Examples]) -> Path:
    """Return where the state of a training stands between epochs; by its name it is of this training alone."""
    family = FAMILIES.origin(job.card.family) if job.card.family in FAMILIES.all() else ""
    key = {
        "model": [job.card.name, job.card.revision(), job.card.params],
        "data": [part.fingerprint for part in data],
        "metric": job.scorer.metric,
        "settings": settings,
        "seed": seed,
        "engine": engine_digest(family),
    }
    return cache / TRAININGS / f"{digest(canonical_json(key))}.pt"
