"""The layouts in which authors ship data: several files, folders of them, files without a header line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.checks import run_checks
from baserate.errors import BaserateError, ConfigError
from baserate.new_task import Choices, NewTask, new_task
from baserate.splits import load_split

RNG = np.random.default_rng(11)
N = 60


def dna(length: int = 110) -> str:
    return "".join(RNG.choice(list("ACGT"), length))


POSITIVE, NEGATIVE = [dna() for _ in range(N)], [dna() for _ in range(N)]


def fasta(path: Path, sequences: list[str], header: str = "s{i}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f">{header.format(i=i)}\n{s}\n" for i, s in enumerate(sequences))
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def csv(path: Path, sequences: list[str], labels: list[Any], header: str = "sequence,label\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(f"{s},{y}\n" for s, y in zip(sequences, labels, strict=True)))
    return path


def value(made: NewTask, key: str) -> Any:
    return next((g.value for g in made.guesses if g.key == key), None)


def labelled(made: NewTask) -> dict[str, dict[str, str]]:
    """Return the class of each sequence, by part, as the task loads them; its checks pass."""
    failed = [r for r in run_checks(made.task) if r.status == "failed"]
    assert not failed, failed
    return {
        part: dict(zip(e.inputs.sequences, [made.task.classes[int(t)] for t in e.targets], strict=True))
        for part, e in load_split(made.task)
    }


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "names", [("pos.fa", "neg.fa"), ("tss_pos.fa.gz", "tss_neg.fa.gz"), ("data/pos.fa", "data/neg.fa")]
)
def test_a_file_for_each_class(here: Path, names: tuple[str, str]) -> None:
    for name, sequences in zip(names, (POSITIVE, NEGATIVE), strict=True):
        fasta(here / name, sequences)
    made = new_task(names, name="mine")
    assert made.task.classes == ("neg", "pos") and value(made, "labels") == ["pos", "neg"]
    parts = labelled(made)
    assert {**parts["train"], **parts["valid"], **parts["test"]} == {
        **dict.fromkeys(POSITIVE, "pos"),
        **dict.fromkeys(NEGATIVE, "neg"),
    }


def test_a_folder_of_a_file_for_each_class(here: Path) -> None:
    fasta(here / "set" / "enhancer.fasta", POSITIVE)
    fasta(here / "set" / "other.fasta", NEGATIVE)
    (here / "set" / "README.md").write_text("not data")
    (here / "set" / "genes.gff3").write_text("##gff-version 3")
    made = new_task("set")
    assert made.task.classes == ("other", "enhancer") and made.path == Path("set.toml")
    parts = labelled(made)
    assert sum(map(len, parts.values())) == 2 * N and {"enhancer", "other"} == set(parts["test"].values())


@pytest.mark.parametrize(
    "style", ["{part}_{label}.fa", "{part}/{label}.fa", "{label}/{part}.fa", "x_{label}.{part}.fa"]
)
def test_a_file_for_each_class_and_part(here: Path, style: str) -> None:
    cut = {"train": slice(0, 40), "dev": slice(40, 50), "test": slice(50, 60)}
    for part, rows in cut.items():
        for label, sequences in (("pos", POSITIVE), ("neg", NEGATIVE)):
            fasta(here / "set" / style.format(part=part, label=label), sequences[rows])
    made = new_task("set")
    parts = labelled(made)
    for part, rows in zip(("train", "valid", "test"), cut.values(), strict=True):
        assert parts[part] == {**dict.fromkeys(POSITIVE[rows], "pos"), **dict.fromkeys(NEGATIVE[rows], "neg")}
    assert value(made, "rule") == "predefined" and value(made, "valid_fraction") is None


def test_a_file_for_each_part_given_by_name(here: Path) -> None:
    sequences, labels = [*POSITIVE, *NEGATIVE], [1] * N + [0] * N
    rows = RNG.permutation(2 * N)
    for part, at in (("x_train", rows[:80]), ("x_valid", rows[80:95]), ("x_test", rows[95:])):
        csv(here / f"{part}.csv", [sequences[i] for i in at], [labels[i] for i in at])
    made = new_task(["x_train.csv", "x_valid.csv", "x_test.csv"], name="mine")
    assert value(made, "parts") == ["train", "valid", "test"] and value(made, "labels") is None
    split = load_split(made.task)
    assert [len(e) for _, e in split] == [80, 15, 25]
    assert set(split.test.inputs.sequences) == {sequences[i] for i in rows[95:]}
    labelled(made)


def test_a_missing_valid_file_is_cut_from_train(here: Path) -> None:
    sequences, labels = [*POSITIVE, *NEGATIVE], [f"c{i % 2}" for i in range(2 * N)]
    csv(here / "train.csv", sequences[:90], labels[:90])
    csv(here / "test.csv", sequences[90:], labels[90:])
    made = new_task(["train.csv", "test.csv"], name="mine")
    assert value(made, "valid_fraction") == 0.1 and len(load_split(made.task).valid) == 9


def test_a_file_without_a_header_line(here: Path) -> None:
    csv(here / "t.csv", [*POSITIVE, *NEGATIVE], [1] * N + [0] * N, header="")
    with pytest.raises(BaserateError, match=r"first line holds DNA.*--columns sequence,label"):
        new_task("t.csv")
    made = new_task("t.csv", Choices(columns=["sequence", "label"]))
    parts = labelled(made)
    assert sum(map(len, parts.values())) == 2 * N and made.sample.n == 2 * N
    with pytest.raises(BaserateError, match=r"t.csv: row 1: 2 fields where the header has 3"):
        new_task("t.csv", Choices(columns=["a", "b", "c"]), name="other")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("pos_train.fa", "neg.fa"), "neg.fa: its name holds no train, valid or test, as those of the other files do"),
        (("pos.fa", "pos.fasta"), "the names of the files give the classes"),
        (("train_pos.fa", "train_neg.fa", "test_pos.fa"), "expected a file for each class, the same in each part"),
    ],
)
def test_names_that_do_not_say_what_the_files_are(here: Path, names: tuple[str, ...], message: str) -> None:
    for name in names:
        fasta(here / name, POSITIVE[:5])
    with pytest.raises(BaserateError, match=message):
        new_task(names, name="mine")
    assert not list(here.glob("*.toml"))


def test_a_label_that_names_and_files_both_give(here: Path) -> None:
    csv(here / "pos.csv", POSITIVE, [1] * N)
    csv(here / "neg.csv", NEGATIVE, [0] * N)
    with pytest.raises(BaserateError, match=r"pos.csv: has a column 'label', which the names of the files give too"):
        new_task(["pos.csv", "neg.csv"], name="mine")


def test_card_with_other_numbers_of_labels_than_files(here: Path) -> None:
    fasta(here / "pos.fa", POSITIVE)
    fasta(here / "neg.fa", NEGATIVE)
    made = new_task(["pos.fa", "neg.fa"], name="mine")
    made.path.write_text(made.text.replace('labels = ["pos", "neg"]', 'labels = ["pos"]'))
    from baserate.cards.task import task_card

    with pytest.raises(BaserateError, match=r"\[source\] labels has 1 values; expected one for each of 2 files"):
        task_card(made.path)


def table(path: Path, columns: dict[str, list[Any]]) -> str:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path.name


def test_two_columns_that_fit_are_asked_about_whatever_their_names(here: Path) -> None:
    both = {
        "utr": [s[:50] for s in POSITIVE],
        "seq": POSITIVE,
        "hrl": [i / 7 for i in range(N)],
        "phenotype": ["x", "y"] * 30,
    }
    name = table(here / "t.csv", both)
    with pytest.raises(BaserateError, match=r"2 columns hold DNA, 'utr' \(50 bp\), 'seq' \(110 bp\).*--sequence"):
        new_task(name)
    with pytest.raises(BaserateError, match=r"2 columns can be the target: 'hrl'.*, 'phenotype'.*--target"):
        new_task(name, Choices(sequence="seq"))
    made = new_task(name, Choices(sequence="seq", targets=["hrl"]))
    assert made.task.kind == "regression" and value(made, "sequence") == "seq"
    plain = table(
        here / "u.csv",
        {"sequence": POSITIVE, "utr": [s[:50] for s in POSITIVE], "label": [0, 1] * 30, "score": range(N)},
    )  # type: ignore[dict-item]
    made = new_task(plain)
    assert (value(made, "sequence"), value(made, "target")) == ("sequence", "label")


def test_alleles_beside_sequences_and_any_names_for_a_pair(here: Path) -> None:
    changed = [("A" if s[0] != "A" else "C") + s[1:] for s in POSITIVE]
    psi = [i / 7 for i in range(N)]
    columns = {"reference": ["A"] * N, "variant": ["C"] * N, "ref": POSITIVE, "alt": changed, "delta_psi": psi}
    made = new_task(table(here / "t.csv", columns))
    assert (value(made, "sequence"), value(made, "alternate")) == ("ref", "alt") and made.task.variants
    columns = {"RefAllele": POSITIVE, "Other": changed, "psi": psi}
    made = new_task(table(here / "u.csv", columns), Choices(reference="RefAllele", alternate="Other"))
    assert (value(made, "sequence"), value(made, "alternate")) == ("RefAllele", "Other")
    with pytest.raises(BaserateError, match="give both, without --sequence"):
        new_task("u.csv", Choices(reference="RefAllele"), name="v")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("test", ["TRUE", "FALSE", "FALSE", "FALSE"]),
        ("is_test", [1, 0, 0, 0]),
        ("fold", ["Test set", "training set", "training set", "training set"]),
        ("where", ["testing", "training", "training", "training"]),
    ],
)
def test_a_split_column_of_any_name_or_of_flags(here: Path, column: str, values: list[Any]) -> None:
    every = [values[i % 4] for i in range(N)]
    made = new_task(table(here / "t.csv", {"sequence": POSITIVE, "y": [i / 7 for i in range(N)], column: every}))
    assert value(made, "rule") == "predefined" and value(made, "column") == column
    assert set(load_split(made.task).test.inputs.sequences) == set(POSITIVE[::4])


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            [f"putative kinase {i % 12} precursor [AB{i % 12}]" for i in range(N)],
            "no column can be the target: 'label' \\(free text\\)",
        ),
        ([f"c{i % 40}" for i in range(2 * N)], "no column can be the target: 'label' \\(40 values\\)"),
        (["a", "b"] * 29 + ["a", "odd one"], "classes with one row, such as 'odd one' \\(1 of 3\\)"),
    ],
)
def test_what_is_no_list_of_classes(here: Path, label: list[str], message: str) -> None:
    sequences = [*POSITIVE, *NEGATIVE][: len(label)]
    name = table(here / "t.csv", {"sequence": sequences, "label": label})
    with pytest.raises(BaserateError, match=message):
        new_task(name)


def test_classes_that_differ_in_their_case_are_one_with_a_note(here: Path) -> None:
    labels = ["Promoter", "other", "promoter", "Promoter", "Other", "other"] * 10
    made = new_task(table(here / "t.csv", {"sequence": POSITIVE, "label": labels}))
    assert made.task.classes == ("other", "Promoter")
    assert any("'Promoter', 'promoter' of 'label' are one class, 'Promoter'" in note for note in made.notes)
    targets = {s: t for _, e in load_split(made.task) for s, t in zip(e.inputs.sequences, e.targets, strict=True)}
    assert [targets[s] for s in POSITIVE] == [int(y.lower() == "promoter") for y in labels]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("strong", "weak"), ("weak", "strong")),
        (("active", "inactive"), ("inactive", "active")),
        (("High", "medium"), ("medium", "High")),
        (("active", "dormant"), ("dormant", "active")),
        (("enhancer_neg", "enhancer"), ("enhancer_neg", "enhancer")),
        (("promoter", "non-promoter"), ("non-promoter", "promoter")),
        (("promoter", "other"), ("other", "promoter")),
        (("2", "10"), ("2", "10")),
        (("-1", "1"), ("-1", "1")),
        (("1", "0"), ("0", "1")),
        (("class1", "class0"), ("class0", "class1")),
        (("T", "F"), ("F", "T")),
        (("yes", "no"), ("no", "yes")),
    ],
)
def test_words_say_which_class_is_the_positive_one(
    here: Path, labels: tuple[str, str], classes: tuple[str, str]
) -> None:
    made = new_task(table(here / "t.csv", {"sequence": POSITIVE, "label": list(labels) * 30}))
    assert made.task.classes == classes


@pytest.mark.parametrize("labels", [("tRNA", "rRNA"), ("F", "M"), ("inactive", "weak"), ("strong", "active")])
def test_where_no_word_says_which_class_is_positive_it_is_asked(here: Path, labels: tuple[str, str]) -> None:
    path = table(here / "t.csv", {"sequence": POSITIVE, "label": list(labels) * 30})
    with pytest.raises(ConfigError, match=r"no word says which of .* is the positive class, on which AUPRC and F1"):
        new_task(path)
    made = new_task(path, Choices(positive=labels[0]))
    assert made.task.classes == (labels[1], labels[0])


def test_the_positive_class_is_asked_of_two_classes_alone(here: Path) -> None:
    three = table(here / "t.csv", {"sequence": POSITIVE, "label": ["tRNA", "rRNA", "mRNA"] * 20})
    assert new_task(three).task.classes == ("mRNA", "rRNA", "tRNA")
    with pytest.raises(ConfigError, match="--positive 'tRNA': expected one of two classes"):
        new_task(three, Choices(positive="tRNA"), force=True)


def test_headers_that_are_labels_alone(here: Path) -> None:
    sequences = [*POSITIVE, *NEGATIVE]
    text = "".join(f">{('tRNA', 'rRNA')[i % 2]}\n{s}\n" for i, s in enumerate(sequences))
    (here / "t.fa").write_text(text)
    made = new_task("t.fa", Choices(positive="tRNA"))
    assert value(made, "target") == "label" and made.task.classes == ("rRNA", "tRNA")
    parts = labelled(made)
    assert {**parts["train"], **parts["valid"], **parts["test"]} == {
        s: ("tRNA", "rRNA")[i % 2] for i, s in enumerate(sequences)
    }
    (here / "set").mkdir()
    for part, rows in (("train", slice(0, 90)), ("test", slice(90, 120))):
        (here / "set" / f"{part}.fa").write_text(
            "".join(f">{('tRNA', 'rRNA')[i % 2]}\n{s}\n" for i, s in list(enumerate(sequences))[rows])
        )
    made = new_task("set", Choices(positive="tRNA"))
    assert sum(map(len, labelled(made).values())) == 120


def test_text_files_of_one_sequence_each_are_no_tables(here: Path) -> None:
    for label, sequences in (("pos", POSITIVE), ("neg", NEGATIVE)):
        (here / "set" / label).mkdir(parents=True)
        for i, sequence in enumerate(sequences[:3]):
            (here / "set" / label / f"{i}.txt").write_text(sequence)
    with pytest.raises(BaserateError, match="set: no train file in the folder"):
        new_task("set")


@pytest.mark.parametrize("missing", ["", "NA", "-Inf", "nan"])
def test_rows_without_a_measurement_are_left_out_or_named(here: Path, missing: str) -> None:
    values: list[Any] = [i / 7 for i in range(N)]
    values[8] = values[30] = missing
    name = table(here / "t.csv", {"sequence": POSITIVE, "y": values})
    with pytest.raises(
        BaserateError, match=rf"t.csv: row 9: 'y' is '{missing}'; 2 of 60 rows have no 'y'.*--drop-missing"
    ):
        new_task(name)
    made = new_task(name, Choices(drop_missing=True))
    assert made.task.kind == "regression" and value(made, "drop_missing") is True
    loaded = {s: y for _, e in load_split(made.task) for s, y in zip(e.inputs.sequences, e.targets, strict=True)}
    assert loaded == {s: i / 7 for i, s in enumerate(POSITIVE) if i not in (8, 30)}


def test_rows_without_a_class_are_left_out_and_others_keep_their_row_numbers(here: Path) -> None:
    labels = ["a", "b"] * 30
    labels[3] = ""
    choices = Choices(drop_missing=True, positive="b")
    made = new_task(table(here / "t.csv", {"sequence": POSITIVE, "label": labels}), choices)
    split = load_split(made.task)
    assert sum(len(e) for _, e in split) == N - 1
    labels[20] = "odd"
    table(here / "t.csv", {"sequence": POSITIVE, "label": labels})
    with pytest.raises(BaserateError, match="row 21: 'label' is 'odd'"):
        load_split(made.task)
