"""The states of the tokens of a job's examples, for probes that read these."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..cache.outputs import limit_bytes
from ..dna.sequence import reverse_complement
from ..errors import DataError, NotApplicable
from ..probes.tokens import States, Stored, TokenStates
from ..types import Inputs, IntArray, strings


def token_features(
    model: Any,
    parts: Sequence[Inputs],
    requests: Sequence[tuple[Any, Any]],
    settings: Mapping[str, Any],
    cache: Path | None,
) -> list[dict[tuple[Any, Any], TokenStates]]:
    """Return the states of the tokens of each part by (layer, None), read from files that are made when first read.

    The files have, all together, at most as many bytes as the cache may. Raises NotApplicable for a setting that
    `embed_tokens` of the model does not take.
    """
    options = {k: v for k, v in settings.items() if k not in ("strands", "context")}
    taken = inspect.signature(model.embed_tokens).parameters
    for name in options:
        if name not in taken and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            raise NotApplicable(f"{name}: embed_tokens() of {name_of(model)} does not take this setting")
    known: dict[str, int] = {}
    rows: list[IntArray] = []
    weights: tuple[float, ...] = ()
    for inputs in parts:
        weights, columns = _columns(inputs, both=settings["strands"] == "both")
        rows.append(np.array([[known.setdefault(s, len(known)) for s in column] for column in columns], np.int64).T)
    sequences, room = list(known), limit_bytes() // len(requests)
    out: list[dict[tuple[Any, Any], TokenStates]] = [{} for _ in parts]
    for layer, pooling in requests:
        asked = options if layer is None else {"layer": layer, **options}

        def compute(some: Sequence[str], asked: Mapping[str, Any] = asked) -> list[States]:
            return _checked(model, model.embed_tokens(strings(list(some)), **asked), len(some))

        source = Stored(sequences, compute, room=room, folder=cache)
        for found, at in zip(out, rows, strict=True):
            found[layer, pooling] = TokenStates(source, at, weights, str(getattr(model, "device", "cpu")))
    return out


def _columns(inputs: Inputs, *, both: bool) -> tuple[tuple[float, ...], list[Sequence[str]]]:
    """Return the sequences of which an example consists, and the weight of each."""
    sides: list[tuple[float, Sequence[str]]] = [(1.0, list(inputs.sequences))]
    if inputs.alternates is not None:
        sides = [(1.0, list(inputs.alternates)), (-1.0, list(inputs.sequences))]
    if both:
        reverse = [(weight, [reverse_complement(s) for s in column]) for weight, column in sides]
        sides = [(weight / 2, column) for weight, column in [*sides, *reverse]]
    return tuple(weight for weight, _ in sides), [column for _, column in sides]


def _checked(model: Any, found: Any, n: int) -> list[States]:
    """Return the states as float32 (t, d). Raises DataError where they are not that, or not finite."""
    states = [np.asarray(each, np.float32) for each in found]
    if len(states) != n or any(s.ndim != 2 or not len(s) for s in states):
        shapes = sorted({s.shape for s in states})[:3]
        raise DataError(f"{name_of(model)}: embed_tokens() gave {shapes} for {n} sequences; expected (t, d) of each")
    if not all(np.isfinite(s).all() for s in states):
        raise DataError(f"{name_of(model)}: embed_tokens() gave a value that is not finite")
    return states


def name_of(model: Any) -> str:
    """Return the name of the model, else that of its type."""
    return str(getattr(model, "name", "") or type(model).__name__)
