"""The loss on held-out windows in nats per base, which compares models of any tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from ..networks.batches import in_batches
from ..networks.token_tables import Tokens
from ..types import IntArray
from .corpus import Spans
from .objectives import IGNORED, Batch
from .windows import TokenRows, new_bases, text

Losses = Callable[[Batch], torch.Tensor]
"""Returns the cross-entropy (m,) of the labels of a batch, in nats."""

BUDGET = 16 * 320
"""How many tokens of held-out windows run at a time."""


def held_out_loss(
    network: nn.Module,
    spans: Sequence[Spans],
    tokens: Tokens,
    *,
    hide: Callable[[TokenRows], Batch],
    losses: Losses,
    longest: int,
) -> dict[str, float]:
    """Return the loss on each corpus's held-out windows, as `valid_loss/NAME`, and their weighted mean, `valid_loss`.

    It is summed over the tokens to be predicted and divided by the bases that these spell; of overlapping k-mers each
    counts as one base, since of k hidden neighbours one base alone is not in sight. A window is cut to `longest`
    tokens. Empty where nothing is held out.
    """
    found: dict[str, float] = {}
    network.eval()
    with torch.inference_mode():
        for corpus in spans:
            if len(corpus.valid):
                total, bases = _sums(corpus, tokens, hide=hide, losses=losses, longest=longest)
                if bases:
                    found[corpus.name] = total / bases
    network.train()
    if not found:
        return {}
    weights = np.array([s.weight for s in spans if s.name in found])
    mean = float(np.dot(weights / weights.sum(), list(found.values())))
    return {"valid_loss": round(mean, 5)} | {f"valid_loss/{name}": round(v, 5) for name, v in found.items()}


def _sums(
    corpus: Spans, tokens: Tokens, *, hide: Callable[[TokenRows], Batch], losses: Losses, longest: int
) -> tuple[float, int]:
    """Return the sum of the losses and the number of bases predicted."""
    encoded = tokens.encode([text(codes) for codes in corpus.valid])
    lengths = np.array([min(longest, len(e.ids)) for e in encoded])
    sums = [0.0, 0]

    def compute(index: IntArray) -> None:
        t = int(lengths[index[0]])
        ids = np.stack([encoded[i].ids[:t] for i in index])
        bases = np.stack([new_bases(encoded[i], tokens)[:t] for i in index])
        batch = hide(TokenRows(ids, bases, np.ones(ids.shape)))
        asked = batch.labels != IGNORED
        if asked.any():
            sums[0] += float(losses(batch).double().sum())
            sums[1] += int(batch.rows.bases[asked].sum())

    in_batches(lengths, compute, budget=BUDGET, equal=True, done=lambda n: None)
    return float(sums[0]), int(sums[1])
