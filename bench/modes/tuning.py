"""Tuning: settings are tried within a budget, and chosen on valid."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BaserateError, Diverged
from ..progress import step
from ..registry import load_model, with_params
from ..results import Choice, Trial
from ..types import FloatArray
from .collapse import blind_loss, collapse
from .job import Job

log = logging.getLogger(__name__)

LOWER = 0.1
"""The share of a learning rate at which a collapsed training is tried again."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A model that one seed fitted: its scores (n, k) on valid, and what returns those on test.

    `chosen` and `history` are what the fit chose on valid and the course of its training, for the record.
    `save(folder)` writes the model, None where it cannot be written. `notes` are what a reader of the result must know.
    """

    valid: FloatArray
    test: Callable[[], FloatArray]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    save: Callable[[Path], None] | None = None
    notes: tuple[str, ...] = ()


def tuned(job: Job, fit: Callable[[Job, int], Fit]) -> FloatArray:
    """Return the scores (seeds, n, k) on test of `fit(job, seed)`, under the settings that the trials chose on valid.

    The first seed fits every trial, and the others the best one, by the task's primary metric on valid; of equal ones
    the first. A trial that fails is no choice; an error of the model's code under the defaults, or on a later seed, is
    raised. Test examples are scored by the chosen model of each seed alone. What each seed chose is added to
    `job.choices`. Raises the error of the first trial where all fail.
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
            {**trials[chosen].changed, **made.chosen},
            tuple(made.history),
            trials if len(trials) > 1 else (),
            chosen if earlier is None else earlier.trial,
            len(job.train_rows(seed)),
        )
        job.choices.append(choice)
        notes = (*made.notes, *filter(None, [trials[chosen].error]))
        job.notes.extend(note for note in dict.fromkeys(notes) if note not in job.notes)
        job.looks.append(seed)
        scores.append(made.test())
        if job.models is not None and job.sample is None and made.save is not None:
            _save(job, seed, made.save)
    return np.stack(scores)


def _save(job: Job, seed: int, save: Callable[[Path], None]) -> None:
    """Write the model of a seed; where that fails the scores still count, and a note says so."""
    assert job.models is not None
    try:
        save(job.models / f"seed-{seed}")
    except Exception as error:
        job.notes.append(f"seed {seed}: its model was not saved: {_in_a_line(error)}")
        log.warning("%s", job.notes[-1], exc_info=None if isinstance(error, BaserateError) else error)


def _in_a_line(error: Exception) -> str:
    message = " ".join(str(error).split())
    return message if isinstance(error, BaserateError) else f"{type(error).__name__}: {message}"


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
        shown = step(number + 1, len(changes), "trial") if len(changes) > 1 else nullcontext()
        try:
            with shown:
                changed, made, error = _unless_collapsed(job, seed, changed, fit)
        except BaserateError as failure:
            failures.append(failure)
            error = str(failure)
        except Exception as failure:
            if not number:
                raise
            # A value that was drawn may be one that the model's code does not bear, which the defaults do.
            error = _in_a_line(failure)
            log.warning("%s: trial %d failed: %s", job.card.name, number, error, exc_info=failure)
        else:
            score = job.scorer.score(made.valid)
            height = -np.inf if score is None else score * job.scorer.sign
            if best is None or height > best[0]:
                best = height, number, made
        trials.append(Trial(changed, score, round(time.perf_counter() - start, 3), error))
    if best is None:
        raise failures[0]
    return tuple(trials), best[1], best[2]


def _unless_collapsed(
    job: Job, seed: int, changed: Mapping[str, Any], fit: Callable[[Job, int], Fit]
) -> tuple[Mapping[str, Any], Fit, str]:
    """Return what a trial changes, its fit, and what a reader must know of it; '' for nothing.

    A training that collapsed or diverged is tried once more at a lower learning rate where the budget allows more than
    the defaults, and the learning rate is the trial's to choose. Raises Diverged where no training is left.
    """
    made, reason = _attempt(job, seed, changed, fit)
    if isinstance(made, Fit) and not reason:
        return changed, made, ""
    rate = changed.get("lr", job.settings.get("lr", job.card.params.get("lr")))
    if job.budget == 1 or "lr" not in job.space or rate is None:
        if isinstance(made, Diverged):
            raise made
        return changed, made, f"seed {seed} collapsed: {reason}"
    lower = {**changed, "lr": float(f"{LOWER * rate:.3g}")}
    again, still = _attempt(job, seed, lower, fit)
    if isinstance(made, Diverged):
        if isinstance(again, Diverged):
            raise made
        about = f"seed {seed} diverged at lr {rate:g}, trained again at {lower['lr']:g}"
        return lower, again, f"{about}, where it collapsed: {still}" if still else about
    about = f"seed {seed} collapsed at lr {rate:g}"
    if isinstance(again, Diverged) or still:
        return changed, made, f"{about} and at {lower['lr']:g}: {still}"
    about += f", trained again at {lower['lr']:g}"
    heights = [job.scorer.height(one.valid) for one in (made, again)]
    if heights[1] < heights[0]:
        return changed, made, f"{about} to a lower score, which is not taken"
    return lower, again, about


def _attempt(
    job: Job, seed: int, changed: Mapping[str, Any], fit: Callable[[Job, int], Fit]
) -> tuple[Fit | Diverged, str]:
    """Return the fit, or the error with which it diverged, and how it came to nothing, '' where it did not."""
    trial = with_trial(job, changed)
    try:
        made = fit(trial, seed)
    except Diverged as error:
        return error.with_traceback(None), str(error)  # its frames would keep a network in memory
    learnt = job.split.train.targets[job.train_rows(seed)]
    balanced = trial.settings.get("class_weights") == "balanced"
    parts = {"train_loss": learnt, "valid_loss": job.split.valid.targets}
    blind = {k: blind_loss(y, job.n_classes, learnt=learnt, balanced=balanced) for k, y in parts.items() if len(y)}
    return made, collapse(made.valid, made.history, blind)


def with_trial(job: Job, changed: Mapping[str, Any]) -> Job:
    """Return the job with the settings of a trial, and with the model loaded anew where its parameters change."""
    params = {name: value for name, value in changed.items() if name in job.card.search}
    settings = {**job.settings, **{name: value for name, value in changed.items() if name not in params}}
    if not params:
        return replace(job, settings=settings)
    # What is cached by the parameters of a card is of this trial alone.
    card = replace(job.card, params={**job.card.params, **params})
    return replace(job, card=card, model=load_model(with_params(job.card, **params)), settings=settings)
