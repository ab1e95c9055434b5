"""Tasks of bases: inputs for models that take whole sequences and know nothing about the bases in them."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..text import Text
from ..types import Inputs, strings

_BLOCK = 4096


def windows(inputs: Inputs, context: int) -> Inputs:
    """Return each site as a sequence of `context` bases about it, with N beyond the ends of its sequence.

    The middle of the site, `positions + span // 2`, is base `context // 2`, as in a window that a task centres itself.
    """
    assert inputs.positions is not None
    before = context // 2
    starts = inputs.positions + inputs.span // 2 - before
    parts = []
    for at in range(0, len(inputs), _BLOCK):
        block = zip(inputs.sequences[at : at + _BLOCK], starts[at : at + _BLOCK].tolist(), strict=True)
        parts.append(Text.of([_padded(sequence, start, context) for sequence, start in block]))
    return Inputs(Text.concatenate(parts) if parts else strings([]))


def reversed_sites(inputs: Inputs) -> Inputs:
    """Return the same sites on the other strand."""
    from ..dna.sequence import reverse_complement

    assert inputs.positions is not None
    known: dict[str, str] = {}
    sequences = [known[s] if s in known else known.setdefault(s, reverse_complement(s)) for s in inputs.sequences]
    lengths = np.array([len(s) for s in sequences], np.int64)
    return Inputs(strings(sequences), positions=lengths - inputs.positions - inputs.span, span=inputs.span)


def embed_sites(model: Any, inputs: Inputs, **settings: Any) -> NDArray[np.float32]:
    """Return the state of each site (n, d): of its base, or the mean over the bases of its bin.

    A model that does not take `span` embeds every base of a bin; `shared` is passed only to a model that takes it.
    """
    assert inputs.positions is not None
    parameters = inspect.signature(model.embed_sites).parameters
    if "shared" in parameters:
        settings["shared"] = True
    if inputs.span == 1 or "span" in parameters:
        if inputs.span > 1:
            settings["span"] = inputs.span
        return np.asarray(model.embed_sites(inputs.sequences, inputs.positions, **settings), dtype=np.float32)
    rows = np.repeat(np.arange(len(inputs)), inputs.span)
    sites = (inputs.positions[:, None] + np.arange(inputs.span)).ravel()
    each = np.asarray(model.embed_sites(inputs.sequences[rows], sites, **settings), dtype=np.float32)
    mean: NDArray[np.float32] = each.reshape(len(inputs), inputs.span, -1).mean(axis=1)
    return mean


def _padded(sequence: str, start: int, width: int) -> str:
    inside = sequence[max(start, 0) : max(start + width, 0)]
    left = min(max(-start, 0), width)
    return "N" * left + inside + "N" * (width - left - len(inside))
