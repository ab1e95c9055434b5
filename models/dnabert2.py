"""DNABERT-2 and DNABERT-S: BERT with linear biases and byte pairs, with code of their own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure

_SEEN = (
    Exposure("human genome", "Homo sapiens", "GRCh38", ("*",)),
    Exposure("genomes of 135 species", "135 species of 6 categories", "", ("*",)),
)
_MICROBES = Exposure("GenBank: viruses, fungi, bacteria", "microbial species", "", ("*",))
_PAD = 3


def _matches(config: Mapping[str, Any]) -> bool:
    return "alibi_starting_size" in config


def _configure(config: Any) -> None:
    config.pad_token_id = _PAD


def _finish(network: Any, missing: frozenset[str]) -> frozenset[str]:
    """Return the tied head's keys; the triton kernel, which current triton refuses to compile, is switched off."""
    from baserate.networks.legacy import tie_head

    code = sys.modules[type(network).__module__]
    if hasattr(code, "flash_attn_qkvpacked_func"):
        code.flash_attn_qkvpacked_func = None  # type: ignore[attr-defined]
    return tie_head(network, missing)


_QUIRKS = (
    "Its configuration does not name its padding token, which is 3. Its attention kernel does not compile with triton "
    "from 2.1 on and is switched off. Outputs are tuples, and only the last layer is returned. Query, key and value "
    "are one projection, Wqkv. Positions are linear biases: longer sequences run, but pretraining saw up to 512 tokens."
)

DNABERT2 = family(
    Family(
        "dnabert2",
        "DNABERT-2: BERT with linear position biases on byte pairs, many species",
        matches=_matches,
        checkpoints=(
            Checkpoint(
                "zhihan1996/DNABERT-2-117M",
                parameters=117_000_000,
                tokenizer="byte pairs (4,096)",
                pretraining=_SEEN,
                licence="Apache-2.0",
                citation="Zhou et al. 2023, arXiv:2306.15006",
            ),
        ),
        head="masked",
        configure=_configure,
        finish=_finish,
        remote_code=True,
        requires={"einops": "pip install einops"},
        quirks=_QUIRKS,
        tested="not run: neither its code nor its published weights; what is switched off is tested on stand-ins",
    )
)

DNABERT_S = family(
    Family(
        "dnabert_s",
        "DNABERT-S: DNABERT-2 trained further so that embeddings tell species apart",
        checkpoints=(
            Checkpoint(
                "zhihan1996/DNABERT-S",
                parameters=117_000_000,
                tokenizer="byte pairs (4,096)",
                head="none",
                pretraining=(*_SEEN, _MICROBES),
                citation="Zhou et al. 2024, arXiv:2402.08777",
            ),
        ),
        head="none",
        configure=_configure,
        finish=_finish,
        remote_code=True,
        requires={"einops": "pip install einops"},
        quirks=(
            "The code of DNABERT-2; its authors publish it for embeddings, so no head is read. A folder that does "
            "not name its id is taken for DNABERT-2."
        ),
        tested="not run: neither its code nor its published weights",
    )
)
