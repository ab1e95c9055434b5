"""Windows of a genome, and transcripts from GTF and GFF3. Intervals are 0-based half-open; files are converted here."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from ..dna.assemblies import Entry, aliases
from ..dna.fasta import SUFFIXES, Aliased, Bases
from ..dna.genomes import is_name, open_genome
from ..dna.sequence import reverse_complement
from ..errors import ConfigError, DataError, nearest
from ..text import Text
from ..types import IntArray, Intervals, StrArray, strings
from ..unpack import PACKED, plain_name, read_text, text_name
from .collecting import TextCollector
from .sequences import package_file, read_sequences
from .strands import strand_of

log = logging.getLogger(__name__)

Edge = Literal["refuse", "pad"]
EDGES: tuple[Edge, ...] = ("refuse", "pad")
"""What to do with a window that extends beyond its contig."""

_LARGE = 1 << 26
"""Size of a FASTA file, in bytes, beyond which it is not read into memory."""
_BLOCK, _BASES = 4096, 1 << 25

_GFF_ATTRIBUTE = re.compile(r"(?:^|;)\s*(ID|Parent|gene_biotype|biotype)=([^;]*)")
_PARENT = re.compile(r"(?:^|;)\s*Parent=([^;]*)")
_TRANSCRIPT_ID = re.compile(r'transcript_id "([^"]*)"')
_GTF_ATTRIBUTE = re.compile(r'(gene_id|transcript_id|gene_biotype|gene_type|transcript_biotype) "([^"]*)"')


@dataclass(frozen=True)
class Transcript:
    """A transcript's exons and coding exons, 0-based half-open, in genome order; `biotype` is that of its gene."""

    id: str
    gene: str
    kind: str
    biotype: str
    chrom: str
    strand: str
    exons: tuple[tuple[int, int], ...]
    coding: tuple[tuple[int, int], ...]

    @property
    def introns(self) -> tuple[tuple[int, int], ...]:
        """The gaps between the exons, in genome order."""
        return tuple((a[1], b[0]) for a, b in zip(self.exons, self.exons[1:], strict=False) if b[0] > a[1])

    @property
    def tss(self) -> int:
        """The 0-based position of the first transcribed base."""
        return self.exons[0][0] if self.strand == "+" else self.exons[-1][1] - 1


@dataclass(frozen=True)
class SpliceSite:
    """A boundary between an exon and an intron: `boundary` is the genome coordinate between the two (0-based).

    A donor is the 5' end of an intron and an acceptor its 3' end, on the transcript's strand.
    """

    kind: Literal["acceptor", "donor"]
    chrom: str
    strand: str
    boundary: int


def splice_sites(transcript: Transcript) -> list[SpliceSite]:
    """Return the donor and the acceptor of every intron of the transcript."""
    left: Literal["acceptor", "donor"] = "donor" if transcript.strand == "+" else "acceptor"
    right: Literal["acceptor", "donor"] = "acceptor" if transcript.strand == "+" else "donor"
    sites = []
    for start, end in transcript.introns:
        sites.append(SpliceSite(left, transcript.chrom, transcript.strand, start))
        sites.append(SpliceSite(right, transcript.chrom, transcript.strand, end))
    return sites


def read_genome(reference: str, *, upper: bool = True) -> Mapping[str, Bases]:
    """Return the contigs of a registered genome or of a file by name; 'chr1' and '1' both find a contig.

    Registered genomes and large FASTA files are read only where they are sliced, others whole. With `upper` = false the
    letters of FASTA are in the case of the file, where lower case marks repeats. Raises DataError for a genome that is
    not registered, and for a large packed file.
    """
    if is_name(reference) and not Path(reference).is_file():
        return open_genome(reference, upper=upper)
    path = package_file(reference)
    size = path.stat().st_size
    if path.suffix in SUFFIXES and size > _LARGE:
        return open_genome(str(path), upper=upper)
    if path.suffix in PACKED and plain_name(path.name).endswith(SUFFIXES) and size > _LARGE:
        raise DataError(f"{path}: too large to unpack in memory; register it: baserate genome add NAME {path}")
    sequences = read_sequences(reference, upper=upper)
    return Aliased(sequences, aliases([Entry(name, "", len(text)) for name, text in sequences.items()]))


def windows(genome: Mapping[str, Bases], at: Intervals, *, source: str = "intervals", edge: Edge = "refuse") -> Text:
    """Return the sequence of each interval, (n,), those on '-' reverse-complemented; many are kept in a file.

    Raises DataError, naming the row, for a contig that the genome does not have and, unless `edge` is 'pad', for a
    window beyond its ends; with 'pad' the missing bases are N.
    """
    outside = False
    for row, (chrom, start, end) in enumerate(zip(at.chrom, at.start, at.end, strict=True), 1):
        n = len(find_contig(genome, chrom, f"{source}: row {row}"))
        outside = outside or start < 0 or end > n
        if not (0 <= start < end <= n or (edge == "pad" and start < min(end, n) and end > 0)):
            raise DataError(f"{source}: row {row}: {chrom}:{start}-{end} is outside the contig of {n} bp")
    out = TextCollector()
    longest = int((at.end - at.start).max(initial=1))
    for rows in by_place(at.chrom, at.start, width=longest):
        pieces = {}
        for i in rows:
            contig, start, end = genome[at.chrom[i]], int(at.start[i]), int(at.end[i])
            piece = contig[max(0, start) : end]
            if outside:
                piece = "N" * max(0, -start) + piece + "N" * max(0, end - len(contig))
            pieces[i] = reverse_complement(piece) if at.strand[i] == "-" else piece
        out.add([pieces[i] for i in sorted(pieces)])
    return out.text()


def by_place(
    chrom: Sequence[str] | StrArray, start: Sequence[int] | IntArray, *, width: int = 1
) -> Iterator[list[int]]:
    """Yield all rows in blocks of consecutive rows, each block sorted by genome position for fast reading.

    The wider the rows, `width` bases each, the fewer are in a block.
    """
    size = max(1, min(_BLOCK, _BASES // max(1, width)))
    for first in range(0, len(chrom), size):
        yield sorted(range(first, min(first + size, len(chrom))), key=lambda i: (chrom[i], start[i]))


def find_contig(genome: Mapping[str, Bases], name: str, where: str) -> Bases:
    """Return the contig. Raises DataError with the nearest name, first of all the one with or without 'chr'."""
    if name in genome:
        return genome[name]
    other = name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"
    near = [other] if other in genome else nearest(name, genome)
    advice = f"did you mean {near[0]!r}?" if near else f"contigs: {', '.join(list(genome)[:8])}"
    raise DataError(f"{where}: the genome has no contig {name!r}; {advice}")


def loci(at: Intervals) -> StrArray:
    """Return the name of the locus of each interval, (n,): intervals that overlap, on either strand, share one."""
    out = strings([""] * len(at.chrom))
    chrom, end, name = "", -1, ""
    for i in sorted(range(len(out)), key=lambda i: (at.chrom[i], at.start[i])):
        if at.chrom[i] != chrom or at.start[i] >= end:
            chrom, end, name = at.chrom[i], -1, f"{at.chrom[i]}:{at.start[i]}"
        end = max(end, int(at.end[i]))
        out[i] = name
    return out


def stretches(at: Intervals, size: int) -> StrArray:
    """Return the stretch of its contig, of `size` bp, in which the middle of each interval lies, (n,)."""
    first = (at.start + at.end) // 2 // size * size
    return strings([f"{chrom}:{start}" for chrom, start in zip(at.chrom, first, strict=True)])


def check_locus(cluster: str | tuple[str, ...], locus: int) -> None:
    """Raise ConfigError where a card gives clusters twice, or a size that is none."""
    if locus < 0:
        raise ConfigError(f"locus = {locus}; expected a number of bp above 0, such as 100000")
    if locus and cluster:
        raise ConfigError(f"locus = {locus} and cluster = {cluster!r} both say what the clusters are; leave one out")


def read_transcripts(reference: str) -> list[Transcript]:
    """Return the transcripts with exons of a GTF or GFF3 file (plain or packed), in file order.

    The format is taken from the name (.gtf; .gff, .gff3). Exons without a transcript, as of some genes, count as a
    transcript of their own. A transcript without a strand, of which no end is the first, is left out and counted in the
    log. Raises DataError, naming the line, for other than nine columns, bad coordinates or an unknown strand.
    """
    path = package_file(reference)
    suffix = Path(text_name(path)).suffix
    if suffix not in (".gtf", ".gff", ".gff3"):
        raise DataError(f"{path}: expected .gtf, .gff or .gff3 (or .gz of these)")
    is_gtf = suffix == ".gtf"
    genes: dict[str, dict[str, str]] = {}
    kinds: dict[str, tuple[str, str]] = {}
    exons: dict[str, list[tuple[int, int]]] = {}
    coding: dict[str, list[tuple[int, int]]] = {}
    places: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.startswith("##FASTA"):
            break
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        where = f"{path}: line {number}"
        if len(fields) != 9:
            raise DataError(f"{where}: {len(fields)} columns, expected 9 separated by tabs")
        chrom, _, feature, low, high, _, strand, _, text = fields
        if feature in ("exon", "CDS"):
            start, end = _integer(low, where, "start") - 1, _integer(high, where, "end")
            if not 0 <= start < end:
                raise DataError(f"{where}: {low}-{high} is not a 1-based interval")
            strand = "" if strand == "?" else strand_of(strand, where)  # GFF3 has '?' for a strand that is not known
            parents = (_TRANSCRIPT_ID if is_gtf else _PARENT).search(text)
            for parent in unquote(parents[1]).split(",") if parents else [""]:
                places.setdefault(parent, (chrom, strand))
                (exons if feature == "exon" else coding).setdefault(parent, []).append((start, end))
                if is_gtf and parent not in kinds:
                    kinds[parent] = ("transcript", _attributes(text, is_gtf=True).get("gene_id", parent))
            continue
        note = _attributes(text, is_gtf=is_gtf)
        if is_gtf and feature == "transcript":
            kinds[note.get("transcript_id", "")] = (note.get("transcript_biotype", feature), note.get("gene_id", ""))
        elif feature == "gene" or "Parent" not in note:
            genes[note.get("gene_id" if is_gtf else "ID", "")] = note
        else:
            kinds[note.get("ID", "")] = (feature, note["Parent"])
    out = []
    unstranded = [name for name in exons if not places[name][1]]
    if unstranded:
        log.warning(
            "%s: %d transcripts without a strand are left out; the first: %s", path, len(unstranded), unstranded[0]
        )
    for name, pieces in exons.items():
        if not places[name][1]:
            continue
        kind, gene = kinds.get(name, ("", name))
        note = genes.get(gene, {})
        biotype = note.get("gene_biotype") or note.get("gene_type") or note.get("biotype", "")
        out.append(
            Transcript(
                name, gene, kind, biotype, *places[name], tuple(sorted(pieces)), tuple(sorted(coding.get(name, ())))
            )
        )
    if not out:
        raise DataError(f"{path}: no exons" + (" on a strand" if unstranded else ""))
    return out


def _attributes(text: str, *, is_gtf: bool) -> dict[str, str]:
    """Return the attributes of column 9 that link transcripts and genes, the first of each."""
    pairs: list[tuple[str, str]] = (_GTF_ATTRIBUTE if is_gtf else _GFF_ATTRIBUTE).findall(text)
    return {key: unquote(value) if "%" in value else value for key, value in reversed(pairs)}


def _integer(text: str, where: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{where}: {what} is {text!r}, expected a whole number") from None
