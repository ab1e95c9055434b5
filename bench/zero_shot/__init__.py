"""Rules that score without labels: variants and pairs ALT over REF, sequences by likelihood or by nearest centroid."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError, NotApplicable, check_keys
from ..settings import check_values, defaults
from ..types import Examples, FloatArray, Inputs
from .rule import RULES as RULES
from .rule import Rule as Rule
from .rule import name_of


def score(
    model: Any,
    inputs: Inputs,
    rule: str,
    *,
    deleterious: bool = False,
    train: Examples | None = None,
    n_bases: int = 0,
    **settings: Any,
) -> FloatArray:
    """Return scores by the rule, (n,), or (n, k) where it gives one per class; NaN where it cannot score an example.

    The score of a variant or a pair is ALT over REF: higher where the model finds ALT more likely; `deleterious`
    negates it. With `n_bases` the question is which bases follow, and the scores are their indices into ACGT.
    Raises UnknownName for the rule, ConfigError for a setting that it does not have or cannot use, and NotApplicable
    where the model or the inputs lack what it needs.
    """
    chosen = RULES.get(rule)
    check_keys(settings, chosen.settings, f"zero-shot rule {rule!r}")
    if chosen.sees == "variants" and inputs.alternates is None:
        raise NotApplicable(f"{rule} scores variants and pairs; these inputs have no alternate sequences")
    if (chosen.sees == "prompts") != bool(n_bases):
        asks = "asks which bases follow" if n_bases else "does not ask which bases follow"
        raise NotApplicable(f"{rule} scores {chosen.sees}; the task {asks}")
    chosen.check(model)
    check_values(settings, [chosen.settings])
    if chosen.sees == "prompts":
        settings["n_bases"] = n_bases
    scores = np.asarray(
        chosen.score(model, inputs, train, **{**defaults(chosen.settings), **settings}), dtype=np.float64
    )
    if len(scores) != len(inputs):
        raise DataError(f"{name_of(model)}: rule {rule!r} gave {len(scores)} scores for {len(inputs)} examples")
    return -scores if deleterious else scores
