"""DNABERT: a plain BERT on overlapping k-mers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure

_PRETRAINING = (Exposure("human reference genome", "Homo sapiens", "GRCh38", ("*",)),)
_SPECIALS = 5
_PARAMETERS = {3: 86_095_941, 4: 86_243_589, 5: 86_834_181, 6: 89_196_549}


def _matches(config: Mapping[str, Any]) -> bool:
    """Return whether it is a BERT whose vocabulary has the size of the k-mers of one k and five special tokens."""
    sizes = {4**k + _SPECIALS for k in _PARAMETERS}
    return config.get("model_type", "bert") == "bert" and config.get("vocab_size") in sizes


def _tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizer

    return BertTokenizer.from_pretrained(folder, do_lower_case=False, local_files_only=True)


def _checkpoint(name: str, k: int) -> Checkpoint:
    return Checkpoint(
        name,
        parameters=_PARAMETERS[k],
        context=510 + k - 1,
        tokenizer=f"overlapping {k}-mers",
        pretraining=_PRETRAINING,
        citation="Ji et al. 2021, doi:10.1093/bioinformatics/btab083",
    )


DNABERT = family(
    Family(
        "dnabert",
        "DNABERT: BERT-base on overlapping k-mers, masked in runs",
        matches=_matches,
        checkpoints=(
            *(_checkpoint(f"zhihan1996/DNA_bert_{k}", k) for k in _PARAMETERS),
            _checkpoint("armheb/DNA_bert_6", 6),
        ),
        head="masked",
        tokens={"kind": "overlapping_kmer"},
        tokenizer=_tokenizer,
        quirks=(
            "Its tokenizer_config asks for lower case, which turns every k-mer into the unknown token, and "
            "AutoTokenizer cannot read it at all: BertTokenizer is read with do_lower_case=False. Sequences are "
            "written as k-mers at every base. One substitution changes k tokens: all of them are masked together, as "
            "they were in pretraining."
        ),
        tested=(
            "the tokenizer files of DNABERT-6 give the ids of the reference tokenizer; the network is BERT of "
            "transformers, run on tiny checkpoints with random weights. Published weights not run"
        ),
    )
)
