"""Human genes against shuffles of themselves: can a model tell DNA from shuffled letters?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baserate.digests import digest
from baserate.dna.shuffle import shuffle_dinucleotides, shuffle_letters
from baserate.progress import activity
from baserate.registry import task
from baserate.splits import by_position
from baserate.types import Examples, Inputs, Intervals, Subset, Task, strings

from .genes import PREMRNA_PLACES, PREMRNAS, human_genes
from .splice import WIDTH, Gene

PER_GENE = 6
SHUFFLES = ("mononucleotide", "dinucleotide")


def pairs(genes: Sequence[Gene]) -> Examples:
    """Return up to six windows of 400 bp per gene, each against a shuffle of its letters and one of its dinucleotides.

    Windows lie at multiples of 400 bp from the transcript's start, are drawn by a hash of the gene's name, and hold A,
    C, G and T alone; of windows with the same sequence the first is kept.
    """
    rows: list[tuple[Gene, int, str, str]] = []
    real: list[str] = []
    perturbed: list[str] = []
    seen: set[str] = set()
    advance = activity("shuffling windows of genes", len(genes))
    for gene in genes:
        rng = np.random.default_rng(int(digest("shuffled", gene.name), 16))
        starts = rng.permutation(len(gene.sequence) // WIDTH)[:PER_GENE] * WIDTH
        for start in sorted(int(s) for s in starts):
            window = gene.sequence[start : start + WIDTH]
            if window in seen or set(window) - set("ACGT"):
                continue
            seen.add(window)
            for name, shuffle in zip(SHUFFLES, (shuffle_letters, shuffle_dinucleotides), strict=True):
                shuffled = shuffle(window, rng)
                if shuffled == window:  # a window of one repeated word may have no other order
                    continue
                at = gene.start + start if gene.strand == "+" else gene.start + len(gene.sequence) - start - WIDTH
                rows.append((gene, at, f"{gene.chrom}:{at}({gene.strand}):{name}", name))
                real.append(window)
                perturbed.append(shuffled)
        advance(1)
    places = np.array([at for _, at, _, _ in rows], np.int64)
    groups = strings([gene.name for gene, *_ in rows])
    return Examples(
        ids=strings([name for _, _, name, _ in rows]),
        inputs=Inputs(strings(real), strings(perturbed)),
        targets=np.zeros(len(rows)),
        groups=groups,
        clusters=groups,
        strata={"shuffle": strings([name for *_, name in rows])},
        intervals=Intervals(
            strings([gene.chrom for gene, *_ in rows]),
            places,
            places + WIDTH,
            strings([gene.strand for gene, *_ in rows]),
        ),
    )


def examples() -> Examples:
    """Return the pairs of all 590 genes."""
    return pairs(human_genes())


@task
def human_shuffled() -> Task:
    """Return the task's card."""
    return Task(
        name="human_shuffled",
        version=1,
        kind="paired",
        metrics=(
            "paired_accuracy:shuffle=dinucleotide",
            "paired_accuracy:shuffle=mononucleotide",
            "paired_accuracy",
        ),
        source=examples,
        split=by_position(test=(("chr3", 0, 198_022_430),), valid=(("chr1", 200_000_000, 249_250_621),)),
        description="Which of two is the real one: 400 bp of a human gene, on the transcript's strand, against a "
        "shuffle of its letters (mononucleotide) or one with the same dinucleotides in the same numbers "
        "(dinucleotide); up to six windows from each of 590 pre-mRNAs of chr1 and chr3. A model is right where it "
        "finds the real one the likelier; a tie counts half. A Markov chain of order 1 cannot tell a sequence from its "
        "dinucleotide shuffle. Nothing is masked: repeats are a part of what there is to know.",
        split_rule="test: genes of chr3; valid: genes of chr1 from 200 Mb on; train: the other genes of chr1",
        citation="own; after task 1 of DART-Eval, Patel et al. 2024, NeurIPS 37 (Datasets and Benchmarks), which asks "
        "it of regulatory elements; shuffles: Altschul & Erickson 1985, Mol Biol Evol 2:526; genes: Jaganathan et al. "
        "2019, Cell 176:535, as packaged in frame-alignment-checks 0.0.74",
        licence="hg19 sequence: no restriction",
        species=("Homo sapiens",),
        assembly=("hg19",),
        sizes={"train": 4_198, "valid": 790, "test": 2_010},
        zero_shot=("likelihood",),
        files=(PREMRNAS, PREMRNA_PLACES),
        requires="data",
        unit="gene",
        fixed="the chromosome",
        small=Subset(train=400, valid=100, test=400, balance="shuffle"),
    )
