"""Fine-tuning, and training from scratch: the model learns from labels by its own fit()."""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace

from ..errors import check_keys
from ..types import FloatArray
from .job import Job
from .mode import CONTEXT, mode
from .tuning import Fit, tuned


@mode("fine_tune", needs=("fit",), settings={"context": CONTEXT}, version=2)
@mode("from_scratch", needs=("fit",), settings={"context": CONTEXT})
def run(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores of the model trained on labels, with every choice made on valid.

    Raises ConfigError for a setting that the model's fit() does not take.
    """
    return tuned(job, _fit)


def _fit(job: Job, seed: int) -> Fit:
    parameters = inspect.signature(job.model.fit).parameters
    settings = {name: value for name, value in job.settings.items() if name != "context"}
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        check_keys(settings, list(parameters), f"settings of {job.card.name}")
    if "valid_score" in parameters:
        settings["valid_score"] = job.scorer.height
    train, valid, test = (
        replace(e, inputs=job.seen(e.inputs))
        for e in (job.split.train.take(job.train_rows(seed)), job.split.valid, job.split.test)
    )
    predictor = job.model.fit(train, valid, n_classes=job.n_classes, seed=seed, **settings)
    job.notes.extend(getattr(predictor, "notes", ()))
    return Fit(
        predictor.predict(valid.inputs),
        functools.partial(predictor.predict, test.inputs),
        getattr(predictor, "chosen", {}),
        getattr(predictor, "history", ()),
    )
