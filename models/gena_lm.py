"""GENA-LM and modernGENA: byte pairs on human and vertebrate genomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure

_CITATION = "Fishman et al. 2025, doi:10.1093/nar/gkae1310"
_T2T = "T2T-CHM13v2.0"
_22_Y = (Exposure("T2T", "Homo sapiens", _T2T, ("*",), held_out=("chr22", "chrY")),)
_7_10 = (
    Exposure("T2T with SNPs of the 1000 Genomes project", "Homo sapiens", _T2T, ("*",), held_out=("chr7", "chr10")),
)
_MULTI = (*_7_10, Exposure("Ensembl genomes", "many species", "", ("*",)))
_TOKENS = "byte pairs (32,000)"


def _checkpoint(name: str, parameters: int, pretraining: tuple[Exposure, ...], context: int = 4_500) -> Checkpoint:
    return Checkpoint(
        f"AIRI-Institute/gena-lm-{name}",
        parameters=parameters,
        context=context,
        tokenizer=_TOKENS,
        pretraining=pretraining,
        citation=_CITATION,
    )


def _finish(network: Any, missing: frozenset[str]) -> frozenset[str]:
    from baserate.networks.legacy import tie_head

    return tie_head(network, missing)


def _is_gena(config: Mapping[str, Any]) -> bool:
    return config.get("model_type") == "bert" and ("pre_layer_norm" in config or "last_layer_norm" in config)


GENA_LM = family(
    Family(
        "gena_lm",
        "GENA-LM: BERT with the norm before each layer, on byte pairs",
        matches=_is_gena,
        checkpoints=(
            _checkpoint("bert-base", 110_000_000, _22_Y),
            _checkpoint("bert-base-t2t", 110_000_000, _7_10),
            _checkpoint("bert-base-lastln-t2t", 110_000_000, _7_10),
            _checkpoint("bert-base-t2t-multi", 110_000_000, _MULTI),
            _checkpoint("bert-large-t2t", 336_000_000, _7_10),
        ),
        head="masked",
        auto_class="AutoModel",
        finish=_finish,
        backbone="bert",
        remote_code=True,
        quirks=(
            "The norm stands before each layer, which BERT of transformers silently ignores: its own code is "
            "needed. AutoModel returns the masked model; the encoder is its `bert`. Its registration for every BERT "
            "is undone after loading. Held-out chromosomes differ: 22 and Y for bert-base and bigbird-base-sparse, 7 "
            "and 10 for all -t2t. The weights are pickles. Fine-tuned heads are branches of the repositories "
            "(`@promoters_300_run_1`) and would be read as the masked model; they are not supported."
        ),
        tested=(
            "the tokenizer files give the ids of the reference tokenizer. Its code and published weights were not run"
        ),
    )
)

GENA_BIGBIRD = family(
    Family(
        "gena_lm_bigbird",
        "GENA-LM BigBird: sparse attention over 4,096 byte pairs",
        matches=lambda config: config.get("model_type") == "big_bird" and config.get("vocab_size") == 32_000,
        checkpoints=(_checkpoint("bigbird-base-t2t", 110_000_000, _7_10, 36_000),),
        head="masked",
        padding=False,
        quirks=(
            "BigBird of transformers. Which blocks attend to each other depends on the length of the batch, padding "
            "included, so a batch has one length. bigbird-base-sparse and -sparse-t2t need kernels of DeepSpeed 0.6 "
            "that no current GPU image has, and are not supported."
        ),
        tested="BigBird of transformers on a tiny checkpoint with random weights; published weights not run",
    )
)

_VERTEBRATES = (Exposure("443 vertebrate genomes, around transcription start sites", "443 vertebrates", "", ("*",)),)

MODERN_GENA = family(
    Family(
        "modern_gena",
        "modernGENA: ModernBERT on the byte pairs of GENA-LM",
        checkpoints=tuple(
            Checkpoint(
                f"AIRI-Institute/moderngena-{size}",
                parameters=parameters,
                context=9_000,
                tokenizer=_TOKENS,
                pretraining=_VERTEBRATES,
                licence="Apache-2.0",
            )
            for size, parameters in (("base", 135_700_000), ("large", 377_841_664))
        ),
        head="masked",
        remote_code=True,
        quirks="1,024 tokens, about 9,000 bp. The tokenizer writes runs of ten N and more as '-'.",
        tested="not run: neither its code nor its published weights",
    )
)
