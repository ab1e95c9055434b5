"""Rules that score without labels: variants and pairs ALT over REF, sequences by likelihood or by nearest centroid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import ConfigError, DataError, NotApplicable, UnknownName, check_keys
from ..types import Examples, FloatArray, Inputs
from .generation import _generate
from .rule import Rule, _name
from .sequences import _centroid, _likelihood
from .variants import _causal_delta, _embedding_distance, _masked_llr, _native, _pll, _pll_one_pass, _right_end


def rule_of(name: str) -> Rule:
    """Return the rule called `name`. Raises UnknownName with the nearest names."""
    if name not in RULES:
        raise UnknownName("zero-shot rule", name, RULES)
    return RULES[name]


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
    found = rule_of(rule)
    check_keys(settings, found.settings, f"zero-shot rule {rule!r}")
    if found.sees == "variants" and inputs.alternates is None:
        raise NotApplicable(f"{rule} scores variants and pairs; these inputs have no alternate sequences")
    if (found.sees == "prompts") != bool(n_bases):
        asks = "asks which bases follow" if n_bases else "does not ask which bases follow"
        raise NotApplicable(f"{rule} scores {found.sees}; the task {asks}")
    found.check(model)
    if found.sees == "prompts":
        settings["n_bases"] = n_bases
    _check_temperature(settings.get("temperature", 1.0))
    scores = np.asarray(found.score(model, inputs, train, **{**found.settings, **settings}), dtype=np.float64)
    if len(scores) != len(inputs):
        raise DataError(f"{_name(model)}: rule {rule!r} gave {len(scores)} scores for {len(inputs)} examples")
    return -scores if deleterious else scores


def _check_temperature(value: Any) -> None:
    """Raise ConfigError unless logits can be divided by the value without turning or losing them."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ConfigError(f"temperature = {value!r}: expected a finite number above 0")


_STRANDS = {"strands": "both"}
_RULES = (
    Rule(
        "native",
        ("score_variants",),
        _native,
        "variants",
        "The model's own score of a variant or a pair; what it skips is its affair.",
    ),
    Rule(
        "masked_llr",
        ("masked_llr",),
        _masked_llr,
        "variants",
        "log p(ALT) - log p(REF) of a masked model at the tokens that differ, masked together in REF. SNVs and "
        "substitutions of several bases are scored, with subword tokens those alone that change one token, on the "
        "strands on which they do; indels are skipped.",
        _STRANDS,
    ),
    Rule(
        "pll",
        ("pseudo_log_likelihood",),
        _pll,
        "variants",
        "Pseudo-log-likelihood of the ALT window minus that of REF, each token masked in turn. SNVs, substitutions of "
        "several bases and indels are scored.",
        _STRANDS,
    ),
    Rule(
        "pll_one_pass",
        ("pseudo_log_likelihood",),
        _pll_one_pass,
        "variants",
        "The same from one pass a window in which nothing is masked: cheap, and biased, since the model sees what it "
        "is asked for. SNVs, substitutions of several bases and indels are scored.",
        _STRANDS,
    ),
    Rule(
        "causal_delta",
        ("log_likelihood",),
        _causal_delta,
        "variants",
        "Log-likelihood of the ALT window minus that of REF. SNVs, substitutions of several bases and indels are "
        "scored.",
        _STRANDS | {"temperature": 1.0},
    ),
    Rule(
        "right_end",
        ("next_base_log_probs",),
        _right_end,
        "variants",
        "log p(ALT) - log p(REF) of the base after the left flank, each summed over the tokens that begin with it. "
        "SNVs are scored, on the strands on which there is a flank; all else is skipped.",
        _STRANDS,
    ),
    Rule(
        "embedding_distance",
        ("embed",),
        _embedding_distance,
        "variants",
        "Minus the cosine or Euclidean distance between the embeddings of REF and ALT, or their inner product. At the "
        "token of the first base that differs (at = 'site') SNVs and substitutions of several bases are scored and "
        "indels skipped; with at = 'pooled', the mean over the window, all are scored. Not for pairs.",
        {"distance": "cosine", "at": "site", "layer": -1} | _STRANDS,
    ),
    Rule(
        "likelihood",
        ("log_likelihood or pseudo_log_likelihood",),
        _likelihood,
        "sequences",
        "Log-likelihood per base, of a masked model the pseudo-log-likelihood, as the score of the last class; of a "
        "pair ALT minus REF. Sequences without A, C, G or T are skipped.",
        _STRANDS | {"one_pass": False, "temperature": 1.0},
    ),
    Rule(
        "centroid",
        ("embed",),
        _centroid,
        "sequences",
        "Cosine similarity to the mean embedding of each class in train, all standardised on train: of the second "
        "class minus the first, or one score a class. The sequences of a classification are scored.",
        {"strands": "forward", "layer": -1, "pooling": ""},
    ),
    Rule(
        "generate",
        ("next_base_log_probs",),
        _generate,
        "prompts",
        "The likeliest next base, again and again: a greedy continuation base by base, of tokens of several bases the "
        "sum over those that begin with it. Prompts are cut on their left to what fits.",
    ),
)
RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _RULES})
