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
    """Return scores by the rule, (n,), or (n, k) where it gives one a class; NaN where it cannot score an example.

    The score of a variant or a pair is ALT over REF: higher where the model finds ALT the likelier; `deleterious`
    negates it. Where the question is which bases follow, of which there are `n_bases`, they are indices into ACGT.
    Raises UnknownName for the rule, ConfigError for a setting that it does not have or cannot use, and NotApplicable
    where model or inputs lack what it needs.
    """
    found = RULES.get(rule)
    check_keys(settings, found.settings, f"zero-shot rule {rule!r}")
    if found.sees == "variants" and inputs.alternates is None:
        raise NotApplicable(f"{rule} scores variants and pairs; these inputs have no alternate sequences")
    if (found.sees == "prompts") != bool(n_bases):
        asks = "asks which bases follow" if n_bases else "does not ask which bases follow"
        raise NotApplicable(f"{rule} scores {found.sees}; the task {asks}")
    found.check(model)
    check_values(settings, [found.settings])
    if found.sees == "prompts":
        settings["n_bases"] = n_bases
    scores = np.asarray(found.score(model, inputs, train, **{**defaults(found.settings), **settings}), dtype=np.float64)
    if len(scores) != len(inputs):
        raise DataError(f"{name_of(model)}: rule {rule!r} gave {len(scores)} scores for {len(inputs)} examples")
    return -scores if deleterious else scores
