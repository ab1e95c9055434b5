"""The bases that follow a sequence according to a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import NotApplicable
from ..types import Examples, FloatArray, Inputs, Strings, strings
from .alleles import has_bases
from .rule import rule


def generation(model: Any, sequences: Strings, n_bases: int) -> FloatArray:
    """Return the next bases as indices into ACGT, (n, n_bases): each the most likely after those before it.

    NaN throughout for a sequence without a base, and where the model has no probabilities for one of the bases.
    """
    chosen = np.full((len(sequences), n_bases), np.nan)
    extended = list(sequences)
    rows = np.array([i for i, s in enumerate(extended) if has_bases(s)], np.int64)
    for step in range(n_bases):
        if not len(rows):
            break
        log_probs = np.asarray(model.next_base_log_probs(strings([extended[i] for i in rows])), np.float64)
        known = np.isfinite(log_probs).all(axis=1)
        chosen[rows[~known]] = np.nan  # a generation that stops half-way does not count
        rows, best = rows[known], log_probs[known].argmax(axis=1)
        chosen[rows, step] = best
        for i, base in zip(rows, best, strict=True):
            extended[i] += "ACGT"[base]
    return chosen


@rule(
    "generate",
    needs="next_base_log_probs",
    sees="prompts",
    description="Greedy generation, base by base: each time the most likely next base, its probability summed over the "
    "tokens that begin with it. Prompts are cut on the left to what fits.",
)
def generate(model: Any, inputs: Inputs, train: Examples | None, *, n_bases: int) -> FloatArray:
    """Return the next bases as indices into ACGT, (n, n_bases)."""
    if inputs.alternates is not None:
        raise NotApplicable("generate continues sequences, not variants or pairs")
    return generation(model, inputs.sequences, n_bases)
