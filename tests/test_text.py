"""A Text does what an object array of str does, whatever its letters lie in."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baserate.checks.toys import toy_classes, toy_variants
from baserate.digests import digest
from baserate.dna.kmers import encode
from baserate.errors import DataError
from baserate.registry import get_model
from baserate.text import Text, blocks, distinct
from baserate.types import Inputs, strings
from baserate.zero_shot import score

values = st.lists(st.text(alphabet="ACGTNé", max_size=6), max_size=12)


def chunked(column: list[str], cut: int, kind: pa.DataType) -> Text:
    """Return the column in up to three chunks, the middle one empty, each a slice of a larger array."""
    parts = [pa.array(["x", *piece, "y"], kind)[1:-1] for piece in (column[:cut], [], column[cut:])]
    return Text(pa.chunked_array(parts, type=kind))


@settings(max_examples=150, deadline=None)
@given(values, st.data())
def test_it_is_indexed_and_compared_as_an_object_array(column: list[str], data: st.DataObject) -> None:
    array = strings(column)
    cut = data.draw(st.integers(0, len(column)))
    text: Any = data.draw(st.sampled_from([Text.of, lambda v: chunked(v, cut, pa.string())]))(column)
    for _ in range(3):
        assert text.tolist() == array.tolist() == [v for block in text.blocks() for v in block]
        assert np.asarray(text).dtype == object and (np.asarray(text) == array).all()
        assert len(text) == len(array) and text.shape == array.shape
        assert (text == array).all() and (array == text).all() and not (text != array).any()
        assert (text == "ACG").tolist() == [v == "ACG" for v in array]
        assert text.lengths.tolist() == [len(v.encode()) for v in array]
        assert text.column().to_pylist() == array.tolist()
        assert Text(text.column()[1:]).tolist() == array[1:].tolist()
        assert [b[lo:hi].tobytes().decode() for b, at in text.letters() for lo, hi in pairwise(at)] == [*array]
        n = len(array)
        index = data.draw(
            st.one_of(
                st.slices(n),
                st.lists(st.integers(-n, n - 1), max_size=9) if n else st.just([]),
                st.lists(st.booleans(), min_size=n, max_size=n).map(np.array) if n else st.just(slice(0, 0)),
            )
        )
        if isinstance(index, list):
            index = np.array(index, np.int64)
        text, array = text[index], array[index]
        assert all(text[i] == array[i] and text[i - len(array)] == array[i - len(array)] for i in range(len(array)))


@given(values, values, st.data())
@settings(max_examples=50, deadline=None)
def test_parts_are_joined_without_their_being_whole(one: list[str], other: list[str], data: st.DataObject) -> None:
    index = data.draw(st.lists(st.integers(0, len(one) - 1), max_size=5) if one else st.just([]))
    taken = Text.of(one)[np.array(index, np.int64)]
    joined = Text.concatenate([taken, strings(other), Text.of(other)])
    assert joined.tolist() == [*(one[i] for i in index), *other, *other]


@given(values, st.data())
@settings(max_examples=50, deadline=None)
def test_distinct_values_come_in_the_order_of_their_first_rows(column: list[str], data: st.DataObject) -> None:
    index = data.draw(st.lists(st.integers(0, len(column) - 1), max_size=9) if column else st.just([]))
    rows = np.array(index, np.int64)
    for held in (strings(column)[rows], Text.of(column)[rows]):
        kept, which = distinct(held)
        assert list(kept) == list(dict.fromkeys(column[i] for i in index))
        assert [kept[i] for i in which] == [column[i] for i in index]


def test_blocks_are_bounded_by_letters_and_rows() -> None:
    long = Text.of(["A" * 3_000_000, "C", "G" * 3_000_000, "T" * 9_000_000])
    assert [len(block) for block in long.blocks()] == [2, 1, 1]
    short = Text.of(["A"] * 10_000)
    assert max(len(block) for block in short.blocks()) == 4096 and sum(map(len, blocks(short))) == 10_000


def test_rows_of_one_value_are_one_str() -> None:
    rows = np.repeat([1, 0, 1], 5_000)
    text = Text.of(["A" * 1000, "C" * 1000])[rows]
    assert np.asarray(text).tolist() == [*(["C" * 1000] * 5000), *(["A" * 1000] * 5000), *(["C" * 1000] * 5000)]
    assert len({id(value) for value in np.asarray(text)}) == 2
    assert (
        len({id(value) for block in list(text.blocks()) for value in block}) <= 4 and text.tolist()[7000] == "A" * 1000
    )
    assert sum(len(letters) for letters, _ in text.letters()) == 15_000_000


def test_a_value_keeps_its_letters_when_its_source_is_gone() -> None:
    text = Text(pa.array(["ACGT", "TTTT"]))[1:]
    assert text[0] == "TTTT" and pickle.loads(pickle.dumps(text)).tolist() == ["TTTT"]


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (3, "index 3 is out of bounds for 3 values"),
        (np.array([0, 3]), "an index from 0 to 3 is out of bounds for 3 values"),
        (np.array([-4]), "from -4 to -4 is out of bounds"),
        (np.array([True, False]), r"a mask of shape \(2,\) for 3 values"),
        (np.array([0.5]), "expected a number, a slice"),
        (np.array([[0]]), "expected a number, a slice"),
    ],
)
def test_a_wrong_index_is_an_index_error(index: Any, said: str) -> None:
    with pytest.raises(IndexError, match=said):
        Text.of(["A", "C", "G"])[index]


def test_what_is_not_text_is_refused() -> None:
    with pytest.raises(ValueError, match="missing values"):
        Text(pa.array(["A", None]))
    with pytest.raises(TypeError, match="expected a column of text, got int64"):
        Text(pa.array([1]))
    with pytest.raises(ValueError, match="cannot compare 1 values with 2"):
        _ = Text.of(["A"]) == ["A", "C"]


def test_fingerprints_are_those_of_the_joined_columns_whatever_holds_them() -> None:
    examples = toy_variants(40).train
    inputs = examples.inputs
    columns = [examples.ids, inputs.sequences, examples.groups, examples.clusters, inputs.alternates]
    columns += [examples.strata[name] for name in sorted(examples.strata)]
    expected = digest(*("\n".join(c) for c in columns if c is not None), examples.targets.tobytes())
    assert inputs.alternates is not None and examples.fingerprint == expected
    held = Inputs(Text.of(list(inputs.sequences)), Text.of(list(inputs.alternates)), inputs.positions)
    assert replace(examples, inputs=held).fingerprint == expected
    assert replace(examples, soft_masked=np.zeros(len(examples))).fingerprint == expected
    assert replace(examples, inputs=held).take(np.arange(3)).fingerprint == examples.take(slice(3)).fingerprint


def test_what_is_asked_of_a_base_depends_on_where_it_is() -> None:
    examples = toy_classes(6).train
    n = len(examples)
    windows, at = strings(["ACGT" * 5] * n), np.arange(n)
    found = {
        replace(examples, inputs=Inputs(held, None, positions, span)).fingerprint
        for held in (windows, Text.of(["ACGT" * 5])[np.zeros(n, np.int64)], Text.of(list(windows)))
        for positions, span in ((at, 1), (at[::-1], 1), (at, 2))
    }
    assert len(found) == 3


def test_lists_of_str_become_arrays() -> None:
    assert Inputs(["A", "C"]).sequences.dtype == object  # type: ignore[arg-type, union-attr]


def test_k_mers_and_baselines_see_the_same_letters() -> None:
    array = strings(["ACGTN", "", "TTGACA", "GGGC"])
    for index in (slice(None), np.array([2, 0, 2]), slice(0, 0)):
        for found, expected in zip(encode(Text.of(array.tolist())[index]), encode(array[index]), strict=True):
            assert found.tolist() == expected.tolist()
    with pytest.raises(DataError, match="row 1: letter 'é' is not DNA"):
        encode(Text.of(["A", "é"]))


@pytest.mark.parametrize("name", ["kmer_logreg", "gc_content", "length", "onehot_linear", "pwm"])
def test_a_baseline_learns_the_same_from_either(name: str) -> None:
    split = toy_classes(60)
    held = [replace(e, inputs=Inputs(Text.of(list(e.inputs.sequences)))) for _, e in split]
    model = get_model(name).load()
    scores = [
        model.fit(train, valid, n_classes=2, seed=0).predict(test.inputs)
        for train, valid, test in ((split.train, split.valid, split.test), held)
    ]
    assert np.array_equal(*scores)


@pytest.mark.parametrize("name", ["markov", "trinucleotide"])
def test_a_baseline_scores_variants_the_same_from_either(name: str) -> None:
    split = toy_variants(40)
    scores = []
    for hold in (strings, Text.of):
        train, test = (
            Inputs(hold(list(e.inputs.sequences)), hold(list(e.inputs.alternates)), e.inputs.positions)
            for e in (split.train, split.test)
        )
        model = get_model(name).load()
        model.learn(train)
        scores.append(score(model, test, "native", deleterious=False, train=split.train))
    assert np.array_equal(*scores)
