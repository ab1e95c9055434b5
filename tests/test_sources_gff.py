"""GFF3 and GTF: features as intervals of a genome."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from baserate.checks import run_checks
from baserate.cli import cli
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, DataError
from baserate.new_task import Choices, new_task
from baserate.sources.bed import table_columns
from baserate.sources.gff import gff_columns
from baserate.sources.labelled_intervals import Bed
from baserate.splits import load_split

RNG = np.random.default_rng(23)
GENOME = {f"chr{i}": "".join(RNG.choice(list("ACGT"), 9000)) for i in range(1, 7)}

GFF3 = """##gff-version 3
# made by hand
chr1\tlab\tgene\t1\t40\t.\t+\t.\tID=g1;biotype=protein_coding;Note=one%2C two; three words
chr1\tlab\tmRNA\t101\t140\t0.5\t-\t.\tID=m1;Parent=g1,g2;Name=a%3Db

chr2\tlab\tgene\t11\t50\t.\t?\t.\tID=g2;biotype=lncRNA
##FASTA
>chr1
ACGT
"""
GTF = """chr1\tlab\texon\t1\t40\t.\t+\t.\tgene_id "g1"; tag "x"; tag "y"; note "a; b=c"; exon_number 2;
chr1\tlab\texon\t101\t140\t.\t-\t.\tgene_id "g2"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in GENOME.items()))
    return tmp_path


def test_the_attributes_of_gff3_and_gtf_are_columns() -> None:
    columns = gff_columns(GFF3.splitlines(), Path("x.gff3"))
    assert columns["chrom"] == ["chr1", "chr1", "chr2"] and columns["type"] == ["gene", "mRNA", "gene"]
    assert columns["start"] == ["0", "100", "10"] and columns["end"] == ["40", "140", "50"]
    assert columns["strand"] == ["+", "-", "."] and columns["biotype"] == ["protein_coding", "", "lncRNA"]
    assert columns["Note"][0] == "one, two" and columns["Name"][1] == "a=b" and columns["Parent"][1] == "g1,g2"
    columns = gff_columns(GTF.splitlines(), Path("x.gtf"))
    assert columns["gene_id"] == ["g1", "g2"] and columns["tag"] == ["x,y", ""]
    assert columns["note"][0] == "a; b=c" and columns["exon_number"][0] == "2"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\tlab\tgene\t1", "line 2: 4 fields between tabs, expected the 9"),
        ("chr1 lab gene 1 40 . + . ID=x", "line 2: 1 fields between tabs"),
        ("chr1\tlab\tgene\t0\t40\t.\t+\t.\tID=x", "line 2: start '0' and end '40'; expected whole numbers, from 1"),
        ("chr1\tlab\tgene\tx\t40\t.\t+\t.\tID=x", "line 2: start 'x'"),
    ],
)
def test_a_damaged_line_is_named(line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"x.gff: {message}"):
        gff_columns(["##gff-version 3", line], Path("x.gff"))
    with pytest.raises(DataError, match=r"x.gff: no features"):
        gff_columns(["##gff-version 3"], Path("x.gff"))


def test_a_feature_is_the_bases_from_its_start_to_its_end(here: Path) -> None:
    (here / "t.gff3").write_bytes(b"\xef\xbb\xbf" + GFF3.replace("\n", "\r\n").encode())
    keys = {"kind": "classification", "classes": ("gene", "mRNA"), "target": "type"}
    examples = Bed("g.fa", "t.gff3", **keys)()  # type: ignore[arg-type]
    assert list(examples.inputs.sequences) == [
        GENOME["chr1"][:40],
        reverse_complement(GENOME["chr1"][100:140]),
        GENOME["chr2"][10:50],
    ]
    assert examples.targets.tolist() == [0, 1, 0] and examples.ids[1] == "chr1:100-140(-)"
    with pytest.raises(ConfigError, match=r"t.gff3: position_base = 1: .gff3 counts from 1 anyway; leave it out"):
        Bed("g.fa", "t.gff3", position_base=1, **keys)()  # type: ignore[arg-type]


def annotation(*, biotypes: bool) -> str:
    lines = ["##gff-version 3"]
    for name in GENOME:
        for i in range(20):
            start, strand, kind = 401 + 400 * i, "+-"[i % 2], ("lncRNA", "protein_coding")[int(RNG.integers(2))]
            about = f"ID=gene{name}.{i};biotype={kind}" if biotypes else f"ID=gene{name}.{i}"
            lines.append(f"{name}\tlab\tgene\t{start}\t{start + 199}\t.\t{strand}\t.\t{about}")
            if biotypes:
                lines.append(f"{name}\tlab\texon\t{start + 20}\t{start + 119}\t.\t{strand}\t.\tParent=gene{name}.{i}")
    return "\n".join(lines) + "\n"


def test_new_task_asks_what_is_predicted_of_features_and_writes_a_card(here: Path) -> None:
    (here / "t.gff3.gz").write_bytes(gzip.compress(annotation(biotypes=True).encode()))
    with pytest.raises(
        DataError, match=r"2 columns can be the target: 'type' \(.*'biotype' \(.*; name it with --target"
    ):
        new_task("t.gff3.gz", Choices(genome="g.fa"))
    made = new_task("t.gff3.gz", Choices(genome="g.fa", targets=["type"], positive="gene"))
    assert made.task.classes == ("exon", "gene") and "position_base" not in made.text
    assert "starts are counted from 0, as in BED" in made.text
    choices = Choices(genome="g.fa", targets=["biotype"], drop_missing=True, positive="lncRNA")
    made = new_task("t.gff3.gz", choices, force=True)
    assert not [r for r in run_checks(made.task) if r.status == "failed"]
    split = load_split(made.task)
    assert split.left_out == {"without a target": 120} and sum(len(examples) for _, examples in split) == 120
    first = split.train.ids[0]
    chrom, _, span = first.partition(":")
    start, end = span[:-3].split("-")
    window = GENOME[chrom][int(start) : int(end)]
    assert split.train.inputs.sequences[0] == (reverse_complement(window) if first.endswith("(-)") else window)


def test_features_of_one_type_are_positives(here: Path) -> None:
    (here / "t.gtf").write_text(annotation(biotypes=False).replace("ID=", 'gene_id "').replace("\n", '"\n'))
    with pytest.raises(DataError, match="intervals without labels, which are positives without negatives; --negatives"):
        new_task("t.gtf", Choices(genome="g.fa"))
    done = CliRunner().invoke(cli, ["new", "task", "t.gtf", "--genome", "g.fa", "--negatives", "shuffled"])
    assert done.exit_code == 0, done.output
    assert table_columns("t.gtf")["start"][1] == "800"
