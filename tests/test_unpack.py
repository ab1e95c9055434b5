"""Packed files: what every packing gives back, and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from packing import PACKINGS, packed

from baserate.errors import DataError
from baserate.new_task.sample import read_sample
from baserate.sources.intervals import read_transcripts
from baserate.sources.tables import read_columns
from baserate.sources.variants import table_columns
from baserate.unpack import read_text, text_lines, text_name

TABLE = "sequence,label\n" + "".join(f"{'ACGT' * (i % 50 + 1)},{i}\n" for i in range(300))
FASTA = ">a|1\nACGT\nAC\n>b|0\nTTTT\n"


@pytest.mark.parametrize("suffix", PACKINGS)
def test_tables_and_fasta_are_the_same_in_every_packing(tmp_path: Path, suffix: str) -> None:
    table = read_columns(str(packed(tmp_path / f"t.csv{suffix}", TABLE.encode("utf-8-sig"))))
    assert table["label"].to_pylist() == [str(i) for i in range(300)]
    assert table["sequence"].to_pylist()[-1] == "ACGT" * 50
    fasta = read_columns(str(packed(tmp_path / f"t.fa{suffix}", FASTA.encode())))
    assert fasta["sequence"].to_pylist() == ["ACGTAC", "TTTT"] and fasta["label"].to_pylist() == ["1", "0"]
    lines = b'{"sequence": "ACGT", "label": 1}\n'
    assert read_columns(str(packed(tmp_path / f"t.jsonl{suffix}", lines))).to_pydict()["label"] == ["1"]
    bed = packed(tmp_path / f"t.bed{suffix}", b"chr1\t3\t9\tx\n")
    assert table_columns(str(bed)) == {"chrom": ["chr1"], "start": ["3"], "end": ["9"], "name": ["x"]}
    gtf = packed(tmp_path / f"t.gtf{suffix}", b'c\ts\texon\t1\t9\t.\t+\t.\tgene_id "g"; transcript_id "t";\n')
    assert [t.exons for t in read_transcripts(str(gtf))] == [((0, 9),)]


@pytest.mark.parametrize("suffix", PACKINGS)
def test_a_file_that_is_cut_off_is_refused_in_every_packing(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path / f"t.csv{suffix}", TABLE.encode())
    path.write_bytes(path.read_bytes()[:-15])
    with pytest.raises(DataError, match=r"t\.csv\.\w+: truncated or damaged \w+ \(.*\); fetch the file again"):
        read_columns(str(path))


@pytest.mark.parametrize("suffix", PACKINGS)
def test_the_packing_is_told_by_content(tmp_path: Path, suffix: str) -> None:
    path = packed(tmp_path / f"t.csv{suffix}", TABLE.encode())
    assert read_text(path.rename(tmp_path / "t.csv")) == TABLE
    (tmp_path / f"plain.csv{suffix}").write_text(TABLE)
    with pytest.raises(DataError, match=r"if it is plain text, rename it plain\.csv$"):
        read_columns(str(tmp_path / f"plain.csv{suffix}"))


def test_a_text_that_begins_as_bzip2_does_is_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("BZh9,b\n1,2\n")
    assert read_columns(str(tmp_path / "t.csv")).to_pydict() == {"BZh9": ["1"], "b": ["2"]}


def test_of_a_zip_the_only_file_counts_and_its_name(tmp_path: Path) -> None:
    path = tmp_path / "Supplement.ZIP"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/", "")
        archive.writestr("data/My.Table.CSV", TABLE)
        archive.writestr("__MACOSX/data/._My.Table.CSV", "x")
    assert text_name(path) == "my.table.csv" and read_columns(str(path)).num_rows == 300
    with zipfile.ZipFile(path, "a") as archive:
        for i in range(9):
            archive.writestr(f"{i}.csv", TABLE)
    with pytest.raises(DataError) as error:
        read_columns(str(path))
    assert str(error.value) == (
        f"{path}: the zip has 10 files (data/My.Table.CSV, 0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 4 more), "
        "expected one; unpack it and name the file"
    )
    with zipfile.ZipFile(tmp_path / "none.csv.zip", "w"):
        pass
    with pytest.raises(DataError, match="truncated or damaged zip"):
        read_columns(str(tmp_path / "none.csv.zip"))


def test_a_packed_parquet_file_is_to_be_unpacked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"packed \.parquet; unpack it and name the file"):
        read_columns(str(packed(tmp_path / "t.parquet.gz", b"PAR1")))
    with pytest.raises(DataError, match=r"packed \.parquet; unpack it and name the file"):
        read_sample(tmp_path / "t.parquet.gz")


def test_lines_end_in_any_way(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"a\rb\r\nc\nd")
    assert list(text_lines(tmp_path / "t.txt")) == ["a\n", "b\n", "c\n", "d"]
