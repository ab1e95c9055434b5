"""Windows of a genome, from BED, GTF and GFF3. Inside, intervals are 0-based half-open; files are converted here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import numpy as np

from ..errors import DataError, nearest
from ..types import Examples, Inputs, Intervals, Kind, StrArray, strings
from .sequences import package_file, read_sequences, reverse_complement
from .tables import read_text
from .targets import parse_targets

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
    """A boundary of an exon with an intron: `boundary` is the genome coordinate between the two (0-based).

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


def windows(genome: Mapping[str, str], at: Intervals, *, source: str = "intervals") -> StrArray:
    """Return the sequence of each interval, (n,), those on '-' reverse-complemented.

    Raises DataError, naming the row, for a contig that the genome does not hold or a position past its end.
    """
    out = []
    for row, (chrom, start, end, strand) in enumerate(zip(at.chrom, at.start, at.end, at.strand, strict=True), 1):
        contig = find_contig(genome, chrom, f"{source}: row {row}")
        if not 0 <= start < end <= len(contig):
            raise DataError(f"{source}: row {row}: {chrom}:{start}-{end} is outside the contig of {len(contig)} bp")
        piece = contig[start:end]
        out.append(reverse_complement(piece) if strand == "-" else piece)
    return strings(out)


def find_contig(genome: Mapping[str, str], name: str, where: str) -> str:
    """Return the contig's sequence. Raises DataError with the nearest name, a missing or extra 'chr' first."""
    if name in genome:
        return genome[name]
    other = name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"
    near = [other] if other in genome else nearest(name, genome)
    advice = f"did you mean {near[0]!r}?" if near else f"contigs: {', '.join(list(genome)[:8])}"
    raise DataError(f"{where}: the genome holds no contig {name!r}; {advice}")


def read_bed(reference: str) -> tuple[Intervals, StrArray]:
    """Return a BED file's intervals and its names (column 4, '' where absent); a strand other than '-' reads as '+'.

    Raises DataError, naming the line, where a line is not BED.
    """
    path = package_file(reference)
    rows: list[tuple[str, int, int, str, str]] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        where = f"{path}: line {number}"
        if len(fields) < 3:
            raise DataError(f"{where}: {len(fields)} fields, expected at least chrom, start, end")
        start, end = _integer(fields[1], where, "start"), _integer(fields[2], where, "end")
        if not 0 <= start < end:
            raise DataError(f"{where}: start {start} and end {end} are not a 0-based half-open interval")
        strand = "-" if len(fields) > 5 and fields[5] == "-" else "+"
        rows.append((fields[0], start, end, strand, fields[3] if len(fields) > 3 else ""))
    if not rows:
        raise DataError(f"{path}: no intervals")
    chrom, starts, ends, strands, names = zip(*rows, strict=True)
    at = Intervals(strings(chrom), np.array(starts, np.int64), np.array(ends, np.int64), strings(strands))
    return at, strings(names)


def read_intervals(genome: str, bed: str, *, kind: Kind, classes: Sequence[str] = (), width: int = 0) -> Examples:
    """Return an example an interval of a BED file, whose column 4 holds the class or the measurement.

    `width` re-centres every window to that many bp. Intervals that overlap are one group and one cluster. Raises
    DataError, naming the file and row, for anything that cannot be used.
    """
    at, names = read_bed(bed)
    if width:
        start = (at.start + at.end) // 2 - width // 2
        at = Intervals(at.chrom, start, start + width, at.strand)
    ids = strings([f"{c}:{s}-{e}({d})" for c, s, e, d in zip(at.chrom, at.start, at.end, at.strand, strict=True)])
    locus = loci(at)
    return Examples(
        ids=ids,
        inputs=Inputs(windows(read_sequences(genome), at, source=bed)),
        targets=parse_targets(list(names), kind=kind, classes=classes, reference=bed, column="name"),
        groups=locus,
        clusters=locus,
        intervals=at,
    )


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


def read_transcripts(reference: str) -> list[Transcript]:
    """Return the transcripts with exons of a GTF or GFF3 file (plain or gzip), in file order.

    The format is taken from the name (.gtf; .gff, .gff3). An exon without a transcript, as of a bare gene, counts as
    a transcript of its own. Raises DataError, naming the line, where a line has not nine columns or bad coordinates.
    """
    path = package_file(reference)
    suffix = Path(path.name.removesuffix(".gz")).suffix
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
            found = (_TRANSCRIPT_ID if is_gtf else _PARENT).search(text)
            for parent in unquote(found[1]).split(",") if found else [""]:
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
    for name, pieces in exons.items():
        kind, gene = kinds.get(name, ("", name))
        note = genes.get(gene, {})
        biotype = note.get("gene_biotype") or note.get("gene_type") or note.get("biotype", "")
        out.append(
            Transcript(
                name, gene, kind, biotype, *places[name], tuple(sorted(pieces)), tuple(sorted(coding.get(name, ())))
            )
        )
    if not out:
        raise DataError(f"{path}: no exons")
    return out


def _attributes(text: str, *, is_gtf: bool) -> dict[str, str]:
    """Return those of column 9 that say what belongs to what, the first of each."""
    found: list[tuple[str, str]] = (_GTF_ATTRIBUTE if is_gtf else _GFF_ATTRIBUTE).findall(text)
    return {key: unquote(value) if "%" in value else value for key, value in reversed(found)}


def _integer(text: str, where: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{where}: {what} is {text!r}, expected a whole number") from None
