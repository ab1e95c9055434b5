"""Rules that score variants and pairs, ALT over REF."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, NotApplicable
from ..types import Examples, FloatArray, Inputs, Strings, strings
from .alleles import Kind, Pairs, has_bases
from .rule import _ALIGNED, _EVERY, _both_strands, _change_in, _log_likelihood, _name
from .vectors import SIMILARITY, once

_BLOCK = 4096
"""Pairs that are embedded at a time, which bounds the memory."""


def _native(model: Any, inputs: Inputs, train: Examples | None) -> FloatArray:
    return np.asarray(model.score_variants(inputs), dtype=np.float64)


def _masked_llr(model: Any, inputs: Inputs, train: Examples | None, *, strands: str) -> FloatArray:
    def measure(found: Pairs) -> FloatArray:
        return once(model.masked_llr, found.references, found.alternates)

    return _both_strands(model, inputs, measure, _ALIGNED, strands)


def _pll(model: Any, inputs: Inputs, train: Examples | None, *, strands: str) -> FloatArray:
    return _both_strands(model, inputs, _change_in(model.pseudo_log_likelihood), _EVERY, strands)


def _pll_one_pass(model: Any, inputs: Inputs, train: Examples | None, *, strands: str) -> FloatArray:
    def measure(sequences: Strings) -> FloatArray:
        values: FloatArray = model.pseudo_log_likelihood(sequences, one_pass=True)
        return values

    return _both_strands(model, inputs, _change_in(measure), _EVERY, strands)


def _causal_delta(
    model: Any, inputs: Inputs, train: Examples | None, *, strands: str, temperature: float
) -> FloatArray:
    return _both_strands(model, inputs, _change_in(_log_likelihood(model, temperature)), _EVERY, strands)


def _right_end(model: Any, inputs: Inputs, train: Examples | None, *, strands: str) -> FloatArray:
    def measure(found: Pairs) -> FloatArray:
        out = np.full(len(found.rows), np.nan)
        lefts = [ref[:at] for ref, at in zip(found.references, found.first, strict=True)]
        known = np.array([i for i, left in enumerate(lefts) if has_bases(left)], np.int64)
        if len(known):
            log_probs = once(model.next_base_log_probs, strings(lefts)[known])
            at = found.first[known]
            alt, ref = (
                ["ACGT".index(s[i]) for s, i in zip(column[known], at, strict=True)]
                for column in (found.alternates, found.references)
            )
            each = np.arange(len(known))
            out[known] = log_probs[each, alt] - log_probs[each, ref]
        return out

    return _both_strands(model, inputs, measure, ("snv",), strands)


def _embedding_distance(
    model: Any, inputs: Inputs, train: Examples | None, *, distance: str, at: str, layer: int, strands: str
) -> FloatArray:
    if distance not in SIMILARITY:
        raise ConfigError(f"distance = {distance!r}: expected one of {', '.join(SIMILARITY)}")
    if at not in ("site", "pooled"):
        raise ConfigError(f"at = {at!r}: expected 'site' or 'pooled'")
    if inputs.positions is None:
        # A distance is never on the side of a pair's real sequence, so a sign would be read into it.
        raise NotApplicable("embedding_distance says how far a variant goes, not which sequence of a pair is real")
    if at == "site" and not hasattr(model, "embed_sites"):
        raise NotApplicable(f"at = 'site' needs embed_sites, which {_name(model)} lacks; use at = 'pooled'")
    # What a model calls its layers is its own affair; -1 asks for what it gives by itself.
    asked = {} if layer == -1 else {"layer": layer}

    def vectors(sequences: Strings, found: Pairs) -> NDArray[np.float64]:
        if at == "site":
            return once(lambda s, sites: model.embed_sites(s, sites, **asked), sequences, found.first)
        return once(lambda s: model.embed(s, **asked), sequences)

    def measure(found: Pairs) -> FloatArray:
        # Variants of one window stand together, so that its REF is embedded once.
        order = np.argsort(found.references.astype(str), kind="stable")
        out = np.empty(len(order))
        for start in range(0, len(order), _BLOCK):
            block = order[start : start + _BLOCK]
            part = found.take(block)
            references = vectors(part.references, part)
            out[block] = SIMILARITY[distance](references, vectors(part.alternates, part))
        return out

    kinds: tuple[Kind, ...] = ("snv", "substitution") if at == "site" else _EVERY
    return _both_strands(model, inputs, measure, kinds, strands)
