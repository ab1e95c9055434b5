"""Tiny checkpoints with random weights, in the layouts of published ones: an architecture each, and tokenizers.

`build(folder, LAYOUTS[name])` writes one as `save_pretrained` does; `dna` draws sequences to run it on.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from baserate.types import StrArray, strings

if TYPE_CHECKING:
    from baserate.networks.hub import Access
    from baserate.networks.language_model import LanguageModel

Head = Literal["masked", "causal", "classifier", "none", "pretraining"]
SUFFIX = {
    "masked": "ForMaskedLM",
    "causal": "ForCausalLM",
    "classifier": "ForSequenceClassification",
    "none": "Model",
    "pretraining": "ForPreTraining",
}
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 70,
}
DECODER = {**SMALL, "num_key_value_heads": 1}


def dna(n: int, length: int | tuple[int, int], seed: int = 0) -> StrArray:
    """Return n random sequences of a length, or of lengths in a half-open range."""
    rng = np.random.default_rng(seed)
    sizes = [length] * n if isinstance(length, int) else rng.integers(*length, size=n)
    return strings(["".join(rng.choice(list("ACGT"), size=k)) for k in sizes])


def kmers(k: int, order: str = "ACGT") -> list[str]:
    """Return all k-mers."""
    return ["".join(kmer) for kmer in itertools.product(order, repeat=k)]


def _esm(folder: Path, words: list[str], eos: str | None) -> None:
    (folder / "vocab.txt").write_text("\n".join(words))
    specials = {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>", "cls_token": "<cls>"}
    config = {"tokenizer_class": "EsmTokenizer", **specials, "eos_token": eos}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _single(folder: Path) -> None:
    """A base a token, `<cls>` before and `<eos>` after: the layout of single-nucleotide ESM."""
    _esm(folder, ["<cls>", "<pad>", "<eos>", "<unk>", *"ACGTN", "<mask>"], "<eos>")


def _kmer(folder: Path) -> None:
    """k-mers side by side, then letters, `<cls>` before and nothing after: Nucleotide Transformer, with k = 3."""
    _esm(folder, ["<unk>", "<pad>", "<mask>", "<cls>", *kmers(3, "ATCG"), *"ATCGN"], None)


def _overlapping(folder: Path) -> None:
    """Space-joined overlapping k-mers between [CLS] and [SEP]: DNABERT, with k = 3."""
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *kmers(3)]))
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _fast(folder: Path, tokenizer: Any, template: str, **specials: str) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    named = [(token, tokenizer.token_to_id(token)) for token in template.split() if token != "$A"]
    tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=named)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials).save_pretrained(folder)


def _bpe(folder: Path) -> None:
    """Byte pairs between [CLS] and [SEP]: Mistral-DNA, GENA-LM, GROVER."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    specials = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator([str(s) for s in dna(50, 200, seed=7)], trainer)
    named = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    _fast(folder, tokenizer, "[CLS] $A [SEP]", **named, mask_token="[MASK]")


def _char(folder: Path) -> None:
    """A character a token with `<s>` before: causal character models."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<s>", "<pad>", *"ACGTN"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    _fast(folder, tokenizer, "<s> $A", unk_token="<unk>", bos_token="<s>", pad_token="<pad>")


def _byte(folder: Path) -> None:
    """The 256 bytes, and `</s>` after."""
    from transformers import ByT5Tokenizer

    ByT5Tokenizer(extra_ids=0).save_pretrained(folder)


TOKENIZERS: Mapping[str, Callable[[Path], None]] = {
    "single": _single,
    "kmer": _kmer,
    "overlapping": _overlapping,
    "bpe": _bpe,
    "char": _char,
    "byte": _byte,
}


@dataclass(frozen=True)
class Layout:
    """An architecture of transformers with a tokenizer; `settings` are those of its configuration."""

    network: str
    head: Head
    tokenizer: str
    settings: Mapping[str, Any] = field(default_factory=lambda: SMALL)


_GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 70}
_MAMBA = {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}
LAYOUTS: Mapping[str, Layout] = {
    "bert-overlapping": Layout("Bert", "masked", "overlapping"),
    "bert-bpe": Layout("Bert", "masked", "bpe"),
    "roberta": Layout("Roberta", "masked", "single"),
    "esm-absolute": Layout(
        "Esm", "masked", "kmer", {**SMALL, "position_embedding_type": "absolute", "token_dropout": True}
    ),
    "esm-rotary": Layout("Esm", "masked", "single", {**SMALL, "position_embedding_type": "rotary"}),
    "modernbert": Layout(
        "ModernBert", "masked", "bpe", {**SMALL, "global_attn_every_n_layers": 2, "local_attention": 8}
    ),
    "bigbird": Layout("BigBird", "masked", "bpe", {**SMALL, "attention_type": "original_full"}),
    "megatron": Layout("MegatronBert", "masked", "overlapping"),
    "deberta": Layout(
        "DebertaV2", "masked", "kmer", {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
    ),
    "longformer": Layout("Longformer", "masked", "single", {**SMALL, "attention_window": 8}),
    "roformer": Layout("RoFormer", "masked", "bpe", {**SMALL, "embedding_size": 16}),
    "llama": Layout("Llama", "causal", "bpe", DECODER),
    "mistral": Layout("Mistral", "causal", "bpe", {**DECODER, "sliding_window": 16}),
    "mixtral": Layout("Mixtral", "causal", "bpe", {**DECODER, "num_local_experts": 4, "num_experts_per_tok": 1}),
    "gpt2": Layout("GPT2", "causal", "char", _GPT2),
    "gpt_neox": Layout("GPTNeoX", "causal", "byte"),
    "gemma": Layout("Gemma", "causal", "kmer", {**DECODER, "head_dim": 8}),
    "olmo": Layout("Olmo", "causal", "char", DECODER),
    "mamba": Layout("Mamba", "causal", "single", _MAMBA),
    "mamba2": Layout("Mamba2", "causal", "char", {**_MAMBA, "num_heads": 4, "head_dim": 8, "n_groups": 1}),
    "jamba": Layout(
        "Jamba",
        "causal",
        "char",
        {
            **DECODER,
            "num_experts": 2,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "mamba_d_state": 4,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
        },
    ),
}


def build(folder: Path, layout: Layout, *, head: Head | None = None, seed: int = 0, **settings: Any) -> Path:
    """Write a checkpoint with weights drawn from `seed` and return its folder; `settings` overrule the layout's."""
    import torch
    import transformers
    from transformers import AutoTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    TOKENIZERS[layout.tokenizer](folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    special = {name: getattr(tokenizer, name, None) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    if layout.network == "Esm":
        special["mask_token_id"] = tokenizer.mask_token_id
    options = {"vocab_size": len(tokenizer), **special, **layout.settings, **settings}
    config = getattr(transformers, f"{layout.network}Config")(**options)
    suffix = SUFFIX[head or layout.head]
    if layout.network == "GPT2" and suffix == "ForCausalLM":
        suffix = "LMHeadModel"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = getattr(transformers, layout.network + suffix)(config)
        # Biases start at 0 and norms at 1: drawn too, a fault in either shows.
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    return folder


def opened(folder: Path, access: Access | None = None, **options: Any) -> LanguageModel:
    """Return the checkpoint in `folder` as a model on the CPU."""
    from baserate.networks.checkpoint import open_checkpoint
    from baserate.networks.hub import Access, Location

    options = {"device": "cpu", "precision": "fp32", **options}
    return open_checkpoint(Location(str(folder), folder, ""), access or Access(), **options)
