"""Donor, acceptor or neither in human genes; genes of another chromosome are the test."""

from __future__ import annotations

from baserate.registry import task
from baserate.splits import by_position
from baserate.types import Examples, Subset, Task

from .genes import PREMRNA_PLACES, PREMRNAS, human_genes
from .splice import CLASSES, METRICS, NEGATIVES, Gene, splice_examples

SPLIT = by_position(test=(("chr3", 0, 198_022_430),), valid=(("chr1", 200_000_000, 249_250_621),))


def in_train(gene: Gene) -> bool:
    """Whether the split puts the gene in train."""
    return gene.chrom == "chr1" and gene.start < 200_000_000


def examples() -> Examples:
    """Return the windows of all 590 genes."""
    return splice_examples(human_genes(), fit_on=in_train)


@task
def human_splice_sites() -> Task:
    """Return the task's card."""
    return Task(
        name="human_splice_sites",
        version=1,
        kind="classification",
        classes=CLASSES,
        metrics=METRICS,
        source=examples,
        split=SPLIT,
        description="Donor, acceptor or neither: 400 bp centred on the site, on the transcript's strand, from 590 "
        f"human pre-mRNAs of chr1 and chr3 with one transcript each. {NEGATIVES} Sites less than 200 bp from the end "
        "of their pre-mRNA are left out. Decoys may be sites of transcripts that the labels do not hold.",
        split_rule="test: genes of chr3; valid: genes of chr1 from 200 Mb on; train: the other genes of chr1",
        citation="Jaganathan et al. 2019, Cell 176:535 (genes and labels of the SpliceAI test chromosomes), as "
        "packaged in frame-alignment-checks 0.0.74",
        licence="hg19 sequence: no restriction; labels: see the package frame-alignment-checks",
        species=("Homo sapiens",),
        assembly=("hg19",),
        sizes={"train": 12_178, "valid": 2_690, "test": 6_798},
        files=(PREMRNAS, PREMRNA_PLACES),
        requires="data",
        unit="gene",
        fixed="the chromosome",
        small=Subset(train=800, valid=250, test=600),
    )
