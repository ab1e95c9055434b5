from __future__ import annotations

import gzip
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from baserate.cards.task import task_card
from baserate.errors import ConfigError, DataError
from baserate.sources.variants import Changes, Variants, variant_windows
from baserate.types import Examples

GENOME = {"chr1": "ACGTTGCAAACCGGTTACGT", "chrN": "AANAA"}
VCF = (
    "##fileformat=VCFv4.2\n#CHROM\tPOS\tREF\tALT\teffect\nchr1\t5\tT\tC\t0.5\nchr1\t6\tGC\tG\t1\nchr1\t20\tT\tTA\t-1\n"
)


@pytest.fixture
def genome(tmp_path: Path) -> str:
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{s}\n" for name, s in GENOME.items()))
    return str(tmp_path / "g.fa")


def read(genome: str, text: str, **changed: Any) -> Any:
    path = Path(genome).with_name("v.vcf")
    path.write_text(text)
    return Variants(genome, str(path), **{"kind": "regression", "target": "effect", "width": 8, **changed})()


def test_vcf_positions_are_one_based_and_indels_keep_the_width(genome: str) -> None:
    examples = read(genome, VCF)
    inputs = examples.inputs
    assert list(inputs.sequences) == ["ACGTTGCA", "GTTGCAAA", "GGTTACGT"]
    assert inputs.sequences[0][inputs.positions[0]] == "T" and inputs.alternates[0] == "ACGTCGCA"
    at = examples.intervals
    for i, name in enumerate(inputs.sequences):
        assert GENOME["chr1"][at.start[i] : at.end[i]] == name and len(name) == 8
    assert inputs.alternates[1] == "GTTGAAAC", "a base is taken on the right for the one deleted"
    assert inputs.alternates[2] == "GGTTACGTA", "at the contig's end an insertion is kept, not trimmed away"
    assert list(examples.ids) == ["chr1:5:T>C", "chr1:6:GC>G", "chr1:20:T>TA"]
    assert list(examples.groups) == ["chr1:0", "chr1:0", "chr1:12"]


def test_ref_mismatches_are_counted_and_refused_past_the_threshold(
    genome: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = VCF + "chr1\t1\tG\tT\t2\n"
    with pytest.raises(DataError) as error:
        read(genome, wrong)
    said = str(error.value)
    assert (
        "REF differs from the genome in 1 of 4 rows; the first: row 4, chr1:1, has REF G where the genome has A" in said
    )
    assert "more than 1.0% is refused: check the assembly and position_base" in said and "\n" not in said
    with caplog.at_level(logging.WARNING, "baserate"):
        kept = read(genome, wrong, max_mismatch=0.25)
    assert len(kept) == 3 and "these rows are left out" in caplog.text


def test_rows_are_counted_before_those_of_another_ref_are_left_out(genome: str, tmp_path: Path) -> None:
    rows = "\n".join(f"chr1\t{i + 1}\t{b}\t{'CGTA'['ACGT'.index(b)]}\t0.{i}" for i, b in enumerate(GENOME["chr1"]))
    (tmp_path / "v.vcf").write_text(f"#CHROM\tPOS\tREF\tALT\teffect\n{rows}\nchrN\t1\tG\tT\t2\n")

    def read_card(expect: str, more: str = "") -> Examples:
        (tmp_path / "c.toml").write_text(
            f'name = "v"\nkind = "regression"\n[expect]\n{expect}\n[split]\nrule = "by_chromosome"\ntest = ["chr1"]\n'
            '[source]\ngenome = "g.fa"\nvariants = "v.vcf"\ntarget = "effect"\nwidth = 4\n'
            f"max_mismatch = 0.1\n{more}"
        )
        return task_card(tmp_path / "c.toml").source()

    assert len(read_card("rows = 21\ntest = 20\ntrain = 1")) == 20
    with pytest.raises(DataError, match="there are 21 rows, expected 20"):
        read_card("rows = 20")
    with pytest.raises(ConfigError, match="unknown key 'check'"):
        read_card("rows = 21", 'check = "x"')


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("chr1\t5", "2\t5", "row 1: the genome has no contig '2'; contigs: chr1, chrN"),
        ("chr1\t5", "chr1\t21", "row 1: chr1:21 is outside the contig of 20 bp"),
        ("chr1\t5", "chr1\t0", "row 1: POS is 0; VCF positions start at 1"),
        ("chr1\t5", "chr1\tfive", "row 1: POS is 'five', expected a whole number"),
        (
            "T\tC",
            "T\tC,G",
            "row 1: ALT is 'C,G'; write each allele in a row of its own, as `bcftools norm -m -any` does",
        ),
        ("T\tC", "T\t", "row 1: ALT is empty; write an indel with the base before it"),
        ("T\tC", "T\t-", "row 1: ALT is '-'; write an indel with the base before it"),
        ("T\tC", "T\tC!", "row 1: ALT: '!' at position 1 is not an IUPAC DNA letter"),
        ("T\tC", "T\tT", "row 1: REF and ALT are both 'T'"),
        ("POS", "PO", "no column 'pos'; did you mean 'PO'?"),
        ("effect", "efect", "no column 'effect'; did you mean 'efect'?"),
        ("chr1\t6\tGC\tG", "chr1\t5\tT\tC", "row 2: id 'chr1:5:T>C' is also in row 1"),
    ],
)
def test_mistakes_are_told_by_row(genome: str, old: str, new: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        read(genome, VCF.replace(old, new, 1))
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "alt", ["*", ".", "<DEL>", "<NON_REF>", "<*>", "<INS:ME:ALU>", "G]17:198982]", "]13:1]T", ".A", "*,<DEL>"]
)
def test_rows_without_an_alt_of_bases_are_left_out_and_counted(
    genome: str, caplog: pytest.LogCaptureFixture, alt: str
) -> None:
    with caplog.at_level(logging.WARNING, "baserate"):
        examples = read(genome, VCF + f"chr1\t1\tA\t{alt}\t2\n")
    assert list(examples.ids) == ["chr1:5:T>C", "chr1:6:GC>G", "chr1:20:T>TA"]
    assert "1 of 4 rows without an ALT of bases ('*', '.', <DEL> and other symbols, breakends)" in caplog.text
    assert f"the first: row 4, A>{alt}; these rows are left out" in caplog.text


def test_alleles_that_are_no_bases_leave_the_other_of_a_row(genome: str) -> None:
    whole = read(genome, VCF)
    gatk = read(genome, VCF.replace("T\tC\t", "T\tC,<NON_REF>\t").replace("T\tTA\t", "T\t*,TA\t"), id="POS")
    assert list(gatk.inputs.alternates) == list(whole.inputs.alternates)
    with pytest.raises(DataError, match="no row is left: 1 of 1 rows without an ALT of bases"):
        read(genome, "#CHROM\tPOS\tREF\tALT\teffect\nchr1\t5\tT\t*\t0.5\n")


def test_alleles_that_the_window_cannot_hold_are_left_out_with_the_width_that_would(
    genome: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Every pair of windows shares a base on either side of the change, unless the contig ends there."""
    chromosome = GENOME["chr1"]
    sizes = range(1, 12)
    rows = [f"chr1\t3\t{chromosome[2 : 2 + n]}\t{chromosome[2]}\t1" for n in sizes if n > 1]  # deletions
    rows += [f"chr1\t8\tA\tA{'CT' * n}\t1" for n in sizes]  # insertions
    rows += [f"chr1\t4\t{chromosome[3 : 3 + n]}\t{'N' * n}\t1" for n in sizes]  # changes of several bases
    text = "\n".join(["#CHROM\tPOS\tREF\tALT\teffect", *rows]) + "\n"
    with caplog.at_level(logging.WARNING, "baserate"):
        examples = read(genome, text)
    found = re.search(
        r"(\d+) of 32 rows with an allele that the window cannot hold between two flanks, the first: row "
        r"(\d+), \w+>\w+; width = (\d+) holds all",
        caplog.text,
    )
    assert found and int(found[1]) == 32 - len(examples) and 0 < len(examples) < 32
    for name, ref, alt in zip(examples.ids, examples.inputs.sequences, examples.inputs.alternates, strict=True):
        _, at, alleles = name.split(":")
        before, after = alleles.split(">")
        assert len(ref) == len(alt) == 8 and len(before) < 8 and len(after) < 8
        i = ref.index(before)
        assert ref[:i] == alt[:i] != "" and alt[i : i + len(after)] == after
        assert alt[i + len(after) :] == chromosome[int(at) - 1 + len(before) :][: 8 - i - len(after)] != ""
    assert len(read(genome, text, width=int(found[3]))) == 32
    assert len(read(genome, text, width=int(found[3]) - 1)) < 32


def test_at_the_end_of_a_contig_and_in_a_repeat_no_allele_is_cut(genome: str) -> None:
    inserted = read(genome, "#CHROM\tPOS\tREF\tALT\teffect\nchr1\t19\tG\tGAA\t1\n").inputs
    assert list(inputs_of(inserted)) == [("GGTTACGT", "GGTTACGAAT")]
    Path(genome).write_text(f">chr1\nCG{'A' * 40}C\n")
    rows = "#CHROM\tPOS\tREF\tALT\teffect\nchr1\t5\tAAA\tA\t1\nchr1\t6\tA\tAAA\t1\nchr1\t6\tA\tC\t1\n"
    assert list(inputs_of(read(genome, rows).inputs)) == [
        ("GAAAAAAA", "GAAAAA"),
        ("GAAAAAAA", "GAAAAAAAAA"),
        ("GAAAAAAA", "GAAACAAA"),
    ]


def inputs_of(inputs: Any) -> Any:
    return zip(inputs.sequences, inputs.alternates, strict=True)


def test_windows_are_shifted_inward_at_the_ends_of_a_contig() -> None:
    inputs, at, kept, left_out = variant_windows(GENOME, Changes(["chr1", "chrN"], [0, 0], "AA", "TC"), width=8)
    assert list(inputs.sequences) == ["ACGTTGCA", "AANAA"] and list(inputs.alternates) == ["TCGTTGCA", "CANAA"]  # type: ignore[arg-type]
    assert at.start.tolist() == [0, 0] and at.end.tolist() == [8, 5] and kept.tolist() == [0, 1] and not left_out


def test_another_base_of_positions_and_the_other_strand_are_told(genome: str) -> None:
    rows = [(i, GENOME["chr1"][i]) for i in range(2, 18)]

    def table(shift: int, turn: str = "") -> str:
        other = str.maketrans("ACGT", turn or "ACGT")
        lines = [f"chr1\t{i + 1 + shift}\t{r.translate(other)}\tN\t1" for i, r in rows]
        return "\n".join(["#CHROM\tPOS\tREF\tALT\teffect", *lines]) + "\n"

    assert len(read(genome, table(0))) == len(read(genome, table(-1), position_base=0)) == 16
    with pytest.raises(DataError, match="positions are 0-based, set position_base = 0"):
        read(genome, table(-1))
    with pytest.raises(DataError, match="positions are 1-based, set position_base = 1"):
        read(genome, table(0), position_base=0)
    with pytest.raises(DataError, match="write the alleles of the '\\+' strand"):
        read(genome, table(0, "TGCA"))


def test_a_vcf_proper_gives_its_info_its_ids_and_contigs_by_either_name(genome: str) -> None:
    vcf = (
        "##fileformat=VCFv4.2\n##INFO=<ID=AF,Number=A>\n##contig=<ID=1>\n"
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
        "1\t5\trs1\tT\tC\t.\tPASS\tAF=0.5;DB;CLN=benign\tGT\t0|1\n"
        "1\t6\t.\tGC\tG\t9\t.\tCLN=pathogenic;AF=1e-3\tGT\t1|1\n"
    )
    options = {"target": "AF", "id": "ID", "strata": ["INFO/CLN", "DB", "FILTER"]}
    examples = read(genome, vcf, **options)
    assert examples.targets.tolist() == [0.5, 0.001] and list(examples.ids) == ["rs1", "1:6:GC>G"]
    assert [list(c) for c in examples.strata.values()] == [["benign", "pathogenic"], ["1", ""], ["PASS", "."]]
    path = Path(genome).with_name("v.vcf.gz")
    path.write_bytes(gzip.compress(vcf.encode()))
    packed = Variants(genome, str(path), kind="regression", width=8, **options)()  # type: ignore[arg-type]
    assert packed.fingerprint == examples.fingerprint
    labelled = read(genome, vcf, target="CLN", kind="classification", classes=["benign", "pathogenic"])
    assert labelled.targets.tolist() == [0, 1]
    with pytest.raises(DataError, match="no column or key of INFO is named 'AFF'; did you mean 'AF'"):
        read(genome, vcf, target="AFF")


def test_columns_of_any_name_and_ids_of_several(tmp_path: Path, genome: str) -> None:
    bed = tmp_path / "v.bed"
    bed.write_text(
        "chromosome\tstart\tend\tref\talt\tlabel\ttissue\nchr1\t4\t5\tT\tC\t1\tlung\nchr1\t4\t5\tT\tC\tTrue\tskin\n"
    )
    examples = Variants(
        genome,
        str(bed),
        kind="classification",
        target="label",
        classes=["no", "yes"],
        width=8,
        position_base=0,
        id=["chromosome", "start", "tissue"],
    )()
    assert list(examples.ids) == ["chr1:4:lung", "chr1:4:skin"] and examples.targets.tolist() == [1, 1]
    assert list(examples.inputs.sequences) == ["ACGTTGCA"] * 2
    table = tmp_path / "v.csv"
    table.write_text("c,position (hg19),reference,mutant,score\n1,5,T,C,0.5\n")
    named = Variants(
        genome,
        str(table),
        kind="regression",
        target="score",
        width=8,
        chrom="c",
        position="position (hg19)",
        alt="mutant",
    )()
    assert list(named.inputs.alternates) == ["ACGTCGCA"]
    with pytest.raises(DataError, match="no column 'alt'"):
        Variants(
            genome, str(table), kind="regression", target="score", width=8, chrom="c", position="position (hg19)"
        )()


def test_order_of_rows_and_blocks_do_not_matter(genome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"chr1\t{i + 1}\t{GENOME['chr1'][i]}\tN\t{i}" for i in (17, 3, 9, 0, 12, 6)]
    text = "\n".join(["#CHROM\tPOS\tREF\tALT\teffect", *lines]) + "\n"
    whole = read(genome, text)
    assert whole.targets.tolist() == [17, 3, 9, 0, 12, 6]
    for i, (sequence, at) in enumerate(zip(whole.inputs.sequences, whole.inputs.positions, strict=True)):
        assert sequence[at] == GENOME["chr1"][int(whole.targets[i])]
    monkeypatch.setattr("baserate.sources.intervals._BLOCK", 2)
    assert read(genome, text).fingerprint == whole.fingerprint
