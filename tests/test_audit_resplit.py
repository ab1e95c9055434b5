from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.audit import audit
from baserate.audit.resplit import resplit
from baserate.cards.task import task_card
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, DataError, NotApplicable
from baserate.splits import load_split, predefined
from baserate.types import Examples, Inputs, Split, Task, strings


def task(kind: Any = "classification", **changes: Any) -> Task:
    given: dict[str, Any] = {"classes": ("no", "yes"), "metrics": ("mcc", "auroc:lab=b"), "description": 'A "test".'}
    return Task(
        **{
            "name": "mine.dirty", "version": 3, "kind": kind, "source": lambda: pytest.fail("not read"),
            "split": predefined("part"), "split_rule": "", "citation": "Nobody 2020", "licence": "CC0-1.0",
            "species": ("none",), "assembly": ("none",), "sizes": {}, "origin": "drawn, seed 0", **given, **changes,
        }
    )  # fmt: skip


def drawn(n: int, seed: int, length: int = 90) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(row) for row in rng.choice(list("ACGT"), size=(n, length))]


def part(name: str, sequences: list[str], targets: Any = None, inputs: Inputs | None = None) -> Examples:
    n = len(sequences)
    ids = strings([f"{name}{i}" for i in range(n)])
    strata = {"part": strings([name] * n), "lab": strings(["ab"[i % 2] for i in range(n)])}
    y = np.arange(n) % 2 if targets is None else np.asarray(targets)
    return Examples(ids, inputs or Inputs(strings(sequences)), y, ids, ids, strata)


def dirty() -> Split:
    """Return a split with rows that leak, repeat and contradict one another, at known places."""
    train, valid, test = drawn(60, 0), drawn(24, 1), drawn(40, 2)
    train[0] = test[0]
    train[1] = reverse_complement(test[1])
    train[2] = test[2][:80] + "A" * 10
    train[3] = valid[3]
    valid[5] = test[5]
    train[11] = train[10]  # another label
    train[12] = train[14]  # the same
    test[31] = test[30]  # another label
    test[34] = test[32]
    return Split(part("train", train), part("valid", valid), part("test", test))


def gone(folder: Path) -> dict[str, str]:
    with (folder / "removed.csv").open() as file:
        return {row["id"]: row["reason"] for row in csv.DictReader(file)}


def test_what_leaks_is_gone_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    split, out = dirty(), tmp_path / "v4"
    made = resplit(task(), split, out)
    assert set(gone(out)) == {
        "train0", "train1", "train2", "train3", "valid5", "train10", "train11", "train14", "test30", "test31", "test34",
    }  # fmt: skip
    assert "either strand" in gone(out)["train1"] and "0.8 or more" in gone(out)["train2"]
    assert "two labels" in gone(out)["train10"] and "repeats" in gone(out)["train14"]
    card = task_card(made.card)
    assert card.id == "mine.dirty@4" and card.metrics == task().metrics and card.origin == "drawn, seed 0"
    assert card.description == 'A "test". Version 4: mine.dirty@3 without 11 of its 124 rows.'
    again = load_split(card)
    for name, examples in again:
        old: Examples = getattr(split, name)
        rows = [i for i, name_ in enumerate(old.ids) if name_ not in gone(out)]
        kept = old.take(np.array(rows))
        assert list(examples.ids) == list(kept.ids) and list(examples.inputs.sequences) == list(kept.inputs.sequences)
        assert list(examples.targets) == list(kept.targets) and list(examples.groups) == list(kept.groups)
        assert list(examples.strata["lab"]) == list(kept.strata["lab"])
    found = audit(card, again)
    assert not found.leaks and not any(f.n_rows for f in found.findings if f.topic == "labels")


def test_families_of_what_is_left_are_the_clusters(tmp_path: Path) -> None:
    split = dirty()
    ancestors = drawn(10, 99)
    rows = [s[:i] + "ACGT"[("ACGT".index(s[i]) + 1) % 4] + s[i + 1 :] for s in ancestors for i in (5, 30, 60)]
    test = part("test", [*split.test.inputs.sequences, *rows])
    made = resplit(task(), replace(split, test=test), tmp_path / "v4")
    again = load_split(task_card(made.card)).test
    of = dict(zip(again.ids, again.clusters, strict=True))
    added = [f"test{len(split.test) + i}" for i in range(30)]
    assert len({of[i] for i in added}) == 10 and all(
        len({of[i] for i in added[j : j + 3]}) == 1 for j in range(0, 30, 3)
    )
    assert len(set(again.groups)) == len(again)


def test_only_the_rules_that_are_named(tmp_path: Path) -> None:
    resplit(task(), dirty(), tmp_path / "v4", rules=["identical"])
    assert set(gone(tmp_path / "v4")) == {
        "train0", "train1", "train3", "valid5", "train11", "train14", "test31", "test34"
    }  # fmt: skip


def test_relatives_and_groups_stay_together_in_a_new_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    families = []
    for ancestor in drawn(40, 4):
        for _ in range(3):
            letters = np.array(list(ancestor))
            letters[rng.choice(90, 6, replace=False)] = "A"
            families.append("".join(letters))
    order = rng.permutation(120)
    whole = part("row", [families[i] for i in order])
    groups = strings([f"g{i}" for i in range(120)])
    groups[:2] = "together"
    whole = replace(whole, groups=groups)
    split = Split(whole.take(np.arange(80)), whole.take(np.arange(80, 96)), whole.take(np.arange(96, 120)))
    assert audit(task(), split).finding("near_test").status == "FAIL"
    made = resplit(task(), split, tmp_path / "new", anew=True)
    again = load_split(task_card(made.card))
    assert not audit(task(), again).leaks
    where = {name: part_ for part_, e in again for name in e.ids}
    assert where["row0"] == where["row1"], "a group"
    for family in range(40):
        assert len({where[f"row{i}"] for i in range(120) if order[i] // 3 == family and f"row{i}" in where}) == 1
    assert 16 <= made.sizes["test"] <= 32 and sum(made.sizes.values()) + len(gone(tmp_path / "new")) == 120


@pytest.mark.parametrize("stated", [True, False, None])
def test_the_direction_of_variants_stays_as_it_was_stated(stated: bool | None, tmp_path: Path) -> None:
    parts = []
    for seed, (name, n) in enumerate((("train", 30), ("valid", 12), ("test", 20))):
        sequences = drawn(n, seed)
        inputs = Inputs(strings(sequences), strings([s[:40] + s[39::-1] for s in sequences]), np.full(n, 40))
        parts.append(part(name, sequences, None, inputs))
    made = resplit(task(variants=True, deleterious=stated), Split(*parts), tmp_path / "v")
    assert task_card(made.card).deleterious is stated


@pytest.mark.parametrize("kind", ["regression", "several", "multilabel", "variants", "paired", "generation"])
def test_every_kind_is_read_back_as_it_was(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    changes: dict[str, Any] = {
        "regression": {"classes": (), "metrics": ("spearman",)},
        "several": {"classes": ("one", "two"), "metrics": ("spearman",)},
        "multilabel": {"classes": ("one", "two"), "metrics": ("auroc",)},
        "variants": {"variants": True},
        "paired": {"classes": (), "metrics": ("paired_accuracy",)},
        "generation": {"classes": (), "metrics": ("recovery",)},
    }[kind]
    parts = []
    for seed, (name, n) in enumerate((("train", 30), ("valid", 12), ("test", 20))):
        sequences = drawn(n, seed)
        inputs = None
        if kind in ("variants", "paired"):
            alternates = [s[:40] + "ACGT"[("ACGT".index(s[40]) + 1) % 4] + s[41:] for s in sequences]
            at = np.full(n, 40) if kind == "variants" else None
            inputs = Inputs(strings(sequences), strings(alternates), at)
        targets = {
            "regression": rng.normal(size=n),
            "several": rng.normal(size=(n, 2)),
            "multilabel": rng.integers(0, 2, (n, 2)),
            "paired": np.zeros(n),
            "generation": rng.integers(0, 4, (n, 6)),
        }.get(kind)
        parts.append(part(name, sequences, targets, inputs))
    base = {"several": "regression", "variants": "classification"}.get(kind, kind)
    card = task_card(resplit(task(base, **changes), Split(*parts), tmp_path / "v").card)
    assert card.kind == base and card.variants == (kind == "variants")
    for name, examples in load_split(card):
        old = dict(Split(*parts))[name]
        assert np.array_equal(examples.targets, old.targets) and list(examples.ids) == list(old.ids)
        if old.inputs.alternates is not None:
            assert list(examples.inputs.alternates) == list(old.inputs.alternates)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [90, 8])
def test_a_task_that_never_had_a_valid_part_gets_one(length: int, tmp_path: Path) -> None:
    sequences = [s for s in drawn(60, 0, length) for _ in range(2 if length == 90 else 1)]
    split = Split(part("train", sequences), part("valid", []), part("test", drawn(20, 1, length)))
    done = resplit(task(), split, tmp_path / "v", rules=["conflicts"] if length == 8 else ["groups"])
    assert "split kept, and valid taken out of train" in done.summary[-1]
    made = load_split(task_card(done.card))
    assert (len(made.train) + len(made.valid), len(made.test)) == (len(sequences), 20) and len(made.valid) >= 5
    if length == 90:
        assert not {*made.valid.inputs.sequences} & {*made.train.inputs.sequences}, "repeats are one family"


def test_descriptions_of_cleaned_versions_do_not_pile_up(tmp_path: Path) -> None:
    """Whatever was written before of cleanings gives way to one sentence; all else of a long description stays."""
    older = "Version 2 of mine@1, cleaned: removed 1 row of train: x; split kept: train 9 (was 10), test 2 (was 2)."
    first = resplit(task(description=f"One. {older} Two, of version 2."), dirty(), tmp_path / "a")
    second = task_card(first.card)
    assert second.description == "One. Two, of version 2. Version 4: mine.dirty@3 without 11 of its 124 rows."
    third = task_card(resplit(second, load_split(second), tmp_path / "b").card)
    assert third.description == "One. Two, of version 2. Version 5: mine.dirty@4 with all of its 113 rows."
    anew = resplit(third, load_split(third), tmp_path / "c", anew=True)
    fourth = task_card(anew.card)
    n = len(anew.removed)
    rows = f"without {n}" if n else "with all"
    said = f"Version 6: mine.dirty@5, split anew by families, {rows} of its 113 rows."
    assert fourth.description == f"One. Two, of version 2. {said}"
    fifth = task_card(resplit(fourth, load_split(fourth), tmp_path / "d").card)
    assert (
        "One. Two, of version 2. Version 7: mine.dirty@6 with" in fifth.description and "anew" not in fifth.description
    )


def test_a_folder_that_exists_comes_with_a_name_that_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    resplit(task(), dirty(), Path("clean"))
    for name in ("clean_2", "v9", "v10", "a b"):
        Path(name).mkdir()
    written = "clean has mine.dirty@4, which `baserate resplit` wrote there"
    for folder, said in {
        "clean": f"{written}; --out clean_3 is free, or remove clean first",
        "v9": "v9 exists already; --out v11 is free",
        "a b": "--out 'a b_2' is free",
        ".": f"--out {tmp_path}_2 is free" if not tmp_path.name[-1].isdigit() else "is free",
        "/": "/ exists already",
    }.items():
        with pytest.raises(ConfigError) as error:
            resplit(task(), dirty(), Path(folder))
        assert said in str(error.value) and "\n" not in str(error.value)
    resplit(task(), dirty(), Path("clean_3"))


def test_nothing_is_overwritten_or_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        resplit(task(), dirty(), tmp_path / "there")
    with pytest.raises(NotApplicable, match="bases of shared sequences"):
        resplit(task(per_base=True), dirty(), tmp_path / "v")
    with pytest.raises(ConfigError, match=r"\(shots=4\) is a variant of a task .* clean planted"):
        resplit(replace(task(), name="planted(shots=4)"), dirty(), tmp_path / "v")
    split = dirty()
    same = replace(split, train=replace(split.train, groups=strings(["test0"] * 60)), valid=split.valid)
    same = replace(same, test=replace(split.test, groups=strings(["test0"] * 40)))
    with pytest.raises(DataError, match="no row of train would be left; try --split by_homology"):
        resplit(task(), same, tmp_path / "v")
    with pytest.raises(ConfigError, match=r"would be in .* add --rule groups"):
        resplit(task(), same, tmp_path / "v", rules=["identical"])
    monkeypatch.setattr("baserate.audit.resplit.card_text", lambda *a: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(ConfigError, match="cannot be written"):
        resplit(task(), split, tmp_path / "v")
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
