"""What a zero-shot rule is, how to register one, and what rules share: strands, allele pairs, limits of a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..errors import NotApplicable
from ..metrics import TIE
from ..registry import Registry, origin_of
from ..settings import Setting, Settings, one_of, positive
from ..types import FloatArray, Inputs, Strings
from .alleles import Kind, Pairs, pairs
from .vectors import once

EVERY: tuple[Kind, ...] = ("none", "snv", "substitution", "indel")
ALIGNED: tuple[Kind, ...] = ("none", "snv", "substitution")
STRANDS: Mapping[str, Setting] = {
    "strands": one_of(
        "forward", "both", default="both", about="score the sequence as given or the mean of both strands"
    )
}
TEMPERATURE = positive(1.0, "the number that logits are divided by")
INDELS: Mapping[str, Setting] = {
    "indels": one_of(
        "per_term",
        "raw",
        default="per_term",
        about="where ALT is longer or shorter, compare likelihoods per term or, raw, their sums",
    )
}

Sees = Literal["variants", "sequences", "prompts"]
Score = Callable[..., FloatArray]
"""`score(model, inputs, train, **settings)` returns (n,) or (n, k), NaN where the rule cannot score."""


@dataclass(frozen=True)
class Rule:
    """A way to score without labels.

    `needs` are methods that the model must have, all of them; 'a or b' is met by either. `sees` states whether the
    rule is for variants and pairs, for the sequences of a classification that declares it (`likelihood` takes pairs
    too), or for prompts, for which it returns the bases that follow. `description` states what is scored and what is
    skipped. `version` is raised whenever scores change.
    """

    name: str
    needs: tuple[str, ...]
    score: Score
    sees: Sees
    description: str
    settings: Settings = field(default_factory=dict)
    version: int = 1

    def check(self, model: Any) -> None:
        """Raise NotApplicable where the model lacks a method that the rule needs."""
        lacking = [need for need in self.needs if not any(hasattr(model, m) for m in need.split(" or "))]
        if lacking:
            raise NotApplicable(f"rule {self.name!r} needs {' and '.join(lacking)}, which {name_of(model)} lacks")


RULES: Registry[Rule] = Registry("zero-shot rule", builtin="baserate.zero_shot")


def rule(
    name: str,
    *,
    needs: str | tuple[str, ...],
    sees: Sees,
    description: str,
    settings: Settings | None = None,
    version: int = 1,
) -> Callable[[Score], Score]:
    """Return a decorator that registers a function as a zero-shot rule; see `Rule` and `Score`."""

    def register(score: Score) -> Score:
        methods = (needs,) if isinstance(needs, str) else needs
        entry = Rule(name, methods, score, sees, description, settings or {}, version)
        RULES.add(name, entry, origin=origin_of(score))
        return score

    return register


def both_strands(
    model: Any,
    inputs: Inputs,
    measure: Callable[[Pairs], FloatArray],
    kinds: tuple[Kind, ...],
    strands: str,
    *,
    cut: bool = True,
) -> FloatArray:
    """Return the mean of `measure` over the strands where it is a number, (n,), NaN for changes of other kinds.

    Windows are `cut` to the model's context about the change, or left as long as they are.
    """
    context, frame = limits(model)
    comparable = pairs(inputs, context=context if cut else None, frame=frame).of(kinds)
    scores = np.full(len(inputs), np.nan)
    if len(comparable.rows):
        scores[comparable.rows] = mean_over_strands(
            [measure(comparable), measure(comparable.on_other_strand())] if strands == "both" else [measure(comparable)]
        )
    return scores


def mean_over_strands(strands: Sequence[FloatArray]) -> FloatArray:
    """Return the mean (n,) over the strands on which there is a number, NaN where there is none on either."""
    values = np.stack(strands)
    known = ~np.isnan(values)
    n = known.sum(0)
    total = np.where(known, values, 0.0).sum(0)
    mean: FloatArray = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    return mean


def change_in(
    measure: Callable[[Strings], FloatArray], terms: Callable[[Strings], FloatArray] | None = None
) -> Callable[[Pairs], FloatArray]:
    """Return a function of pairs that returns by how much `measure` changes from REF to ALT, 0 within TIE.

    With `terms`, which counts what `measure` adds up, a pair that differs in its number of bases is scored as
    2ab / (a + b) (ALT / a - REF / b) for `a` terms of ALT and `b` of REF: the change per term, times their harmonic
    mean. It is 0 where every term is the same, and turns its sign where REF and ALT are exchanged.
    """

    def change(alleles: Pairs) -> FloatArray:
        n, sequences = len(alleles.rows), np.concatenate([alleles.alternates, alleles.references])
        values = once(measure, sequences)
        alt, ref = values[:n], values[n:]
        delta = alt - ref
        bases = _n_bases(sequences)
        longer = np.flatnonzero(bases[:n] != bases[n:])
        if terms is not None and len(longer):
            counts = once(terms, sequences[np.concatenate([longer, longer + n])])
            a, b = counts[: len(longer)], counts[len(longer) :]
            delta[longer] -= (a - b) * (alt[longer] + ref[longer]) / np.maximum(a + b, 1)
        delta[np.abs(delta) <= TIE] = 0
        return delta

    return change


def terms_of(model: Any, indels: str) -> Callable[[Strings], FloatArray] | None:
    """Return what counts the terms of the model's likelihoods: its tokens or, if it does not say, the bases.

    None where `indels` is 'raw'.
    """
    return None if indels == "raw" else getattr(model, "n_terms", _n_bases)


def _n_bases(sequences: Strings) -> FloatArray:
    return np.array([sum(map(s.count, "ACGT")) for s in sequences], np.float64)


def is_masked(model: Any) -> bool:
    """Return whether likelihoods are those of masked tokens: a language model has every method, its head decides."""
    return getattr(model, "head", "") == "masked" or not hasattr(model, "log_likelihood")


def log_likelihood_of(model: Any, temperature: float, **options: Any) -> Callable[[Strings], FloatArray]:
    """Return the model's log-likelihood at a temperature. Raises NotApplicable where it takes none."""
    if temperature == 1:
        return lambda sequences: model.log_likelihood(sequences, **options)
    parameters = inspect.signature(model.log_likelihood).parameters.values()
    if not any(p.name == "temperature" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise NotApplicable(f"temperature = {temperature}: {name_of(model)}.log_likelihood takes none; leave it at 1")
    return lambda sequences: model.log_likelihood(sequences, temperature=temperature, **options)


def window_of(model: Any, method: str, window: str, overlap: int | None) -> dict[str, Any]:
    """Return the keywords by which a method reads long sequences as a rule is set to; {} where it cuts them.

    Raises NotApplicable where the method cannot read them in chunks.
    """
    if window == "truncate":
        return {}
    parameters = inspect.signature(getattr(model, method)).parameters.values()
    if not any(p.name == "window" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise NotApplicable(f"window = {window!r}: {name_of(model)}.{method} takes no window; leave it at 'truncate'")
    return {"window": window, "overlap": overlap}


def limits(model: Any) -> tuple[int | None, int]:
    """Return the model's context in bases, None if unlimited, and the number of bases sequences are a multiple of."""
    return getattr(model, "context", None), getattr(model, "frame", 1)


def name_of(model: Any) -> str:
    """Return the model's name for messages."""
    return str(getattr(model, "name", "") or f"this {type(model).__name__}")
