"""Families: dealt by class, the clusters of the interval, and how wide an interval over them is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import baserate as br
from baserate.audit import audit
from baserate.cards.find import find_task
from baserate.cards.task import task_card
from baserate.errors import ConfigError, DataError
from baserate.results import Predictions
from baserate.splits import by_homology, by_position, load_split, predefined, with_families, with_valid
from baserate.splits.homology import deal, families, units
from baserate.statistics import estimate
from baserate.types import Examples, Inputs, Intervals, Task, strings

BASES = np.array(list("ACGT"))


def planted(classes: list[list[int]], length: int = 120, seed: int = 0) -> Examples:
    """Return examples of `classes[c]` families of these sizes each: members are 3 % mutants of one sequence."""
    rng = np.random.default_rng(seed)
    sequences, targets, names = [], [], []
    for c, sizes in enumerate(classes):
        for f, size in enumerate(sizes):
            ancestor = rng.integers(0, 4, length)
            for _ in range(size):
                changed = np.where(rng.random(length) < 0.03, rng.integers(0, 4, length), ancestor)
                sequences.append("".join(BASES[changed]))
                targets.append(c)
                names.append(f"{c}.{f}")
    n = len(sequences)
    ids = strings([f"{names[i]}#{i:05d}" for i in range(n)])
    groups = strings([f"r{i}" for i in range(n)])
    return Examples(ids, Inputs(strings(sequences)), np.array(targets), groups, groups, {"family": strings(names)})


def task_of(examples: Examples, rule: object, **changes: object) -> Task:
    classes = tuple(f"class{c}" for c in range(int(examples.targets.max()) + 1))
    task = Task(
        "planted", 1, "classification", ("mcc", "accuracy"), lambda: examples, rule, "", "", "", "", (), (), {}, classes  # type: ignore[arg-type]
    )  # fmt: skip
    return replace(task, **changes)  # type: ignore[arg-type]


def partition(names: object) -> set[frozenset[int]]:
    """Return the rows of each distinct name."""
    rows: dict[str, list[int]] = {}
    for i, name in enumerate(names):  # type: ignore[arg-type, var-annotated]
        rows.setdefault(name, []).append(i)
    return {frozenset(r) for r in rows.values()}


@pytest.mark.parametrize("seed", range(5))
def test_every_part_has_every_class_in_its_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [[int(s) for s in rng.geometric(0.3, n)] for n in (150, 40, 15)]
    names, classes = [], []
    for c, of_class in enumerate(sizes):
        for f, size in enumerate(of_class):
            names += [f"{c}.{f}"] * size
            classes += [c] * size
    one_hot = np.eye(3)[classes]
    part = deal(strings(names), one_hot, {"test": 0.2, "valid": 0.1}, seed)
    for c in range(3):
        of_class = part[np.array(classes) == c]
        largest = max(sizes[c])
        for name, share in (("test", 0.2), ("valid", 0.1), ("train", 0.7)):
            assert abs((of_class == name).sum() - share * len(of_class)) <= largest
    assert (part == "test").sum() <= round(0.2 * len(part)) and (part == "valid").sum() <= round(0.1 * len(part))
    assert all(len(set(part[np.array(names) == name])) == 1 for name in set(names))
    other = deal(strings(names), one_hot, {"test": 0.2, "valid": 0.1}, seed + 1)
    assert (other != part).any()
    np.testing.assert_array_equal(part, deal(strings(names), one_hot, {"test": 0.2, "valid": 0.1}, seed))


def test_a_rare_class_is_in_train_first_and_then_in_test() -> None:
    examples = planted([[1] * 200, [6, 6], [9]])
    rule = by_homology(test=0.2, valid=0.1)
    part = rule(examples)
    of = {name: set(part[examples.strata["family"] == name]) for name in ("1.0", "1.1", "2.0")}
    assert of["2.0"] == {"train"}
    assert {frozenset(of["1.0"]), frozenset(of["1.1"])} == {frozenset({"train"}), frozenset({"test"})}
    load_split(task_of(examples, rule))  # which refuses a split without a training row of a class


def test_families_become_the_clusters_of_the_interval() -> None:
    examples = planted([[4] * 60, [4] * 60])
    split = load_split(task_of(examples, by_homology()))
    for _, part in split:
        assert partition(part.clusters) == partition(part.strata["family"])
        assert len(set(part.groups)) == len(part)
    given = replace(
        examples, strata={**examples.strata, "split": strings([("train", "test")[i % 2] for i in range(480)])}
    )
    plain = load_split(task_of(given, with_valid(predefined(), 0.1)))
    assert len(set(plain.test.clusters)) == len(plain.test)
    joined = load_split(task_of(given, with_families(with_valid(predefined(), 0.1), 0.8)))
    assert list(joined.test.ids) == list(plain.test.ids)
    assert partition(joined.test.clusters) == partition(joined.test.strata["family"])


def test_declared_clusters_join_families() -> None:
    examples = planted([[2] * 30, [2] * 30])
    pairs = strings([f"c{i // 4}" for i in range(len(examples))])
    split = load_split(task_of(replace(examples, clusters=pairs), by_homology()))
    for _, part in split:
        expected = units(part, part.strata["family"], np.array([i[-5:] for i in part.ids], object))
        assert len(set(part.clusters)) <= len(set(expected))
        assert all(len(set(part.clusters[part.strata["family"] == f])) == 1 for f in set(part.strata["family"]))


def test_valid_is_cut_from_train_by_families_and_is_a_share_of_train() -> None:
    examples = planted([[5] * 50, [5] * 50])
    part = strings(["test" if i % 5 == 0 else "train" for i in range(500)])
    given = replace(examples, strata={**examples.strata, "split": part})
    by_row, by_family = with_valid(predefined(), 0.1)(given), with_valid(predefined(), 0.1, similarity=0.8)(given)
    family = examples.strata["family"]
    assert set(family[by_row == "valid"]) & set(family[by_row == "train"])
    assert not set(family[by_family == "valid"]) & set(family[by_family == "train"])
    assert (by_family == "valid").sum() == 40 and (by_row == "valid").sum() == 50
    np.testing.assert_array_equal(by_family == "test", part == "test")


def test_rows_in_no_part_are_counted_also_from_the_cache_and_in_subsets(tmp_path: Path) -> None:
    examples = planted([[1] * 50, [1] * 50])
    at = np.arange(100) * 200
    intervals = Intervals(strings(["chr1"] * 100), at, at + 120, strings(["+"] * 100))
    rule = by_position(test=(("chr1", 0, 4000),), valid=(("chr1", 16000, 20000),), gap=1000)
    task = task_of(replace(examples, intervals=intervals, targets=np.arange(100) % 2), rule)
    split = load_split(task)
    n = 100 - sum(len(part) for _, part in split)
    assert split.dropped == n > 0
    size = next(f for f in audit(task, split).findings if f.name == "size")
    assert size.numbers["dropped"] == n and f"{n} rows in no part of the split" in size.summary
    assert load_split(task, limit=5).dropped == n


def card(folder: Path, split: str, examples: Examples) -> Path:
    rows = zip(examples.inputs.sequences, examples.targets, examples.strata["split"], strict=True)
    (folder / "t.csv").write_text("sequence,label,split\n" + "".join(f"{s},{t},{p}\n" for s, t, p in rows))
    path = folder / "t.toml"
    path.write_text(
        'name = "t"\nkind = "classification"\nclasses = ["0", "1"]\n'
        '[source]\ntable = "t.csv"\ngroup = "row"\nstrata = ["split"]\n'
        f'[split]\nrule = "predefined"\n{split}\n'
    )
    return path


def test_a_card_cuts_valid_and_clusters_by_families(tmp_path: Path) -> None:
    examples = planted([[5] * 50, [5] * 50])
    given = replace(
        examples, strata={**examples.strata, "split": strings([("train", "test")[i // 5 % 5 == 0] for i in range(500)])}
    )
    path = card(tmp_path, "valid_fraction = 0.1\nvalid_similarity = 0.8\ncluster_similarity = 0.8", given)
    split = load_split(task_card(path))
    assert len(split.valid) == 40 and len(set(split.test.clusters)) == 20
    again = load_split(task_card(path))  # from the cache
    assert again.fingerprint == split.fingerprint and again.data_fingerprint == split.data_fingerprint
    plain = task_card(card(tmp_path, "valid_fraction = 0.1", given))
    assert len(set(load_split(plain).test.clusters)) == 100
    offered = find_task(f"{tmp_path}/t.toml(cluster_similarity=0.8)")
    assert offered.name == "t(cluster_similarity=0.8)" and len(set(load_split(offered).test.clusters)) == 20


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("valid_similarity = 0.8", "valid_similarity goes with valid_fraction"),
        ("valid_fraction = 0.1\nvalid_similarity = 8", "valid_similarity = 8; expected a number between 0 and 1"),
        ("cluster_similarity = 0.3", "threshold is 0.3; expected a similarity from 0.5 to 1"),
        ("cluster_similarty = 0.8", "did you mean 'cluster_similarity'"),
    ],
)
def test_what_cannot_be_a_similarity(split: str, message: str, tmp_path: Path) -> None:
    examples = planted([[1] * 4, [1] * 4])
    given = replace(examples, strata={"split": strings(["train", "test"] * 4)})
    with pytest.raises(ConfigError, match=message):
        task_card(card(tmp_path, split, given))


def test_the_audit_warns_where_families_make_the_interval_wider() -> None:
    examples = planted([[10] * 30, [10] * 30], seed=3)
    # Whole families are in one part, but rows are taken for independent.
    part = strings([("train", "valid", "test", "test", "test")[i // 10 % 5] for i in range(600)])
    given = replace(examples, strata={**examples.strata, "split": part})

    def found(rule: object) -> object:
        task = task_of(given, rule)
        return next(f for f in audit(task, load_split(task)).findings if f.name == "families")

    by_rows, by_families = found(predefined()), found(with_families(predefined(), 0.8))
    assert by_rows.status == "WARN" and by_rows.numbers["ratio"] > 1.25  # type: ignore[attr-defined]
    assert by_rows.numbers["families"] == 36 and by_rows.numbers["clusters"] == 360  # type: ignore[attr-defined]
    assert "planted(cluster_similarity=0.8)" in by_rows.summary  # type: ignore[attr-defined]
    assert by_families.status == "PASS" and by_families.numbers["ratio"] == pytest.approx(1)  # type: ignore[attr-defined]


def test_no_family_fits() -> None:
    with pytest.raises(DataError, match="test would be empty: 40 examples make 2 clusters of 20 to 20"):
        by_homology()(planted([[20], [20]]))


@pytest.mark.parametrize("repeats", [400, pytest.param(4_000, marks=pytest.mark.slow)])
def test_an_interval_over_planted_families_covers_and_one_over_rows_does_not(repeats: int) -> None:
    """Families share most of their error, as relatives do; the true accuracy is .8. `-s` shows the shares."""
    examples = planted([[int(s) for s in np.random.default_rng(5).geometric(0.25, 120)]], length=100, seed=5)
    family = families(examples, 0.8)
    assert partition(family) == partition(examples.strata["family"])
    rng = np.random.default_rng(1)
    names, of_row = np.unique(family, return_inverse=True)
    n, covered = len(examples), {"families": 0, "rows": 0}
    targets = np.zeros(n, np.int64)
    for _ in range(repeats):
        chance = rng.beta(0.8 * 1.5, 0.2 * 1.5, len(names))[of_row]
        right = rng.random(n) < chance
        scores = np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])[None]
        for what, clusters in (("families", family), ("rows", examples.ids)):
            e = estimate(Predictions(examples.ids, targets, clusters, {}, scores, (0,)), "accuracy")
            assert e.low is not None and e.high is not None
            covered[what] += e.low <= 0.8 <= e.high
    print({what: f"{covered[what] / repeats:.1%} of {repeats:,}" for what in covered})
    assert 0.93 <= covered["families"] / repeats <= 0.97
    assert covered["rows"] / repeats < 0.85


def test_a_record_counts_the_rows_left_out() -> None:
    examples = planted([[1] * 50, [1] * 50])
    at = np.arange(100) * 200
    given = replace(
        examples,
        intervals=Intervals(strings(["chr1"] * 100), at, at + 120, strings(["+"] * 100)),
        targets=np.arange(100) % 2,
    )
    rule = by_position(test=(("chr1", 0, 4000),), valid=(("chr1", 16000, 20000),), gap=1000)
    record = br.evaluate(task_of(given, rule), "constant", "from_scratch", progress=False, audit=False, seeds=[0])
    assert record.task["dropped"] == 10
