"""torch's own attention with its projections as layers, so that adapters on them see what passes.

`nn.MultiheadAttention` reads the weights of its projections and calls no layer. peft then adds what an adapter learnt
to the weights: without dropout, and to those of the output twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def with_projections(network: nn.Module) -> Callable[[], None]:
    """Return what undoes the change: every `nn.MultiheadAttention` in the network has layers in place of weights.

    They are `in_proj`, for queries, keys and values together, and `out_proj`. Modules of a class of their own stay as
    they are, and so do those with learnt keys and values, or with keys and values of other widths than queries.
    """
    changed = [m for m in network.modules() if type(m) is nn.MultiheadAttention and _is_plain(m)]
    for module in changed:
        weight, bias = module.in_proj_weight, module.in_proj_bias
        layer = nn.utils.skip_init(nn.Linear, *weight.T.shape, bias=bias is not None, device="cpu")
        layer.weight, layer.bias = weight, bias
        del module.in_proj_weight, module.in_proj_bias
        module.in_proj = layer
        module.__class__ = Projected

    def undo() -> None:
        for module in changed:
            layer: Any = module.in_proj
            del module.in_proj
            module.__class__ = nn.MultiheadAttention
            module.register_parameter("in_proj_weight", layer.weight)
            module.register_parameter("in_proj_bias", layer.bias)

    return undo


def _is_plain(module: nn.MultiheadAttention) -> bool:
    whole = module.in_proj_weight is not None
    return whole and module.bias_k is None and module.bias_v is None and not module.add_zero_attn


class Projected(nn.MultiheadAttention):
    """Attention whose projections are layers; it computes what `nn.MultiheadAttention` does."""

    in_proj: nn.Module

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the states, in the layout of `query`, and None or the weights (n, t, s), or (n, heads, t, s)."""
        alone = query.ndim == 2  # one example, without a batch
        projected = self._projected(query, key, value)
        if alone:
            projected = [x[None] for x in projected]
            key_padding_mask = None if key_padding_mask is None else key_padding_mask[None]
        elif not self.batch_first:
            projected = [x.transpose(0, 1) for x in projected]
        q, k, v = map(self._heads, projected)
        mask = self._mask(q, k, key_padding_mask, attn_mask)
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = (q / math.sqrt(self.head_dim)) @ k.transpose(-2, -1)
            weights = functional.dropout((scores if mask is None else scores + mask).softmax(-1), dropout)
            out = weights @ v
            weights = weights.mean(1) if average_attn_weights else weights
        else:
            out = functional.scaled_dot_product_attention(q, k, v, mask, dropout)
        out = self.out_proj(out.transpose(1, 2).flatten(2))
        if alone:
            return out[0], None if weights is None else weights[0]
        return out if self.batch_first else out.transpose(0, 1), weights

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """Return the projections of the three; the layer is called once for inputs that are the same."""
        q, k, v = self.in_proj(query).chunk(3, -1)
        if key is not query:
            k, v = self.in_proj(key).chunk(3, -1)[1:]
        return [q, k, v if value is key else self.in_proj(value).chunk(3, -1)[2]]

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)

    def _mask(self, q: Tensor, k: Tensor, key_padding_mask: Tensor | None, attn_mask: Tensor | None) -> Tensor | None:
        """Return what is added to the scores (n, heads, t, s), None for nothing."""
        masks = []
        if attn_mask is not None:
            whole = attn_mask if attn_mask.ndim == 2 else attn_mask.unflatten(0, (len(q), self.num_heads))
            masks.append(_added(whole, q))
        if key_padding_mask is not None:
            masks.append(_added(key_padding_mask, q)[:, None, None])
        return None if not masks else masks[0] if len(masks) == 1 else masks[0] + masks[1]


def _added(mask: Tensor, like: Tensor) -> Tensor:
    """Return a mask as numbers to add: minus infinity where a boolean one is true."""
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(mask, -math.inf)
