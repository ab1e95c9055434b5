"""`baserate new task` on the layouts in which authors ship sequences, each without an edit of the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packing import PACKINGS, packed

from baserate.cards.task import task_card
from baserate.checks import run_checks
from baserate.errors import BaserateError
from baserate.new_task import Choices, NewTask, new_task
from baserate.splits import load_split

RNG = np.random.default_rng(5)
N = 120
SEQUENCES = ["".join(RNG.choice(list("ACGT"), 50)) for _ in range(N)]
LABELS = [("inactive", "active")[i % 2] for i in range(N)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def csv(sequences: list[str], labels: list[str] = LABELS, separator: str = ",") -> bytes:
    rows = [separator.join(row) + "\n" for row in zip(sequences, labels, strict=True)]
    return (separator.join(("sequence", "label")) + "\n" + "".join(rows)).encode()


def has_all(made: NewTask, classes: tuple[str, ...] = ("inactive", "active")) -> None:
    """The card passes every check but for what only its author knows, and its task has the sequences and labels."""
    failed = {r.check for r in run_checks(made.task) if r.status != "passed"}
    assert failed == {"card_is_complete"} and made.task.classes == classes
    found = {
        (str(sequence), target if np.ndim(target) else int(target))
        for _, examples in load_split(made.task)
        for sequence, target in zip(examples.inputs.sequences, map(_plain, examples.targets), strict=True)
    }
    assert found == {(s, _plain(t)) for s, t in zip(SEQUENCES, targets(made), strict=True)}


def targets(made: NewTask) -> list[object]:
    if made.task.kind == "multilabel":
        return [(int(i % 2 == 0), int(i % 3 == 0), int(i % 5 > 0)) for i in range(N)]
    return [i % 2 == 0 for i in range(N)] if made.task.classes == ("active", "inactive") else [i % 2 for i in range(N)]


def _plain(target: object) -> object:
    return tuple(int(v) for v in target) if np.ndim(target) else int(target)  # type: ignore[attr-defined, call-overload]


@pytest.mark.parametrize("suffix", PACKINGS)
def test_packed_tables_and_fasta(suffix: str) -> None:
    has_all(new_task(str(packed(Path(f"t.csv{suffix}"), csv(SEQUENCES)))))
    fasta = "".join(f">{i}|{label}\n{s}\n" for i, (s, label) in enumerate(zip(SEQUENCES, LABELS, strict=True)))
    has_all(new_task(str(packed(Path(f"u.fa{suffix}"), fasta.encode()))))


def test_a_zip_and_a_vcf_of_bgzip() -> None:
    made = packed(Path("t.csv.zip"), csv(SEQUENCES)).rename("Data S1.zip")
    has_all(new_task(str(made)))
    genome = "".join(RNG.choice(list("ACGT"), 9_000))
    Path("g.fa").write_text(f">chr1\n{genome}\n")
    bases = [genome[70 * i + 99] for i in range(N)]
    rows = [f"chr1\t{70 * i + 100}\t.\t{b}\t{'ACGT'['ACGT'.index(b) - 1]}\t{i % 2}\n" for i, b in enumerate(bases)]
    packed(Path("v.vcf.bgz"), ("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tY\n" + "".join(rows)).encode())
    variants = new_task("v.vcf.bgz", Choices(genome="g.fa"))
    assert [len(examples) for _, examples in load_split(variants.task)] == [0, 0, N]  # all windows overlap
    assert any("all are in test: for zero-shot scores alone" in note for note in variants.notes)
    assert not [r for r in run_checks(variants.task) if r.status == "failed"]


def test_a_spreadsheet() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [("sequence", "label"), *zip(SEQUENCES, LABELS, strict=True)]:
        book.active.append(row)
    book.save("t.xlsx")
    has_all(new_task("t.xlsx"))


def test_a_json_array_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"sequence": s, "label": label} for s, label in zip(SEQUENCES, LABELS, strict=True)]
    Path("t.json").write_text(json.dumps(rows, indent=1))
    has_all(new_task("t.json"))
    monkeypatch.setattr("baserate.new_task.sample.HEAD", 1000)
    has_all(new_task("t.json", force=True))


def test_lists_of_labels_and_of_bits_are_several_labels() -> None:
    bits = [[int(i % 2 == 0), int(i % 3 == 0), int(i % 5 > 0)] for i in range(N)]
    pq.write_table(pa.table({"sequence": SEQUENCES, "label": bits}), "bits.parquet")
    has_all(new_task("bits.parquet"), ("0", "1", "2"))
    names = [[name for name, bit in zip("abc", row, strict=True) if bit] for row in bits]
    pq.write_table(pa.table({"sequence": SEQUENCES, "label": names}), "names.parquet")
    has_all(new_task("names.parquet"), ("a", "b", "c"))
    names = [["weak, distal" if name == "a" else name for name in row] for row in names]
    pq.write_table(pa.table({"sequence": SEQUENCES, "label": names}), "cut.parquet")
    with pytest.raises(BaserateError, match=r"column 'label' has lists as text, such as .* without ';' or ',' in"):
        new_task("cut.parquet")


def test_lists_of_bases_and_bytes_are_sequences() -> None:
    pq.write_table(pa.table({"sequence": [list(s) for s in SEQUENCES], "label": LABELS}), "list.parquet")
    has_all(new_task("list.parquet"))
    pq.write_table(pa.table({"sequence": [s.encode() for s in SEQUENCES], "label": LABELS}), "bytes.parquet")
    has_all(new_task("bytes.parquet"))


def test_spaced_kmers_are_joined_and_other_words_told_by_row() -> None:
    spaced = [" ".join(s[i : i + 6] for i in range(45)) for s in SEQUENCES]
    Path("t.tsv").write_bytes(csv(spaced, separator="\t"))
    made = new_task("t.tsv")
    assert made.notes[0] == "column 'sequence' holds overlapping k-mers, which are joined to sequences"
    has_all(made)
    Path("u.csv").write_bytes(csv([" ".join(s[i : i + 10] for i in range(0, 50, 10)) for s in SEQUENCES]))
    for sequence in ("", "sequence"):
        with pytest.raises(BaserateError, match=r"u\.csv: row 1: column 'sequence' is several words of DNA"):
            new_task("u.csv", Choices(sequence=sequence))
    Path("v.csv").write_bytes(csv([*spaced[:-1], SEQUENCES[-1]]))
    with pytest.raises(BaserateError, match=r"v\.csv: row 120: column 'sequence' is one word, where rows before are"):
        new_task("v.csv")


@pytest.mark.parametrize("sequence", ["", "sequence"])
def test_rna_is_written_on_the_card(sequence: str) -> None:
    Path("t.csv").write_bytes(csv([s.replace("T", "U") for s in SEQUENCES]))
    made = new_task("t.csv", Choices(sequence=sequence))
    assert 'alphabet = "RNA"' in made.text
    has_all(made)
    made.path.write_text(made.text.replace('"RNA"', '"DNA"'))
    with pytest.raises(BaserateError, match=r'row 1: column .sequence. has U: it holds RNA; .* alphabet = "RNA"'):
        load_split(task_card(made.path))


def test_rna_in_a_folder_of_parts() -> None:
    Path("parts").mkdir()
    for part, rows in (("train", slice(0, 80)), ("valid", slice(80, 100)), ("test", slice(100, N))):
        rna = [s.replace("T", "U") for s in SEQUENCES[rows]]
        packed(Path(f"parts/{part}.csv.bgz"), csv(rna, LABELS[rows]))
    made = new_task("parts")
    assert 'alphabet = "RNA"' in made.text
    has_all(made)


def test_labels_that_are_letters_are_no_sequences() -> None:
    letters = [";".join(sorted(set(s[:3]))) for s in SEQUENCES]
    Path("t.csv").write_bytes(csv(SEQUENCES, letters))
    made = new_task("t.csv")
    assert made.task.kind == "multilabel" and made.task.classes == ("A", "C", "G", "T")


def test_joined_files_are_told_by_the_row_of_the_second_header() -> None:
    Path("t.csv").write_bytes(csv(SEQUENCES) + csv(SEQUENCES))
    with pytest.raises(BaserateError, match=r"t\.csv: row 121 repeats the header"):
        new_task("t.csv")
