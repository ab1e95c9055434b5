"""Fine-tuning, and training from scratch: the model learns from labels by its own fit()."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np

from ..errors import check_keys
from ..types import FloatArray
from .job import Job
from .mode import CONTEXT, mode


@mode("fine_tune", needs=("fit",), settings={"context": CONTEXT}, version=2)
@mode("from_scratch", needs=("fit",), settings={"context": CONTEXT})
def run(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores of the model trained on labels, with every choice made on valid.

    Raises ConfigError for a setting that the model's fit() does not take.
    """
    parameters = inspect.signature(job.model.fit).parameters.values()
    settings = {name: value for name, value in job.settings.items() if name != "context"}
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        check_keys(settings, [parameter.name for parameter in parameters], f"settings of {job.card.name}")
    valid, test = (replace(e, inputs=job.seen(e.inputs)) for e in (job.split.valid, job.split.test))
    scores = []
    for seed in job.seeds:
        part = job.split.train.take(job.train_rows(seed))
        predictor = job.model.fit(
            replace(part, inputs=job.seen(part.inputs)), valid, n_classes=job.n_classes, seed=seed, **settings
        )
        scores.append(predictor.predict(test.inputs))
    return np.stack(scores)
