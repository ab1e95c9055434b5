"""Acceptor, donor or neither at every base of stretches of human genes; genes of another chromosome are the test."""

from __future__ import annotations

from collections.abc import Sequence

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
    return labelled_bases(stretches(human_genes()))


def stretches(genes: Sequence[Gene]) -> list[tuple[Gene, int, int]]:
    """Return where the labelled bases of each gene begin and how many they are, without genes in which none fit."""
    advance = activity("choosing stretches of genes", len(genes))
    chosen = []
    for gene in genes:
        start = _stretch(gene)
        chosen += [(gene, start, LABELLED)] if start >= 0 else []
        advance(1)
    return chosen


def labelled_bases(pieces: Sequence[tuple[Gene, int, int]]) -> Examples:
    """Return every base of the pieces, (gene, start, length), with the bases on either side that the gene has."""
    windows, positions, targets, offsets = [], [], [], []
    for gene, start, length in pieces:
        at = start + np.arange(length)
        first = max(0, start - FLANK)
        windows.append(gene.sequence[first : start + length + FLANK])
        positions.append(at - first)
        targets.append(np.stack([np.isin(at, sites) for sites in (gene.acceptors, gene.donors - 1)], axis=1))
        offsets.append(at)
    names = strings([gene.name for gene, _, length in pieces for _ in range(length)])
    in_genome = [gene.in_genome(at + (gene.strand == "-")) for (gene, *_), at in zip(pieces, offsets, strict=True)]
    start_of = np.concatenate(in_genome)
    return Examples(
        ids=strings([f"{gene.name}:{i}" for (gene, *_), at in zip(pieces, offsets, strict=True) for i in at.tolist()]),
        inputs=Inputs(
            strings([w for w, at in zip(windows, offsets, strict=True) for _ in at]),
            positions=np.concatenate(positions),
        ),
        targets=np.concatenate(targets).astype(np.int64),
        groups=names,
        clusters=names,
        intervals=Intervals(
            strings([gene.chrom for gene, _, length in pieces for _ in range(length)]),
            start_of,
            start_of + 1,
            strings([gene.strand for gene, _, length in pieces for _ in range(length)]),
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
