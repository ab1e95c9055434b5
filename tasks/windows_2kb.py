"""Splice sites and promoters with 2 kb about them: how far a model sees, and whether more sequence helps it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baserate.registry import task
from baserate.sources.intervals import windows
from baserate.sources.sequences import read_sequences
from baserate.types import Examples, Inputs, Intervals, Task

from . import arabidopsis_promoters, human_splice_sites
from .genes import ARABIDOPSIS, human_genes
from .splice import NEGATIVES, splice_examples

WIDTH = 2_048


def splice_examples_2kb() -> Examples:
    """Return the base after each boundary, with 1,024 bp on either side of the boundary."""
    examples = splice_examples(human_genes(), fit_on=human_splice_sites.in_train, width=WIDTH)
    positions = np.full(len(examples), WIDTH // 2)
    return replace(examples, inputs=replace(examples.inputs, positions=positions))


def promoters_2kb() -> Examples:
    """Return the examples of `arabidopsis_promoters` with more on either side; none is near the chromosome's ends."""
    examples = arabidopsis_promoters.examples()
    assert examples.intervals is not None
    start = (examples.intervals.start + examples.intervals.end - WIDTH) // 2
    at = Intervals(examples.intervals.chrom, start, start + WIDTH, examples.intervals.strand)
    return replace(examples, inputs=Inputs(windows(read_sequences(ARABIDOPSIS), at)), intervals=at)


@task
def human_splice_2kb() -> Task:
    """Return the task's card."""
    return replace(
        human_splice_sites.human_splice_sites(),
        name="human_splice_2kb",
        per_base=True,
        source=splice_examples_2kb,
        description="Whether a base is the first of an exon (acceptor), the first after one (donor), or neither, given "
        "it and 2,048 bp about it on the transcript's strand, from 590 human pre-mRNAs of chr1 and chr3 with one "
        f"transcript each. {NEGATIVES} Sites less than 1,024 bp from the end of their pre-mRNA are left out. Decoys "
        "may be sites of transcripts that the labels do not hold.",
        sizes={"train": 10_670, "valid": 2_490, "test": 6_248},
    )


@task
def arabidopsis_promoters_2kb() -> Task:
    """Return the task's card."""
    return replace(
        arabidopsis_promoters.arabidopsis_promoters(),
        name="arabidopsis_promoters_2kb",
        source=promoters_2kb,
        description="The examples of arabidopsis_promoters, 300 bp of a promoter or of a window of the same GC content "
        "at least 1 kb from the TSS of any gene, with 874 bp more on either side, in which promoters may have further "
        "TSS and background has none. The TSS in question is 100 bp after the middle. Clusters are loci of 10 kb.",
    )
