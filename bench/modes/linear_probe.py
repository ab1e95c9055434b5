"""Linear probe: a penalised linear model on frozen embeddings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dna.sequence import reverse_complement
from ..errors import DataError
from ..probes.probe import PROBES
from ..settings import Setting, is_text, one_of
from ..types import FloatArray, Inputs, IntArray, strings
from . import per_base
from .job import Job
from .mode import CONTEXT, mode
from .tuning import Fit, tuned

Request = tuple[Any, Any]
"""A layer and a pooling; None for a model without such settings."""


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
    base's are its own state or, for a model without states of bases, the embedding of `context` bases about it.
    """
    embedded = _Embedded(job)
    return tuned(job, embedded.fit)


class _Embedded:
    """The features of a job's examples for every layer and pooling that its trials name, from one forward pass."""

    def __init__(self, job: Job) -> None:
        self._seeds = job.seeds
        self._twin = job.is_twin
        tried = [{**job.settings, **trial} for trial in job.trials()]
        self._requests = list(dict.fromkeys(request for settings in tried for request in _requests(settings)))
        self._of: tuple[int | None, IntArray, list[dict[Request, NDArray[np.float32]]]] | None = None

    def fit(self, job: Job, seed: int) -> Fit:
        """Return the probe of one seed, for the layer and pooling with the lowest loss on valid where several are."""
        probe = PROBES.get(job.settings["probe"])
        probe_settings = {name: job.settings[name] for name in probe.settings}
        embedded, (train, valid, test) = self._features(job, seed)
        rows = job.train_rows(seed)
        at = np.searchsorted(embedded, rows)
        requests = _requests(job.settings)
        probes = [
            probe.fit(
                train[request][at],
                job.split.train.targets[rows],
                valid[request],
                job.split.valid.targets,
                n_classes=job.n_classes,
                seed=seed,
                **probe_settings,
            )
            for request in requests
        ]
        best = min(range(len(probes)), key=lambda j: probes[j].valid_loss)
        request, fitted = requests[best], probes[best]
        chosen = dict(zip(("layer", "pooling"), request, strict=True)) if len(requests) > 1 else {}
        return Fit(
            fitted.predict(valid[request]),
            lambda: fitted.predict(test[request]),
            {**chosen, **getattr(fitted, "chosen", {})},
        )

    def _features(self, job: Job, seed: int) -> tuple[IntArray, list[dict[Request, NDArray[np.float32]]]]:
        """Return the training rows that are embedded, and the features of train, valid and test."""
        if self._of is None or (self._twin and self._of[0] != seed):
            # Training examples that no seed draws are not embedded.
            seeds = [seed] if self._twin else self._seeds
            rows = np.unique(np.concatenate([job.train_rows(s) for s in seeds]))
            split = job.split
            parts = map(job.centred, (split.train.inputs.take(rows), split.valid.inputs, split.test.inputs))
            model = job.model_of(seed)
            requests = self._requests if self._of is None else _requests(job.settings)
            vectors = (_features(model, inputs, requests, _embedding(job.settings)) for inputs in parts)
            self._of = seed, rows, [dict(zip(requests, v, strict=True)) for v in vectors]
        return self._of[1:]


def _requests(settings: Mapping[str, Any]) -> list[Request]:
    """Return the (layer, pooling) candidates of the settings."""
    return list(itertools.product(*(_several(settings.get(key)) for key in ("layer", "pooling"))))


def _embedding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an embedding other than its layer and its pooling."""
    apart = {"probe", "layer", "pooling", *PROBES.get(settings["probe"]).settings}
    return {k: v for k, v in settings.items() if k not in apart}


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _features(
    model: Any, inputs: Inputs, requests: Sequence[tuple[Any, Any]], settings: Mapping[str, Any]
) -> list[NDArray[np.float32]]:
    """Return the features (n, d) of each candidate."""
    options = dict(settings)
    strands, context = options.pop("strands"), options.pop("context", 0)
    if inputs.per_base:
        if hasattr(model, "embed_sites"):
            site_options = {k: v for k, v in options.items() if k == "max_length"}  # the others are for whole sequences
            return _of_sites(model, inputs, [layer for layer, _ in requests], site_options, both=strands == "both")
        inputs = per_base.windows(inputs, context)

    def embed(sequences: Any) -> list[NDArray[np.float32]]:
        if hasattr(model, "embed_all"):
            return [_checked(model, v, len(sequences)) for v in model.embed_all(sequences, requests, **options)]
        keywords = [
            {k: v for k, v in zip(("layer", "pooling"), request, strict=True) if v is not None} for request in requests
        ]
        return [_checked(model, model.embed(sequences, **request, **options), len(sequences)) for request in keywords]

    def both(sequences: Any) -> list[NDArray[np.float32]]:
        forward = embed(sequences)
        if strands == "forward":
            return forward
        reverse = embed(strings([reverse_complement(s) for s in sequences]))
        return [np.float32(0.5) * (f + r) for f, r in zip(forward, reverse, strict=True)]

    reference = both(inputs.sequences)
    if inputs.alternates is None:
        return reference
    return [a - r for a, r in zip(both(inputs.alternates), reference, strict=True)]


def _of_sites(
    model: Any, inputs: Inputs, layers: Sequence[Any], settings: Mapping[str, Any], *, both: bool
) -> list[NDArray[np.float32]]:
    """Return the states (n, d) of the bases in each layer, or the mean of those on both strands."""
    states: dict[Any, NDArray[np.float32]] = {}
    for layer in layers:
        if layer not in states:
            options = dict(settings) if layer is None else {"layer": layer, **settings}
            strands = [inputs, per_base.reversed_sites(inputs)] if both else [inputs]
            vectors = [_checked(model, per_base.embed_sites(model, part, **options), len(inputs)) for part in strands]
            states[layer] = np.float32(0.5) * (vectors[0] + vectors[1]) if both else vectors[0]
    return [states[layer] for layer in layers]


def _checked(model: Any, vectors: Any, n: int) -> NDArray[np.float32]:
    """Return the vectors as float32 (n, d). Raises DataError where they are not that, or not finite."""
    array = np.asarray(vectors, dtype=np.float32)
    if array.ndim != 2 or len(array) != n:
        raise DataError(f"{_name_of(model)}: embedding gave {array.shape} for {n} examples, expected (n, d)")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise DataError(f"{_name_of(model)}: embedding gave a value that is not finite for example {bad[0]}")
    return array


def _name_of(model: Any) -> str:
    return str(getattr(model, "name", "") or type(model).__name__)
