"""Omni-DNA: OLMo on byte pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from baserate.networks.families import Checkpoint, Family, family


def _tokenizer(folder: Path) -> Any:
    import hf_olmo  # type: ignore[import-not-found,unused-ignore]  # noqa: F401 - registers its classes
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


OMNI_DNA = family(
    Family(
        "omni_dna",
        "Omni-DNA: OLMo on byte pairs, trained to predict the next one",
        matches=lambda config: config.get("model_type") == "hf_olmo",
        checkpoints=tuple(
            Checkpoint(
                f"zehui127/Omni-DNA-{size}",
                parameters=parameters,
                tokenizer="byte pairs",
                head="causal",
                citation="Li et al. 2025, arXiv:2502.03499",
            )
            for size, parameters in (
                ("20M", 20_000_000),
                ("60M", 60_000_000),
                ("116M", 116_000_000),
                ("300M", 300_000_000),
                ("700M", 700_000_000),
                ("1B", 1_000_000_000),
            )
        ),
        head="causal",
        tokenizer=_tokenizer,
        requires={"hf_olmo": "pip install ai2-olmo"},
        quirks="Its classes are registered by `import hf_olmo`, of the package ai2-olmo, which pins an old torch.",
        tested="not run: neither its package nor its published weights",
    )
)
