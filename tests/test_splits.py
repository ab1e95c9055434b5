from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baserate.types
from baserate.errors import DataError
from baserate.sources.tables import Table
from baserate.splits import (
    by_chromosome,
    by_group,
    by_position,
    by_stratum,
    load_split,
    per_stratum,
    predefined,
    take_subset,
    with_valid,
)
from baserate.splits.load import _code_files
from baserate.types import Examples, Inputs, Intervals, Split, Subset, Task, strings


def examples(n: int = 120, **changed: Any) -> Examples:
    """Return examples of 10 bp, three in a row a group, along two chromosomes; every third one is of class 1."""
    start = np.arange(n) % (n // 2) * 10
    columns = {
        "ids": strings([f"x{i}" for i in range(n)]),
        "inputs": Inputs(strings([f"ACGT{'ACGT'[i % 4]}" for i in range(n)])),
        "targets": (np.arange(n) % 3 == 0).astype(np.int64),
        "groups": strings([f"g{i // 3}" for i in range(n)]),
        "clusters": strings([f"g{i // 3}" for i in range(n)]),
        "strata": {"species": strings(["human" if i < n - n // 6 else "fly" for i in range(n)])},
        "intervals": Intervals(
            strings(["chr1" if i < n // 2 else "chr2" for i in range(n)]), start, start + 10, strings(["+"] * n)
        ),
    }
    return Examples(**(columns | changed))  # type: ignore[arg-type]


def task(source: Callable[[], Examples] = examples, **changed: Any) -> Task:
    given: dict[str, Any] = {
        "name": "toy",
        "version": 1,
        "kind": "classification",
        "metrics": ("mcc",),
        "source": source,
        "split": by_group(test=0.2, valid=0.1),
        "description": "d",
        "split_rule": "r",
        "citation": "c",
        "licence": "l",
        "species": ("s",),
        "assembly": ("a",),
        "sizes": {},
        "classes": ("no", "yes"),
    }
    return Task(**(given | changed))


def test_by_chromosome() -> None:
    part = by_chromosome(test=("chr2",))(examples())
    assert part[:60].tolist() == ["train"] * 60 and part[60:].tolist() == ["test"] * 60


def test_by_position_keeps_groups_whole_and_drops_the_gap() -> None:
    e = examples()
    rule = by_position(test=(("chr1", 300, 450),), valid=(("chr2", 0, 95),), gap=20)
    part = rule(e)
    at = e.intervals
    assert at is not None
    for group in set(e.groups):
        rows = np.flatnonzero(e.groups == group)
        (where,) = set(part[rows])
        chrom, start, end = at.chrom[rows[0]], at.start[rows].min(), at.end[rows].max()
        if chrom == "chr1":
            expected = "test" if start >= 300 and end <= 450 else "" if end > 280 and start < 470 else "train"
        else:
            expected = "valid" if end <= 95 else "" if start < 115 else "train"
        assert where == expected, (group, chrom, start, end)
    assert {"train", "valid", "test", ""} == set(part)


def test_by_group_fills_a_fraction_with_whole_groups_the_same_every_time() -> None:
    e = examples()
    part = by_group(test=0.2, valid=0.1)(e)
    assert [int((part == p).sum()) for p in ("train", "valid", "test")] == [84, 12, 24]
    shuffled = np.random.default_rng(0).permutation(len(e))
    assert by_group(test=0.2, valid=0.1)(e.take(shuffled)).tolist() == part[shuffled].tolist()
    assert by_group(test=0.2, valid=0.1, seed=1)(e).tolist() != part.tolist()
    named = by_group(test=("g1", "g2"), valid=0.1)(e)
    assert set(e.groups[named == "test"]) == {"g1", "g2"} and (named == "valid").sum() == 12


def test_rules_compose() -> None:
    e = examples()
    rule = per_stratum("species", {"human": with_valid(by_chromosome(test=("chr2",)), 0.2), "fly": "test"})
    part = rule(e)
    assert set(part[e.strata["species"] == "fly"]) == {"test"}
    assert set(part[:60]) == {"train", "valid"} and (part[:60] == "valid").sum() == 21
    assert predefined("p")(replace(e, strata={"p": strings(["dev", "Test", "train", "val"] * 30)}))[:4].tolist() == [
        "valid",
        "test",
        "train",
        "valid",
    ]
    assert repr(by_stratum("species", test=("fly",))) == "by_stratum(column='species', test=('fly',), valid=())"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (by_chromosome(test=("chr3",)), "no example has chromosome 'chr3'; did you mean 'chr"),
        (by_group(test=("gene",)), "no example has group 'gene'; there are g0,"),
        (by_stratum("specie", test=("fly",)), "no stratum 'specie'; did you mean 'species'"),
        (by_stratum("species", test=("flies",)), "no example has species 'flies'; there are fly, human"),
        (per_stratum("species", {"fly": "test"}), "no split rule for species 'human'; there are rules for ['fly']"),
        (predefined("species"), "column 'species', id 'x0': 'human' is not train, valid or test"),
    ],
)
def test_mistakes_in_a_rule_are_told(rule: Callable[[Examples], Any], said: str) -> None:
    with pytest.raises(DataError) as error:
        rule(examples())
    assert said in str(error.value) and "\n" not in str(error.value)


def test_rules_by_place_need_intervals_and_one_chromosome_a_group() -> None:
    for rule in (by_chromosome(test=("chr1",)), by_position(test=(("chr1", 0, 9),))):
        with pytest.raises(DataError, match="needs examples with intervals"):
            rule(examples(intervals=None))
    with pytest.raises(DataError, match="group 'g' lies on more than one chromosome"):
        by_position(test=(("chr1", 0, 9),))(examples(groups=strings(["g"] * 120)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"split": by_chromosome(test=("chr1", "chr2"))}, None),
        ({"split": by_chromosome(test=("chr1",))}, "the valid part is empty; see its split rule: by_chromosome("),
        ({"split": lambda e: strings(["train", "valid"] * 60)}, "the test part is empty"),
        ({"split": lambda e: strings(["train", "valid", "test"] * 40)}, "group 'g0' is in both train (id '"),
        ({"classes": ("no", "yes", "maybe")}, "no training example of class 'maybe'"),
        ({"classes": ("no",)}, "targets must be class indices 0 to 0, found int64 from 0 to 1"),
        ({"kind": "regression"}, "targets must be finite floats, found int64"),
        ({"source": lambda: examples().take(slice(0, 0))}, "the source returned no examples"),
    ],
)
def test_unsound_split_is_refused_in_one_line_that_names_the_task(changed: dict[str, Any], said: str | None) -> None:
    if said is None:  # zero-shot only: everything is the test
        assert len(load_split(task(**changed)).test) == 120
        return
    with pytest.raises(DataError) as error:
        load_split(task(**changed))
    assert said in str(error.value) and str(error.value).startswith("task toy@1: ") and "\n" not in str(error.value)


def test_subset_is_stratified_fixed_and_does_not_depend_on_the_order() -> None:
    whole = load_split(task())
    small = load_split(task(small=Subset(train=30, valid=6, test=12)).small_variant())
    assert [len(e) for _, e in small] == [30, 6, 12]
    for (_, one), (_, all_) in zip(small, whole, strict=True):
        assert set(one.ids) <= set(all_.ids)
        assert abs(one.targets.mean() - all_.targets.mean()) < 1 / len(one)
    turned = Split(*(e.take(np.arange(len(e))[::-1]) for _, e in whole))
    again = take_subset(turned, Subset(30, 6, 12))
    assert set(again.train.ids) == set(small.train.ids)
    other = take_subset(whole, Subset(30, 6, 12, seed=1))
    assert set(other.train.ids) != set(small.train.ids)


def test_subset_may_balance_a_stratum_as_far_as_it_reaches() -> None:
    e = examples()
    split = take_subset(Split(e, e, e), Subset(train=60, valid=30, test=1000, balance="species"))
    counts = [{s: int((part.strata["species"] == s).sum()) for s in ("human", "fly")} for _, part in split]
    assert counts == [{"human": 40, "fly": 20}, {"human": 15, "fly": 15}, {"human": 100, "fly": 20}]


def test_limit_cuts_every_part() -> None:
    assert [len(e) for _, e in load_split(task(), limit=10)] == [10, 10, 10]


def counted(path: str, log: str) -> Examples:
    with Path(log).open("a") as file:
        file.write("read\n")
    return Table(path, kind="classification", id="id", group="id", classes=("no", "yes"), strata=["part"])()


def test_cached_until_a_file_or_an_argument_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))
    table, log = tmp_path / "t.csv", tmp_path / "log"

    def write(swap: int) -> None:
        rows = [
            f"r{i},{'ACGT' * 3}{'ACGT'[i % 4]},{(i + swap) % 2},{('train', 'test', 'valid')[i // 2 % 3]}"
            for i in range(60)
        ]
        table.write_text("id,sequence,label,part\n" + "\n".join(rows) + "\n")

    def load(**changed: Any) -> Split:
        source = functools.partial(counted, str(table), str(log))
        return load_split(task(source, files=(str(table),), split=predefined("part"), **changed))

    write(0)
    first = load()
    assert load().train.fingerprint == first.train.fingerprint and log.read_text().count("read") == 1
    small = load(subset=Subset(6, 4, 4))
    assert [len(e) for _, e in small] == [6, 4, 4] and log.read_text().count("read") == 1
    again = load(subset=Subset(6, 4, 4))
    assert again.fingerprint == small.fingerprint and again.test.strata.keys() == first.test.strata.keys()
    write(1)
    assert load().train.targets.tolist() == (1 - first.train.targets).tolist() and log.read_text().count("read") == 2
    assert load(version=2).train.fingerprint == load().train.fingerprint and log.read_text().count("read") == 3


def test_a_kept_split_is_made_anew_by_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path))
    table = tmp_path / "t.csv"
    rows = [f"r{i},{'ACGT' * 3}{'ACGT'[i % 4]},{i % 2},{('train', 'test', 'valid')[i // 2 % 3]}" for i in range(60)]
    table.write_text("id,sequence,label,part\n" + "\n".join(rows) + "\n")
    source = functools.partial(counted, str(table), str(tmp_path / "log"))

    def kept() -> int:
        load_split(task(source, files=(str(table),), split=predefined("part"), subset=Subset(6, 4, 4)))
        return len(list((tmp_path / "examples").glob("*.arrow")))

    assert kept() == kept() == 2  # the table and its subset
    monkeypatch.setattr("baserate.splits.load._code", lambda: "of another version")
    assert kept() == 4


def test_all_code_that_decides_a_table_is_in_its_key(tmp_path: Path) -> None:
    ours = Path(baserate.types.__file__).parent
    files = {str(file.relative_to(ours)) for file in _code_files()}
    dna = {f"dna/{name}.py" for name in ("sequence", "fasta", "genomes", "assemblies", "similarity", "_alignment")}
    assert files > {"text.py", "types.py", *dna}
    readers = {f"sources/{file.name}" for file in (ours / "sources").glob("[a-z]*.py")}
    assert files > readers - {"sources/genbank.py", "sources/corpus.py"}  # which a task imports itself, and none does
    assert files > {"splits/check_targets.py", "splits/rules.py", "splits/subsets.py", "splits/drawn.py"}


def test_a_table_is_read_again_where_a_file_beside_its_reader_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path))
    (tmp_path / "own.py").write_text("from beside import X\ndef read(): return made()\n")
    module: dict[str, Any] = {"made": examples}
    exec(compile("def read(): return made()", str(tmp_path / "own.py"), "exec"), module)

    def kept() -> int:
        load_split(task(module["read"], files=(str(tmp_path / "own.py"),)))
        return len(list((tmp_path / "examples").glob("*.arrow")))

    (tmp_path / "beside.py").write_text("X = 1\n")
    assert kept() == kept() == 1
    (tmp_path / "beside.py").write_text("X = 2\n")
    assert kept() == 2


def test_closure_is_never_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a closure builds cannot be told from its code, so a cache could serve another's table."""
    monkeypatch.setattr("baserate.splits.load.cached_examples", lambda *_: pytest.fail("cached"))
    (tmp_path / "f").write_text("x")
    n = 120
    assert len(load_split(task(lambda: examples(n), files=(str(tmp_path / "f"),))).train) == 84
