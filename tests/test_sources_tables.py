from __future__ import annotations

import csv
import gzip
import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baserate import unpack
from baserate.dna.sequence import IUPAC, check_sequence
from baserate.errors import DataError
from baserate.sources import delimited
from baserate.sources.cleaning import Cleaning
from baserate.sources.collecting import TextCollector
from baserate.sources.tables import Columns, Table, read_columns, table_examples
from baserate.text import Text

CLASSES = ("neither", "donor")
GOOD = "name,seq,label,gene\na,ACGT,neither,g1\nb,acgn,1,g2\nc,TTRA,donor,g2\n"


def write(folder: Path, text: str, name: str = "t.csv") -> str:
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return str(path)


def read(path: str, **changed: object):  # type: ignore[no-untyped-def]
    arguments = {"kind": "classification", "sequence": "seq", "id": "name", "group": "gene", "classes": CLASSES}
    return Table(path, **(arguments | changed))()  # type: ignore[arg-type]


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
    examples = Table(path, kind="regression")()
    assert list(examples.ids) == ["1", "2", "3"]
    assert examples.targets.tolist() == [0.5, -100, 3]
    assert examples.groups[0] == examples.groups[1] != examples.groups[2]


def test_numeric_parquet_labels_are_read_as_indices(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sequence": ["ACGT", "TTTT"], "label": [1, 0]}), tmp_path / "t.parquet")
    assert Table(str(tmp_path / "t.parquet"), kind="classification", classes=CLASSES)().targets.tolist() == [1, 0]


def test_variant_table_finds_the_changed_position(tmp_path: Path) -> None:
    path = write(tmp_path, "ref,alt,label\nACGT,ACTT,1.0\nAAAA,CAAA,2\n")
    examples = Table(path, kind="regression", sequence="ref", alternate="alt")()
    assert examples.inputs.positions is not None and examples.inputs.positions.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("old", "new", "changed", "said"),
    [
        ("label", "labels", {}, "no column 'label'; did you mean 'labels'?"),
        ("1,g2", "doner,g2", {}, "row 2: 'label' is 'doner'; did you mean 'donor'? (or an index 0 to 1)"),
        ("1,g2", "2,g2", {}, "row 2: 'label' is '2'; expected one of 'neither', 'donor' (or an index 0 to 1)"),
        ("neither", "", {}, "row 1: 'label' is ''; expected one of"),
        ("", "", {"kind": "regression"}, "row 1: 'label' is 'neither', expected a number"),
        ("neither", "nan", {"kind": "regression"}, "row 1: 'label' is 'nan'; drop_missing = true leaves out rows"),
        ("b,acgn", "a,acgn", {}, "row 2: id 'a' is also in row 1; ids must be unique"),
        ("b,acgn", " ,acgn", {}, "row 2: the id is empty"),
        ("acgn", "acgx", {}, "row 2: column 'seq': 'X' at position 3 is not an IUPAC DNA letter"),
        ("acgn", "ACGU", {}, "row 2: column 'seq' has U: it holds RNA; where no row has T, alphabet = \"RNA\" in"),
        ("acgn", "", {}, "row 2: column 'seq' is empty, expected DNA"),
        ("c,TTRA", "c,x,TTRA", {}, "row 3: 5 fields where the header has 4"),
        ("name,seq", "name,name", {}, "column 'name' occurs more than once"),
        (GOOD, "name,seq,label,gene\n", {}, "the table has no rows"),
        (GOOD, "", {}, "empty, expected a header line"),
        ("", "", {"classes": ()}, "a classification task needs `classes`"),
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
        read_columns(write(tmp_path, "x", "t.xls"))
    with pytest.raises(DataError, match="no such file"):
        read_columns(str(tmp_path / "none.csv"))


def test_letters_are_counted_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "baserate"):
        examples = read(write(tmp_path, GOOD))
    assert (
        "column 'seq': ambiguous and lower-case letters, kept as upper case: N: 1, R: 1, lower case: 4" in caplog.text
    )
    assert examples.soft_masked is not None and examples.soft_masked.tolist() == [0, 1, 0]
    caplog.clear()
    with caplog.at_level(logging.INFO, "baserate"):
        assert read(write(tmp_path, GOOD.replace("acgn", "ACGT").replace("TTRA", "TTAA"))).soft_masked is None
    assert not caplog.text


cells = st.text(alphabet="ACGTé ;'x", max_size=8)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_blocks_of_any_size_give_what_pythons_parser_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """Lines that are cut by a block, quotes, line feeds in quotes, line ends, blank lines and a byte order mark."""
    delimiter = data.draw(st.sampled_from([",", "\t"]))
    quoted = data.draw(st.booleans())
    cell = st.text(alphabet='ACGTé ;"\n,\t', max_size=8) if quoted else cells
    width = data.draw(st.integers(1, 4))
    rows = data.draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=12))
    rows = [[value if any(row) else value + "A" for value in row] for row in rows]  # not a blank line
    out = io.StringIO()
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"] if not quoted else ["\n", "\r\n"]))
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    names = [f"column {i}" for i in range(width)]
    writer.writerows([names, *rows])
    text = out.getvalue() if data.draw(st.booleans()) else out.getvalue().rstrip("\r\n") + end * 2
    if data.draw(st.booleans()) and not quoted:
        text = text.replace(end, end + end)
    size = data.draw(st.integers(1, 60))
    monkeypatch.setattr(delimited, "BLOCK", size)
    monkeypatch.setattr(unpack, "BLOCK", size)
    path = tmp_path / ("t.csv" if delimiter == "," else "t.tsv.gz")
    raw = text.encode("utf-8-sig" if data.draw(st.booleans()) else "utf-8")
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    table = read_columns(str(path))
    assert table.column_names == names and table.schema.types == [pa.large_string()] * width
    assert list(zip(*table.to_pydict().values(), strict=True)) == [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b'sequence,label\nACGT,0\n"AC', "row 2: a quote is never closed; the file is cut off or"),
        ("t.csv", b'sequence,label\nACGT,0\n"AC"G,1\n', "row 2: ',' expected after '\"'"),
        ("t.csv", b'sequence,"label\nACGT,0\n', "the header line: unexpected end of data"),
        ("t.csv", b"sequence,label\nAC\0GT,0\n", "byte 17 is NUL; the file is damaged or not text"),
        ("t.csv", b"sequence,label\nACGT,0\nAC\xff,1\n", "byte 24 is not UTF-8 text"),
        ("t.csv", "sequence,label\nACGT,0\n".encode("utf-16"), "byte 0 is not UTF-8 text"),
        ("t.csv", b"sequence\tlabel\nACGT\t0\n", "its columns are separated by tabs; expected commas in a .csv file"),
        ("t.tsv", b"sequence,label\nACGT,0\n", "its columns are separated by commas; expected tabs in a .tsv file"),
        ("t.csv", b"sequence,label\n" + b"ACGT,0\n" * 30 + b"ACGT\n", "row 31: 1 fields where the header has 2"),
        ("t.csv", b"sequence,label\n" + b'"ACGT",0\n' * 30 + b"ACGT,0,1\n", "row 31: 3 fields where the header has 2"),
        ("t.csv", b"sequence,label\n" + b"ACGT,0\n" * 30 + b"ACXT,0\n", "row 31: column 'sequence': 'X' at position 2"),
        ("t.csv", b"\n\n", "empty, expected a header line"),
        ("t.csv", b"##only\n##meta", "empty, expected a header line"),
        ("t.csv.gz", b"not gzip", "truncated or damaged gzip"),
        ("t.parquet", b"PAR1nonsensePAR1", "not a readable Parquet file"),
        ("t.arrow", b"nonsense", "not a readable Arrow file"),
        ("t.fa", b"ACGT\n", "line 1: expected '>NAME'"),
        ("t.jsonl", b"{}\n[]\n", "line 2: expected an object"),
        ("t.jsonl", b'{"sequence": "ACGT", "label": 0}\n{"sequence"', "line 2: not JSON"),
    ],
)
def test_what_is_no_table_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, said: str
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 64)
    monkeypatch.setattr(unpack, "BLOCK", 64)
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        Table(str(path), kind="classification", classes=("no", "yes"))()
    assert said in str(error.value) and str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_meta_lines_of_a_vcf_are_left_out_and_its_quotes_are_letters(tmp_path: Path) -> None:
    path = write(tmp_path, '##fileformat=VCFv4.2\n##source="x"\n#CHROM\tINFO\n1\tA="b\n2\t"\n', "v.vcf")
    assert read_columns(path).to_pydict() == {"#CHROM": ["1", "2"], "INFO": ['A="b', '"']}


def test_a_field_may_be_longer_than_pythons_parser_reads_by_default(tmp_path: Path) -> None:
    path = write(tmp_path, f'sequence,label\n"{"ACGT" * 50_000}",1\n')
    assert len(Table(path, kind="classification", classes=CLASSES)().inputs.sequences[0]) == 200_000


def test_every_type_of_column_is_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "sequence": pa.chunked_array([["ACGT"], ["TTTT", "GGGG"]]).dictionary_encode(),
            "label": pa.array([1, 0, 1], pa.int8()),
            "value": [0.5, None, 1e-7],
            "many": [["a", "b"], [], None],
            "name": pa.array([None, "x", "y"], pa.large_string()),
            "sure": [True, False, True],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as file:
        file.write_table(table)
    with pa.ipc.new_stream(tmp_path / "t.feather", table.schema) as stream:
        stream.write_table(table)
    expected = {
        "sequence": ["ACGT", "TTTT", "GGGG"],
        "label": ["1", "0", "1"],
        "value": ["0.5", "", "1e-07"],
        "many": ["a;b", "", ""],
        "name": ["", "x", "y"],
        "sure": ["True", "False", "True"],
    }
    for name in ("t.parquet", "t.arrow", "t.feather"):
        assert read_columns(str(tmp_path / name)).to_pydict() == expected
    examples = table_examples(table, "mine", Columns(strata=("many",)), kind="classification", classes=CLASSES)
    assert list(examples.inputs.sequences) == expected["sequence"] and examples.targets.tolist() == [1, 0, 1]
    with pytest.raises(DataError, match=r"mine: row 2: 'value' is '', expected a number"):
        table_examples(table, "mine", Columns(target="value"), kind="regression")
    with pytest.raises(DataError, match=r"mine: the table has no rows"):
        table_examples(table.slice(0, 0), "mine", Columns(target="value"), kind="regression")


def test_records_are_tables_too(tmp_path: Path) -> None:
    fasta = write(tmp_path, ">a label=1\nAC\nGT\n>b label=0\nTTTT\n", "t.fa.gz")
    lines = write(tmp_path, '{"sequence": "ACGT", "label": 1}\n{"sequence": "TTTT", "label": 0}\n', "t.jsonl")
    for path in (fasta, lines):
        examples = Table(path, kind="classification", classes=CLASSES)()
        assert list(examples.inputs.sequences) == ["ACGT", "TTTT"] and examples.targets.tolist() == [1, 0]


def test_several_targets_are_several_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "sequence,a,b\nACGT,0.5,1\nTTTT,2,-3\n")
    assert Table(path, kind="regression", target=["a", "b"])().targets.tolist() == [[0.5, 1], [2, -3]]


words = st.text(alphabet="ACGTacgtnNrUuxé", max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(words | words.map(lambda word: f" {word}\t "), min_size=1, max_size=9))
def test_cleaning_a_block_is_cleaning_each_row(values: list[str]) -> None:
    def one(row: int, value: str) -> str:
        where, text = f"t: row {row}: column 's'", value.strip()
        if not text:
            raise DataError(f"{where} is empty, expected DNA")
        if set("Uu") & set(text) and set(text.upper()) <= {*IUPAC, "U"}:
            also = "both T and U" if "T" in text.upper() else "U: it holds RNA"
            raise DataError(f'{where} has {also}; where no row has T, alphabet = "RNA" in [source] reads U as T')
        return check_sequence(text, where)

    def all_() -> tuple[list[str], list[float]]:
        kept = [one(row, value) for row, value in enumerate(values, 1)]
        return kept, [sum(map(str.islower, v.strip())) / len(v.strip()) for v in values]

    cleaning = Cleaning("t", "s")
    half = len(values) // 2
    try:
        expected, lower = all_()
    except DataError as error:
        with pytest.raises(DataError) as found:
            cleaning.add(Text.of(values[:half]))
            cleaning.add(Text.of(values[half:]))
        assert str(found.value) == str(error)
        return
    cleaning.add(Text.of(values[:half]))
    assert cleaning.add(Text.of(values[half:])).tolist() == expected[half:]
    text, soft_masked = cleaning.finish()
    assert text.tolist() == expected
    assert soft_masked.tolist() == pytest.approx(lower) if soft_masked is not None else not any(lower)


def test_what_exceeds_memory_goes_to_a_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))
    collector = TextCollector(limit=100)
    for start in range(0, 100, 10):
        collector.add([f"value {i}" for i in range(start, start + 10)])
    text = collector.text()
    assert text.tolist() == [f"value {i}" for i in range(100)] and text[::-7][2] == "value 85"
    assert not list((tmp_path / "cache").iterdir())
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot write a large table there .*; set BASERATE_CACHE to a folder with"):
        TextCollector(limit=1).add(["ACGT"])


@pytest.mark.parametrize(("rows", "length", "most"), [(3_000, 20_000, 25), (200_000, 300, 135)])
def test_memory_does_not_grow_with_the_sequences(tmp_path: Path, rows: int, length: int, most: int) -> None:
    """60 MB of letters are loaded, hashed and loaded again, in blocks of 1 MB; a row has ids and groups in memory.

    Without giving mapped pages back it would be 60 and 164 MB.
    """
    code = f"""
import resource
from baserate import text, unpack
from baserate.sources import collecting, delimited, example_file
from baserate.sources.example_file import cached_examples
from baserate.sources.tables import Table
collecting.LIMIT = delimited.BLOCK = unpack.BLOCK = example_file._BATCH = text._LOOKED_AT = 1 << 20
import pyarrow.csv
path = {str(tmp_path)!r} + "/t.csv"
def load(rows):
    with open(path, "w") as file:
        file.write("sequence,label\\n")
        for i in range(rows):
            name = f"{{i:018b}}".replace("1", "C").replace("0", "A")
            file.write(name + "ACGTTGCAAT"[i % 10] * ({length} - 18) + ",1\\n")
    def build():
        return Table(path, kind="regression")()
    for _ in range(2):
        examples = cached_examples(["memory", str(rows)], build)
        assert len(examples.fingerprint) == 16 and len(examples) == rows
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = load({rows} // 20)
print(load({rows}) - before)
"""
    environment = os.environ | {"BASERATE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=True)
    assert float(done.stdout) < most, f"{done.stdout.strip()} MB more for 57 MB more"
