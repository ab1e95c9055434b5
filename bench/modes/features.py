"""What a probe is fitted on: embeddings of a job's examples, computed once for all of its trials and seeds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..digests import canonical_json
from ..dna.sequence import reverse_complement
from ..errors import BaserateError, DataError
from ..probes.probe import PROBES
from ..probes.tokens import TokenStates
from ..types import Inputs, IntArray, strings
from . import per_base
from .job import Job
from .token_features import name_of, token_features

Request = tuple[Any, Any]
"""A layer and a pooling; None for a model, or a probe, without such settings."""


@dataclass(frozen=True, eq=False)
class Features:
    """The features of the training examples at `rows`, of valid and of test, by request."""

    rows: IntArray
    train: Mapping[Request, Any]
    valid: Mapping[Request, Any]
    test: Mapping[Request, Any]


class Embedded:
    """The features of a job's examples for every layer and pooling that its trials name, from one forward pass.

    Those of all requests are in memory together, unless they are the states of tokens.
    """

    def __init__(self, job: Job) -> None:
        self._seeds = job.seeds
        self._twin = job.is_twin
        self._asked: dict[str, dict[Request, None]] = {}
        for trial in job.trials():
            settings = {**job.settings, **trial}
            self._asked.setdefault(_key(settings), {}).update(dict.fromkeys(requests_of(settings)))
        self._refused: dict[str, dict[Request, BaserateError]] = {}
        self._made: dict[str, tuple[int, Features]] = {}

    def of(self, job: Job, seed: int) -> Features:
        """Return the features for a seed and, at least, for the requests of the job's settings.

        Raises what the model raised for one of these requests.
        """
        key, wanted = _key(job.settings), requests_of(job.settings)
        asked = list(self._asked[key])
        if key not in self._refused:
            self._refused[key] = _refusals(job, asked)
        refused = self._refused[key]
        for request in wanted:
            if request in refused:
                raise refused[request]
        made = self._made.get(key)
        if made is None or (self._twin and made[0] != seed):
            requests = [r for r in (wanted if made else asked) if r not in refused]
            made = self._made[key] = seed, self._features(job, seed, requests)
        return made[1]

    def _features(self, job: Job, seed: int, requests: list[Request]) -> Features:
        # Training examples that no seed draws are not embedded.
        rows = np.unique(np.concatenate([job.train_rows(s) for s in ([seed] if self._twin else self._seeds)]))
        parts = [
            job.centred(i) for i in (job.split.train.inputs.take(rows), job.split.valid.inputs, job.split.test.inputs)
        ]
        return Features(rows, *_embed(job, job.model_of(seed), parts, requests))


def embeddings(job: Job, inputs: Inputs, seed: int) -> dict[Request, NDArray[np.float32]]:
    """Return the embeddings (n, d) of inputs for each layer and pooling of the job's settings, as a probe reads them.

    For variants they are ALT minus REF. Raises what the model raises for one of these requests.
    """
    requests = requests_of(job.settings)
    (found,) = _embed(job, job.model_of(seed), [job.centred(inputs)], requests)
    return found


def requests_of(settings: Mapping[str, Any]) -> list[Request]:
    """Return the (layer, pooling) candidates of the settings."""
    return list(itertools.product(*(_several(settings.get(key)) for key in ("layer", "pooling"))))


def named(request: Request) -> dict[str, Any]:
    """Return the layer and the pooling by name, without those that there are not."""
    return {k: v for k, v in zip(("layer", "pooling"), request, strict=True) if v is not None}


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an embedding other than its layer and its pooling."""
    apart = {"probe", "layer", "pooling", *PROBES.get(settings["probe"]).settings}
    return {k: v for k, v in settings.items() if k not in apart}


def _key(settings: Mapping[str, Any]) -> str:
    return canonical_json(_options(settings))


def _refusals(job: Job, requests: Sequence[Request]) -> dict[Request, BaserateError]:
    """Return the requests that the model cannot serve, with the reason: one layer too many spoils no other trial."""
    refused: dict[Request, BaserateError] = {}
    if len(requests) > 1:
        first = job.split.train.inputs.take(np.arange(1))
        for request in requests:
            try:
                (found,) = _embed(job, job.model, [first], [request])
                if isinstance(found[request], TokenStates):
                    found[request].batch(np.arange(1))  # computed when read
            except BaserateError as error:
                refused[request] = error
    return refused


def _embed(job: Job, model: Any, parts: Sequence[Inputs], requests: Sequence[Request]) -> list[dict[Request, Any]]:
    """Return the features of each part by request."""
    options = _options(job.settings)
    if PROBES.get(job.settings["probe"]).tokens:
        return token_features(model, parts, requests, options, job.cache)
    return [dict(zip(requests, _pooled(model, inputs, requests, options), strict=True)) for inputs in parts]


def _pooled(
    model: Any, inputs: Inputs, requests: Sequence[Request], settings: Mapping[str, Any]
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
        keywords = map(named, requests)
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
        raise DataError(f"{name_of(model)}: embedding gave {array.shape} for {n} examples, expected (n, d)")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise DataError(f"{name_of(model)}: embedding gave a value that is not finite for example {bad[0]}")
    return array
