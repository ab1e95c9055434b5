"""Zero-shot: scores by a rule, without labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..types import FloatArray
from . import per_base
from .job import Job


def zero_shot(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores by a rule: ALT over REF, NaN where the rule cannot score.

    Only a twin has more than one seed. A model that learns from unlabelled DNA sees the training inputs first.
    """
    from ..zero_shot import score

    settings = dict(job.settings)
    rule, inputs, n = settings.pop("rule"), job.split.test.inputs, len(job.split.test)
    if job.task.kind == "paired":
        # The two of a pair differ anywhere, even where their source names a site; rules for variants know them by this.
        inputs = replace(inputs, positions=None)
    inputs = per_base.windows(inputs, per_base.CONTEXT) if inputs.per_base else inputs
    n_bases = job.split.test.targets.shape[1] if job.task.kind == "generation" else 0
    scores = []
    for seed in job.seeds:
        model = job.model_of(seed)
        if hasattr(model, "learn"):
            model.learn(job.split.train.inputs)
        found = score(
            model,
            inputs,
            rule,
            deleterious=job.task.deleterious,
            train=job.split.train,
            n_bases=n_bases,
            **settings,
        )
        scores.append(np.asarray(found, dtype=np.float64).reshape(n, -1))
    return np.stack(scores)
