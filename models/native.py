"""Families that follow the conventions of transformers: their checkpoints, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure

_RUN = "{} of transformers on a tiny checkpoint with random weights; published weights not run"
_HG38 = (Exposure("human genome", "Homo sapiens", "GRCh38", ("*",)),)


def _seen(species: str) -> tuple[Exposure, ...]:
    return _HG38 if species == "hg38" else (Exposure(f"genomes of {species}", species, "", ("*",)),)


GROVER = family(
    Family(
        "grover",
        "GROVER: BERT on 600 cycles of byte pairs of the human genome",
        checkpoints=(
            Checkpoint(
                "PoetschLab/GROVER",
                tokenizer="byte pairs (600 cycles)",
                pretraining=(Exposure("human genome", "Homo sapiens", "", ("*",)),),
                citation="Sanabria et al. 2024, doi:10.1038/s42256-024-00872-0",
            ),
        ),
        head="masked",
        quirks="512 tokens. The weights are pickles.",
        tested=_RUN.format("BERT"),
    )
)

_ATHALIANA = "Arabidopsis thaliana"
_MISTRAL = (
    ("v1-1M-hg38", 723_648, "hg38"),
    ("v1-17M-hg38", 17_000_000, "hg38"),
    ("v1-138M-hg38", 138_000_000, "hg38"),
    ("v1-422M-hg38", 422_000_000, "hg38"),
    ("v1-138M-bacteria", 138_000_000, "bacteria"),
    ("v1-138M-bacteriophage", 138_000_000, "bacteriophages"),
    ("v1-138M-plasmid", 138_000_000, "plasmids"),
    ("v1-138M-virus", 138_000_000, "viruses"),
    ("v1-138M-yeast", 138_000_000, "yeasts"),
    ("v1-417M-Athaliana", 417_000_000, _ATHALIANA),
)
_MOURAD = "Mourad, github.com/raphaelmourad/Mistral-DNA"

MISTRAL_DNA = family(
    Family(
        "mistral_dna",
        "Mistral-DNA: small mixtures of experts on byte pairs, trained to predict the next one",
        checkpoints=(
            *(
                Checkpoint(
                    f"RaphaelMourad/Mistral-DNA-{name}",
                    parameters=parameters,
                    tokenizer="byte pairs (4,096)",
                    head="causal",
                    pretraining=_seen(species),
                    licence="Apache-2.0",
                    citation=_MOURAD,
                )
                for name, parameters, species in _MISTRAL
            ),
            Checkpoint(
                "RaphaelMourad/Jamba-DNA-v1-114M-hg38",
                parameters=114_000_000,
                tokenizer="byte pairs",
                head="causal",
                pretraining=_HG38,
                citation=_MOURAD,
            ),
        ),
        head="causal",
        quirks="N is an unknown token. Jamba-DNA gives numbers only in single precision (`precision=fp32`).",
        tested=(
            "Mistral-DNA-v1-1M-hg38 as fine-tuned by its author for GUE's tf/0, tf/1 and core promoters: embeddings, "
            "probe, fine-tuning, and its trained heads, which reach the author's accuracy and MCC. Those files have "
            "no head for the next token. Jamba: " + _RUN.format("Jamba")
        ),
    )
)

MODERNBERT_DNA = family(
    Family(
        "modernbert_dna",
        "ModernBERT-DNA: ModernBERT on byte pairs",
        checkpoints=tuple(
            Checkpoint(
                f"RaphaelMourad/{name}",
                parameters=37_000_000,
                tokenizer="byte pairs",
                pretraining=_seen(species),
                licence="Apache-2.0" if species == "hg38" else "",
                citation="Mourad, github.com/raphaelmourad/LLM-for-genomics-training",
            )
            for name, species in (
                ("ModernBERT-DNA-v1-37M-hg38", "hg38"),
                ("ModernBERT-DNA-v1-37M-Athaliana", _ATHALIANA),
                ("ModernBert-DNA-v1-37M-virus", "viruses"),
            )
        ),
        head="masked",
        tested=_RUN.format("ModernBERT"),
    )
)

_METAGENOMES = (Exposure("metagenome assemblies", "environmental microbes", "", ("*",)),)

GENOME_OCEAN = family(
    Family(
        "genome_ocean",
        "GenomeOcean: Mistral on byte pairs of metagenome assemblies, trained to predict the next one",
        checkpoints=tuple(
            Checkpoint(
                name,
                parameters=parameters,
                context=context,
                tokenizer="byte pairs (4,096)",
                head="causal",
                pretraining=_METAGENOMES,
                citation="Zhou et al. 2025, doi:10.1101/2025.01.30.635558",
            )
            for name, parameters, context in (
                ("DOEJGI/GenomeOcean-100M", 100_000_000, None),
                ("DOEJGI/GenomeOcean-500M", 500_000_000, None),
                ("pGenomeOcean/GenomeOcean-100M", 100_000_000, None),
                ("pGenomeOcean/GenomeOcean-500M", 500_000_000, None),
                ("pGenomeOcean/GenomeOcean-4B", 4_000_000_000, 51_000),
            )
        ),
        head="causal",
        quirks=(
            "Mistral of transformers. Some revisions have code of their own, which left weights random under "
            "transformers 5: it is not used."
        ),
        tested=_RUN.format("Mistral"),
    )
)


def _is_metagene(config: Mapping[str, Any]) -> bool:
    shape = {"model_type": "llama", "vocab_size": 1_024, "hidden_size": 4_096, "max_position_embeddings": 512}
    return all(config.get(key) == value for key, value in shape.items())


METAGENE = family(
    Family(
        "metagene",
        "METAGENE-1: Llama on byte pairs of wastewater, trained to predict the next one",
        matches=_is_metagene,
        checkpoints=(
            Checkpoint(
                "metagene-ai/METAGENE-1",
                parameters=7_000_000_000,
                tokenizer="byte pairs (1,024)",
                head="causal",
                pretraining=(Exposure("reads of human wastewater", "metagenomic", "", ("*",)),),
                licence="Apache-2.0",
                citation="Liu et al. 2025, arXiv:2501.02045",
            ),
        ),
        head="causal",
        quirks="512 tokens, [BOS] before a sequence and [EOS] after it; N is a token.",
        tested="the tokenizer files give the ids of the reference tokenizer. " + _RUN.format("Llama"),
    )
)


def _plant(network: str, kind: str) -> Checkpoint:
    causal = network in ("dnagpt", "dnagemma")
    words = {"BPE": "byte pairs", "6mer": "6-mers", "singlebase": "single nucleotide"}
    return Checkpoint(
        f"zhangtaolab/plant-{network}-{kind}",
        tokenizer=words[kind],
        head="causal" if causal else "masked",
        pretraining=(Exposure("plant reference genomes", "plants", "", ("*",)),),
        citation="Liu et al. 2025, doi:10.1016/j.molp.2024.12.006",
    )


_KINDS = ("BPE", "6mer", "singlebase")
_NETWORKS = ("dnabert", "dnagpt", "dnagemma", "nucleotide-transformer")

PLANT_DNA = family(
    Family(
        "plant_dna",
        "Plant DNA models: BERT, GPT-2, Gemma, ESM and ModernBERT on plant genomes",
        checkpoints=(
            *(_plant(network, kind) for network in _NETWORKS for kind in _KINDS),
            *(_plant("dnamodernbert", kind) for kind in ("BPE", "singlebase")),
        ),
        quirks="The head is that of the checkpoint. plant-dnamamba needs code of its own and runs like any such id.",
        tested=_RUN.format("Each architecture"),
    )
)
