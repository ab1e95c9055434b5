"""Linear probe: a penalised linear model on frozen embeddings, or another probe."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import NotApplicable
from ..probes.probe import PROBES, FittedProbe
from ..settings import Setting, is_text, one_of
from ..types import FloatArray
from .features import Embedded, Request, named, requests_of
from .job import Job
from .mode import CONTEXT, mode
from .tuning import Fit, tuned


@mode(
    "linear_probe",
    needs=("embed", "embed_all"),
    settings={
        "probe": Setting("linear", "what is fitted on the embeddings", "the name of a probe", is_text),
        "strands": one_of(
            "forward", "both", default="forward", about="embed the sequence as given or take the mean of both strands"
        ),
        "context": CONTEXT,
    },
    chooses=True,
    part="probe",
    parts=PROBES,
)
def run(job: Job) -> FloatArray:
    """Return (seeds, n, k) scores of a probe, by default an L2-penalised linear model, on frozen embeddings.

    Features are standardised on the seed's training rows. Where `layer` or `pooling` name several candidates, all come
    from one forward pass, and the one with the lowest loss on valid is taken, as is the penalty. With strands = 'both'
    the features are the mean over the two strands. A variant's features are the embedding of ALT minus that of REF; a
    base's are its own state or, for a model without states of bases, the embedding of `context` bases about it. A
    probe of tokens reads the states of all tokens instead. Raises NotApplicable where there are none for it.
    """
    probe = PROBES.get(job.settings["probe"])
    if probe.tokens and not hasattr(job.model, "embed_tokens"):
        raise NotApplicable(
            f"probe {probe.name!r} reads the states of tokens, and {job.card.name} has no embed_tokens()"
        )
    if probe.tokens and job.task.per_base:
        raise NotApplicable(f"probe {probe.name!r} reads whole sequences; {job.task.name} asks about single bases")
    embedded = Embedded(job)
    return tuned(job, lambda job, seed: _fit(job, seed, embedded))


def _fit(job: Job, seed: int, embedded: Embedded) -> Fit:
    """Return the probe of one seed, for the layer and pooling with the lowest loss on valid where several are."""
    probe = PROBES.get(job.settings["probe"])
    settings = {name: job.settings[name] for name in probe.settings}
    if "valid_score" in inspect.signature(probe.fit).parameters:
        settings["valid_score"] = job.scorer.height
    features, requests = embedded.of(job, seed), requests_of(job.settings)
    rows = job.train_rows(seed)
    at = np.searchsorted(features.rows, rows)
    probes = [
        probe.fit(
            features.train[request][at],
            job.split.train.targets[rows],
            features.valid[request],
            job.split.valid.targets,
            n_classes=job.n_classes,
            seed=seed,
            **settings,
        )
        for request in requests
    ]
    best = min(range(len(probes)), key=lambda j: probes[j].valid_loss)
    request, fitted = requests[best], probes[best]
    return Fit(
        fitted.predict(features.valid[request]),
        lambda: fitted.predict(features.test[request]),
        {**named(request), **getattr(fitted, "chosen", {})},
        _history(requests, probes),
    )


def _history(requests: Sequence[Request], probes: Sequence[FittedProbe]) -> list[dict[str, Any]]:
    """Return what the probes went by; where there are several candidates each row names its own."""
    about = named if len(requests) > 1 else lambda _: {}
    return [
        {**about(request), **row}
        for request, fitted in zip(requests, probes, strict=True)
        for row in getattr(fitted, "history", ())
    ]
