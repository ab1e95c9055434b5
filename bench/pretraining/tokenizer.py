"""The tokenizer of a new model: its files in Hugging Face layout, and the tokens that these files give."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..networks.tokens import Tokens, read_tokens
from .config import PretrainConfig, TokensConfig
from .corpus import Spans, complement
from .windows import text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIALS = ("<cls>", "<pad>", "<eos>", "<unk>")
MASK = "<mask>"
NUCLEOTIDES = (*SPECIALS, *"ACGTN", MASK)

TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
"""All that a tokenizer may consist of; which of them there are depends on its kind."""

_WORD = 1000
"""Byte pairs are learnt on stretches of so many bases."""
_LONGEST = 16
"""The most bases of a byte pair, so that no token is a whole repeat."""


def write_tokenizer(folder: Path, config: PretrainConfig, spans: Sequence[Spans]) -> None:
    """Write the files of the tokenizer; byte pairs are learnt on the training part of the corpora, by their weights."""
    t, length, ends = config.tokens, config.model.context, config.training.objective == "masked"
    if t.kind == "nucleotide" and config.model.architecture == "esm":
        (folder / "vocab.txt").write_text("\n".join(NUCLEOTIDES) + "\n")
        options = {"tokenizer_class": "EsmTokenizer", "model_max_length": length}
        (folder / "tokenizer_config.json").write_text(json.dumps(options, indent=2) + "\n")
        return
    tokenizer = _byte_pairs(t, spans, config.training.seed) if t.kind == "byte_pairs" else _words(t)
    _save(folder, tokenizer, length, "<cls> $A <eos>" if ends else "<cls> $A")


def read_tokenizer(folder: Path, where: str) -> Tokens:
    """Return the tokens of the files in a folder, as they are read when the model is used."""
    from transformers import AutoTokenizer

    return read_tokens(AutoTokenizer.from_pretrained(folder, local_files_only=True), where=where)


def kmers(k: int) -> list[str]:
    """Return all k-mers, A before C before G before T."""
    return ["".join(kmer) for kmer in itertools.product("ACGT", repeat=k)]


def _words(config: TokensConfig) -> Tokenizer:
    """Return the tokenizer of bases, or of k-mers: side by side, bases where none fits, or written with spaces."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    longer = [] if config.kind == "nucleotide" else kmers(config.k)
    letters = [] if config.kind == "overlapping_kmer" else list("ACGTN")
    words = [*SPECIALS, *letters, *longer, MASK]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(_upper())
    if config.kind == "overlapping_kmer":
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    else:
        pattern = f"[ACGT]{{{config.k}}}|." if longer else "."
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    return tokenizer


def _byte_pairs(config: TokensConfig, spans: Sequence[Spans], seed: int) -> Tokenizer:
    """Return the tokenizer of byte pairs, learnt on stretches of the corpora."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([*_upper(), normalizers.Replace(Regex("[^ACGT]"), "N")])
    # An N is a token of its own, so that pairs are of known bases alone.
    tokenizer.pre_tokenizer = pre_tokenizers.Split("N", "isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=[*SPECIALS, MASK],
        initial_alphabet=list("ACGTN"),
        limit_alphabet=5,
        max_token_length=_LONGEST,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_stretches(spans, config.sample, np.random.default_rng([seed, 1])), trainer)
    return tokenizer


def _upper() -> list[Any]:
    from tokenizers import normalizers

    return [normalizers.Replace(base.lower(), base) for base in "ACGTN"]


def _save(folder: Path, tokenizer: Tokenizer, length: int, template: str) -> None:
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    from ..networks.loading import without_progress_bars

    named = [(token, tokenizer.token_to_id(token)) for token in template.split() if token != "$A"]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=named)
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=length,
        cls_token="<cls>",
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        mask_token=MASK,
    )
    with without_progress_bars():
        whole.save_pretrained(folder)


def _stretches(spans: Sequence[Spans], total: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield stretches of about `total` bases: corpora by their weights, both strands alike."""
    weights = np.array([s.weight for s in spans])
    for which in rng.choice(len(spans), size=max(1, total // _WORD), p=weights / weights.sum()):
        pieces = spans[which].train
        sizes = np.array([len(piece) for piece in pieces], np.float64)
        piece = pieces[int(rng.choice(len(pieces), p=sizes / sizes.sum()))]
        start = int(rng.integers(max(1, len(piece) - _WORD + 1)))
        codes = piece[start : start + _WORD]
        yield text(complement(codes[::-1]) if rng.random() < 0.5 else codes)
