"""The same functions in fewer passes over memory, which is what a small network spends its time on."""

from __future__ import annotations

import functools
import sys
from typing import Any

from torch import Tensor, nn
from torch.nn import functional


def with_fused_activations(network: nn.Module) -> nn.Module:
    """Return the network, whose ESM blocks now compute their GELU in one pass instead of five.

    In float32 hidden states agree with those of the erf formula to 1e-6; parameters and their names stay as they are.
    """
    esm = sys.modules.get("transformers.models.esm.modeling_esm")
    if esm is not None:
        slow: Any = esm.EsmIntermediate
        for module in network.modules():
            if type(module) is slow:
                module.__class__ = _fused(slow)  # type: ignore[arg-type]
    return network


@functools.cache
def _fused(intermediate: Any) -> Any:
    """Return the class with a faster forward."""

    class FusedIntermediate(intermediate):
        """The first half of ESM's feed-forward block: a linear layer and an exact GELU."""

        def forward(self, hidden_states: Tensor) -> Tensor:
            """Return the activations (n, t, width)."""
            return functional.gelu(self.dense(hidden_states))

    return FusedIntermediate
