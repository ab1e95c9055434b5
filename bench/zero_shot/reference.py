"""How likely a model finds the reference of each variant, by which its scores can be shown apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..settings import defaults
from ..types import FloatArray, Inputs
from .alleles import pairs
from .rule import RULES, is_masked, limits


def reference_likelihood(model: Any, inputs: Inputs) -> FloatArray:
    """Return the log-likelihood per base of each REF window, (n,), NaN where REF and ALT cannot be compared.

    It is what rule `likelihood` gives the window that the model reads about the change, the mean over both strands; of
    a masked model, from one pass without masks. Raises NotApplicable where the model has no likelihoods.
    """
    rule = RULES.get("likelihood")
    rule.check(model)
    context, frame = limits(model)
    alleles = pairs(inputs, context=context, frame=frame)
    values = np.full(len(inputs), np.nan)
    if len(alleles.rows):
        settings = defaults(rule.settings) | {"one_pass": is_masked(model)}
        values[alleles.rows] = rule.score(model, Inputs(alleles.references), None, **settings)
    return values
