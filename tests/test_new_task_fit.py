"""A card is written only if `baserate check` accepts its task; an unfit split that was proposed is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.audit import audit
from baserate.checks import run_checks
from baserate.errors import BaserateError, ConfigError, DataError
from baserate.new_task import Choices, NewTask, new_task
from baserate.splits import load_split
from baserate.splits.rules import flagged_part, part_of

RNG = np.random.default_rng(3)
N = 80
SEQUENCES = ["".join(RNG.choice(list("ACGT"), 60)) for _ in range(N)]
LABELS = [("inactive", "active")[i % 2] for i in range(N)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(columns: dict[str, Any], name: str = "t.csv") -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return name


def value(made: NewTask, key: str) -> Any:
    return next((g.value for g in made.guesses if g.key == key), None)


def value_reason(made: NewTask, key: str) -> str:
    return next(g.reason for g in made.guesses if g.key == key)


def statuses(made: NewTask) -> dict[str, str]:
    results = {r.check: r.status for r in run_checks(made.task)}
    assert "failed" not in results.values()
    return results


def refused(*arguments: Any, error: type[BaserateError] = DataError) -> str:
    with pytest.raises(error) as caught:
        new_task(*arguments)
    assert not Path(arguments[0]).with_suffix(".toml").exists() and "\n" not in str(caught.value)
    return str(caught.value)


def test_equal_sequences_in_two_groups_are_split_otherwise_groups_whole():
    genes = [f"g{i // 2}" for i in range(N)]
    sequences = [SEQUENCES[i - 3 if i % 4 == 3 and i > 3 else i] for i in range(N)]  # shared by neighbouring genes
    made = new_task(table({"sequence": sequences, "label": [LABELS[i // 8] for i in range(N)], "gene": genes}))
    split = load_split(made.task)
    assert value(made, "rule") == "stratified" and value(made, "group") == "gene"
    assert any("so rows are split at random" in note and "are also in train" in note for note in made.notes)
    assert not {*split.train.groups} & {*split.test.groups}
    assert statuses(made)["no_sequence_in_two_parts"] == "passed"


def test_a_class_that_a_hash_leaves_out_of_a_part_is_dealt_its_share():
    made = new_task(table({"seq": [s[:24] for s in SEQUENCES], "class": [f"class{i % 8}" for i in range(N)]}))
    assert value(made, "rule") == "stratified"
    for _, examples in load_split(made.task):
        assert len(set(examples.targets)) == 8
    statuses(made)


def test_the_files_own_split_with_copies_is_left_and_the_check_says_so():
    part = ["test" if i % 4 == 0 else "valid" if i % 4 == 1 else "train" for i in range(N)]
    sequences = [SEQUENCES[0] if i == 2 else s for i, s in enumerate(SEQUENCES)]
    made = new_task(table({"sequence": sequences, "label": [LABELS[i // 4 % 2] for i in range(N)], "split": part}))
    assert value(made, "rule") == "predefined" and value(made, "group") == "row"
    assert statuses(made)["no_sequence_in_two_parts"] == "skipped"
    detail = next(r.detail for r in run_checks(made.task) if r.check == "no_sequence_in_two_parts")
    assert "1 of 20 test inputs are also in train" in detail and "baserate resplit" in detail


def as_folder(rows: dict[str, list[int]], sequences: list[str]) -> str:
    for part, at in rows.items():
        table({"sequence": [sequences[i] for i in at], "label": [LABELS[i] for i in at]}, f"set/{part}.csv")
    return "set"


def as_files(rows: dict[str, list[int]], sequences: list[str]) -> list[str]:
    as_folder(rows, sequences)
    return [f"set/{part}.csv" for part in rows]


def as_column(rows: dict[str, list[int]], sequences: list[str]) -> str:
    at = [(i, part) for part, numbers in rows.items() for i in numbers]
    columns = {"sequence": [sequences[i] for i, _ in at], "label": [LABELS[i] for i, _ in at]}
    return table({**columns, "split": [part for _, part in at]})


@pytest.mark.parametrize("given", [as_folder, as_files, as_column])
@pytest.mark.parametrize(("copies", "share", "verdict"), [(3, "15.0 %", "FAIL"), (0, "", "")])
def test_authors_parts_with_copies_are_a_card_with_one_note(given: Any, copies: int, share: str, verdict: str):
    rows = {"train": list(range(40)), "dev": list(range(40, 60)), "test": list(range(60, 80))}
    sequences = [SEQUENCES[0 if i == 30 else i - 60 if 60 <= i < 60 + copies else i] for i in range(N)]
    made = new_task(given(rows, sequences), name="x")
    assert [len(e) for _, e in load_split(made.task)] == [40, 20, 20] and value(made, "rule") == "predefined"
    notes = [note for note in made.notes if "own split" in note or "also in" in note]
    assert value(made, "group") == ("row" if copies else None) and len(notes) == bool(copies)
    if copies:
        assert f"stays as it is: {copies} of 20 test inputs ({share}) are also in train or valid" in notes[0]
        assert f"reports as {verdict}; `baserate resplit`" in notes[0]
        assert f"{copies} of 20 test inputs" in value_reason(made, "rule")
        finding = next(f for f in audit(made.task, load_split(made.task)).findings if f.name == "identical_test")
        assert (finding.status, finding.n_rows) == (verdict, copies)
    assert statuses(made)["no_sequence_in_two_parts"] == ("skipped" if copies else "passed")


@pytest.mark.parametrize("straddles", [False, True])
def test_a_group_is_the_cluster_where_copies_of_the_files_own_split_stay(straddles: bool):
    part = ["test" if i % 8 < 2 else "valid" if i % 8 < 4 else "train" for i in range(N)]
    genes = [f"g{i // (8 if straddles else 2)}" for i in range(N)]
    sequences = [SEQUENCES[4] if i == 0 else s for i, s in enumerate(SEQUENCES)]
    made = new_task(table({"sequence": sequences, "label": LABELS, "gene": genes, "split": part}))
    assert value(made, "group") == "row" and value(made, "cluster") == "gene" and made.taken["gene"] == "cluster"
    test = load_split(made.task).test
    assert set(test.clusters) == {genes[i] for i in range(N) if part[i] == "test"}
    statuses(made)


def test_overlapping_places_in_two_parts_of_the_files_own_split_stay_and_a_note_says_so():
    Path("g.fa").write_text(f">chr1\n{''.join(RNG.choice(list('ACGT'), 4000))}\n")
    part = ["test" if i % 8 < 2 else "valid" if i % 8 < 4 else "train" for i in range(N)]
    rows = [f"chr1\t{40 * i}\t{40 * i + 60}\t{LABELS[i]}\t{part[i]}\n" for i in range(N)]
    Path("t.bed").write_text("".join(["#chrom\tstart\tend\tlabel\tsplit\n", *rows]))
    made = new_task("t.bed", Choices(genome="g.fa"))
    assert [len(e) for _, e in load_split(made.task)] == [40, 20, 20]
    assert any("rows of one place are in two parts of the file's own split" in note for note in made.notes)
    assert statuses(made)["no_sequence_in_two_parts"] == "passed"


def test_a_folder_of_parts_that_lacks_a_class_is_refused():
    rows = {"train": list(range(0, 60, 2)), "dev": list(range(60, 70)), "test": list(range(70, 80))}
    assert "no training example of class 'active'" in refused(as_folder(rows, SEQUENCES))


def test_the_files_own_split_that_lacks_a_class_is_refused_and_never_replaced():
    part = ["test" if i % 2 else "train" for i in range(N)]
    message = refused(table({"sequence": SEQUENCES, "label": LABELS, "split": part}))
    assert "no training example of class 'active'; this is the file's own split, by 'split'" in message


def test_what_no_split_can_mend_is_refused():
    assert "test has examples of one class only" in refused(table({"sequence": SEQUENCES[:6], "label": list("aabbcc")}))
    pairs = {"real": SEQUENCES, "shuffled": [SEQUENCES[0], *(s[::-1] for s in SEQUENCES[1:])]}
    assert "ALT equals REF in 1 examples" in refused(table(pairs))
    assert [p.name for p in Path().iterdir() if p.is_file()] == ["t.csv"]


def test_short_words_name_parts_as_values_and_not_in_names():
    assert [part_of(word) for word in ("tr", "VA", "te", "test set")] == ["train", "valid", "test", "test"]
    assert flagged_part("te_bound", ["0", "1"]) == "" and flagged_part("is_test", ["0", "1"]) == "test"
    part = ["te" if i % 4 == 0 else "va" if i % 4 == 1 else "tr" for i in range(N)]
    made = new_task(table({"sequence": SEQUENCES, "label": [LABELS[i // 4 % 2] for i in range(N)], "x1": part}))
    assert value(made, "column") == "x1" and [len(e) for _, e in load_split(made.task)] == [40, 20, 20]


def test_a_column_of_parts_without_test_is_no_target():
    part = ["valid" if i % 4 == 1 else "train" for i in range(N)]
    made = new_task(table({"sequence": SEQUENCES, "bound": LABELS, "x1": part}))
    assert value(made, "target") == "bound" and value(made, "rule") == "by_homology"
    assert any("column 'x1' names parts and no test part" in note for note in made.notes)
    assert "parts of a split" in refused(table({"sequence": SEQUENCES, "x1": part}, "u.csv"))


def test_whole_numbers_of_which_some_occur_once_are_measured():
    counts = [int(n) for n in np.r_[np.repeat([0, 1, 2], 25), 7, 9, 12, 30, 31]]
    made = new_task(table({"sequence": SEQUENCES, "reads": counts}))
    assert made.task.kind == "regression" and value(made, "target") == "reads"


@pytest.mark.parametrize(
    ("columns", "fault"), [(["a", "a"], "'a' occurs more than once"), (["", "y"], "a name is empty")]
)
def test_names_for_columns_are_different_and_not_empty(columns: list[str], fault: str):
    table({"sequence": SEQUENCES, "label": LABELS})
    with pytest.raises(ConfigError, match=fault):
        Choices(columns=columns)


def test_pairs_in_camel_case_are_recognised():
    alternates = [s[:30] + ("A" if s[30] != "A" else "C") + s[31:] for s in SEQUENCES]
    made = new_task(table({"RefAllele": SEQUENCES, "AltAllele": alternates, "label": LABELS}))
    assert (value(made, "sequence"), value(made, "alternate")) == ("RefAllele", "AltAllele")


def test_a_folder_whose_names_hold_parts_among_other_words():
    for name, rows in (("x_train", slice(0, 60)), ("x_test", slice(60, 80))):
        table({"sequence": SEQUENCES[rows], "label": LABELS[rows]}, f"set/{name}.csv")
    made = new_task("set")
    assert [len(e) for _, e in load_split(made.task)][2] == 20 and value(made, "rule") == "predefined"
    assert statuses(made)


def test_numbered_files_of_a_part_are_one_part():
    names = ("train-00000", "train-00001", "test-0")
    for i, name in enumerate(names):
        table({"sequence": SEQUENCES[i * 25 : i * 25 + 25], "label": LABELS[i * 25 : i * 25 + 25]}, f"{name}.csv")
    made = new_task([f"{name}.csv" for name in names])
    assert value(made, "parts") == ["train", "train", "test"] and made.task.classes == ("inactive", "active")
    names = ("train_0", "train_1", "test_0", "test_1")  # the same numbers in each part are classes
    for k, name in enumerate(names):
        Path(f"{name}.fa").write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(SEQUENCES[20 * k : 20 * k + 20])))
    made = new_task([f"{name}.fa" for name in names], out=Path("u.toml"))
    assert made.task.classes == ("0", "1") and value(made, "labels") == ["0", "1", "0", "1"]


def test_a_folder_of_one_file_names_it():
    table({"sequence": SEQUENCES, "label": LABELS}, "set/t.csv")
    assert "of one file give the file: set/t.csv" in refused("set")


def test_a_comment_in_bed_is_no_header(tmp_path: Path):
    Path("g.fa").write_text("".join(f">chr{i}\n{''.join(RNG.choice(list('ACGT'), 3000))}\n" for i in (1, 2, 3)))
    rows = "".join(f"chr{1 + i % 3}\t{30 * i}\t{30 * i + 25}\t{LABELS[i // 3 % 2]}\n" for i in range(N))
    for first in ("# a comment of many words\n", "#chrom\tstart\tend\tname\n", "# chrom start end name\n", "#\n"):
        Path("t.bed").write_text(first + rows)
        made = new_task("t.bed", Choices(genome="g.fa"), force=True)
        assert value(made, "target") == "name" and sum(len(e) for _, e in load_split(made.task)) == N, first


def test_a_damaged_spreadsheet_is_one_line():
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [("sequence", "label"), *zip(SEQUENCES, LABELS, strict=True)]:
        book.active.append(row)
    book.save("t.xlsx")
    content = bytearray(Path("t.xlsx").read_bytes())
    at = content.index(b"sheet1.xml") + 200
    content[at : at + 60] = bytes(60)
    Path("t.xlsx").write_bytes(bytes(content))
    assert "t.xlsx: not a readable spreadsheet" in refused("t.xlsx")


def test_sequences_called_mutant_are_a_pair_only_with_what_they_were_before():
    others = ["".join(RNG.choice(list("ACGT"), 30)) for _ in range(N)]
    message = refused(table({"dna": SEQUENCES, "mutant": others, "label": LABELS}))
    assert "2 columns hold DNA, 'dna' (60 bp), 'mutant' (30 bp)" in message
    deleted = [s[:20] + s[23:] for s in SEQUENCES]
    made = new_task(table({"dna": SEQUENCES, "mutant": deleted, "label": LABELS}, "u.csv"))
    assert (value(made, "sequence"), value(made, "alternate")) == ("dna", "mutant")
    made = new_task(table({"dna": SEQUENCES, "shuffled": [s[::-1] for s in SEQUENCES]}, "v.csv"))
    assert made.task.kind == "paired"


def test_a_bar_in_a_description_makes_no_class():
    names = [f"g{i} kinase|AAF3.1 [AB]" if i == 5 else f"g{i} enzyme [AB]" for i in range(N)]
    rows = zip(names, ["background", "promoter"] * (N // 2), SEQUENCES, strict=True)
    Path("t.fa").write_text("".join(f">{name}|{label}\n{s}\n" for name, label, s in rows))
    assert "classes with one row, such as 'AAF3.1 [AB];promoter' (1 of 3)" in refused("t.fa")


def test_two_targets_of_one_file_are_asked_for_and_are_two_tasks():
    values = RNG.normal(size=(N, 2)).round(3)
    file = table({"sequence": SEQUENCES, "vivo": values[:, 0], "vitro": values[:, 1]})
    assert "2 columns can be the target: 'vivo'" in refused(file)
    made = [new_task(file, Choices(targets=[name]), out=Path(f"{name}.toml")) for name in ("vivo", "vitro")]
    assert [m.task.name for m in made] == ["vivo", "vitro"]
