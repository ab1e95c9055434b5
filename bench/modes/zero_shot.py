"""Zero-shot: scores by a rule, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import NotApplicable
from ..settings import Setting, is_text
from ..statistics import quarters
from ..types import FloatArray, StrArray, Task
from ..zero_shot import RULES, score
from ..zero_shot.reference import reference_likelihood
from . import per_base
from .job import Job
from .mode import mode

CONTEXT = 200
"""How many bases about a site a rule sees in a task of bases."""


def _nothing_to_score(task: Task) -> str:
    has_scores = task.variants or task.zero_shot or task.kind in ("paired", "generation")
    return "" if has_scores else f"zero_shot scores variants and pairs; {task.name} has none and declares no rule"


def _rule_for(task: Task, default: str) -> str:
    """Return the rule that a task without variants declares, else the default."""
    declared = task.zero_shot or (("generate",) if task.kind == "generation" else ())
    if not declared or task.variants or (task.kind == "paired" and default == "native"):
        return default
    return declared[0]


@mode(
    "zero_shot",
    trains=False,
    scaled=False,
    may_skip=True,
    settings={"rule": Setting("native", "how scores are made without labels", "the name of a rule", is_text)},
    part="rule",
    parts=RULES,
    part_for=_rule_for,
    refuses=_nothing_to_score,
)
def run(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores by a rule: ALT over REF, NaN where the rule cannot score.

    Only a twin has more than one seed. A model that learns from unlabelled DNA sees the training inputs first.
    """
    settings = dict(job.settings)
    rule, inputs, n = settings.pop("rule"), job.split.test.inputs, len(job.split.test)
    if job.task.kind == "paired":
        # The two of a pair differ anywhere, even where their source names a site; without positions rules know that.
        inputs = replace(inputs, positions=None)
    inputs = per_base.windows(inputs, job.task.window or CONTEXT) if inputs.per_base else inputs
    n_bases = job.split.test.targets.shape[1] if job.task.kind == "generation" else 0
    scores = []
    for model in _models(job):
        values = score(
            model,
            inputs,
            rule,
            deleterious=bool(job.task.deleterious),
            train=job.split.train,
            n_bases=n_bases,
            **settings,
        )
        scores.append(np.asarray(values, dtype=np.float64).reshape(n, -1))
    return np.stack(scores)


def reference_quarters(job: Job) -> StrArray:
    """Return for each variant the quarter it is in by how likely the job's own model finds its reference.

    NO_QUARTER where it cannot say; of a twin it is the mean over its seeds that counts.
    """
    inputs = job.split.test.inputs
    try:
        values = np.mean([reference_likelihood(model, inputs) for model in _models(job)], axis=0)
    except NotApplicable:  # such as a baseline that counts bases
        values = np.full(len(inputs), np.nan)
    return quarters(values)


def _models(job: Job) -> Iterator[Any]:
    """Yield the model of each seed, after it has seen the training inputs where it learns from them."""
    for seed in job.seeds:
        model = job.model_of(seed)
        if hasattr(model, "learn"):
            model.learn(job.split.train.inputs)
        yield model
