"""Acceptor, donor or neither at every base of whole human genes: as rare as sites are, and at any other share."""

from __future__ import annotations

import numpy as np

from baserate.metrics.rare import PER_MB, PERCENTS, at_share
from baserate.registry import task
from baserate.sources import concatenate
from baserate.types import Examples, Task

from .genes import PREMRNA_PLACES, PREMRNAS, human_genes
from .human_splice_per_base import FLANK, LABELLED, labelled_bases, stretches
from .human_splice_sites import SPLIT
from .splice import Gene

LONGEST = 10_000
"""The longest test gene: what is scored is every base of 32 genes, not of one."""


def examples() -> Examples:
    """Return the labelled bases of a stretch of each gene of chromosome 1, and of whole genes of chromosome 3.

    Bases at a site of another gene alone, whose kind is not known here, are left out.
    """
    genes = human_genes()
    learnt = labelled_bases(stretches([gene for gene in genes if gene.chrom == "chr1"]))
    whole = [gene for gene in genes if gene.chrom == "chr3" and len(gene.sequence) <= LONGEST]
    starts = [(gene, at) for gene in whole for at in range(0, len(gene.sequence), LABELLED)]
    tested = labelled_bases([(gene, at, min(LABELLED, len(gene.sequence) - at)) for gene, at in starts])
    unknown = {f"{gene.name}:{i}" for gene in whole for i in _of_others(gene)}
    tested = tested.take(np.flatnonzero([name not in unknown for name in tested.ids]))
    return concatenate([learnt, tested])


def _of_others(gene: Gene) -> set[int]:
    """Return the bases on either side of a boundary that is annotated in another gene alone."""
    others = gene.annotated[~np.isin(gene.annotated, np.concatenate([gene.acceptors, gene.donors]))]
    return {int(i) for at in others for i in (at - 1, at)}


@task
def human_splice_genes() -> Task:
    """Return the task's card."""
    shares = tuple(at_share(percent) for percent in reversed(PERCENTS))
    return Task(
        name="human_splice_genes",
        version=1,
        kind="multilabel",
        per_base=True,
        classes=("acceptor", "donor"),
        metrics=(*shares, *(f"recall_at_{n}_per_mb" for n in PER_MB[1:]), "auprc", "auroc"),
        source=examples,
        split=SPLIT,
        description=f"For every base of 32 whole human pre-mRNAs of at most {LONGEST:,} bp, introns and all, "
        f"whether it is the first of an exon (acceptor) or the last of one (donor), given {FLANK} bp or more on either "
        "side, less at a gene's ends, on the transcript's strand. About one base in 1,100 is an acceptor and as many "
        "are donors; the average precision is that at a share of .02 %, as in long genes, and at others, by weights of "
        "the negatives. Models learn on stretches of 200 bases of other genes, each drawn to hold a site, where one "
        "base in 150 is one.",
        split_rule="test: genes of chr3, whole; valid: stretches of genes of chr1 from 200 Mb on; train: of the others",
        citation="Jaganathan et al. 2019, Cell 176:535 (genes and labels of the SpliceAI test chromosomes), as "
        "packaged in frame-alignment-checks 0.0.74",
        licence="hg19 sequence: no restriction; labels: see the package frame-alignment-checks",
        species=("Homo sapiens",),
        assembly=("hg19",),
        sizes={"train": 71_200, "valid": 13_200, "test": 201_615},
        files=(PREMRNAS, PREMRNA_PLACES),
        requires="data",
        unit="gene",
        fixed="the chromosome, and genes that are short",
    )
