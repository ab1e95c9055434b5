"""What a zero-shot rule is, and what rules share: strands, allele pairs, limits of a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..errors import ConfigError, NotApplicable
from ..types import FloatArray, Inputs, Strings
from .alleles import Kind, Pairs, pairs
from .vectors import once

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


def _limits(model: Any) -> tuple[int | None, int]:
    """Return the model's context in bases, None if unlimited, and of how many bases a sequence is a multiple."""
    return getattr(model, "context", None), getattr(model, "frame", 1)


def _name(model: Any) -> str:
    return str(getattr(model, "name", "") or f"this {type(model).__name__}")
