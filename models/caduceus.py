"""Caduceus, PlantCaduceus and PlantCAD2: bidirectional Mamba over single nucleotides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure

_MAMBA = "pip install --no-build-isolation causal-conv1d mamba-ssm  (CUDA and its compiler are needed)"
_REQUIRES = {"mamba_ssm": _MAMBA, "causal_conv1d": _MAMBA}
_HUMAN = (Exposure("human reference genome", "Homo sapiens", "GRCh38", ("*",)),)
_ANGIOSPERMS_16 = (Exposure("16 angiosperm genomes", "16 angiosperms", "", ("*",)),)
_ANGIOSPERMS_65 = (Exposure("65 angiosperm genomes, around genes", "65 angiosperms", "", ("*",)),)
_CITATION = "Schiff et al. 2024, arXiv:2403.03234"
_QUIRKS = (
    "Needs mamba-ssm and causal-conv1d, hence a CUDA device. The fused norm has other names for its weights and "
    "would silently leave them untrained: it is switched off. No special tokens are added, as in pretraining. The "
    "network takes no attention mask: batches have sequences of one length. The head is tied to the embedding."
)
_HALVES = (
    " States have 2d channels: d of the strand that is given, and d of its reverse complement in reverse order. The "
    "mean of the first half and of the second read backwards is used, which is the same for either strand."
)


def _configure(config: Any) -> None:
    config.fused_add_norm = False


def _finish(network: Any, missing: frozenset[str]) -> frozenset[str]:
    """Return the head's keys that the file lacks, after tying the head, not a plain layer in equivariant networks."""
    head = frozenset(key for key in missing if key.startswith("lm_head."))
    if head:
        set_weight = getattr(network.lm_head, "set_weight", None)
        table = network.get_input_embeddings().weight
        if set_weight is not None:
            set_weight(table)
        else:
            network.lm_head.weight = table
    return head


def both_strands(states: Any) -> Any:
    """Return the mean (n, t, d) of the two strands' halves of states (n, t, 2d)."""
    forward, reverse = states.chunk(2, dim=-1)
    return (forward + reverse.flip(-1)) / 2


def _checkpoint(
    name: str, context: int, pretraining: tuple[Exposure, ...], citation: str, parameters: int | None = None
) -> Checkpoint:
    return Checkpoint(
        f"kuleshov-group/{name}",
        parameters=parameters,
        context=context,
        tokenizer="single nucleotide",
        pretraining=pretraining,
        citation=citation,
    )


def _human(kind: str) -> tuple[Checkpoint, ...]:
    return tuple(
        _checkpoint(f"caduceus-{kind}_{shape}", context, _HUMAN, _CITATION)
        for shape, context in (
            ("seqlen-131k_d_model-256_n_layer-16", 131_072),
            ("seqlen-1k_d_model-256_n_layer-4_lr-8e-3", 1_024),
            ("seqlen-1k_d_model-118_n_layer-4_lr-8e-3", 1_024),
        )
    )


PH = family(
    Family(
        "caduceus_ph",
        "Caduceus-Ph: bidirectional Mamba over single nucleotides, trained on both strands",
        matches=lambda config: config.get("model_type") == "caduceus" and not config.get("rcps"),
        checkpoints=_human("ph"),
        head="masked",
        tokens={"specials": False},
        configure=_configure,
        finish=_finish,
        remote_code=True,
        requires=_REQUIRES,
        quirks=_QUIRKS,
        tested="not run: mamba-ssm cannot be installed without CUDA",
    )
)

PS = family(
    replace(
        PH,
        name="caduceus_ps",
        description="Caduceus-PS: bidirectional Mamba over single nucleotides that treats both strands alike by "
        "construction",
        matches=lambda config: config.get("model_type") == "caduceus" and bool(config.get("rcps")),
        checkpoints=_human("ps"),
        states=both_strands,
        quirks=_QUIRKS + _HALVES,
        tested="not run: mamba-ssm cannot be installed without CUDA; the halves are tested on hand-made states",
    )
)

_PLANT = "Zhai et al. 2025, doi:10.1073/pnas.2421738122"
_PLANT2 = "Zhai et al. 2025, doi:10.1101/2025.08.27.672609"

PLANT = family(
    Family(
        "plant_caduceus",
        "PlantCaduceus and PlantCAD2: Caduceus-PS on flowering plants",
        checkpoints=(
            _checkpoint("PlantCaduceus_l20", 512, _ANGIOSPERMS_16, _PLANT, 20_000_000),
            _checkpoint("PlantCaduceus_l24", 512, _ANGIOSPERMS_16, _PLANT, 40_000_000),
            _checkpoint("PlantCaduceus_l28", 512, _ANGIOSPERMS_16, _PLANT, 128_000_000),
            _checkpoint("PlantCaduceus_l32", 512, _ANGIOSPERMS_16, _PLANT, 225_000_000),
            _checkpoint("PlantCAD2-Small-l24-d0768", 8_192, _ANGIOSPERMS_65, _PLANT2),
            _checkpoint("PlantCAD2-Medium-l48-d1024", 8_192, _ANGIOSPERMS_65, _PLANT2),
            _checkpoint("PlantCAD2-Large-l48-d1536", 8_192, _ANGIOSPERMS_65, _PLANT2, 676_000_000),
        ),
        head="masked",
        tokens={"specials": False},
        configure=_configure,
        finish=_finish,
        states=both_strands,
        remote_code=True,
        requires=_REQUIRES,
        quirks="As Caduceus-PS; a folder that does not name its id is taken for that.",
        tested="not run: mamba-ssm cannot be installed without CUDA",
    )
)
