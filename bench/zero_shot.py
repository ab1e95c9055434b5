"""Rules that score without labels: variants and pairs ALT over REF, sequences by likelihood or by nearest centroid."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .alleles import Kind, Pairs, has_bases, middle, pairs, reverse_complements
from .continuation import continuation
from .errors import ConfigError, DataError, NotApplicable, UnknownName, check_keys
from .types import Examples, FloatArray, Inputs, Strings, strings
from .vectors import SIMILARITY, once, unit

_BLOCK = 4096
"""Pairs that are embedded at a time, which bounds the memory."""

_EVERY: tuple[Kind, ...] = ("none", "snv", "substitution", "indel")
_ALIGNED: tuple[Kind, ...] = ("none", "snv", "substitution")


@dataclass(frozen=True)
class Rule:
    """A way to score without labels.

    `needs` are methods that the model must have, all of them; 'a or b' is met by either. `score(model, inputs, train,
    **settings)` returns (n,) or (n, k), NaN where the rule cannot score; `settings` are its defaults. `sees` says
    whether the rule is one for variants and pairs, for the sequences of a classification that declares it
    (`likelihood` takes pairs too), or for prompts, of which it gives the bases that follow. `description` says what is
    scored and what is skipped.
    """

    name: str
    needs: tuple[str, ...]
    score: Callable[..., FloatArray]
    sees: Literal["variants", "sequences", "prompts"]
    description: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def check(self, model: Any) -> None:
        """Raise NotApplicable where the model lacks a method that the rule needs."""
        lacking = [need for need in self.needs if not any(hasattr(model, m) for m in need.split(" or "))]
        if lacking:
            raise NotApplicable(f"rule {self.name!r} needs {' and '.join(lacking)}, which {_name(model)} lacks")


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


def _generate(model: Any, inputs: Inputs, train: Examples | None, *, n_bases: int) -> FloatArray:
    if inputs.alternates is not None:
        raise NotApplicable("generate continues sequences, not variants or pairs")
    return continuation(model, inputs.sequences, n_bases)


def _both_strands(
    model: Any, inputs: Inputs, measure: Callable[[Pairs], FloatArray], kinds: tuple[Kind, ...], strands: str
) -> FloatArray:
    """Return the mean of `measure` over the strands on which it is a number, (n,), NaN where a change is of no kind."""
    context, frame = _limits(model)
    both = _both(strands)
    found = pairs(inputs, context=context, frame=frame).of(kinds)
    scores = np.full(len(inputs), np.nan)
    if len(found.rows):
        scores[found.rows] = _mean([measure(found), measure(found.turned())] if both else [measure(found)])
    return scores


def _mean(strands: Sequence[FloatArray]) -> FloatArray:
    """Return the mean (n,) over the strands on which there is a number, NaN where there is one on none."""
    values = np.stack(strands)
    known = ~np.isnan(values)
    n = known.sum(0)
    total = np.where(known, values, 0.0).sum(0)
    mean: FloatArray = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    return mean


def _both(strands: str) -> bool:
    if strands not in ("both", "forward"):
        raise ConfigError(f"strands = {strands!r}: expected 'both' or 'forward'")
    return strands == "both"


def _change_in(measure: Callable[[Strings], FloatArray]) -> Callable[[Pairs], FloatArray]:
    """Return what gives the change from REF to ALT in what `measure` gives for a sequence."""

    def change(found: Pairs) -> FloatArray:
        values = once(measure, np.concatenate([found.alternates, found.references]))
        return values[: len(found.rows)] - values[len(found.rows) :]

    return change


def _log_likelihood(model: Any, temperature: float) -> Callable[[Strings], FloatArray]:
    if temperature == 1:
        return lambda sequences: model.log_likelihood(sequences)
    taken = inspect.signature(model.log_likelihood).parameters.values()
    if not any(p.name == "temperature" or p.kind is p.VAR_KEYWORD for p in taken):
        raise NotApplicable(f"temperature = {temperature}: {_name(model)}.log_likelihood takes none; leave it at 1")
    return lambda sequences: model.log_likelihood(sequences, temperature=temperature)


def _check_temperature(value: Any) -> None:
    """Raise ConfigError unless logits can be divided by the value without turning or losing them."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ConfigError(f"temperature = {value!r}: expected a finite number above 0")


def _limits(model: Any) -> tuple[int | None, int]:
    """Return the model's context in bases, None if unlimited, and of how many bases a sequence is a multiple."""
    return getattr(model, "context", None), getattr(model, "frame", 1)


def _name(model: Any) -> str:
    return str(getattr(model, "name", "") or f"this {type(model).__name__}")


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
