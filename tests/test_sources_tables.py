from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baserate.errors import DataError
from baserate.sources.tables import read_columns, read_table, table_examples

CLASSES = ("neither", "donor")
GOOD = "name,seq,label,gene\na,ACGT,neither,g1\nb,acgn,1,g2\nc,TTRA,donor,g2\n"


def write(folder: Path, text: str, name: str = "t.csv") -> str:
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return str(path)


def read(path: str, **changed: object):  # type: ignore[no-untyped-def]
    arguments = {"kind": "classification", "sequence": "seq", "id": "name", "group": "gene", "classes": CLASSES}
    return read_table(path, **(arguments | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.tsv.gz", "t.parquet"])
def test_every_format_gives_the_same_examples(tmp_path: Path, name: str) -> None:
    if name == "t.parquet":
        rows = [line.split(",") for line in GOOD.splitlines()]
        pq.write_table(pa.table(dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))), tmp_path / name)
        path = str(tmp_path / name)
    else:
        path = write(tmp_path, GOOD if "csv" in name else GOOD.replace(",", "\t"), name)
    examples = read(path, strata=["gene"])
    assert list(examples.ids) == ["a", "b", "c"]
    assert list(examples.inputs.sequences) == ["ACGT", "ACGN", "TTRA"]
    assert examples.targets.tolist() == [0, 1, 1] and examples.targets.dtype == np.int64
    assert list(examples.groups) == list(examples.clusters) == list(examples.strata["gene"]) == ["g1", "g2", "g2"]


def test_without_names_rows_are_numbered_and_equal_sequences_are_one_group(tmp_path: Path) -> None:
    path = write(tmp_path, "sequence,label\nACGT,0.5\nACGT,-1e2\nTTTT,3\n")
    examples = read_table(path, kind="regression")
    assert list(examples.ids) == ["1", "2", "3"]
    assert examples.targets.tolist() == [0.5, -100, 3]
    assert examples.groups[0] == examples.groups[1] != examples.groups[2]


def test_numeric_parquet_labels_are_read_as_indices(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sequence": ["ACGT", "TTTT"], "label": [1, 0]}), tmp_path / "t.parquet")
    assert read_table(str(tmp_path / "t.parquet"), kind="classification", classes=CLASSES).targets.tolist() == [1, 0]


def test_variant_table_finds_the_changed_position(tmp_path: Path) -> None:
    path = write(tmp_path, "ref,alt,label\nACGT,ACTT,1.0\nAAAA,CAAA,2\n")
    examples = read_table(path, kind="regression", sequence="ref", alternate="alt")
    assert examples.inputs.positions is not None and examples.inputs.positions.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("old", "new", "changed", "said"),
    [
        ("label", "labels", {}, "no column 'label'; did you mean 'labels'?"),
        ("1,g2", "doner,g2", {}, "row 2: 'label' is 'doner'; did you mean 'donor'? (or an index 0 to 1)"),
        ("1,g2", "2,g2", {}, "row 2: 'label' is '2'; expected one of 'neither', 'donor' (or an index 0 to 1)"),
        ("neither", "", {}, "row 1: 'label' is ''; expected one of"),
        ("", "", {"kind": "regression"}, "row 1: 'label' is 'neither', expected a number"),
        ("neither", "nan", {"kind": "regression"}, "row 1: 'label' is 'nan'; leave out rows without a measurement"),
        ("b,acgn", "a,acgn", {}, "row 2: id 'a' occurs already in row 1; ids must be unique"),
        ("b,acgn", " ,acgn", {}, "row 2: the id is empty"),
        ("acgn", "acgx", {}, "row 2: column 'seq': 'X' at position 3 is not an IUPAC DNA letter"),
        ("acgn", "ACGU", {}, "row 2: column 'seq' holds RNA; write T for U"),
        ("acgn", "", {}, "row 2: column 'seq' is empty, expected DNA"),
        ("c,TTRA", "c,x,TTRA", {}, "row 3: 5 fields where the header has 4"),
        ("name,seq", "name,name", {}, "column 'name' occurs more than once"),
        (GOOD, "name,seq,label,gene\n", {}, "the table has no rows"),
        (GOOD, "", {}, "empty, expected a header line"),
        ("", "", {"classes": ()}, "a classification needs `classes`"),
        ("", "", {"alternate": "seq"}, "row 1: REF and ALT sequences are equal"),
    ],
)
def test_mistakes_are_told_in_one_line_by_file_and_row(
    tmp_path: Path, old: str, new: str, changed: dict[str, object], said: str
) -> None:
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(DataError) as error:
        read(path, **changed)
    assert said in str(error.value) and str(error.value).startswith(path) and "\n" not in str(error.value)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD * 50, "t.csv.gz")
    Path(path).write_bytes(Path(path).read_bytes()[:-20])
    with pytest.raises(DataError, match=r"t\.csv\.gz: truncated or damaged gzip .*; fetch the file again"):
        read_columns(path)
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read_columns(write(tmp_path, "not parquet", "t.parquet"))
    (tmp_path / "latin.csv").write_bytes(b"name\n\xff\n")
    with pytest.raises(DataError, match="byte 5 is not UTF-8 text"):
        read_columns(str(tmp_path / "latin.csv"))
    with pytest.raises(DataError, match=r"expected a table in \.csv"):
        read_columns(write(tmp_path, "x", "t.json"))
    with pytest.raises(DataError, match="no such file"):
        read_columns(str(tmp_path / "none.csv"))


def test_letters_are_counted_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "baserate"):
        examples = read(write(tmp_path, GOOD))
    assert "column 'seq': kept as they are, upper-cased: N: 1, R: 1, lower case: 4" in caplog.text
    assert examples.soft_masked is not None and examples.soft_masked.tolist() == [0, 1, 0]
    caplog.clear()
    with caplog.at_level(logging.INFO, "baserate"):
        assert read(write(tmp_path, GOOD.replace("acgn", "ACGT").replace("TTRA", "TTAA"))).soft_masked is None
    assert not caplog.text
