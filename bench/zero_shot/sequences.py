"""Rules that score sequences: by likelihood, or by the nearest centroid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, NotApplicable
from ..types import Examples, FloatArray, Inputs, Strings, strings
from .alleles import has_bases, middle, reverse_complements
from .rule import _EVERY, _both, _both_strands, _change_in, _limits, _log_likelihood, _mean, _name
from .vectors import once, unit


def _likelihood(
    model: Any, inputs: Inputs, train: Examples | None, *, strands: str, one_pass: bool, temperature: float
) -> FloatArray:
    # A language model has every method; its head says which of them applies.
    if getattr(model, "head", "") != "masked" and hasattr(model, "log_likelihood"):
        if one_pass:
            raise ConfigError(f"one_pass: {_name(model)} has a log-likelihood, which is one pass anyway")
        total = _log_likelihood(model, temperature)
    else:
        if temperature != 1:
            raise ConfigError(f"temperature = {temperature}: a pseudo-log-likelihood has none")

        def total(sequences: Strings) -> FloatArray:
            asked = {"one_pass": True} if one_pass else {}
            values: FloatArray = model.pseudo_log_likelihood(sequences, **asked)
            return values

    def per_base(sequences: Strings) -> FloatArray:
        values: FloatArray = np.asarray(total(sequences)) / [sum(map(s.count, "ACGT")) for s in sequences]
        return values

    if inputs.alternates is not None:
        return _both_strands(model, inputs, _change_in(per_base), _EVERY, strands)
    scores = np.full(len(inputs), np.nan)
    rows = np.array([i for i, s in enumerate(inputs.sequences) if has_bases(s)], np.int64)
    if len(rows):
        context, frame = _limits(model)
        kept = strings([s[middle(len(s), context, frame)] for s in inputs.sequences[rows]])
        turned = [kept, reverse_complements(kept)] if _both(strands) else [kept]
        scores[rows] = _mean([once(per_base, column) for column in turned])
    return scores


def _centroid(
    model: Any, inputs: Inputs, train: Examples | None, *, strands: str, layer: int, pooling: str
) -> FloatArray:
    if inputs.alternates is not None:
        raise NotApplicable("centroid scores sequences, not variants or pairs")
    if train is None or not len(train):
        raise NotApplicable("centroid needs training examples, and this task has none")
    asked: dict[str, Any] = ({} if layer == -1 else {"layer": layer}) | ({"pooling": pooling} if pooling else {})

    def vectors(sequences: Strings) -> NDArray[np.float64]:
        turned = [sequences, reverse_complements(sequences)] if _both(strands) else [sequences]
        mean: NDArray[np.float64] = np.mean([once(lambda s: model.embed(s, **asked), c) for c in turned], axis=0)
        return mean

    known, targets = vectors(train.inputs.sequences), train.targets
    if not np.issubdtype(targets.dtype, np.integer):
        raise NotApplicable("centroid scores classes; these targets are measurements")
    counts = np.bincount(targets)
    if len(counts) < 2 or not counts.all():
        raise DataError(f"centroid needs training examples of every class; their numbers are {counts.tolist()}")
    mean, deviation = known.mean(0), known.std(0)
    scale = np.where(deviation > 0, deviation, np.inf)
    centroids = np.stack([((known[targets == c] - mean) / scale).mean(0) for c in range(len(counts))])
    similarities: FloatArray = unit((vectors(inputs.sequences) - mean) / scale) @ unit(centroids).T
    return similarities[:, 1] - similarities[:, 0] if len(counts) == 2 else similarities
