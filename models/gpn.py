"""GPN: convolutions over single nucleotides, with a package of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from baserate.networks.families import Checkpoint, Family, family
from baserate.types import Exposure


def _tokenizer(folder: Path) -> Any:
    import gpn.model  # type: ignore[import-not-found,unused-ignore]  # noqa: F401 - registers its classes
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


GPN = family(
    Family(
        "gpn",
        "GPN: dilated convolutions over single nucleotides",
        matches=lambda config: config.get("model_type") in ("ConvNet", "GPN"),
        checkpoints=(
            Checkpoint(
                "songlab/gpn-brassicales",
                context=512,
                tokenizer="single nucleotide, lower case",
                pretraining=(Exposure("8 Brassicales genomes", "Brassicales", "", ("*",)),),
                citation="Benegas et al. 2023, doi:10.1073/pnas.2311219120",
            ),
            Checkpoint("songlab/gpn-animal-promoter", context=512, tokenizer="single nucleotide, lower case"),
        ),
        head="masked",
        tokenizer=_tokenizer,
        requires={"gpn": 'pip install "git+https://github.com/songlab-cal/gpn.git"'},
        quirks=(
            "Its classes are registered by `import gpn.model`, before anything is read. The vocabulary is in lower "
            "case, and so are the sequences given to it. GPN-MSA, GPN-Star (which need an alignment) and PhyloGPN "
            "are not supported."
        ),
        tested="not run: its package is not on PyPI",
    )
)
