"""Rules on random tables: what each promises, checked from the parts, and few examples nested in more."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baserate.cards.find import find_task
from baserate.cards.variant import variant
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, DataError
from baserate.modes.job import Job
from baserate.splits import (
    RULES,
    all_test,
    assert_no_leak,
    by_chromosome,
    by_group,
    by_homology,
    by_position,
    by_preset,
    by_stratum,
    draw_shots,
    few_shot,
    k_fold,
    load_split,
    predefined,
    stratified,
    with_valid,
)
from baserate.types import PARTS, Examples, Inputs, Intervals, Split, Task, strings

from .conftest import SHARED_DATA

FEW = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def dna(rng: np.random.Generator, length: int) -> str:
    return "".join("ACGT"[b] for b in rng.integers(0, 4, length))


def family(rng: np.random.Generator, n: int, length: int) -> list[str]:
    """Return sequences of which some are mutated, shifted or reversed copies of earlier ones."""
    out: list[str] = []
    for _ in range(n):
        kind = rng.integers(0, 5)
        source = out[int(rng.integers(0, len(out)))] if out else dna(rng, length)
        if kind == 0 and out:
            out.append(source)
        elif kind == 1 and out:
            at = rng.random(length) < 0.06
            out.append("".join(dna(rng, 1) if m else b for b, m in zip(source, at, strict=True)))
        elif kind == 2 and out:
            out.append(reverse_complement(source[length // 3 :] + dna(rng, length // 3)))
        else:
            out.append(dna(rng, length))
    return out


def table(seed: int, n: int, length: int = 40) -> Examples:
    """Return n examples with groups, clusters, strata and places that are drawn at random."""
    rng = np.random.default_rng(seed)
    chrom = strings([f"chr{i}" for i in rng.integers(1, 23, n)])
    start = rng.integers(0, 5000, n)
    groups = np.array([f"g{i}" for i in rng.integers(0, max(2, n // 2), n)], object)
    sequences = family(rng, n, length)
    # What a table's reader does: equal sequences are a group of their own where no group is named.
    return Examples(
        ids=strings([f"x{i}" for i in range(n)]),
        inputs=Inputs(strings(sequences)),
        targets=(rng.random(n) < 0.3).astype(np.int64),
        groups=groups,
        clusters=groups,
        strata={"species": strings([("human", "fly", "worm")[i % 3] for i in range(n)])},
        intervals=Intervals(chrom, start, start + length, strings(["+"] * n)),
    )


def divided(examples: Examples, rule: Any) -> Split:
    part = rule(examples)
    assert set(part) <= {*PARTS, ""}
    return Split(*(examples.take(np.flatnonzero(part == name)) for name in PARTS))


def apart(examples: Examples) -> Examples:
    """Return the examples with groups that hold all equal sequences, as a table's reader makes them."""
    canonical = [min(s, reverse_complement(s)) for s in examples.inputs.sequences]
    groups = strings(canonical)
    return replace(examples, groups=groups, clusters=groups)


@numba.njit
def _local(a: Any, b: Any) -> Any:
    """Return matches and columns of the best local alignment (2, -3, -4): all cells, no seeds, no band."""
    shape = (len(a) + 1, len(b) + 1)
    score, hits, size = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    best = (0, 0, 0)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            same = a[i - 1] == b[j - 1]
            top = (score[i - 1, j - 1] + (2 if same else -3), hits[i - 1, j - 1] + same, size[i - 1, j - 1] + 1)
            up = (score[i - 1, j] - 4, hits[i - 1, j], size[i - 1, j] + 1)
            left = (score[i, j - 1] - 4, hits[i, j - 1], size[i, j - 1] + 1)
            if up > top:
                top = up
            if left > top:
                top = left
            if top[0] > 0:
                score[i, j], hits[i, j], size[i, j] = top
                if top > best:
                    best = top
    return best


def plain_similarity(a: str, b: str) -> float:
    """Return matches / max(columns, half the shorter) of the better strand, by dynamic programming over all cells."""
    found = []
    for other in (b, reverse_complement(b)):
        _, matches, columns = _local(*(np.frombuffer(s.encode(), np.uint8) for s in (a, other)))
        found.append(matches / max(columns, min(len(a), len(b)) / 2))
    return float(max(found))


@FEW
@given(seed=st.integers(0, 10**6), n=st.integers(30, 80), test=st.floats(0.1, 0.4), valid=st.floats(0.05, 0.3))
def test_rules_that_draw_keep_groups_and_equal_sequences_whole(seed: int, n: int, test: float, valid: float) -> None:
    examples = apart(table(seed, n))
    for rule in (
        stratified(test, valid, seed),
        by_group(test, valid, seed),
        with_valid(by_group(test, seed=seed), valid, seed),
        k_fold(5, seed % 5, seed=seed),
        k_fold(3, seed % 3, by="cluster"),
        by_homology(0.8, test, valid, seed),
    ):
        split = divided(examples, rule)
        assert_no_leak(split, rule)
        if not isinstance(rule, by_homology):
            assert sum(len(e) for _, e in split) == n
        assert len(split.test) and len(split.train)
        order = np.random.default_rng(seed).permutation(n)
        again = rule(examples.take(order))
        if not isinstance(rule, by_homology):  # whose alignments may differ with the order of the two
            np.testing.assert_array_equal(again, rule(examples)[order])


@FEW
@given(seed=st.integers(0, 10**6), folds=st.integers(3, 6), by=st.sampled_from(["group", "chromosome", "species"]))
def test_folds_partition_the_examples(seed: int, folds: int, by: str) -> None:
    examples = table(seed, 60)
    if by == "species":
        examples = replace(examples, groups=examples.strata["species"])
        folds = 3
    if by == "chromosome":
        assert examples.intervals is not None
        examples = replace(examples, groups=examples.intervals.chrom)
    of_row = k_fold(folds, 0, by=by).fold_of(examples)
    assert set(of_row.tolist()) == set(range(folds))
    for fold in range(folds):
        part = k_fold(folds, fold, by=by)(examples)
        np.testing.assert_array_equal(part == "test", of_row == fold)
        np.testing.assert_array_equal(part == "valid", of_row == (fold + 1) % folds)
    for group in set(examples.groups):
        assert len(set(of_row[examples.groups == group])) == 1


@FEW
@given(seed=st.integers(0, 10**6), gap=st.integers(0, 800))
def test_positions_keep_their_gap(seed: int, gap: int) -> None:
    examples = table(seed, 80)
    assert examples.intervals is not None
    examples = replace(apart(examples), intervals=replace(examples.intervals, chrom=strings(["chr1"] * 80)))
    examples = replace(examples, groups=examples.ids, clusters=examples.ids)
    _, first = np.unique([min(s, reverse_complement(s)) for s in examples.inputs.sequences], return_index=True)
    examples = examples.take(np.sort(first))
    rule = by_position(test=(("chr1", 1000, 2500),), valid=(("chr1", 4000, 5000),), gap=gap)
    split = divided(examples, rule)
    assert_no_leak(split, rule)
    at = [(e.intervals.start, e.intervals.end) for _, e in split if e.intervals is not None]
    for start, end in zip(*at[0], strict=True):  # every pair, one by one
        for others in at[1:]:
            assert all(max(s - end, start - e) >= gap for s, e in zip(*others, strict=True))
    if gap > 200 and len(split.train) and len(split.test):
        assert split.train.intervals is not None
        assert split.test.intervals is not None
        moved = replace(split.train.intervals, start=split.test.intervals.start[:1].repeat(len(split.train)) + 41)
        moved = replace(moved, end=moved.start + 40)
        with pytest.raises(DataError, match=r"lie \d bp apart on chr1, less than"):
            assert_no_leak(replace(split, train=replace(split.train, intervals=moved)), rule)


@pytest.mark.parametrize("seed", range(6))
def test_by_homology_leaves_no_pair_across_parts_that_plain_alignment_finds(seed: int) -> None:
    examples = table(seed, 60, length=60)
    examples = replace(examples, groups=examples.ids)
    rule = by_homology(0.8, 0.3, 0.1, seed)
    part = rule(examples)
    assert {"train", "test", "valid"} <= set(part)
    for i in range(60):
        for j in range(i):
            if part[i] and part[j] and part[i] != part[j]:
                a, b = examples.inputs.sequences[i], examples.inputs.sequences[j]
                assert plain_similarity(a, b) < 0.8
    split = divided(examples, rule)
    moved = examples.take(np.flatnonzero(part == "test")[:1])
    copy = replace(moved, ids=strings(["copy"]), groups=strings(["copy"]))
    first = moved.inputs.sequences[0]
    copy = replace(copy, inputs=Inputs(strings([reverse_complement(first[:-1] + ("A" if first[-1] != "A" else "C"))])))
    with pytest.raises(DataError, match="id 'copy'"):
        assert_no_leak(replace(split, train=copy), rule)


def test_what_leaks_is_named() -> None:
    e = table(3, 40)
    e = replace(e, groups=e.ids, inputs=Inputs(strings([dna(np.random.default_rng(i), 40) for i in range(40)])))
    split = Split(e.take(slice(0, 20)), e.take(slice(20, 30)), e.take(slice(30, 40)))
    assert_no_leak(split, predefined())
    with pytest.raises(DataError, match=r"id 'x3' is in train \(id 'x3'\) and in test"):
        assert_no_leak(replace(split, test=e.take(slice(3, 6))), predefined())
    with pytest.raises(DataError, match="group 'x0' is in train"):
        assert_no_leak(replace(split, test=replace(split.test, groups=e.groups[:10])), predefined())
    other = strings([reverse_complement(s) for s in e.inputs.sequences[:10]])
    with pytest.raises(DataError, match=r"the same input is in train \(id 'x0'\) and in test \(id 'x30'\)"):
        assert_no_leak(replace(split, test=replace(split.test, inputs=Inputs(other))), predefined())
    with pytest.raises(DataError, match="chromosome 'chr"):
        assert_no_leak(split, by_chromosome(test=("chr1",)))
    with pytest.raises(DataError, match="species 'worm' is in train"):
        assert_no_leak(split, by_stratum("species", test=("fly",)))
    with pytest.raises(DataError, match="not in the part of its fold"):
        assert_no_leak(split, k_fold(5, 0))


def test_chromosome_presets_are_the_published_ones() -> None:
    e = table(0, 400)
    assert e.intervals is not None
    number = np.array([int(c[3:]) for c in e.intervals.chrom])
    dart = by_preset("dart")(e)
    assert set(number[dart == "test"]) == {5, 10, 14, 18, 20, 22}
    assert set(number[dart == "valid"]) == {6, 21}
    last = by_preset("genomecf", fold=4)(e)
    assert set(number[last == "test"]) == set(range(13, 23))
    assert set(number[last == "valid"]) == {1, 2}
    assert set(number[by_preset("m42", fold=2)(e) == "test"]) == {5, 6}
    revised = by_preset("nt_revised")(e)
    assert set(number[revised == "test"]) == {20, 21}
    assert "valid" not in revised
    with pytest.raises(ConfigError, match="did you mean 'dart'"):
        by_preset("dartt")
    with pytest.raises(ConfigError, match="fold from 0 to 4"):
        by_preset("genomecf", fold=5)


def test_a_random_split_warns(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        part = stratified()(apart(table(1, 200)))
    assert "is a random split" in caplog.text
    assert 30 <= (part == "test").sum() <= 42


def test_clusters_that_are_too_large_are_told() -> None:
    e = table(0, 40)
    one = replace(e, groups=strings(["g"] * 40))
    with pytest.raises(DataError, match="test would be empty: 40 examples make 1 clusters of 40 to 40"):
        by_homology()(one)
    with pytest.raises(DataError, match="1 unlinked groups, expected 5 or more"):
        k_fold()(one)
    with pytest.raises(ConfigError, match="expected 3 folds or more"):
        k_fold(folds=2)


@FEW
@given(seed=st.integers(0, 10**6), few=st.integers(1, 10), more=st.integers(10, 30))
def test_shots_are_nested_balanced_and_drawn_anew_for_each_seed(seed: int, few: int, more: int) -> None:
    e = table(seed, 150)
    small, large = draw_shots(e, few, seed), draw_shots(e, more, seed)
    assert set(small) <= set(large)
    assert np.bincount(e.targets[small]).tolist() == [few, few]
    available = np.bincount(e.targets)
    assert np.bincount(e.targets[large]).tolist() == [min(more, n) for n in available]
    assert set(large) != set(draw_shots(e, more, seed + 1))
    assert set(e.ids[large]) == set(
        e.take(np.arange(149, -1, -1)).ids[draw_shots(e.take(np.arange(149, -1, -1)), more, seed)]
    )


def test_variants_are_tasks_of_their_own_and_train_on_their_shots() -> None:
    task = find_task("yeast_coding.small")
    few = find_task("yeast_coding.small(shots=8)")
    assert few.name == "yeast_coding.small(shots=8)"
    assert few.id != task.id
    split, whole = load_split(few), load_split(task)
    assert split.test.fingerprint == whole.test.fingerprint
    assert len(split.valid) == 16
    job = Job(few, None, None, split, {}, (0, 1), 0.9)  # type: ignore[arg-type]
    assert len(job.train_rows(0)) == 16
    assert set(job.train_rows(0)) != set(job.train_rows(1))
    fold = find_task('yeast_coding.small(split="k_fold", folds=4, fold=1, by="chromosome", shots=4)')
    assert fold.name == "yeast_coding.small(by=chromosome,fold=1,folds=4,shots=4,split=k_fold)"
    with pytest.raises(ConfigError, match="unknown key 'shot'; did you mean 'shots'"):
        find_task("yeast_coding(shot=8)")
    with pytest.raises(ConfigError, match="did you mean 'by_homology'"):
        find_task('yeast_coding(split="homology")')
    with pytest.raises(ConfigError, match="threshold is 80"):
        find_task('yeast_coding(split="by_homology", threshold=80)')
    with pytest.raises(ConfigError, match="shots = 0"):
        find_task("yeast_coding(shots=0)")


def test_a_task_can_be_test_alone() -> None:
    task = variant(find_task("yeast_coding.small"), {"split": "all_test"}, RULES)
    assert not task.trainable
    split = load_split(task)
    assert len(split.test) and not len(split.train)
    assert_no_leak(split, all_test())


BUILT_IN = ("yeast_coding.small", "human_splice_sites.small", "wt1_exon5_splicing")


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_tasks_keep_what_their_rules_promise(name: str) -> None:
    task: Task = find_task(name)
    split = load_split(task)
    rule = task.split
    assert_no_leak(split, rule)
    few = few_shot(rule, 4)
    assert_no_leak(split, few)


def test_few_shots_of_folds_leak_no_more_than_folds() -> None:
    rule = few_shot(k_fold(3, by="chromosome"), 4)
    split = load_split(variant(find_task("yeast_coding.small"), {"split": "all_test"}, RULES))
    part = rule(split.test)
    drawn = Split(*(split.test.take(np.flatnonzero(part == name)) for name in ("train", "valid", "test")))
    assert len(drawn.valid) == 8
    assert_no_leak(drawn, rule)
    with pytest.raises(DataError, match=r"is in valid \(id .* and in test"):
        assert_no_leak(replace(drawn, train=drawn.train.take(slice(0, 5)), valid=drawn.test.take(slice(0, 5))), rule)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the real files of GUE (BASERATE_SHARED_DATA)")
def test_gue_as_published_leaks_and_split_by_homology_does_not() -> None:
    name = "gue.prom_core_tata"
    published = find_task(name)
    with pytest.raises(DataError, match="the same input is in train"):
        assert_no_leak(load_split(published), published.split)
    task = find_task(f'{name}(split="by_homology", threshold=0.8)')
    split = load_split(task)
    assert_no_leak(split, task.split)
    sizes = {part: len(e) for part, e in split}
    assert sizes["test"] == round(0.2 * 6130)
    assert 0.95 * 6130 < sum(sizes.values()) <= 6130
    shots = load_split(find_task(f"{name}(shots=16)"))
    assert shots.test.fingerprint == load_split(published).test.fingerprint
