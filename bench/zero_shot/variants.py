"""Rules that score variants and pairs, ALT over REF."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NotApplicable
from ..settings import layer as layer_setting
from ..settings import one_of
from ..types import Examples, FloatArray, Inputs, Strings, strings
from .alleles import Kind, Pairs, has_bases
from .rule import (
    ALIGNED,
    EVERY,
    INDELS,
    STRANDS,
    TEMPERATURE,
    both_strands,
    change_in,
    log_likelihood_of,
    name_of,
    rule,
    terms_of,
)
from .vectors import SIMILARITY, once

_BLOCK = 4096
"""How many pairs are embedded at a time, which bounds the memory."""


@rule(
    "native",
    needs="score_variants",
    sees="variants",
    description="The model's own score of a variant or a pair; the model decides which it skips.",
)
def native(model: Any, inputs: Inputs, train: Examples | None) -> FloatArray:
    """Return the scores (n,) that the model itself gives."""
    return np.asarray(model.score_variants(inputs), dtype=np.float64)


@rule(
    "masked_llr",
    needs="masked_llr",
    sees="variants",
    description="log p(ALT) - log p(REF) of a masked model at the tokens that differ, masked together in REF. SNVs and "
    "substitutions of several bases are scored, with subword tokens only those that change a single token, on the "
    "strands on which they do; indels are skipped.",
    settings=STRANDS,
)
def masked_llr(model: Any, inputs: Inputs, train: Examples | None, *, strands: str) -> FloatArray:
    """Return the masked log-likelihood ratios (n,)."""

    def measure(alleles: Pairs) -> FloatArray:
        return once(model.masked_llr, alleles.references, alleles.alternates)

    return both_strands(model, inputs, measure, ALIGNED, strands)


@rule(
    "pll",
    needs="pseudo_log_likelihood",
    sees="variants",
    description="Pseudo-log-likelihood of the ALT window minus that of REF, each token masked in turn. SNVs, "
    "substitutions of several bases and indels are scored, indels per token.",
    settings={**STRANDS, **INDELS},
    version=2,
)
def pll(model: Any, inputs: Inputs, train: Examples | None, *, strands: str, indels: str) -> FloatArray:
    """Return the changes (n,) in pseudo-log-likelihood (Salazar 2020)."""
    change = change_in(model.pseudo_log_likelihood, terms_of(model, indels))
    return both_strands(model, inputs, change, EVERY, strands)


@rule(
    "pll_one_pass",
    needs="pseudo_log_likelihood",
    sees="variants",
    description="As pll, but from one pass per window in which nothing is masked: cheap, and biased, since the model "
    "sees the tokens it predicts. SNVs, substitutions of several bases and indels are scored, indels per token.",
    settings={**STRANDS, **INDELS},
    version=2,
)
def pll_one_pass(model: Any, inputs: Inputs, train: Examples | None, *, strands: str, indels: str) -> FloatArray:
    """Return the changes (n,) in pseudo-log-likelihood from one pass without masks."""

    def measure(sequences: Strings) -> FloatArray:
        values: FloatArray = model.pseudo_log_likelihood(sequences, one_pass=True)
        return values

    return both_strands(model, inputs, change_in(measure, terms_of(model, indels)), EVERY, strands)


@rule(
    "causal_delta",
    needs="log_likelihood",
    sees="variants",
    description="Log-likelihood of the ALT window minus that of REF. SNVs, substitutions of several bases and indels "
    "are scored, indels per token.",
    settings={**STRANDS, **INDELS, "temperature": TEMPERATURE},
    version=2,
)
def causal_delta(
    model: Any, inputs: Inputs, train: Examples | None, *, strands: str, indels: str, temperature: float
) -> FloatArray:
    """Return the changes (n,) in log-likelihood."""
    change = change_in(log_likelihood_of(model, temperature), terms_of(model, indels))
    return both_strands(model, inputs, change, EVERY, strands)


@rule(
    "right_end",
    needs="next_base_log_probs",
    sees="variants",
    description="log p(ALT) - log p(REF) of the base after the left flank, each summed over the tokens that begin with "
    "it. SNVs are scored, on the strands on which there is a flank; all else is skipped.",
    settings=STRANDS,
)
def right_end(model: Any, inputs: Inputs, train: Examples | None, *, strands: str) -> FloatArray:
    """Return the log-likelihood ratios (n,) of the base after the left flank."""

    def measure(alleles: Pairs) -> FloatArray:
        out = np.full(len(alleles.rows), np.nan)
        lefts = [ref[:at] for ref, at in zip(alleles.references, alleles.first, strict=True)]
        known = np.array([i for i, left in enumerate(lefts) if has_bases(left)], np.int64)
        if len(known):
            log_probs = once(model.next_base_log_probs, strings(lefts)[known])
            at = alleles.first[known]
            alt, ref = (
                ["ACGT".index(s[i]) for s, i in zip(column[known], at, strict=True)]
                for column in (alleles.alternates, alleles.references)
            )
            each = np.arange(len(known))
            out[known] = log_probs[each, alt] - log_probs[each, ref]
        return out

    return both_strands(model, inputs, measure, ("snv",), strands)


@rule(
    "embedding_distance",
    needs="embed",
    sees="variants",
    description="Minus the cosine or Euclidean distance between the embeddings of REF and ALT, or their inner product. "
    "At the token of the first base that differs (at = 'site') SNVs and substitutions of several bases are scored and "
    "indels skipped; with at = 'pooled', the mean over the window, all are scored. Not for pairs.",
    settings={
        "distance": one_of(*SIMILARITY, default="cosine", about="how far apart two embeddings are"),
        "at": one_of("site", "pooled", default="site", about="compare the states of the base, or means over windows"),
        "layer": layer_setting(-1, "the hidden states that are compared", several=True),
        **STRANDS,
    },
)
def embedding_distance(
    model: Any, inputs: Inputs, train: Examples | None, *, distance: str, at: str, layer: int, strands: str
) -> FloatArray:
    """Return minus the distances (n,), or the inner products."""
    if inputs.positions is None:
        # A distance does not point to the real sequence of a pair: its sign would be taken to mean something.
        raise NotApplicable("embedding_distance measures how far a variant goes, not which sequence of a pair is real")
    if at == "site" and not hasattr(model, "embed_sites"):
        raise NotApplicable(f"at = 'site' needs embed_sites, which {name_of(model)} lacks; use at = 'pooled'")
    # Models number their layers as they like; -1 leaves the choice to the model.
    options = {} if layer == -1 else {"layer": layer}

    def vectors(sequences: Strings, alleles: Pairs) -> NDArray[np.float64]:
        if at == "site":
            return once(lambda s, sites: model.embed_sites(s, sites, **options), sequences, alleles.first)
        return once(lambda s: model.embed(s, **options), sequences)

    def measure(alleles: Pairs) -> FloatArray:
        # Variants of one window stand together, so that its REF is embedded once.
        order = np.argsort(alleles.references.astype(str), kind="stable")
        out = np.empty(len(order))
        for start in range(0, len(order), _BLOCK):
            block = order[start : start + _BLOCK]
            part = alleles.take(block)
            references = vectors(part.references, part)
            out[block] = SIMILARITY[distance](references, vectors(part.alternates, part))
        return out

    kinds: tuple[Kind, ...] = ("snv", "substitution") if at == "site" else EVERY
    return both_strands(model, inputs, measure, kinds, strands)
