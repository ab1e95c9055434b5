from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from baserate.errors import DataError
from baserate.sources.variants import read_variants, variant_windows

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
    return read_variants(genome, str(path), **{"kind": "regression", "target": "effect", "width": 8, **changed})


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
        "REF differs from the genome in 1 of 4 rows; the first: row 4, chr1:1, has REF G where the genome holds A"
        in said
    )
    assert "more than 1.0% is refused: check the assembly and that POS is 1-based" in said and "\n" not in said
    with caplog.at_level(logging.WARNING, "baserate"):
        kept = read(genome, wrong, max_mismatch=0.25)
    assert len(kept) == 3 and "these rows are left out" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("chr1\t5", "1\t5", "row 1: the genome holds no contig '1'; did you mean 'chr1'?"),
        ("chr1\t5", "chr1\t21", "row 1: chr1:21 is outside the contig of 20 bp"),
        ("chr1\t5", "chr1\t0", "row 1: POS is 0; VCF positions start at 1"),
        ("chr1\t5", "chr1\tfive", "row 1: POS is 'five', expected a whole number"),
        ("T\tC", "T\tC,G", "row 1: ALT is 'C,G'; split alleles into a row each"),
        ("T\tC", "T\t", "row 1: ALT is empty; write an indel with the base before it"),
        ("T\tC", "T\t<DEL>", "row 1: ALT: '<' at position 0 is not an IUPAC DNA letter"),
        ("T\tC", "T\tT", "row 1: REF and ALT are both 'T'"),
        ("POS", "POSITION", "no column 'POS'"),
        ("effect", "efect", "no column 'effect'; did you mean 'efect'?"),
        ("chr1\t6\tGC\tG", "chr1\t5\tT\tC", "row 2: id 'chr1:5:T>C' occurs already in row 1"),
    ],
)
def test_mistakes_are_told_by_row(genome: str, old: str, new: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        read(genome, VCF.replace(old, new, 1))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_windows_are_shifted_inward_at_the_ends_of_a_contig() -> None:
    inputs, at, kept = variant_windows(GENOME, chrom=["chr1", "chrN"], position=[0, 0], ref="AA", alt="TC", width=8)
    assert list(inputs.sequences) == ["ACGTTGCA", "AANAA"] and list(inputs.alternates) == ["TCGTTGCA", "CANAA"]  # type: ignore[arg-type]
    assert at.start.tolist() == [0, 0] and at.end.tolist() == [8, 5] and kept.tolist() == [0, 1]
