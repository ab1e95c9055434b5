"""Two toy language models whose probabilities are known, to test what zero-shot rules compute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baserate.capabilities import Model
from baserate.errors import ConfigError
from baserate.registry import model

_WHAT = "A Markov chain of order {order} as a language model with a `head` that is 'masked' or 'causal': a toy whose "
_FOR = "probabilities are known, for testing rules; not a model of real DNA."
_MODES: Mapping[str, Mapping[str, Any]] = {"zero_shot": {"rule": "masked_llr"}}


def table(order: int) -> NDArray[np.float64]:
    """Return p(base | two bases before it), (4, 4, 4), of the toy of order 0 or 2."""
    if order == 0:
        return np.tile([0.4, 0.3, 0.2, 0.1], (4, 4, 1))
    return np.random.default_rng(2).dirichlet(np.full(4, 0.7), size=(4, 4)) * 0.96 + 0.01


@model(
    "markov_toy_0",
    version=1,
    modes=_MODES,
    description=_WHAT.format(order=0) + _FOR,
    tokenizer="single nucleotide",
    licence="Apache-2.0",
)
def load_0(*, head: str = "masked") -> Model:
    """Return the chain of order 0."""
    return _toy(0, head)


@model(
    "markov_toy_2",
    version=1,
    modes=_MODES,
    description=_WHAT.format(order=2) + _FOR,
    tokenizer="single nucleotide",
    licence="Apache-2.0",
)
def load_2(*, head: str = "masked") -> Model:
    """Return the chain of order 2."""
    return _toy(2, head)


def _toy(order: int, head: str) -> Model:
    if head not in ("masked", "causal"):
        raise ConfigError(f"head = {head!r}: expected 'masked' or 'causal'")
    from ._markov_network import language_model

    return language_model(table(order), "masked" if head == "masked" else "causal", name=f"markov_toy_{order}")
