"""Acceptor, donor or neither at every base of stretches of human genes; genes of another chromosome are the test."""

from __future__ import annotations

import numpy as np

from baserate.digests import digest
from baserate.progress import activity
from baserate.registry import task
from baserate.types import Examples, Inputs, Intervals, Subset, Task, strings

from .genes import PREMRNA_PLACES, PREMRNAS, human_genes
from .human_splice_sites import SPLIT
from .splice import Gene

LABELLED, FLANK = 200, 100
"""Bases that are labelled in a window, and the context on either side of them."""


def examples() -> Examples:
    """Return the labelled bases of one window per gene, in the order of the genes."""
    genes = human_genes()
    advance = activity("choosing stretches of genes", len(genes))
    chosen = []
    for gene in genes:
        start = _stretch(gene)
        chosen += [(gene, start)] if start >= 0 else []
        advance(1)
    offsets = np.arange(LABELLED)
    windows = [gene.sequence[start - FLANK : start + LABELLED + FLANK] for gene, start in chosen]
    targets = [
        np.stack([np.isin(start + offsets, sites) for sites in (gene.acceptors, gene.donors - 1)], axis=1)
        for gene, start in chosen
    ]
    groups = strings([gene.name for gene, _ in chosen for _ in offsets])
    at = np.concatenate([gene.in_genome(start + offsets + (gene.strand == "-")) for gene, start in chosen])
    return Examples(
        ids=strings([f"{gene.name}:{start + i}" for gene, start in chosen for i in offsets]),
        inputs=Inputs(strings([w for w in windows for _ in offsets]), positions=np.tile(FLANK + offsets, len(chosen))),
        targets=np.concatenate(targets).astype(np.int64),
        groups=groups,
        clusters=groups,
        intervals=Intervals(
            strings([gene.chrom for gene, _ in chosen for _ in offsets]),
            at,
            at + 1,
            strings([gene.strand for gene, _ in chosen for _ in offsets]),
        ),
    )


def _stretch(gene: Gene) -> int:
    """Return where the labelled bases of a gene begin, -1 where nowhere fits: they contain a site, at any offset.

    No base in them is a site of another gene alone, whose kind is not known here. The draws depend on the gene's
    name alone.
    """
    rng = np.random.default_rng(int(digest("splice per base", gene.name), 16))
    sites = np.concatenate([gene.acceptors, gene.donors - 1])
    boundaries = np.concatenate([gene.acceptors, gene.donors])
    others = gene.annotated[~np.isin(gene.annotated, boundaries)]
    for site in rng.permutation(sites):
        start = int(site - rng.integers(LABELLED))
        start = min(max(start, FLANK), len(gene.sequence) - LABELLED - FLANK)
        holds = start <= site < start + LABELLED
        if start >= FLANK and holds and not ((others >= start) & (others <= start + LABELLED)).any():
            return start
    return -1


@task
def human_splice_per_base() -> Task:
    """Return the task's card."""
    return Task(
        name="human_splice_per_base",
        version=1,
        kind="multilabel",
        per_base=True,
        classes=("acceptor", "donor"),
        metrics=("auprc", "auroc", "mcc", "f1", "brier"),
        source=examples,
        split=SPLIT,
        description="For each of 200 bases in a row whether it is the first of an exon (acceptor) or the last of one "
        "(donor), given them and 100 bp on either side on the transcript's strand: one stretch of each of 590 human "
        "pre-mRNAs of chr1 and chr3 that has one transcript, drawn to hold a site. About one base in 150 is a site; "
        "AUPRC is the mean over the two kinds.",
        split_rule="test: genes of chr3; valid: genes of chr1 from 200 Mb on; train: the other genes of chr1",
        citation="Jaganathan et al. 2019, Cell 176:535 (genes and labels of the SpliceAI test chromosomes), as "
        "packaged in frame-alignment-checks 0.0.74",
        licence="hg19 sequence: no restriction; labels: see the package frame-alignment-checks",
        species=("Homo sapiens",),
        assembly=("hg19",),
        sizes={"train": 71_200, "valid": 13_200, "test": 33_600},
        files=(PREMRNAS, PREMRNA_PLACES),
        requires="data",
        unit="gene",
        fixed="the chromosome",
        small=Subset(train=8_000, valid=2_000, test=4_000),
    )
