"""GENERator, GENERanno and Carbon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure

_EUKARYOTES = (Exposure("RefSeq, genes of eukaryotes", "eukaryotes", "", ("*",)),)
_PROKARYOTES = (Exposure("RefSeq, prokaryotes", "prokaryotes", "", ("*",)),)
_GENERATOR = "Wu et al. 2025, arXiv:2502.07272"
_SIX = 6


def _is_generator(config: Mapping[str, Any]) -> bool:
    return config.get("model_type") == "llama" and config.get("vocab_size") == 4_128


GENERATOR = family(
    Family(
        "generator",
        "GENERator: Llama on 6-mers, trained to predict the next one",
        matches=_is_generator,
        checkpoints=tuple(
            Checkpoint(
                f"GenerTeam/GENERator-{version}{domain}-{size}-base",
                parameters=parameters,
                context=16_383 * _SIX,
                tokenizer="6-mers side by side",
                head="causal",
                pretraining=_EUKARYOTES if domain == "eukaryote" else _PROKARYOTES,
                citation=_GENERATOR,
            )
            for version, domain in (("", "eukaryote"), ("v2-", "eukaryote"), ("v2-", "prokaryote"))
            for size, parameters in (("1.2b", 1_200_000_000), ("3b", 3_000_000_000))
        ),
        head="causal",
        tokens={"kind": "kmer", "k": _SIX},
        multiple_of=_SIX,
        remote_code=True,
        quirks=(
            "Bases that do not fill a 6-mer become an unknown token, and predictions degenerate after it: sequences "
            "are cut on the left to a multiple of 6, so that the frame ends where the sequence does. The next base is "
            "the sum over the 6-mers that begin with it. Needs its own code for the tokenizer."
        ),
        tested="not run: neither its code nor its published weights; cutting is tested, as is Llama of transformers",
    )
)

GENERANNO = family(
    Family(
        "generanno",
        "GENERanno: a Llama-like encoder over single nucleotides",
        matches=lambda config: config.get("model_type") == "generanno",
        checkpoints=tuple(
            Checkpoint(
                f"GenerTeam/GENERanno-{domain}-0.5b-base",
                parameters=493_395_200,
                context=8_192,
                tokenizer="single nucleotide",
                pretraining=pretraining,
                citation="Li et al. 2025, doi:10.1101/2025.06.04.656517",
            )
            for domain, pretraining in (("eukaryote", _EUKARYOTES), ("prokaryote", _PROKARYOTES))
        ),
        head="masked",
        remote_code=True,
        quirks="Needs its own code. The annotators made from it are token classifiers and are not supported.",
        tested="not run: neither its code nor its published weights",
    )
)

CARBON = family(
    Family(
        "carbon",
        "Carbon: Llama on 6-mers inside a vocabulary for text",
        checkpoints=tuple(
            Checkpoint(
                f"HuggingFaceBio/Carbon-{size}",
                parameters=parameters,
                context=(tokens - 1) * _SIX,
                tokenizer="6-mers side by side, after the tag dna",
                head="causal",
                pretraining=(
                    *_EUKARYOTES,
                    Exposure("OpenGenome2: mRNA, spliced mRNA, prokaryotes", "all domains of life", "", ("*",)),
                ),
                licence="Apache-2.0",
            )
            for size, parameters, tokens in (
                ("500M", 500_000_000, 8_192),
                ("3B", 3_000_000_000, 32_768),
                ("8B", 8_000_000_000, 32_768),
            )
        ),
        head="causal",
        tokens={"prefix": "<dna>", "specials": False},
        multiple_of=_SIX,
        remote_code=True,
        quirks=(
            "DNA has to follow the tag `<dna>`, without special tokens, and fill 6-mers: sequences are cut on the left "
            "to a multiple of 6. Needs its own code for the tokenizer; the network is Llama. Scores per base of the "
            "branch `fns` are not used."
        ),
        tested="not run: neither its code nor its published weights",
    )
)
