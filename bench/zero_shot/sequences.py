"""Rules that score sequences: by likelihood, or by the nearest centroid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, NotApplicable
from ..settings import WINDOW, flag, one_of
from ..settings import layer as layer_setting
from ..types import Examples, FloatArray, Inputs, Strings, strings
from .alleles import has_bases, middle, reverse_complements
from .rule import (
    EVERY,
    STRANDS,
    TEMPERATURE,
    both_strands,
    change_in,
    is_masked,
    limits,
    log_likelihood_of,
    mean_over_strands,
    name_of,
    rule,
    window_of,
)
from .vectors import once, unit


@rule(
    "likelihood",
    needs="log_likelihood or pseudo_log_likelihood",
    sees="sequences",
    description="Log-likelihood per base, or pseudo-log-likelihood of a masked model, as the score of the last class; "
    "for a pair, ALT minus REF. Sequences without A, C, G or T are skipped.",
    settings={
        **STRANDS,
        "one_pass": flag(False, "for a masked model, take one pass without masks"),
        "temperature": TEMPERATURE,
        **WINDOW,
    },
)
def likelihood(
    model: Any,
    inputs: Inputs,
    train: Examples | None,
    *,
    strands: str,
    one_pass: bool,
    temperature: float,
    window: str,
    overlap: int | None,
) -> FloatArray:
    """Return log-likelihoods per base (n,), or their changes from REF to ALT."""
    cut = window == "truncate"
    if not is_masked(model):
        if one_pass:
            raise ConfigError(f"one_pass: {name_of(model)} has a log-likelihood, which is one pass anyway")
        total = log_likelihood_of(model, temperature, **window_of(model, "log_likelihood", window, overlap))
    else:
        if temperature != 1:
            raise ConfigError(f"temperature = {temperature}: a pseudo-log-likelihood has none")
        options = window_of(model, "pseudo_log_likelihood", window, overlap) | ({"one_pass": True} if one_pass else {})

        def total(sequences: Strings) -> FloatArray:
            values: FloatArray = model.pseudo_log_likelihood(sequences, **options)
            return values

    def per_base(sequences: Strings) -> FloatArray:
        values: FloatArray = np.asarray(total(sequences)) / [sum(map(s.count, "ACGT")) for s in sequences]
        return values

    if inputs.alternates is not None:
        return both_strands(model, inputs, change_in(per_base), EVERY, strands, cut=cut)
    scores = np.full(len(inputs), np.nan)
    rows = np.array([i for i, s in enumerate(inputs.sequences) if has_bases(s)], np.int64)
    if len(rows):
        context, frame = limits(model)
        read = [s[middle(len(s), context if cut else None, frame)] for s in inputs.sequences[rows]]
        strands_of = [strings(read), reverse_complements(strings(read))] if strands == "both" else [strings(read)]
        scores[rows] = mean_over_strands([once(per_base, column) for column in strands_of])
    return scores


@rule(
    "centroid",
    needs="embed",
    sees="sequences",
    description="Cosine similarity to the mean embedding of each class in train, all standardised on train: that of "
    "the second class minus that of the first, or one score per class. For the sequences of a classification.",
    settings={
        "strands": replace(STRANDS["strands"], default="forward"),
        "layer": layer_setting(-1, "the hidden states that are pooled", several=True),
        "pooling": one_of(
            "mean",
            "max",
            "last",
            "cls",
            default="",
            about="how states are pooled; '' leaves it to the model",
            several=True,
        ),
        **WINDOW,
    },
)
def centroid(
    model: Any,
    inputs: Inputs,
    train: Examples | None,
    *,
    strands: str,
    layer: int,
    pooling: str,
    window: str,
    overlap: int | None,
) -> FloatArray:
    """Return similarities to the class centroids: (n,) for two classes, else (n, classes)."""
    if inputs.alternates is not None:
        raise NotApplicable("centroid scores sequences, not variants or pairs")
    if train is None or not len(train):
        raise NotApplicable("centroid needs training examples, and this task has none")
    options = ({} if layer == -1 else {"layer": layer}) | ({"pooling": pooling} if pooling else {})
    options |= window_of(model, "embed", window, overlap)

    def vectors(sequences: Strings) -> NDArray[np.float64]:
        strands_of = [sequences, reverse_complements(sequences)] if strands == "both" else [sequences]
        mean: NDArray[np.float64] = np.mean([once(lambda s: model.embed(s, **options), c) for c in strands_of], axis=0)
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
