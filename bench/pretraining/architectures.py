"""Networks of transformers to pretrain: built from a configuration, their heads, and what a row costs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..networks.fused import with_fused_layers
from ..networks.token_tables import Tokens
from .config import PretrainConfig


def new_network(config: PretrainConfig, tokens: Tokens) -> nn.Module:
    """Return the network that the configuration describes, in training mode, with weights drawn from its seed."""
    m = config.model
    shape: dict[str, Any] = {
        "vocab_size": tokens.vocabulary.size,
        "hidden_size": m.hidden,
        "num_hidden_layers": m.layers,
        "num_attention_heads": m.heads,
        "intermediate_size": m.intermediate,
        "max_position_embeddings": m.context,
        "pad_token_id": tokens.vocabulary.pad,
    }
    first = tokens.prefix.tolist()[0] if len(tokens.prefix) else None
    ends = {"bos_token_id": first, "eos_token_id": tokens.suffix.tolist()[0] if len(tokens.suffix) else None}
    with torch.random.fork_rng():
        torch.manual_seed(config.training.seed)
        network = _BUILDERS[m.architecture](shape, ends, tokens.vocabulary.mask)
    return with_fused_layers(network).train()


def _esm(shape: dict[str, Any], ends: dict[str, Any], mask: int | None) -> nn.Module:
    from transformers import EsmConfig, EsmForMaskedLM

    return EsmForMaskedLM(
        EsmConfig(
            **shape,
            position_embedding_type="rotary",
            mask_token_id=mask,
            token_dropout=False,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            emb_layer_norm_before=False,
        )
    )


def _modernbert(shape: dict[str, Any], ends: dict[str, Any], mask: int | None) -> nn.Module:
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    special = {"cls_token_id": ends["bos_token_id"], "sep_token_id": ends["eos_token_id"]}
    return ModernBertForMaskedLM(ModernBertConfig(**shape, **ends, **special, global_attn_every_n_layers=1))


def _llama(shape: dict[str, Any], ends: dict[str, Any], mask: int | None) -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**shape, **ends, use_cache=False))


_BUILDERS = {"esm": _esm, "modernbert": _modernbert, "llama": _llama}


def backbone(network: nn.Module) -> nn.Module:
    """Return the network without its head."""
    inner: nn.Module = network.base_model
    return inner


def logits(network: Any, states: Tensor) -> Tensor:
    """Return the logits (m, size of the vocabulary) of states (m, d)."""
    if hasattr(network, "decoder"):
        out: Tensor = network.decoder(network.head(states))
        return out
    out = network.lm_head(states)
    return out


def operations(network: nn.Module, config: PretrainConfig, *, rows: int, length: int, labelled: int) -> float:
    """Return the floating-point operations of the products of matrices in a step, forwards and back.

    They are those of `rows` rows of `length` tokens, of which `labelled` in all go through the head.
    """
    inner = {id(module) for module in backbone(network).modules()}
    unused = ("contact_head", "pooler")
    linear = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.Linear)]
    body = sum(m.weight.numel() for name, m in linear if id(m) in inner and not any(u in name for u in unused))
    head = sum(m.weight.numel() for _, m in linear if id(m) not in inner)
    pairs = 2 * config.model.layers * config.model.hidden
    return float(6 * (body * rows * length + pairs * rows * length**2 + head * labelled))
