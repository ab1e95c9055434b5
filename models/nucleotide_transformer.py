"""Nucleotide Transformer 1 to 3 and AgroNT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure

_CITATION = "Dalla-Torre et al. 2024, doi:10.1038/s41592-024-02523-z"
_LICENCE = "CC-BY-NC-SA-4.0"
_VOCABULARY, _VOCABULARY_2 = 4_105, 4_107  # the second has <eos> and <bos>
_KMERS = "6-mers side by side, single bases where they do not fit"
_HUMAN = (Exposure("human reference genome", "Homo sapiens", "GRCh38", ("*",)),)
_1000G = (Exposure("3,202 genomes of the 1000 Genomes project", "Homo sapiens", "GRCh38", ("*",)),)
_SPECIES = (Exposure("850 genomes", "850 species", "", ("*",), held_out=("plants", "viruses")),)
_OPENGENOME2 = (Exposure("OpenGenome2", "all domains of life", "", ("*",)),)


def _checkpoint(name: str, parameters: int, tokens: int, pretraining: tuple[Exposure, ...]) -> Checkpoint:
    return Checkpoint(
        f"InstaDeepAI/nucleotide-transformer-{name}",
        parameters=parameters,
        context=(tokens - 1) * 6,
        tokenizer=_KMERS,
        pretraining=pretraining,
        licence=_LICENCE,
        citation=_CITATION,
    )


def _is_v1(config: Mapping[str, Any]) -> bool:
    """Return whether it is ESM with learned positions; AgroNT's files have code of their own for the same network."""
    learned = config.get("position_embedding_type") != "rotary"
    sized = config.get("vocab_size") in (_VOCABULARY, _VOCABULARY_2)
    return config.get("model_type") == "esm" and sized and (learned or not config.get("auto_map"))


def _is_v2(config: Mapping[str, Any]) -> bool:
    rotary = config.get("position_embedding_type") == "rotary" and config.get("vocab_size") == _VOCABULARY_2
    return rotary and _mapped(config).endswith("modeling_esm.EsmForMaskedLM")


def _mapped(config: Mapping[str, Any]) -> str:
    return str((config.get("auto_map") or {}).get("AutoModelForMaskedLM", ""))


V1 = family(
    Family(
        "nucleotide_transformer",
        "Nucleotide Transformer v1: ESM with learned positions on 6-mers",
        matches=_is_v1,
        checkpoints=(
            _checkpoint("500m-human-ref", 500_000_000, 1000, _HUMAN),
            _checkpoint("500m-1000g", 500_000_000, 1000, _1000G),
            _checkpoint("2.5b-1000g", 2_500_000_000, 1000, _1000G),
            _checkpoint("2.5b-multi-species", 2_500_000_000, 1000, _SPECIES),
            Checkpoint(
                "InstaDeepAI/agro-nucleotide-transformer-1b",
                parameters=1_000_000_000,
                context=1_023 * 6,
                tokenizer=_KMERS,
                pretraining=(Exposure("Ensembl Plants, mostly edible plants", "48 plant species", "", ("*",)),),
                licence=_LICENCE,
                citation="Mendoza-Revilla et al. 2024, doi:10.1038/s42003-024-06465-2",
            ),
        ),
        head="masked",
        tokens={"kind": "kmer"},
        quirks=(
            "ESM of transformers. An N or other letter breaks the frame of 6-mers, and the bases too few for a 6-mer "
            "are tokens of one base. Only `<cls>` is added. A whole sequence in lower case would be one unknown token: "
            "case is ignored. AgroNT's weights are pickles, and its repository has code of its own, which is not "
            "run: it is read as ESM of transformers."
        ),
        tested=(
            "the network is ESM of transformers, run on tiny checkpoints with random weights and 3-mers in the same "
            "layout. Published weights not run; nor was AgroNT as ESM of transformers"
        ),
    )
)

V2 = family(
    Family(
        "nucleotide_transformer_v2",
        "Nucleotide Transformer v2: ESM with rotary positions and gated feed-forward layers on 6-mers",
        matches=_is_v2,
        checkpoints=(
            _checkpoint("v2-50m-multi-species", 55_900_000, 2048, _SPECIES),
            _checkpoint("v2-100m-multi-species", 100_000_000, 2048, _SPECIES),
            _checkpoint("v2-250m-multi-species", 250_000_000, 2048, _SPECIES),
            _checkpoint("v2-500m-multi-species", 500_000_000, 2048, _SPECIES),
        ),
        head="masked",
        auto_class="AutoModelForMaskedLM",
        tokens={"kind": "kmer"},
        remote_code=True,
        quirks=(
            "Its feed-forward layers are not those of ESM in transformers, which would fail on their shapes: its own "
            "code is needed, which exists only for the masked model. That code was written for transformers 4; what "
            "it lacks in 5 is put back while it loads."
        ),
        tested="not run: neither its code nor its published weights; similar code is tested on a stand-in",
    )
)

V3 = family(
    Family(
        "nucleotide_transformer_v3",
        "Nucleotide Transformer v3: a U-Net with a transformer at its bottom, single bases, up to 1 Mb",
        matches=lambda config: (
            config.get("model_type") == "ntv3" or "NTv3PreTrained" in (config.get("architectures") or ())
        ),
        checkpoints=tuple(
            Checkpoint(
                f"InstaDeepAI/NTv3_{name}",
                parameters=parameters,
                context=context,
                tokenizer="single nucleotide",
                pretraining=_OPENGENOME2,
                citation="Boshar et al. 2025, doi:10.64898/2025.12.22.695963",
            )
            for name, parameters, context in (
                ("8M_pre", 7_692_475, 1_000_000),
                ("100M_pre", 100_000_000, 1_000_000),
                ("650M_pre", 650_000_000, 1_000_000),
                ("8M_pre_8kb", 7_692_475, 8_192),
                ("100M_pre_8kb", 100_000_000, 8_192),
                ("650M_pre_8kb", 650_000_000, 8_192),
            )
        ),
        head="masked",
        auto_class="AutoModelForMaskedLM",
        tokens={"specials": False},
        multiple_of=128,
        filler="N",
        padding=False,
        remote_code=True,
        quirks=(
            "The length has to be a multiple of 128, and the network never saw padding: sequences are filled up with N "
            "on the right, and batches have one length. Layers between the first and the last are shorter than the "
            "sequence; use the last. Its code is in a repository of its own, InstaDeepAI/ntv3_base_model "
            "(gated): see above. The post-trained checkpoints need a species and are not supported."
        ),
        tested="not run: neither its code nor its published weights; filling with N is tested",
    )
)
