"""A Markov chain of order two as a network, with exact probabilities of the next base and of masked ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baserate.networks.checkpoint import from_network
from baserate.networks.language_model import LanguageModel
from baserate.networks.token_tables import nucleotide_tokens

Head = Literal["masked", "causal"]

_UNKNOWN, _MASK, _BEGIN = 4, 5, 6


class MarkovNetwork(nn.Module):
    """Maps token ids (n, t), the first of which begins the sequence, to log-probabilities of the bases (n, t, 4).

    `table` (4, 4, 4) is p(base | two bases before it); the sequence is a stretch of an endless one. With the causal
    head slot i holds log p(base after it | all bases up to it); with the masked head log p(its base | all others),
    masked or not, so that one pass gives the exact pseudo-log-likelihood. Tokens other than bases, such as masks and
    padding, are unknown bases, and are summed over (the forward-backward algorithm, Rabiner 1989, Proc IEEE 77:257).
    """

    def __init__(self, table: NDArray[np.float64], head: Head) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.from_numpy(table), requires_grad=False)
        self.pairs = nn.Parameter(torch.from_numpy(stationary(table)), requires_grad=False)
        self.head = head

    def forward(self, input_ids: Tensor, output_hidden_states: bool = False) -> SimpleNamespace:
        """Return `logits`, which are the hidden states too."""
        bases = input_ids[:, 1:]
        seen = nn.functional.one_hot(bases.clamp(max=3), 4).to(self.table.dtype)
        seen = torch.where((bases > 3)[:, :, None], 1.0, seen)
        # p(two bases up to here | all before here): at first the base before the sequence is unknown.
        ahead = [self.pairs.expand(len(bases), 4, 4)]
        for i in range(bases.shape[1]):
            here = ahead[-1] * seen[:, i, None, :]
            moved = torch.einsum("nbc,bcd->ncd", here, self.table)
            ahead.append(moved / moved.sum((1, 2), keepdim=True))
        if self.head == "causal":
            probs = torch.stack([pair.sum(1) for pair in ahead], 1)
        else:
            after = torch.ones_like(ahead[0])
            backward = []
            for i in reversed(range(bases.shape[1])):
                backward.append((ahead[i] * after).sum(1))
                after = torch.einsum("bcd,nd,ncd->nbc", self.table, seen[:, i], after)
                after = after / after.amax((1, 2), keepdim=True)
            probs = torch.stack([ahead[0].sum(1), *reversed(backward)], 1)
        logits = (probs / probs.sum(2, keepdim=True)).log()
        return SimpleNamespace(logits=logits, last_hidden_state=logits, hidden_states=(logits,))


def stationary(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the stationary probabilities (4, 4) of two neighbouring bases."""
    pairs = np.full((4, 4), 1 / 16)
    for _ in range(1000):
        pairs = np.einsum("bc,bcd->cd", pairs, table)
    return pairs


def language_model(table: NDArray[np.float64], head: Head, *, name: str) -> LanguageModel:
    """Return the chain as a language model."""
    letters = {**{base: code for code, base in enumerate("ACGT")}, "N": _UNKNOWN}
    tokens = nucleotide_tokens(letters, pad=_UNKNOWN, mask=_MASK if head == "masked" else None, prefix=[_BEGIN])
    return from_network(MarkovNetwork(table, head), tokens, name=name, head=head, precision="fp32")
