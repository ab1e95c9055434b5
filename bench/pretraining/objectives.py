"""What a network is to predict: hidden tokens, or the next one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..networks.token_tables import OverlappingTokens, Tokens
from ..types import IntArray
from .windows import TokenRows

IGNORED = -100
"""The label of a position that the loss leaves out, as in PyTorch's cross-entropy."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What goes in, `ids`, what is to come out, `labels`, and the `rows` that they are made of, all (n, t).

    The label at a position is what the network's state there predicts, or IGNORED.
    """

    ids: IntArray
    labels: IntArray
    rows: TokenRows

    def part(self, index: IntArray | slice) -> Batch:
        """Return some of the rows."""
        rows = TokenRows(self.rows.ids[index], self.rows.bases[index], self.rows.weights[index])
        return Batch(self.ids[index], self.labels[index], rows)


def masked(
    rows: TokenRows, tokens: Tokens, rng: np.random.Generator, rate: float, *, all_hidden: bool = False
) -> Batch:
    """Return the rows with a share `rate` of the tokens of A, C, G and T to be predicted.

    80% of these are masked, 10% replaced by a random one and 10% left (Devlin 2019); with `all_hidden` all are masked.
    Of overlapping k-mers k neighbours at a time are hidden (Ji 2021), since the next one spells nearly the same.
    """
    vocabulary = tokens.vocabulary
    if vocabulary.mask is None:
        raise ValueError("a tokenizer without a mask token")
    span = tokens.k if isinstance(tokens, OverlappingTokens) else 1
    begins = rng.random(rows.ids.shape) < rate / span
    chosen = begins.copy()
    for shift in range(1, span):
        chosen[:, shift:] |= begins[:, :-shift]
    chosen &= known(rows.ids, tokens)
    labels = np.where(chosen, rows.ids, IGNORED)
    if all_hidden:
        return Batch(np.where(chosen, vocabulary.mask, rows.ids), labels, rows)
    how = rng.random(rows.ids.shape)
    other = vocabulary.dna[rng.integers(len(vocabulary.dna), size=rows.ids.shape)]
    ids = np.where(chosen & (how < 0.8), vocabulary.mask, np.where(chosen & (how >= 0.9), other, rows.ids))
    return Batch(ids, labels, rows)


def causal(rows: TokenRows, tokens: Tokens) -> Batch:
    """Return the rows with every token of A, C, G and T to be predicted from those before it."""
    labels = np.full_like(rows.ids, IGNORED)
    labels[:, :-1] = np.where(known(rows.ids, tokens), rows.ids, IGNORED)[:, 1:]
    bases, weights = np.roll(rows.bases, -1, axis=1), np.roll(rows.weights, -1, axis=1)
    return Batch(rows.ids, labels, TokenRows(rows.ids, bases, weights))


def known(ids: IntArray, tokens: Tokens) -> NDArray[np.bool_]:
    """Return whether each token spells A, C, G and T alone."""
    table = np.zeros(tokens.vocabulary.size, np.bool_)
    table[tokens.vocabulary.dna] = True
    found: NDArray[np.bool_] = table[ids]
    return found
