"""The bases that a model says follow a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import NotApplicable
from ..types import Examples, FloatArray, Inputs, Strings, strings
from .alleles import has_bases
from .rule import rule


def generation(model: Any, sequences: Strings, n_bases: int) -> FloatArray:
    """Return the next bases as indices into ACGT, (n, n_bases): each the likeliest after those before it.

    NaN throughout for a sequence without a base, and where the model has no probabilities for one of the bases.
    """
    chosen = np.full((len(sequences), n_bases), np.nan)
    grown = list(sequences)
    rows = np.array([i for i, s in enumerate(grown) if has_bases(s)], np.int64)
    for step in range(n_bases):
        if not len(rows):
            break
        log_probs = np.asarray(model.next_base_log_probs(strings([grown[i] for i in rows])), np.float64)
        known = np.isfinite(log_probs).all(axis=1)
        chosen[rows[~known]] = np.nan  # a generation that stops half-way is none
        rows, best = rows[known], log_probs[known].argmax(axis=1)
        chosen[rows, step] = best
        for i, base in zip(rows, best, strict=True):
            grown[i] += "ACGT"[base]
    return chosen


@rule(
    "generate",
    needs="next_base_log_probs",
    sees="prompts",
    description="The likeliest next base, again and again: a greedy generation base by base, of tokens of several "
    "bases the sum over those that begin with it. Prompts are cut on their left to what fits.",
)
def generate(model: Any, inputs: Inputs, train: Examples | None, *, n_bases: int) -> FloatArray:
    """Return the next bases as indices into ACGT, (n, n_bases)."""
    if inputs.alternates is not None:
        raise NotApplicable("generate continues sequences, not variants or pairs")
    return generation(model, inputs.sequences, n_bases)
