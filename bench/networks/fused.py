"""The same functions in fewer passes over memory, which is what a small network spends its time on."""

from __future__ import annotations

import functools
import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def with_fused_layers(network: nn.Module) -> nn.Module:
    """Return the network, whose ESM blocks now compute their GELU in one pass instead of five, and read small masks.

    In float32 hidden states agree with those of the erf formula to 1e-6; parameters and their names stay as they are.
    """
    esm: Any = sys.modules.get("transformers.models.esm.modeling_esm")
    if esm is not None:
        faster = {esm.EsmIntermediate: _with_gelu, esm.EsmSelfAttention: _with_narrow_masks}
        for module in network.modules():
            kind: Any = type(module)
            if kind in faster:
                module.__class__ = faster[kind](kind)
    return network


@functools.cache
def _with_gelu(intermediate: Any) -> Any:
    """Return the class with a faster forward."""

    class FusedIntermediate(intermediate):
        """The first half of ESM's feed-forward block: a linear layer and an exact GELU."""

        def forward(self, hidden_states: Tensor) -> Tensor:
            """Return the activations (n, t, width)."""
            return functional.gelu(self.dense(hidden_states))

    return FusedIntermediate


@functools.cache
def _with_narrow_masks(attention: Any) -> Any:
    """Return the class with a faster forward."""

    class NarrowAttention(attention):
        """ESM's attention, in which padding is masked by (n, 1, 1, t) instead of (n, 1, t, t), to the same bits."""

        def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, *rest: Any, **more: Any) -> Any:
            """Return what the class does."""
            return super().forward(hidden_states, _narrow(attention_mask), *rest, **more)

    return NarrowAttention


def _narrow(mask: Tensor | None) -> Tensor | None:
    """Return one row of a mask (n, 1, t, t) on the CPU whose rows are all alike, as those of padding are."""
    if mask is None or mask.dtype is not torch.bool or mask.ndim != 4 or mask.device.type != "cpu":
        return mask
    row = mask[:, :, :1]
    return row if torch.equal(mask, row.expand_as(mask)) else mask
