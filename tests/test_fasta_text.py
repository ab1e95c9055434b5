"""FASTA headers mean one thing, whoever reads them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from baserate.dna.fasta_text import add_label, drop_bare, fasta_records, header_columns
from baserate.dna.genomes import add_genome, open_genome
from baserate.errors import DataError
from baserate.sources.intervals import read_genome


@pytest.mark.parametrize(
    ("headers", "columns"),
    [
        (["a|0", "b|1"], {"id": ["a", "b"], "field2": ["0", "1"]}),
        (["a 0 train", "b 1 test"], {"id": ["a", "b"], "field2": ["0", "1"], "field3": ["train", "test"]}),
        (["a label=x gene=g", "b label=y gene=h"], {"id": ["a", "b"], "label": ["x", "y"], "gene": ["g", "h"]}),
        (["chr1:1-9 (+)|0", "b | 1"], {"id": ["chr1:1-9 (+)", "b"], "field2": ["0", "1"]}),
        (["a|0|2", "b|1"], {"id": ["a", "b"], "label": ["0;2", "1"]}),
        (["a one thing", "b"], {"id": ["a", "b"], "description": ["one thing", ""]}),
        (["a id=b sequence=c"], {"id": ["a"], "field2": ["b"], "field3": ["c"]}),
        (["a"], {"id": ["a"]}),
    ],
)
def test_headers_become_columns(headers: list[str], columns: dict[str, list[str]]) -> None:
    assert header_columns(headers) == columns


def test_the_label_is_all_bare_fields_unless_one_is_named_so() -> None:
    columns = header_columns(["a|0|1|gene=g"])
    assert add_label(columns)["label"] == ["0;1"] and "label" not in columns
    assert drop_bare(add_label(columns)) == {"id": ["a"], "gene": ["g"], "label": ["0;1"]}
    named = header_columns(["a|7|label=x"])
    assert add_label(named) == named and named["label"] == ["x"]
    assert drop_bare(header_columns(["a|0"])) == {"id": ["a"], "field2": ["0"]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_records_have_their_line_and_no_blanks(end: str) -> None:
    lines = io.StringIO(end.join(["", ">a  x", "AC gt ", "", "NN", ">b", "T", ""]), newline=None)
    assert [tuple(r) for r in fasta_records(lines, "f")] == [("a  x", "ACgtNN", 2), ("b", "T", 6)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: empty, expected FASTA"),
        ("\nACGT\n", "f: line 2: expected '>NAME', found 'ACGT'"),
        (">a\nAC\n>| \nGT\n", "f: line 3: a header without a name"),
        (">a x\n\n>b\nGT\n", "f: line 1: 'a' has no sequence"),
        (">a\nAC\n>b\n", "f: line 3: 'b' has no sequence"),
        (">é\nACé\n", "f: line 2: 'é' is not ASCII"),
    ],
)
def test_what_is_not_fasta_is_told_by_line(text: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        list(fasta_records(io.StringIO(text), "f"))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_registered_genome_and_one_in_memory_read_accents_and_byte_order_marks(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASERATE_GENOMES", str(tmp_path / "genomes"))
    path = tmp_path / "g.fa"
    path.write_text(">chr1 Gène témoin\nACGT\nAC\n>chr2\nTTTT\nGG\n", encoding=encoding)
    add_genome("mine", str(path))
    indexed, held = open_genome("mine"), read_genome(str(path))
    assert list(indexed) == list(held) == ["chr1", "chr2"]
    assert [indexed[name][0:6] for name in indexed] == [held[name][0:6] for name in held] == ["ACGTAC", "TTTTGG"]
