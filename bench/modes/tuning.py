"""Tuning: settings are tried within a budget, and chosen on valid."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BaserateError
from ..registry import load_model, with_params
from ..results import Choice, Trial
from ..types import FloatArray
from .job import Job


@dataclass(frozen=True, eq=False)
class Fit:
    """A model that one seed fitted: its scores (n, k) on valid, and what returns those on test.

    `chosen` and `history` are what the fit chose on valid and the course of its training, for the record.
    `save(folder)` writes the model, None where it cannot be written.
    """

    valid: FloatArray
    test: Callable[[], FloatArray]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    save: Callable[[Path], None] | None = None


def tuned(job: Job, fit: Callable[[Job, int], Fit]) -> FloatArray:
    """Return the scores (seeds, n, k) on test of `fit(job, seed)`, under the settings that the trials chose on valid.

    The first seed fits every trial, and the others the best one, by the task's primary metric on valid; of equal ones
    the first. A trial that fails is no choice. Test examples are scored by the chosen model of each seed alone. What
    each seed chose is added to `job.choices`. Raises the error of the first trial where all fail.
    """
    scores = []
    for seed in job.seeds:
        # A job with a transform comes one seed at a time, and all of its seeds share the choices.
        earlier = job.choices[0] if job.choices else None
        changes = job.trials()
        trials, chosen, made = _try(job, seed, changes, fit)
        choice = Choice(
            seed,
            job.scorer.metric,
            trials[chosen].valid,
            {**changes[chosen], **made.chosen},
            tuple(made.history),
            trials if len(trials) > 1 else (),
            chosen if earlier is None else earlier.trial,
        )
        job.choices.append(choice)
        scores.append(made.test())
        if job.models is not None and made.save is not None:
            made.save(job.models / f"seed-{seed}")
    return np.stack(scores)


def _try(
    job: Job, seed: int, changes: Sequence[Mapping[str, Any]], fit: Callable[[Job, int], Fit]
) -> tuple[tuple[Trial, ...], int, Fit]:
    """Return the trials, the number of the best one, and its fit, the only one that is not thrown away."""
    trials: list[Trial] = []
    best: tuple[float, int, Fit] | None = None
    failures = []
    for number, changed in enumerate(changes):
        start = time.perf_counter()
        score, error = None, ""
        try:
            made = fit(with_trial(job, changed), seed)
        except BaserateError as failure:
            failures.append(failure)
            error = str(failure)
        else:
            score = job.scorer.score(made.valid)
            height = -np.inf if score is None else score * job.scorer.sign
            if best is None or height > best[0]:
                best = height, number, made
        trials.append(Trial(changed, score, round(time.perf_counter() - start, 3), error))
    if best is None:
        raise failures[0]
    return tuple(trials), best[1], best[2]


def with_trial(job: Job, changed: Mapping[str, Any]) -> Job:
    """Return the job with the settings of a trial, and with the model loaded anew where its parameters change."""
    params = {name: value for name, value in changed.items() if name in job.card.search}
    settings = {**job.settings, **{name: value for name, value in changed.items() if name not in params}}
    model = load_model(with_params(job.card, **params)) if params else job.model
    return replace(job, model=model, settings=settings)
