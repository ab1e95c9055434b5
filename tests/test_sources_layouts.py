"""Layouts in which authors ship sequences: spreadsheets, JSON arrays, lists, k-mers, RNA, joined files."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baserate.errors import ConfigError, DataError, MissingExtra
from baserate.sources.bed import table_columns
from baserate.sources.cleaning import Cleaning
from baserate.sources.spreadsheet import read_spreadsheet
from baserate.sources.tables import Table, read_columns
from baserate.text import Text


def book(path: Path, rows: list[list[object]], merged: str = "") -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    if merged:
        made.active.merge_cells(merged)
    notes = made.create_sheet("notes")
    notes.append(["sequence", "label"])
    notes.append(["GGGG", "1"])
    made.save(path)
    return path


def cleaned(values: list[str], alphabet: str = "DNA") -> list[str]:
    """Return the column, cleaned two rows at a time."""
    cleaning = Cleaning("t", "s", alphabet)  # type: ignore[arg-type]
    for at in range(0, len(values), 2):
        cleaning.add(Text.of(values[at : at + 2]))
    return cleaning.finish()[0].tolist()


def kmers(sequence: str, k: int) -> str:
    return " ".join(sequence[i : i + k] for i in range(len(sequence) - k + 1))


# Spreadsheets


def test_the_first_sheet_is_a_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows: list[list[object]] = [["sequence", "score", "n", "bound"], ["ACGT", 0.5, 3.0, True]]
    rows += [[None, None, None, None], ["TTTT", "=1/0", None, False]]
    with caplog.at_level(logging.INFO, "baserate"):
        table = read_columns(str(book(tmp_path / "t.xlsx", rows)))
    assert table.to_pydict() == {
        "sequence": ["ACGT", "TTTT"], "score": ["0.5", ""], "n": ["3", ""], "bound": ["True", "False"]
    }  # fmt: skip
    assert "only the first of 2 sheets is read, 'Sheet'" in caplog.text
    examples = Table(str(tmp_path / "t.xlsx"), kind="classification", target="bound", classes=("no", "yes"))()
    assert list(examples.inputs.sequences) == ["ACGT", "TTTT"] and examples.targets.tolist() == [1, 0]
    other = Table(str(tmp_path / "t.xlsx"), kind="regression", sheet="notes")()
    assert list(other.inputs.sequences) == ["GGGG"] and other.targets.tolist() == [1]
    assert table_columns(str(tmp_path / "t.xlsx"), sheet="notes") == {"sequence": ["GGGG"], "label": ["1"]}
    with pytest.raises(DataError, match=r"t\.xlsx: no sheet 'note'; it has 'Sheet', 'notes'"):
        Table(str(tmp_path / "t.xlsx"), kind="regression", sheet="note")()
    (tmp_path / "t.csv").write_text("sequence,label\nACGT,1\n")
    with pytest.raises(ConfigError, match=r"t\.csv: sheet = 'notes' is for spreadsheets \(\.xlsx\)"):
        Table(str(tmp_path / "t.csv"), kind="regression", sheet="notes")()
    with pytest.raises(ConfigError, match=r"t\.csv: sheet = 'notes' is for spreadsheets \(\.xlsx\)"):
        table_columns(str(tmp_path / "t.csv"), sheet="notes")


def test_row_numbers_of_pandas_are_left_out_and_a_header_may_be_further_down(tmp_path: Path) -> None:
    numbered: list[list[object]] = [[None, "sequence", "label"], [0, "ACGT", "a"], [1, "TTTT", "b"]]
    assert list(read_spreadsheet(book(tmp_path / "t.xlsx", numbered))) == ["sequence", "label"]
    below: list[list[object]] = [["Table S1", None, None], ["sequence", "label", None], ["ACGT", "a", "a remark"]]
    path = book(tmp_path / "u.xlsx", below, merged="A1:C1")
    assert table_columns(str(path), header=1) == {"sequence": ["ACGT"], "label": ["a"]}


@pytest.mark.parametrize(
    ("rows", "merged", "said"),
    [
        ([["sequence", None], ["ACGT", "a"]], "", "cell B1 is empty, expected the name of a column; header = ... is"),
        ([[None, "sequence"], [7, "ACGT"]], "", "cell A1 is empty, expected the name of a column"),
        ([["sequence", "label"], ["ACGT", "a"], ["TTTT", None]], "B2:B3", "cells B2:B3 are merged, so only the first"),
        ([["sequence", "label"], ["ACGT", "a"]], "A1:B1", "cells A1:B1 are merged"),
        ([["label", "label"], ["ACGT", "a"]], "", "column 'label' occurs more than once in row 1"),
        ([["sequence", "label"]], "", "no table below row 1"),
        ([], "", "no table below row 1"),
    ],
)
def test_what_is_no_table_is_told_by_cell(tmp_path: Path, rows: list[list[object]], merged: str, said: str) -> None:
    path = book(tmp_path / "t.xlsx", rows, merged)
    with pytest.raises(DataError) as error:
        read_columns(str(path))
    assert str(error.value).startswith(f"{path}: ") and said in str(error.value)


def test_other_files_named_xlsx_and_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.xlsx").write_text("sequence,label\n")
    pytest.importorskip("openpyxl")
    with pytest.raises(DataError, match=r"t\.xlsx: not a readable spreadsheet"):
        read_columns(str(tmp_path / "t.xlsx"))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtra, match=r't\.xlsx: reading \.xlsx needs openpyxl: `pip install "baserate\[data\]"`'):
        read_columns(str(tmp_path / "t.xlsx"))


# JSON


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_objects_is_a_table(tmp_path: Path, name: str, indent: int | None) -> None:
    rows = [{"sequence": "ACGT", "label": ["a", "b"], "n": None}, {"n": 1.5, "sequence": "TTTT", "label": []}]
    (tmp_path / name).write_text("\n" + json.dumps(rows, indent=indent))
    expected = {"sequence": ["ACGT", "TTTT"], "label": ["a;b", ""], "n": ["", "1.5"]}
    assert read_columns(str(tmp_path / name)).to_pydict() == expected
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_columns(str(tmp_path / name)).to_pydict() == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "empty, expected JSON: one object a line, or an array of objects"),
        ('[{"a": 1}, 3]', "row 2: expected an object, such as {...}, found 3"),
        ('[{"a": 1}, {"b": 1}]', "row 2: key 'a' is not in every row"),
        ('[{"a": 1},', "not a JSON array (Expecting value"),
        ("{\n}", "line 1: not JSON"),
        ('{"a": 1}\n{"b": 1}', "line 2: key 'a' is not in every line"),
        ('{"sequence": {"0": "ACGT"}, "label": {"0": 1}}', "line 1: one object has all columns, expected one a row"),
        ("[" * 100_000, "not a JSON array"),
    ],
)
def test_other_json_is_told_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(DataError) as error:
        read_columns(str(tmp_path / "t.json"))
    assert said in str(error.value) and "\n" not in str(error.value)


# Lists


def test_lists_of_labels_are_several_labels(tmp_path: Path) -> None:
    columns = {"sequence": ["ACGT", "TTTT", "GGGG"], "bits": [[0, 1, 1], [0, 0, 0], [1, 0, 0]]}
    columns |= {"names": [["b", "c"], [], ["a"]], "raw": [b"ACGA", b"ACGC", b"ACGG"]}  # type: ignore[dict-item]
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    for target in ("bits", "names"):
        source = Table(str(tmp_path / "t.parquet"), kind="multilabel", classes=("a", "b", "c"), target=target)
        assert source().targets.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    raw = Table(str(tmp_path / "t.parquet"), kind="multilabel", classes=("a", "b", "c"), target="bits", sequence="raw")
    assert list(raw().inputs.sequences) == ["ACGA", "ACGC", "ACGG"]


def test_a_label_of_a_list_is_never_cut_in_two(tmp_path: Path) -> None:
    lists = pa.array([["strong, active"], ["weak"]])
    pq.write_table(pa.table({"sequence": ["ACGT", "TTTT"], "label": lists}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"row 1: 'label' holds '\[\"strong'"):
        Table(str(tmp_path / "t.parquet"), kind="multilabel", classes=("active", "strong", "weak"))()


def test_lists_of_bases_and_of_overlapping_kmers_are_sequences_and_others_are_not(tmp_path: Path) -> None:
    def sequences(values: list[list[str]]) -> list[str]:
        pq.write_table(pa.table({"sequence": values, "label": [0.5] * len(values)}), tmp_path / "t.parquet")
        return list(Table(str(tmp_path / "t.parquet"), kind="regression")().inputs.sequences)

    assert sequences([list("ACGTN"), list("TTTT")]) == ["ACGTN", "TTTT"]
    assert sequences([["ACG", "CGT", "GTA"]]) == ["ACGTA"]
    with pytest.raises(DataError, match=r"row 2: column 'sequence' is 2 words \(ACG TTA \.\.\.\), expected"):
        sequences([["ACG", "CGT"], ["ACG", "TTA"]])


# K-mers


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_overlapping_kmers_are_joined(k: int, caplog: pytest.LogCaptureFixture) -> None:
    sequences = ["ACGTTGCAACGNNACGT", "TTTTTTTTTT", "ACGTAC"[:k], "GATTACAGATTACA"]
    with caplog.at_level(logging.INFO, "baserate"):
        assert cleaned([kmers(s, k) for s in sequences]) == sequences
    assert f"column 's': overlapping k-mers, k = {k}, joined to sequences" in caplog.text
    assert cleaned([kmers(s, k).lower().replace(" ", "  ") + " " for s in sequences]) == sequences


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["ACGTACGTAC GTACGTACGT"], "row 1: column 's' is 2 words (ACGTACGTAC GTACGTACGT ...), expected one"),
        ([kmers("ACGTTG", 3), "ACG CGT GTA TAX"], "row 2: column 's': 'X' at position 5 is not an IUPAC"),
        (
            [kmers("ACGTTG", 3), kmers("ACGTTG", 4)],
            "row 2: column 's' is 3 words (ACGT CGTT ...), expected overlapping",
        ),
        (
            [kmers("ACGTTG", 3), "ACGTTG"],
            "row 2: column 's' is one word, where rows before are overlapping k-mers of 3",
        ),
        ([kmers("ACGTTG", 3), "ACG", "ACGTTG"], "row 3: column 's' is one word, where rows before"),
        (
            ["ACGTTG", kmers("ACGTTG", 3)],
            "row 2: column 's' is overlapping k-mers of 3, where rows before are one word",
        ),
        (["ACGTTG", "ACG", kmers("ACGTTG", 3)], "row 3: column 's' is overlapping k-mers of 3, where rows before"),
        ([kmers("ACGTTG", 3), "ACG CGT GTT T"], "row 2: column 's' is 4 words"),
        ([kmers("ACGTTG", 3), "ACG CGT GTT TTG G"], "row 2: column 's' is 5 words"),
        ([kmers("ACGTTG", 3), " "], "row 2: column 's' is empty"),
    ],
)
def test_other_words_are_told_by_row(values: list[str], said: str) -> None:
    with pytest.raises(DataError) as error:
        cleaned(values)
    assert said in str(error.value)


# RNA


def test_u_is_read_as_t_where_the_alphabet_is_rna(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "baserate"):
        assert cleaned(["ACGU", "ACGA", "uuNa", "UUUU"], "RNA") == ["ACGT", "ACGA", "TTNA", "TTTT"]
    assert "N: 1, lower case: 3" in caplog.text and "U: " not in caplog.text
    assert cleaned([kmers("ACGUUGA", 3)], "RNA") == ["ACGTTGA"]
    (tmp_path / "t.csv").write_text("ref,alt,y\nACGU,ACCU,1\nUUUU,UUUA,2\n")
    source = Table(
        str(tmp_path / "t.csv"), kind="regression", sequence="ref", alternate="alt", target="y", alphabet="RNA"
    )
    inputs = source().inputs
    assert inputs.alternates is not None and list(inputs.alternates) == ["ACCT", "TTTA"]
    assert list(inputs.sequences) == ["ACGT", "TTTT"] and inputs.positions.tolist() == [2, 3]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "alphabet", "said"),
    [
        (["ACGA", "ACGA", "ACGU"], "DNA", "row 3: column 's' has U: it holds RNA; where no row has T, alphabet = "),
        (["ACGA", "ACTU"], "DNA", "row 2: column 's' has both T and U; where no row has T"),
        (["ACGU", "ACGA", "ACGT"], "RNA", "row 3: column 's' has T where alphabet = \"RNA\"; a column has either T"),
        (["acgu", "acgt"], "RNA", "row 2: column 's' has T"),
        (["ACGU", "ACEU"], "RNA", "row 2: column 's': 'E' at position 2"),
        (["ACGU", ""], "RNA", "row 2: column 's' is empty, expected RNA"),
    ],
)
def test_the_alphabet_must_agree_with_the_data(values: list[str], alphabet: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        cleaned(values, alphabet)
    assert said in str(error.value)


# Files that were joined


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("header", "quoted"), [("sequence,label", False), ('"sequence","label"', True)])
def test_a_repeated_header_is_told_by_its_row(tmp_path: Path, header: str, quoted: bool, end: str) -> None:
    row = '"ACGT","x"' if quoted else "ACGT,x"
    (tmp_path / "t.csv").write_bytes(end.join([header, *[row] * 5, header, row, header, ""]).encode())
    with pytest.raises(DataError) as error:
        read_columns(str(tmp_path / "t.csv"))
    assert str(error.value) == (
        f"{tmp_path / 't.csv'}: row 6 repeats the header, as where files are joined by cat; remove it, and every other"
    )


def test_joined_vcf_files_are_told_and_a_value_that_is_a_name_is_a_value(tmp_path: Path) -> None:
    vcf = "##fileformat=VCFv4.2\n#CHROM\tPOS\tREF\tALT\nchr1\t5\tA\tC\n"
    (tmp_path / "t.vcf").write_text(vcf + vcf)
    with pytest.raises(DataError, match="row 2 repeats the header"):
        read_columns(str(tmp_path / "t.vcf"))
    (tmp_path / "t.csv").write_text("label,sequence,x\nlabel,sequence,1\nlabel,sequence,2\n")
    assert read_columns(str(tmp_path / "t.csv")).num_rows == 2
