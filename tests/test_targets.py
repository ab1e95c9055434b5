"""Targets of every kind: read from text, checked by kind, and drawn from."""

import dataclasses

import numpy as np
import pytest

from baserate.errors import ConfigError, DataError
from baserate.sources.targets import parse_targets
from baserate.splits import by_group, load_split, take_subset
from baserate.types import Examples, Inputs, Split, Subset, Task, strings

LABELS = ("H3K4me3", "H3K27ac", "CTCF")


def numbers(values, column="y", classes=()):
    return parse_targets(values, kind="regression", classes=classes, reference="a.csv", column=column)


def parsed(values, kind, classes=LABELS, column="y"):
    return parse_targets(values, kind=kind, classes=classes, reference="a.csv", column=column).tolist()


@pytest.mark.parametrize(
    ("values", "want"),
    [
        (["H3K4me3;CTCF", "", "2,1"], [[1, 0, 1], [0, 0, 0], [0, 1, 1]]),  # names or indices, '' for none
        (["0;1;1", "1;0;0"], [[0, 1, 1], [1, 0, 0]]),  # a 0 or 1 for each
        (["0;1", "1"], [[1, 1, 0], [0, 1, 0]]),  # fewer than the labels: indices
        (["0;1", "2"], [[1, 1, 0], [0, 0, 1]]),  # not so in every row: indices
    ],
)
def test_labels_in_one_column_are_names_indices_or_bits(values, want):
    assert parsed(values, "multilabel") == want


def test_of_classes_that_are_numbers_no_other_number_is_an_index():
    def read(values, *classes):
        return parse_targets(values, kind="classification", classes=classes, reference="a.csv", column="y").tolist()

    assert read(["1", "3", "2"], "1", "2", "3") == [0, 2, 1]
    assert read(["1.0", "0", "1"], "0.0", "1.0") == [1, 0, 1]
    assert read(["true", "0", "FALSE"], "FALSE", "TRUE") == [1, 0, 0]
    assert read(["true", "FALSE"], "True", "False") == [0, 1]
    for value, classes in (("0", "123"), ("0", ("-1", "1")), ("0", ("True", "False"))):
        with pytest.raises(DataError, match=f"row 1: 'y' is '{value}'; (did you mean|expected one of) [^(]*$"):
            read([value], *classes)


def test_labels_and_measurements_may_have_a_column_each():
    assert parsed([["1", "0.0"], ["True", "0"], ["0", "1"]], "multilabel", column=LABELS) == [[1, 1, 0], [0, 0, 1]]
    assert parsed([["1", "-2"], ["0.5", "3"]], "regression", column=("a", "b")) == [[1.0, 0.5], [-2.0, 3.0]]
    assert parsed(["1;2;0.5", "3;4;1"], "regression") == [[1, 2, 0.5], [3, 4, 1]]
    assert parsed(["1", "2"], "regression") == parsed([["1", "2"]], "regression", column=["a"]) == [1.0, 2.0]


def test_next_bases_are_indices_into_acgt():
    assert parsed(["acg", "TTT"], "generation") == [[0, 1, 2], [3, 3, 3]]


def test_text_in_arrow_reads_like_lists():
    import pyarrow as pa

    assert parsed(pa.chunked_array([["CTCF"], [""]]), "multilabel") == [[0, 0, 1], [0, 0, 0]]


NOTATIONS = {
    "decimal commas": (["-0,5", "1,25", "3"], [-0.5, 1.25, 3]),
    "decimal commas, two digits": (["1,50", "12,75"], [1.5, 12.75]),
    "printed minus": (["\N{MINUS SIGN}1.5", "2"], [-1.5, 2]),
    "thousands": (["1,234,567", "12", "1,000"], [1234567, 12, 1000]),
    "thousands and decimals": (["1,234.5", "1,000"], [1234.5, 1000]),
    "points and a comma": (["1.234,5", "0,25"], [1234.5, 0.25]),
    "points": (["1.234.567", "1.234"], [1234567, 1234]),
    "spaces": (["1 234,5", "1\N{NARROW NO-BREAK SPACE}000"], [1234.5, 1000]),
    "apostrophes": (["1'234.5", "7"], [1234.5, 7]),
    "Fortran": (["1.0D-3", "-2.5d+02", "1"], [0.001, -250, 1]),
    "per cent": (["12%", "3.5 %"], [0.12, 0.035]),
    "per cent with commas": (["12,5%", "3%"], [0.125, 0.03]),
    "points are plain decimals": (["1.234", "5.678"], [1.234, 5.678]),
    "exponents": (["1e3", "1,5E-1"], [1000, 0.15]),
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_a_column_of_numbers_in_one_notation_is_read(name):
    texts, want = NOTATIONS[name]
    assert numbers(texts).tolist() == pytest.approx(want, abs=0, rel=1e-15)
    table = numbers([texts, texts], ["a", "b"])
    assert table.shape == (len(want), 2) and table[:, 1].tolist() == pytest.approx(want)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["12", "1,234"], "a.csv: 'y': '1,234' may be 1234 or 1.234; write '.' for decimals and nothing between"),
        (["1.5", "1,5"], "row 2: 'y' is '1,5', a number in no notation of the rows before .*row 1: 'y' is '1.5'"),
        (["50%", "0.5"], "row 2: 'y' is '0.5', a number in no notation of the rows before"),
        (["1,234", "1,5", "1,234,567"], "row 3: 'y' is '1,234,567', a number in no notation"),
        (["1,5", "-"], "row 2: 'y' is '-', expected a number"),
        (["01,02", "03"], "row 1: 'y' is '01,02', expected a number"),
        (["1_5"], "row 1: 'y' is '1_5', expected a number"),
        (["1,5", "NA"], "row 2: 'y' is 'NA'; drop_missing = true leaves out rows"),
        (["1,5", "-inf"], "row 2: 'y' is '-inf'; drop_missing"),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_or_none_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        numbers(values)


def test_joined_numbers_may_have_decimal_commas():
    assert numbers(["0,5;1;-2", "1;0,25;3"], classes=LABELS).tolist() == [[0.5, 1, -2], [1, 0.25, 3]]
    assert numbers(["0.5,1,-2", "1,0.25,3"], classes=LABELS).tolist() == [[0.5, 1, -2], [1, 0.25, 3]]
    with pytest.raises(DataError, match="row 2: 'y' is 'x', expected a number"):
        numbers(["1;2;3", "1;x;3"], classes=LABELS)


@pytest.mark.parametrize(
    ("values", "kind", "column", "message"),
    [
        (["CTCF", "CTFC"], "multilabel", "y", "a.csv: row 2: 'y' holds 'CTFC'; did you mean 'CTCF'?"),
        (["3"], "multilabel", "y", "row 1: 'y' holds '3'; .* an index 0 to 2"),
        (["0;1;1", "1;0"], "multilabel", "y", "row 1: 'y' holds '1' twice; .* a 0 or 1 for each of 3"),
        ([["0"], ["1"], ["yes"]], "multilabel", LABELS, "row 1: 'CTCF' is 'yes', expected 0 or 1"),
        ([["0"], [""], ["1"]], "multilabel", LABELS, "row 1: 'H3K27ac' is '', expected 0 or 1"),
        ([["0"]], "multilabel", ["a"], "3 classes and 1 target columns"),
        (["1;2;3", "1;2"], "regression", "y", "row 2: 'y' holds 2 values, expected 3"),
        (["1;nan;3"], "regression", "y", "row 1: 'y' is 'nan'; drop_missing"),
        ([["1"], ["x"]], "regression", ["a", "b"], "row 1: 'b' is 'x', expected a number"),
        ([["1"], ["2"]], "classification", ["a", "b"], "a classification task has one target column"),
        (["ACG", "AC"], "generation", "y", "row 2: 'y' has 2 bases where row 1 has 3"),
        (["ACN"], "generation", "y", "row 1: 'y' is 'ACN', expected the bases"),
        (["1"], "paired", "y", "a paired task has no target"),
        ([], "regression", [], "name one column"),
    ],
)
def test_mistake_is_told_by_row_and_column(values, kind, column, message):
    with pytest.raises((DataError, ConfigError), match=message):
        parsed(values, kind, column=column)


def examples(targets, *, positions=None, width=20, per=1):
    n = len(targets)
    rng = np.random.default_rng(3)
    windows = ["".join(rng.choice(list("ACGT"), size=width)) for _ in range(n // per)]
    sequences = strings([windows[i // per] for i in range(n)])
    groups = strings([f"g{i // per}" for i in range(n)])
    ids = strings([f"x{i}" for i in range(n)])
    return Examples(ids, Inputs(sequences, positions=positions), np.asarray(targets), groups, groups)


def task_of(found, kind, classes=LABELS, **changed):
    card = Task(
        name="made_up",
        version=1,
        kind=kind,
        metrics=("auroc",),
        source=lambda: found,
        split=by_group(test=0.25, valid=0.25),
        description="",
        split_rule="",
        citation="",
        licence="",
        species=(),
        assembly=(),
        sizes={},
        classes=classes,
    )
    return dataclasses.replace(card, **changed)


@pytest.mark.parametrize(
    ("kind", "targets", "message"),
    [
        ("classification", np.zeros((40, 3), int), "class indices 0 to 2, found int64 of shape"),
        ("multilabel", np.zeros(40, int), "0 or 1 for each of 3 labels, found int64"),
        ("multilabel", np.zeros((40, 2), int), "for each of 3 labels, found int64 of shape .40, 2."),
        ("multilabel", np.full((40, 3), 2), "labels must be 0 or 1, found 2 to 2"),
        ("multilabel", np.zeros((40, 3), int), "no training example has a label"),
        ("regression", np.zeros((40, 2)), "2 measurements per example, but classes names 3"),
        ("regression", np.full((40, 3), np.nan), "finite floats"),
        ("generation", np.zeros((40, 0), int), "the bases that follow"),
        ("generation", np.full((40, 3), 4), "next bases must be 0 to 3"),
    ],
)
def test_targets_of_another_kind_are_refused(kind, targets, message):
    with pytest.raises(DataError, match=f"task made_up@1: .*{message}"):
        load_split(task_of(examples(targets), kind))


def test_every_kind_is_split_and_taken_from():
    rng = np.random.default_rng(1)
    for kind, targets in (
        ("multilabel", rng.integers(2, size=(40, 3))),
        ("regression", rng.normal(size=(40, 3))),
        ("regression", rng.normal(size=40)),
        ("generation", rng.integers(4, size=(40, 6))),
    ):
        split = load_split(task_of(examples(targets), kind), limit=7)
        assert [len(part) for _, part in split] == [7, 7, 7]
        assert split.test.targets.shape == (7, *targets.shape[1:])


@pytest.mark.parametrize("at", [-1, 20])
def test_base_outside_its_sequence_is_refused(at):
    found = examples(np.arange(40) % 3, positions=np.full(40, at))
    with pytest.raises(DataError, match="of a sequence of 20 bp"):
        load_split(task_of(found, "classification", per_base=True))


def test_task_of_bases_needs_positions():
    with pytest.raises(DataError, match="needs a position"):
        load_split(task_of(examples(np.arange(40) % 3), "classification", per_base=True))


def test_part_of_a_per_base_task_holds_whole_sequences():
    found = examples(np.arange(200) % 3, positions=np.arange(200) % 20, per=20)
    part = take_subset(Split(found, found, found), Subset(60, 40, 50)).train
    assert len(part) == 60
    assert len(set(part.inputs.sequences)) == 3
