"""Layers that are computed in fewer passes give what those of transformers give."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("transformers")

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.esm import modeling_esm

from .checkpoints import LAYOUTS, build, dna, opened


@pytest.mark.parametrize("layout", ["esm-rotary", "esm-absolute"])
def test_narrow_masks_change_no_bit(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(build(tmp_path / "net", LAYOUTS[layout]))
    network = model.backbone()
    attention = [m for m in network.modules() if isinstance(m, modeling_esm.EsmSelfAttention)]
    assert attention and all(type(m) is not modeling_esm.EsmSelfAttention for m in attention)
    rows = [e.ids for e in model.encode([str(s) for s in dna(4, (10, 30), seed=5)])]
    seen: list[tuple[int, ...]] = []
    sdpa = functional.scaled_dot_product_attention

    def watched(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **more: object) -> Tensor:
        seen.append(() if attn_mask is None else tuple(attn_mask.shape))
        return sdpa(query, key, value, attn_mask, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(functional, "scaled_dot_product_attention", watched)

    def computed() -> list[Tensor]:
        network.zero_grad()
        states = model.forward(network, rows)[0].last_hidden_state
        states.square().mean().backward()
        return [states.detach(), *(p.grad.clone() for p in network.parameters() if p.grad is not None)]

    narrow, longest = computed(), max(map(len, rows))
    assert set(seen) == {(len(rows), 1, 1, longest)}
    for module in attention:
        module.__class__ = modeling_esm.EsmSelfAttention
    seen.clear()
    whole = computed()
    assert set(seen) == {(len(rows), 1, longest, longest)}
    assert len(narrow) == len(whole)
    for one, other in zip(narrow, whole, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_mask_whose_rows_differ_stays() -> None:
    from baserate.networks.fused import _narrow

    causal = torch.ones(2, 1, 4, 4, dtype=torch.bool).tril()
    assert _narrow(causal) is causal
    added = torch.zeros(2, 1, 4, 4)
    assert _narrow(added) is added and _narrow(None) is None
