"""The score on valid of a mode that chooses nothing there, by which baselines are chosen all the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..results import Choice
from ..types import FloatArray, Split
from .job import Job
from .mode import Mode
from .scoring import scorer_of

MIN_SHARE = 0.5
"""The share of valid that must be scored; a row of a leaderboard is compared from as much of test on."""


def scores_on_valid(mode: Mode, job: Job) -> list[Choice]:
    """Return the score of each seed on valid where the mode does not train: nothing is chosen, and it is stored.

    It covers the examples that the mode can score, and is None where these are fewer than half. A mode that trains
    scores valid itself. Empty where it does, and for a task without a valid part.
    """
    valid = job.split.valid
    if mode.trains or not len(valid):
        return []
    scores = mode.scores(replace(job, split=Split(job.split.train, valid, valid), notes=[], choices=[], looks=[]))
    return [_choice(job, seed, of_seed) for seed, of_seed in zip(job.seeds, scores, strict=True)]


def _choice(job: Job, seed: int, scores: FloatArray) -> Choice:
    scored = np.flatnonzero(~np.isnan(scores).all(axis=1))
    if len(scored) < MIN_SHARE * len(scores):
        return Choice(seed, job.scorer.metric, None)
    scorer = scorer_of(job.task, job.split.valid.take(scored))
    return Choice(seed, scorer.metric, scorer.score(scores[scored]))
