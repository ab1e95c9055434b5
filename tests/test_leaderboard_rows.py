"""A row is one network: which records share one, what tells networks of one name apart, and whose twin is whose."""

from __future__ import annotations

import csv
import io
import itertools
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baserate.leaderboard import to_csv, to_json, to_markdown
from baserate.leaderboard.standings import tabulate
from baserate.leaderboard.table import Cell
from baserate.records import Record
from baserate.results import Choice, Estimate, Predictions, RunSpec, twin_revision
from baserate.statistics import estimate
from baserate.types import strings

A, B = "aaaaaaaa11111111", "bbbbbbbb22222222"


def record(model: str = "checkpoint-500", task: str = "one@1", *, revision: str = A, **more: Any) -> Record:
    """Return a record without predictions: its number has no interval, so nothing is drawn."""
    mode, params, settings = more.pop("mode", "linear_probe"), more.pop("params", {}), more.pop("settings", {})
    spec = RunSpec(task, "d", "s", model, params, revision, mode, settings, (0,), 0.9, versions={"mode": "1"})
    spec = replace(spec, **more.pop("spec", {}))
    card = {"name": model} | {key: more.pop(key) for key in ("twin_of", "place", "baseline") if key in more}
    about = {"id": task, "metrics": ["mcc"], "description": "What."}
    return Record(spec, "done", about, card, (Estimate("mcc", 0.5, None, None, 60, 60),), **more)


def rows(*records: Record) -> list[str]:
    return sorted(row.name for row in tabulate(records).rows)


def twin(model: str, revision: str, *, of: str, **more: Any) -> Record:
    return record(model, revision=twin_revision(revision), twin_of=of, **more)


def test_two_folders_of_one_name_are_two_rows_called_by_the_folder_above() -> None:
    table = tabulate(
        [
            record(task="one@1", revision=A, place="exp/runA/checkpoint-500"),
            record(task="two@1", revision=B, place="exp/runB/checkpoint-500"),
        ]
    )
    names = {"runA/checkpoint-500": A, "runB/checkpoint-500": B}
    assert {row.model: row.revision for row in table.rows} == names
    assert [c.status for c in table.cells] == ["done", "missing", "missing", "done"]
    lines = csv.DictReader(io.StringIO(to_csv(table)))
    assert {line["model"]: line["revision"] for line in lines if line["status"] == "done"} == names
    assert "| runA/checkpoint-500<br><sub>model, probed</sub> |" in to_markdown(
        table
    ) and "runB/checkpoint-500" in to_json(table)


def test_the_name_is_that_of_the_model_where_there_is_one_network_of_it() -> None:
    assert rows(record(place="x/runA/checkpoint-500"), record(task="two@1", place="copy/of/checkpoint-500")) == [
        "checkpoint-500 · linear_probe"
    ]


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (("a/x/run/ckpt", "a/y/run/ckpt"), ["x/run/ckpt", "y/run/ckpt"]),
        (("x/run/ckpt", "x/run/ckpt"), ["ckpt@aaaaaaaa", "ckpt@bbbbbbbb"]),
        (("run/ckpt", ""), ["ckpt@aaaaaaaa", "ckpt@bbbbbbbb"]),
        (("a/other", "b/other"), ["ckpt@aaaaaaaa", "ckpt@bbbbbbbb"]),
    ],
    ids=["deeper", "retrained", "not recorded", "named otherwise"],
)
def test_names_get_the_shortest_of_what_tells_them_apart(places: tuple[str, str], names: list[str]) -> None:
    records = [
        record("ckpt", task, revision=revision, place=place)
        for task, revision, place in zip(("one@1", "two@1"), (A, B), places, strict=True)
    ]
    assert rows(*records) == [f"{name} · linear_probe" for name in names]


@pytest.mark.parametrize(
    ("revisions", "names"),
    [
        (("version 1", "version 2"), ["m@version 1", "m@version 2"]),
        (("network:0123456789abcdef", "network:1123456789abcdef"), ["m@01234567", "m@11234567"]),
        (("unversioned:0123456789abcdef", "unversioned:1123456789abcdef"), ["m@01234567", "m@11234567"]),
        (("01234567" + "0" * 32, "01234567" + "1" * 32), ["m@0123456700000000", "m@0123456711111111"]),
        (("2026-03-14 a", "2026-03-14 b"), ["m@2026-03-14 a", "m@2026-03-14 b"]),
        (
            ("file:0123456789abcdef", "source:0123456789abcdef"),
            ["m@file:0123456789abcdef", "m@source:0123456789abcdef"],
        ),
    ],
)
@pytest.mark.parametrize("tasks", [("one@1", "one@1"), ("one@1", "two@1")], ids=["meet", "apart"])
def test_revisions_that_begin_alike_are_two_rows(
    revisions: tuple[str, str], names: list[str], tasks: tuple[str, str]
) -> None:
    records = [record("m", task, revision=revision) for task, revision in zip(tasks, revisions, strict=True)]
    assert rows(*records) == [f"{name} · linear_probe" for name in names]


def test_one_model_on_six_tasks_is_one_row_whatever_the_versions_and_the_machine() -> None:
    """The hash of the parameters is of their names and precision too, which another version or device changes."""
    records = [
        record(
            "org/model",
            f"t{i}@1",
            parameter_hash=f"{i}" * 16,
            environment={"packages": {"torch": f"2.{i}.0"}, "device": "cpu"},
            settings={"layer": i},
        )
        for i in range(6)
    ]
    assert rows(*records) == ["org/model · linear_probe"]


def test_one_revision_that_proves_to_be_two_networks_is_two_rows() -> None:
    where = {"packages": {"torch": "2.13.0"}, "device": "cpu"}
    records = [
        record("mine", f"t{i}@1", revision="v1", parameter_hash=h * 16, environment=where) for i, h in enumerate("eff")
    ]
    trained = record("mine", "t0@1", revision="v1", mode="fine_tune", parameter_hash="7" * 16, environment=where)
    table = tabulate([*records, trained])
    assert {row.name for row in table.rows} == {
        "mine@eeeeeeee · linear_probe",
        "mine@ffffffff · linear_probe",
        "mine@v1 · fine_tune",
    }
    assert sum(cell.status == "done" for cell in table.cells) == 4
    drawn = ("check failed: two loads have different weights",)
    assert rows(*(replace(r, flags=drawn) for r in records)) == ["mine · linear_probe"]


def test_a_parameter_of_another_value_is_another_row_and_one_that_was_added_is_not() -> None:
    added = record("cnn", "two@1", params={"device": "auto", "width": 8})
    assert rows(record("cnn"), added) == ["cnn · linear_probe"]
    changed = record("cnn", "three@1", params={"device": "auto", "width": 16})
    assert rows(added, changed) == ["cnn · linear_probe (width 16)", "cnn · linear_probe (width 8)"]


def test_a_network_is_one_row_whether_it_was_run_alone_or_with_another_of_its_name() -> None:
    """Two models of one name in one run get their revisions in the name."""
    alone = [record(), twin("checkpoint-500_random", A, of="checkpoint-500")]
    both = [
        record("checkpoint-500@aaaaaaaa", "two@1"),
        twin("checkpoint-500@aaaaaaaa_random", A, of="checkpoint-500@aaaaaaaa", task="two@1"),
        record("checkpoint-500@bbbbbbbb", "two@1", revision=B),
    ]
    assert rows(*alone, *both) == [
        "checkpoint-500@aaaaaaaa · linear_probe",
        "checkpoint-500@aaaaaaaa_random · linear_probe",
        "checkpoint-500@bbbbbbbb · linear_probe",
    ]
    assert rows(*alone, *both[:2]) == ["checkpoint-500 · linear_probe", "checkpoint-500_random · linear_probe"]


def test_networks_that_meet_are_not_split_by_the_settings_of_their_tasks() -> None:
    records = [
        record(task=task, revision=revision, mode="zero_shot", settings={"rule": rule})
        for task, rule in (("one@1", "likelihood"), ("two@1", "masked_llr"))
        for revision in (A, B)
    ]
    assert rows(*records) == ["checkpoint-500@aaaaaaaa · zero_shot", "checkpoint-500@bbbbbbbb · zero_shot"]


def test_every_record_of_a_column_has_a_row_of_its_own() -> None:
    """Whatever a run can differ by, none takes the place of another."""
    rng = np.random.default_rng(0)
    fields: dict[str, list[Any]] = {
        "model": ["m", "m@aaaaaaaa", "m@bbbbbbbb", "m_random", "m@aaaaaaaa_random"],
        "revision": [A, B, "version 1", "version 2", twin_revision(A), ""],
        "params": [{}, {"k": None}, {"k": 3}, {"k": "3"}, {"layer": 3}],
        "settings": [{}, {"k": 3}, {"layer": None}, {"layer": 3}, {"rule": "embedding_distance"}],
        "mode": ["zero_shot", "linear_probe"],
        "seeds": [(0,), (1,), (0, 1)],
        "versions": [{}, {"mode": "1"}, {"mode": "2"}, {"mode": "1", "rule": "1"}],
    }
    for _ in range(300):
        records = {}
        for _ in range(6):
            spec = {name: values[rng.integers(len(values))] for name, values in fields.items()}
            spec |= {"train_fraction": 0.0} if spec["mode"] == "zero_shot" else {"seeds": (0,)}
            more: dict[str, Any] = {"twin_of": spec["model"].removesuffix("_random")} if "_" in spec["model"] else {}
            r = record(spec=spec, parameter_hash=str(rng.choice(["", "x", "y"])), **more)
            records[r.hash] = r
        table = tabulate(records.values())
        (column,) = table.columns
        shown = [table.cell(row, column).hash for row in table.rows]
        assert sorted(filter(None, shown)) == sorted(records), [r.spec for r in records.values()]
        assert len({row.name for row in table.rows}) == len(table.rows)


TRUTH = np.random.default_rng(0).integers(2, size=120)


def scored(r: Record, skill: float, noise: int) -> Record:
    """Return the record with predictions and an interval."""
    p = 1 / (1 + np.exp(-(skill * (2 * TRUTH - 1) + np.random.default_rng([3, noise]).normal(size=120))))
    ids, clusters = strings([f"x{i}" for i in range(120)]), strings([f"g{i // 4}" for i in range(120)])
    seeds = r.spec.seeds
    scores = np.repeat(np.stack([1 - p, p], axis=1)[None], len(seeds), axis=0)
    predictions = Predictions(ids, TRUTH, clusters, {}, scores, seeds)
    return replace(r, in_memory=predictions, estimates=(estimate(predictions, "mcc"),))


def twin_rows(*records: Record) -> dict[str, str]:
    """Return the row over which each row has its gain from pretraining."""
    table = tabulate([scored(r, 1.0, i) for i, r in enumerate(records)])
    cells: dict[str, Cell] = {cell.row: cell for cell in table.cells}
    return {row: cell.twin_gain.over for row, cell in cells.items() if cell.twin_gain}


def test_a_twin_is_of_its_own_network_whichever_stands_first() -> None:
    a, b = record(revision=A, place="runA/checkpoint-500"), record(revision=B, place="runB/checkpoint-500")
    of_a, of_b = (twin("checkpoint-500_random", revision, of="checkpoint-500") for revision in (A, B))
    want = {f"run{x}/checkpoint-500 · linear_probe": f"run{x}/checkpoint-500_random · linear_probe" for x in "AB"}
    for order in itertools.permutations([a, b, of_a, of_b]):
        assert twin_rows(*order) == want
    assert list(twin_rows(a, b, of_a)) == ["runA/checkpoint-500 · linear_probe"]
    assert twin_rows(b, of_a) == {}, "a checkpoint's twin is known by its revision"


def test_a_network_of_a_package_has_the_twin_of_its_name_unless_there_are_two() -> None:
    """The revision of such a twin does not follow from that of the pretrained weights."""
    old, new = record("mlm", revision=A), record("mlm", revision=B)
    random = record("mlm_random", revision="cccccccc33333333", twin_of="mlm")
    assert set(twin_rows(old, new, random)) == {"mlm@aaaaaaaa · linear_probe", "mlm@bbbbbbbb · linear_probe"}
    other = record("mlm_random", revision="dddddddd44444444", twin_of="mlm")
    assert twin_rows(old, random, other) == {}


def test_of_a_twin_under_several_seeds_the_one_of_most_is_compared() -> None:
    def once(r: Record, *seeds: int) -> Record:
        return replace(r, spec=replace(r.spec, mode="zero_shot", train_fraction=0.0, seeds=seeds))

    random = twin("checkpoint-500_random", A, of="checkpoint-500")
    got = twin_rows(once(record(), 0), once(random, 0), once(random, 0, 1, 2), once(random, 5))
    assert got == {"checkpoint-500 · zero_shot": "checkpoint-500_random · zero_shot (seeds 0 1 2)"}


def test_rows_do_not_depend_on_the_order_of_the_records() -> None:
    records = [
        record(task=task, revision=revision, place=place)
        for task in ("one@1", "two@1")
        for revision, place in ((A, "x/runA/checkpoint-500"), (B, "runB/checkpoint-500"), (A, "copy/checkpoint-500"))
    ]
    unique = list({r.hash: r for r in records}.values())
    names = defaultdict(set)
    for order in (unique, unique[::-1]):
        names[tuple(rows(*order))].add(len(order))
    assert len(names) == 1


def tuned(task: str, share: float, train: str = "lora", **settings: Any) -> Record:
    choice = Choice(0, "mcc", 0.5, {"epoch": 2, "trained_share": share}, (), (), 0)
    return record(task=task, mode="fine_tune", settings={"train": train, **settings}, choices=(choice,))


def test_a_network_that_is_trained_in_part_says_which_part_and_what_share_of_it() -> None:
    assert rows(tuned("one@1", 0.0052), tuned("two@1", 0.00521), tuned("three@1", 1.0, "full")) == [
        "checkpoint-500 · fine_tune",
        "checkpoint-500 · fine_tune (train lora, 0.52 % of the weights)",
    ]
    assert rows(tuned("one@1", 0.0052, rank=4), tuned("one@1", 0.012, rank=8), tuned("two@1", 0.013, rank=8)) == [
        "checkpoint-500 · fine_tune (train lora, rank 4, 0.52 % of the weights)",
        "checkpoint-500 · fine_tune (train lora, rank 8, 1.2 % to 1.3 % of the weights)",
    ]
