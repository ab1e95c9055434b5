"""Fine-tuning, and training from scratch: the model learns from labels by its own fit()."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Iterable, Mapping
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

_MOST = 1 << 30
"""Bytes of states that stay until all seeds are done; a state beyond that goes as soon as its training ends."""

_UNUSED = 14 * 86_400
"""Seconds after which nobody goes on with a training that was cut short."""


@mode("fine_tune", needs=("fit",), settings={"context": CONTEXT}, version=2)
@mode("from_scratch", needs=("fit",), settings={"context": CONTEXT})
def run(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores of the model trained on labels, with every choice made on valid.

    A training that is killed goes on, the next time, after its last epoch, if the model can and the job has a cache;
    one that ends in an error leaves nothing there. Raises ConfigError for a setting that the model's fit() does not
    take, and where the trained model is to be saved and cannot be.
    """
    if job.models is not None and hasattr(job.model, "check_saving"):
        job.model.check_saving()
    states: dict[Path, int] = {}
    if job.cache is not None:
        _sweep(job.cache / TRAININGS)
    try:
        scores = tuned(job, functools.partial(_fit, states=states))
    except Exception:
        _remove(states)
        raise
    _remove(states)
    return scores


def _remove(states: Iterable[Path]) -> None:
    for file in states:
        file.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove the states that were not written for `_UNUSED` seconds, and what their writing left behind."""
    for file in folder.glob(f"{'[0-9a-f]' * 16}.pt*"):
        try:
            if time.time() - file.stat().st_mtime > _UNUSED:
                file.unlink()
        except OSError:  # another process was faster
            continue


def _fit(job: Job, seed: int, *, states: dict[Path, int]) -> Fit:
    """Return the fit of a seed; `states` gets the bytes of each state that it leaves for the next time."""
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
        passed["state_file"] = _state_file(job, job.cache, seed, settings, (train, valid))
    state: Path | None = passed.get("state_file")
    try:
        predictor = job.model.fit(train, valid, n_classes=job.n_classes, seed=seed, **passed)
    except Exception:
        _remove([state] if state else [])
        raise
    if state and state.exists():
        states[state] = state.stat().st_size
        if sum(states.values()) > _MOST:
            _remove([state])
            del states[state]
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
