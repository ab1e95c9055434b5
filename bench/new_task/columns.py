"""What a column of text contains: DNA, numbers, labels or names. Content decides; column names only break ties."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..dna.sequence import join_kmers
from ..sources.cleaning import BETWEEN
from ..sources.numbers import MISSING, Numbers, is_number, read_numbers
from ..splits.rules import flagged_part, part_of

Holds = Literal["dna", "whole numbers", "numbers", "text", "nothing"]

_DNA = re.compile(r"[ACGTRYSWKMBDHVNU]+", re.I)
_WHOLE = re.compile(r"[+-]?\d+")

TARGET = (
    "label", "labels", "target", "targets", "class", "classes", "y", "category", "annotation", "is_active", "active",
    "pathogenic", "effect", "score", "value", "activity", "expression", "signal", "measurement", "phenotype", "tpm",
    "log2fc", "psi", "mrl", "rl", "growth", "fitness", "enrichment", "clnsig", "significance",
)  # fmt: skip
PLAIN_TARGET = ("label", "labels", "target", "targets", "class", "classes", "y", "category", "clnsig")
"""Names that say so plainly that a column is the target that it wins over others that could be one."""
GROUP = (
    "gene", "gene_id", "gene_name", "locus", "cluster", "family", "group", "transcript", "transcript_id", "promoter",
    "element", "region", "homology", "homology_cluster", "protein", "background",
)  # fmt: skip
ID = ("id", "name", "ids", "seq_id", "sequence_id", "identifier", "uid", "index", "accession", "rsid", "variant_id")
REPLICATE = (
    "rep", "reps", "replicate", "replicates", "replicate_id", "rep_id", "biorep", "bio_rep", "biological_replicate",
    "techrep", "tech_rep", "technical_replicate", "repeat", "batch", "batch_id", "plate", "run", "run_id", "lane",
)  # fmt: skip
CHROMOSOME = ("chrom", "chr", "chromosome", "#chrom", "contig", "seqname", "seqnames", "#chr")
SPECIES = ("species", "organism", "genome", "assembly", "taxon")
PLACE = ("start", "end", "pos", "position", "strand", "chromstart", "chromend", "txstart", "txend", "ref", "alt")
REF = ("ref", "reference", "ref_allele")
ALT = ("alt", "alternate", "alt_allele")
PLAIN_SEQUENCE = ("sequence", "sequences", "dna_sequence", "dnaseq")
"""The same for the DNA."""
REFERENCE = ("ref", "reference", "wt", "wildtype", "wild_type", "original", "real", "natural", "native")
ALTERNATE = ("alt", "alternate", "alternative", "mut", "mutant", "variant", "perturbed", "shuffled", "decoy", "control")


@dataclass(frozen=True)
class Column:
    """A column of the sample: its kind of content, its distinct values with counts, and how many rows are empty."""

    name: str
    values: Sequence[str]
    holds: Holds
    counts: Counter[str] = field(repr=False)
    empty: int
    kmers: bool = False

    @property
    def key(self) -> str:
        """The name in lower case, with every run of punctuation as one '_'."""
        return re.sub(r"[\W_]+", "_", self.name.lower()).strip("_")

    def named(self, words: Sequence[str]) -> bool:
        """Return whether the name is one of the words."""
        return self.key in words or self.name.lower() in words

    @property
    def parts(self) -> bool:
        """Whether the values name parts of a split, train and test among them, or say whether a row is in one."""
        parts = {part_of(v) for v in self.counts}
        return ({"train", "test"} <= parts and "" not in parts) or bool(flagged_part(self.name, self.counts))

    @property
    def untested(self) -> bool:
        """Whether the values name parts of a split of which none is the test part."""
        parts = {part_of(v) for v in self.counts}
        return "train" in parts and not parts & {"test", ""}

    @property
    def chromosome(self) -> bool:
        """Whether the values name chromosomes, judging by the column's name or because all look like chr1 or chrX."""
        if self.named(CHROMOSOME):
            return bool(self.counts) and len(self.counts) <= max(100, len(self.values) // 4)
        return bool(self.counts) and all(re.fullmatch(r"chr[\dXYMLRIVUn_a-z]{1,12}", v) for v in self.counts)

    @property
    def unique(self) -> bool:
        """Whether every row has a different value."""
        return not self.empty and len(self.counts) == len(self.values)

    def lengths(self) -> tuple[int, int]:
        """Return the lengths of the shortest and the longest value, (0, 0) where there is none."""
        sizes = [len(v) for v in self.counts]
        return (min(sizes), max(sizes)) if sizes else (0, 0)

    def numbers(self) -> Numbers | None:
        """Return the distinct values that are numbers, in the order of `counts`; None where others are among them."""
        return read_numbers([v for v in self.counts if v.lower() not in MISSING])

    def letters(self) -> str:
        """Return the letters that occur, sorted, in their case."""
        return "".join(sorted(set().union(*self.counts)))


def column_of(name: str, values: Sequence[str], *, point: bool = False) -> Column:
    """Return the column with its kind of content; with `point` a '.' is an empty value, as in BED, VCF and GFF."""
    stripped = [v.strip() for v in values]
    if point:
        stripped = ["" if v == "." else v for v in stripped]
    joined = joined_kmers(stripped)
    stripped = joined or stripped
    counts = Counter(v for v in stripped if v)
    return Column(name, stripped, _holds(counts), counts, len(stripped) - sum(counts.values()), bool(joined))


def joined_kmers(values: Sequence[str]) -> list[str]:
    """Return the sequences of which the values are overlapping k-mers, separated as in a source; empty if any is not.

    Letters of labels are not k-mers: at least one sequence has 20 letters or more.
    """
    if not any(" " in value or ";" in value for value in values):  # faster than a pattern
        return []
    out = []
    for value in values:
        out.append(join_kmers(BETWEEN.split(value)))
        if value and not _DNA.fullmatch(out[-1]):
            return []
    return out if max(map(len, out)) >= 20 else []


def row_of_words(column: Column) -> int:
    """Return the first row, from 1, of several words of DNA that do not overlap as k-mers do; 0 without any."""
    for row, value in enumerate(column.values, 1):
        words = BETWEEN.split(value)
        if len(words) > 1 and len(value) >= 20 and all(map(_DNA.fullmatch, words)) and not join_kmers(words):
            return row
    return 0


def _holds(counts: Counter[str]) -> Holds:
    if not counts:
        return "nothing"
    rows = sum(counts.values())
    dna = sum(n for v, n in counts.items() if _DNA.fullmatch(v) and _mostly_bases(v))
    longest = max(map(len, counts))
    # A handful of short values that recur are labels or alleles, even where they spell DNA.
    if dna >= 0.9 * rows and longest >= 4 and (longest >= 20 or len(counts) > min(20, rows // 4)):
        return "dna"
    if all(_WHOLE.fullmatch(v) for v in counts):
        return "whole numbers"
    plain = all(is_number(v) or v.lower() in MISSING for v in counts)
    return "numbers" if plain or read_numbers([v for v in counts if v.lower() not in MISSING]) else "text"


def _mostly_bases(value: str) -> bool:
    upper = value.upper()
    return sum(map(upper.count, "ACGTUN")) >= 0.8 * len(upper)


def zeros_and_ones(column: Column) -> int:
    """Return the number of labels for each of which every value has a 0 or 1, joined by ';' or ','; 0 for others."""
    fields = [re.split("[;,]", value) for value in column.counts]
    k = len(fields[0]) if fields else 0
    return k if k > 1 and all(len(f) == k and {v.strip() for v in f} <= {"0", "1"} for f in fields) else 0


def joined_labels(column: Column) -> list[str]:
    """Return the labels that are joined by ';' or ',' in the column, most frequent first; empty where none are.

    Labels combine, so there are no more labels than values; 'enhancer, strong' and 'enhancer, weak' are not lists.
    """
    if column.holds != "text" or not any(";" in v or "," in v for v in column.counts):
        return []
    words: Counter[str] = Counter()
    for value, n in column.counts.items():
        for word in {w.strip() for w in re.split("[;,]", value) if w.strip()}:
            words[word] += n
    joined = sum(n for v, n in column.counts.items() if re.search("[;,]", v))
    short = all(len(w) <= 40 for w in words)
    few = len(words) <= 1000 and len(words) <= len(column.counts)
    return [w for w, _ in words.most_common()] if short and few and joined >= max(2, 0.05 * len(column.values)) else []
