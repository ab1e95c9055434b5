"""Ranks, regimes and the floor on the leaderboard: what is sure, over which tasks, and over which baseline."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from baserate import records
from baserate.errors import UnknownName
from baserate.leaderboard import (
    build_leaderboard,
    print_leaderboard,
    to_csv,
    to_json,
    to_markdown,
    write_leaderboard,
)
from baserate.leaderboard.board import Leaderboard
from baserate.leaderboard.over_tasks import _largest_block, one_a_task
from baserate.leaderboard.ranks_plot import has_diagram, plot_ranks
from baserate.leaderboard.table import Column
from baserate.plan import SEEDS
from baserate.records import Record, read_records, write_record
from baserate.results import Choice, Predictions, RunSpec
from baserate.statistics import estimate
from baserate.types import strings

from .test_leaderboard import cell, predictions, put

TASKS = ("gue.one@1", "gue.two@1", "alone@1", "other@1")


def put_on(results: Path, task: str, model: str, skill: float, **more: Any) -> None:
    spec = {"task": task, **more.pop("spec", {})}
    put(results, model, skill, spec=spec, task={"id": task}, metrics=("mcc",), **more)


def put_all(results: Path, tasks: tuple[str, ...] = TASKS) -> None:
    """Write four rows, of which `lm` is the best in all tasks and `gc` the last in all but the first."""
    for i, task in enumerate(tasks):
        put_on(results, task, "lm", 2.0, mode="linear_probe", noise=3)
        put_on(results, task, "kmer", 0.9, baseline=True, noise=1)
        put_on(results, task, "cnn", 0.8, baseline=True, noise=2)
        put_on(results, task, "gc", 0.1 if i else 1.2, baseline=True, noise=4)


def printed(table: Leaderboard) -> str:
    out = io.StringIO()
    print_leaderboard(table, Console(file=out, width=200))
    return out.getvalue()


def lines_of(table: Leaderboard) -> dict[str, dict[str, str]]:
    return {line["model"]: line for line in csv.DictReader(io.StringIO(to_csv(table))) if line["primary"] == "True"}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    put_all(tmp_path)
    return tmp_path


def test_a_rank_has_the_interval_that_all_pairs_leave(results: Path) -> None:
    table = build_leaderboard(results)
    assert [(c.rank, c.rank_high) for c in table.cells if c.column == "other@1"] == [(1, 1), (2, 3), (2, 3), (4, 4)]
    section = to_markdown(table).partition("## Ranks")[2]
    assert "| 2–3 |" in section and "other@1<br>of 4" in section
    line = lines_of(table)["cnn"]
    assert (line["rank"], line["rank_high"], line["ranked"], line["best"]) == ("2", "3", "4", "False")


def test_over_tasks_families_come_first_and_all_last(results: Path) -> None:
    table = build_leaderboard(results)
    found = table.over_tasks
    assert found is not None and found.families == (("other tasks", 2), ("gue", 2))
    lm, *_, gc = found.standings
    assert (lm.row, lm.mean, lm.low, lm.high, lm.first, lm.last) == ("lm · linear_probe", 1.0, 1.0, 1.0, 1, 1)
    assert (lm.wins, lm.surely_better, lm.surely_worse) == (1.0, 1.0, 0.0)
    # Second of the task that is left out last, and fourth of the three others.
    assert (gc.row, gc.mean, gc.low, gc.high) == ("gc · from_scratch", 3.5, pytest.approx(10 / 3), 4.0)
    assert gc.by_family == (4.0, 3.0) and (gc.first, gc.last) == (3, 4)
    heads = to_markdown(table).partition("## Ranks")[2].splitlines()[2]
    assert heads.index("other tasks<br>2 tasks") < heads.index("gue<br>2 tasks") < heads.index("All<br>4 tasks")
    line = lines_of(table)["gc"]
    assert (line["over_tasks_mean"], line["over_tasks_first"], line["over_tasks_last"]) == ("3.5", "3", "4")
    assert json.loads(to_json(table))["over_tasks"]["standings"][0]["row"] == "lm · linear_probe"
    assert "mean rank over 4 tasks (range without any one): lm · linear_probe 1.0 (1.0–1.0)" in printed(table)
    assert build_leaderboard(reversed(read_records(results))) == table
    assert "(Friedman p 0.026); the first 3 are not told apart: mean ranks must differ by 2.35" in printed(table)
    alike = replace(found, p=0.5), replace(found, critical=9.0), replace(found, critical=0.4)
    said = ("no order over tasks is told from chance", "but no two rows are told apart", "the first leads all")
    for other, words in zip(alike, said, strict=True):
        assert words in printed(replace(table, over_tasks=other))


def test_a_row_without_all_of_the_tasks_moves_nobody_over_tasks(results: Path) -> None:
    before = build_leaderboard(results).over_tasks
    put_on(results, "gue.one@1", "partial", 3.0, mode="fine_tune", noise=5)
    put_on(results, "gue.two@1", "partial", 3.0, mode="fine_tune", status="failed", error="no room")
    after = build_leaderboard(results).over_tasks
    assert before is not None and after is not None
    assert after == replace(before, left_out=("partial · fine_tune",))
    text = to_markdown(build_leaderboard(results))
    assert "Without all of these tasks, and so without a place: partial · fine_tune." in text


def test_many_rows_on_one_task_do_not_hide_the_order_over_tasks(results: Path) -> None:
    for i in range(14):
        put_on(results, "gue.one@1", f"one_{i}", 0.5, mode="zero_shot", noise=10 + i)
    found = build_leaderboard(results).over_tasks
    assert found is not None and len(found.columns) == len(found.standings) == 4 and len(found.left_out) == 14


def test_a_task_with_its_small_variant_or_in_several_columns_is_one_task(results: Path) -> None:
    put_all(results, ("alone.small@1",))
    for seeds in ((0, 1), (2, 3, 4)):
        put_on(results, "other@1", "lm", 2.0, mode="linear_probe", noise=3, spec={"seeds": seeds})
    table = build_leaderboard(results)
    assert len(table.columns) == 7 and table.over_tasks is not None
    assert len(table.over_tasks.columns) == 4


@pytest.mark.parametrize("n_tasks", [1, 2])
def test_of_few_tasks_there_is_no_diagram_and_the_table_says_why(tmp_path: Path, n_tasks: int) -> None:
    put_all(tmp_path / "results", TASKS[:n_tasks])
    table = build_leaderboard(tmp_path / "results")
    assert table.over_tasks is not None and table.over_tasks.p is None and not has_diagram(table)
    why = f"{n_tasks} task{'s' * (n_tasks > 1)} in common: an order over tasks is tested, and drawn, from 3 on."
    assert why in to_markdown(table)
    assert "ranks.png" not in [file.name for file in write_leaderboard(table, tmp_path)]


def test_the_diagram_names_every_row_and_joins_what_is_not_told_apart(results: Path, tmp_path: Path) -> None:
    table = build_leaderboard(results)
    plot_ranks(table, tmp_path / "ranks.svg")
    text = (tmp_path / "ranks.svg").read_text()
    assert table.over_tasks is not None and table.over_tasks.critical == pytest.approx(2.345, abs=0.001)
    for name in ("lm · linear probe", "kmer", "gc", "critical difference 2.35", "not told apart"):
        assert f">{name}<" in text
    assert "ranks.png" in [file.name for file in write_leaderboard(table, tmp_path)]
    plot_ranks(table, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == text


def test_the_best_of_each_regime_is_marked(results: Path) -> None:
    put_on(results, "other@1", "weak", 0.3, mode="zero_shot", noise=6)
    put_on(results, "other@1", "weaker", -1.0, mode="zero_shot", noise=7)
    table = build_leaderboard(results)
    marked = {c.row for c in table.cells if c.column == "other@1" and c.best_of_regime}
    assert marked == {"lm · linear_probe", "kmer · from_scratch", "cnn · from_scratch", "weak · zero_shot"}
    assert [c.row for c in table.cells if c.column == "other@1" and c.best] == ["lm · linear_probe"]
    weak = cell(table, "weak · zero_shot", "other@1")
    for shown in (to_markdown(table), table._repr_html_()):
        assert any(f"{mark}{weak.value:.3f}</" in shown for mark in ("<ins>", "<u>"))
        assert "may be the best of its regime (zero-shot, probed, trained)" in shown
    assert lines_of(table)["weak"]["regime"] == "zero-shot"
    assert lines_of(table)["weak"]["best_of_regime"] == "True"
    assert "underlined: may be the best of its regime" in printed(table)


def test_where_all_rows_are_of_one_regime_none_is_marked(tmp_path: Path) -> None:
    put_on(tmp_path, "other@1", "kmer", 0.9, baseline=True)
    put_on(tmp_path, "other@1", "lm", 0.9, mode="fine_tune", noise=3)
    table = build_leaderboard(tmp_path)
    assert "nderlined" not in to_markdown(table) + printed(table)


def test_better_than_every_baseline_is_a_claim_of_its_own(tmp_path: Path) -> None:
    def choices(valid: float) -> dict[str, Any]:
        return {"choices": (Choice(0, "mcc", valid),), "searched": {}, "baseline": True}

    put(tmp_path, "on_valid", 0.2, noise=1, **choices(0.9))
    put(tmp_path, "on_test", 1.5, noise=2, **choices(0.1))
    put(tmp_path, "some", 1.5, mode="linear_probe", noise=3)
    put(tmp_path, "all", 3.0, mode="linear_probe", noise=4)
    table = build_leaderboard(tmp_path)
    some, every = cell(table, "some · linear_probe"), cell(table, "all · linear_probe")
    assert some.gain and every.gain and some.gain.verdict == every.gain.verdict == "better"
    assert some.every and every.every and (some.every.better, every.every.better) == (False, True)
    assert some.every.n == 2 and some.every.p is not None and some.every.p > 0.05
    text = to_markdown(table)
    assert f"▲★ +{every.gain.value:.3f}" in text and f"▲ +{some.gain.value:.3f}" in text
    assert "★ better than every baseline of the task" in text and "★ above every baseline" in printed(table)
    assert lines_of(table)["all"]["every_baseline_better"] == "True"
    # A baseline without a score on these examples makes the claim no easier, one that is as good makes it false.
    put(tmp_path, "equal", 3.0, noise=4, **choices(0.0))
    claim = cell(build_leaderboard(tmp_path), "all · linear_probe").every
    assert claim is not None and (claim.n, claim.p, claim.better) == (3, 0.5, False)


def test_few_trainings_are_not_better_than_every_baseline(tmp_path: Path) -> None:
    put(tmp_path, "kmer", 0.2, baseline=True, noise=1, spec={"seeds": (0, 1)})
    put(tmp_path, "lm", 3.0, mode="linear_probe", spec={"seeds": (0, 1)})
    claim = cell(build_leaderboard(tmp_path), "lm · linear_probe").every
    assert claim is not None and claim.p is not None and claim.p < 0.05 and claim.preliminary and not claim.better


def test_the_baseline_that_a_suite_declares_is_the_floor(tmp_path: Path) -> None:
    put(tmp_path, "kmer", 0.9, baseline=True, noise=1)
    put(tmp_path, "gc", 0.1, baseline=True, noise=2)
    put(tmp_path, "lm", 2.0, mode="linear_probe", noise=3)
    assert build_leaderboard(tmp_path).columns[0].best_baseline == "kmer · from_scratch"
    declared = [replace(r, baseline="gc") for r in read_records(tmp_path)]
    table = build_leaderboard(declared)
    assert (table.columns[0].best_baseline, table.columns[0].chosen_on) == ("gc · from_scratch", "declared")
    gain = cell(table, "lm · linear_probe").gain
    assert gain is not None and gain.over == "gc · from_scratch"
    assert "the task's best baseline as the suite declares." in to_markdown(table)
    assert lines_of(table)["lm"]["best_baseline"] == "gc · from_scratch"


@pytest.mark.parametrize("name", ["gc", "gc:from_scratch", "gc · from_scratch"])
def test_a_reader_may_name_the_baseline(results: Path, name: str) -> None:
    table = build_leaderboard(results, baseline=name)
    assert {(c.best_baseline, c.chosen_on) for c in table.columns} == {("gc · from_scratch", "given")}
    with pytest.raises(UnknownName, match=r"Unknown baseline 'kmr'\. Did you mean 'kmer'"):
        build_leaderboard(results, baseline="kmr")
    put_on(results, "other@1", "gc", 0.1, mode="linear_probe", baseline=True)
    with pytest.raises(UnknownName, match=r"Unknown baseline 'xyz'\. Known: cnn, gc, kmer\."):
        build_leaderboard(results, baseline="xyz")


def test_a_declared_baseline_without_a_score_is_named(results: Path) -> None:
    put_on(results, "fifth@1", "kmer", 0.9, baseline=True)
    put_on(results, "fifth@1", "lm", 0.9, mode="linear_probe", noise=3)
    table = build_leaderboard(results, baseline="gc")
    assert "as given, but by its test score on fifth@1; declared, but not one baseline with a score: gc on fifth@1" in (
        to_markdown(table)
    )
    two = [replace(r, baseline=r.spec.model if r.spec.model in ("gc", "cnn") else "") for r in read_records(results)]
    assert "with a score: cnn or gc on alone@1" in to_markdown(build_leaderboard(two))


def test_a_sign_is_of_one_family_of_tests(results: Path) -> None:
    put_on(results, "other@1", "lm_random", 0.1, mode="linear_probe", twin_of="lm", noise=8)
    table = build_leaderboard(results)
    ours = cell(table, "lm · linear_probe", "other@1")
    assert ours.gain and ours.twin_gain
    text = to_markdown(table)
    assert f"▲★ +{ours.gain.value:.3f}" in text and f"△ +{ours.twin_gain.value:.3f}" in text
    assert "△ better, ▽ worse than the same network with random weights, ≈ the two are not told apart" in text
    assert f"{ours.value:.3f} ▲★" in printed(table)


def test_the_largest_block_of_rows_and_tasks_may_be_of_more_than_two_rows() -> None:
    scored = {"a": set("12345"), "b": set("12346"), "c": set("12356")}
    assert _largest_block(scored) == (["a", "b", "c"], set("123"))


def test_seeds_with_training_sets_of_their_own_stand_for_no_task() -> None:
    column = Column("t@1", "t@1", "d", "s", (0, 1), 0.9, ("mcc",), "", n_train=100)
    others = [replace(column, name=how, resample=how, train_fraction=1.0) for how in ("train", "train=disjoint")]
    assert one_a_task([column, *others]) == one_a_task([*others, column]) == [column]


def stored(folder: Path, model: str, p: Predictions, metric: str) -> None:
    """Write a probe's record on these predictions; `base` is a baseline and `lm_random` the twin of lm."""
    spec = RunSpec("toy@1", "d", "s", model, {}, "r0", "linear_probe", {}, p.seeds, 0.9)
    about = {"id": "toy@1", "metrics": [metric], "description": "", "sizes": {"train": 9}}
    card = {"name": model, "baseline": model == "base", "twin_of": "lm" if model == "lm_random" else ""}
    write_record(folder, Record(spec, "done", about, card, (estimate(p, metric),)), p)


def test_a_primary_metric_of_one_stratum_with_a_hyphen_ranks_as_any_other(tmp_path: Path) -> None:
    tables = []
    for name in ("fruit-fly", "fly"):
        species = strings([name if i // 5 % 2 else "human" for i in range(300)])
        for model, skill in (("lm", 1.5), ("base", 0.6)):
            p = replace(predictions(skill, len(model), SEEDS), strata={"species": species})
            stored(tmp_path / name, model, p, f"mcc:species={name}")
        tables.append(build_leaderboard(tmp_path / name))
    one, other = (cell(table, "lm · linear_probe") for table in tables)
    assert one.gain == other.gain and one.gain is not None and (one.rank, one.best) == (1, True)
    assert "MCC, fruit-fly ↑" in to_markdown(tables[0])


@pytest.mark.parametrize(("other", "kind"), [("base", "gain"), ("lm_random", "twin_gain")])
def test_a_gain_over_a_row_without_an_interval_says_why_it_has_none(other: str, kind: str, tmp_path: Path) -> None:
    rng, n = np.random.default_rng(0), 300
    y, ids = rng.normal(size=n), strings(range(n))
    clusters = strings([f"g{i // 5}" for i in range(n)])
    for model, score in (("lm", y + rng.normal(size=n)), (other, (np.arange(n) == 3) * 1.0)):
        p = Predictions(ids, y, clusters, {}, np.stack([score, score])[:, :, None], (0, 1))
        stored(tmp_path, model, p, "pearson")
    table = build_leaderboard(tmp_path)
    base, lm = (cell(table, f"{model} · linear_probe") for model in (other, "lm"))
    gain = getattr(lm, kind)
    assert gain is not None and base.value is not None and lm.value is not None
    assert (gain.value, gain.low, gain.p) == (pytest.approx(lm.value - base.value), None, None)
    why = f"no interval of the gain: {other} · linear_probe has none (undefined without one of the clusters)"
    assert gain.reason == why and why in to_markdown(table).replace("\\_", "_")


def test_predictions_of_a_column_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for model, skill, baseline in (("lm", 2.0, False), ("kmer", 0.9, True), ("gc", 0.1, True)):
        put(tmp_path, model, skill, baseline=baseline, noise=len(model), metrics=("auroc",))
    read: list[str] = []
    whole = records.read_predictions
    monkeypatch.setattr(records, "read_predictions", lambda r: read.append(r.spec.model) or whole(r))
    first = build_leaderboard(tmp_path)
    assert sorted(read) == ["gc", "kmer", "lm"] and first.cells[0].gain is not None
    assert build_leaderboard(tmp_path).cells == first.cells and len(read) == 3, "differences are cached"
