"""Budgets on the leaderboard: columns, what tuning bought, and the best baseline by its scores on valid."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from baserate.leaderboard import build_leaderboard, print_leaderboard, to_csv, to_markdown
from baserate.leaderboard.board import Leaderboard
from baserate.records import Record, read_predictions, read_record
from baserate.results import Choice, Trial
from baserate.statistics import estimate

from .leave_out import difference_by_hand
from .test_leaderboard import cell, put

SEARCHED = {"lr": "0.0001 to 0.1, log scale"}
BUDGET = {"budget": 8, "versions": {"mode": "1", "trials": "0a1b2c3d"}}
QUICK, STANDARD = "toy@1 (budget 1)", "toy@1 (budget 8)"


def choices(valid: float | None, *, metric: str = "mcc", **chosen: Any) -> tuple[Choice, ...]:
    return tuple(Choice(seed, metric, valid, chosen) for seed in (0, 1))


def tuned(valid: float, lr: float) -> tuple[Choice, ...]:
    """Return the choices of a budget of 8 that chose its second trial."""
    tried = (Trial({}, valid - 0.1, 1.0), Trial({"lr": lr}, valid, 2.0), Trial({"lr": 9.0}, None, 0.5, "not finite"))
    first, other = choices(valid, lr=lr)
    return replace(first, trials=tried, trial=1), replace(other, trial=1)


def put_tuned(results: Path, model: str, quick: float, standard: float, **more: Any) -> tuple[Record, Record]:
    """Write a model's records under its defaults and under a budget of 8, and return them."""
    about = {**more, "searched": SEARCHED}
    return (
        put(results, model, quick, choices=choices(quick / 2), spec={"versions": {"mode": "1"}}, **about),
        put(results, model, standard, choices=tuned(standard / 2, 0.003), spec=BUDGET, **about),
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return records of a model and a baseline under two budgets, and of what has nothing to tune."""
    folder = tmp_path / "results"
    put_tuned(folder, "lm", 0.6, 1.5, mode="linear_probe", noise=3)
    put_tuned(folder, "kmer", 0.6, 0.7, baseline=True, noise=1)
    put(folder, "gc", 0.2, baseline=True, noise=2, choices=choices(0.1), searched={})
    put(folder, "frozen", 0.3, mode="zero_shot", noise=4, choices=(), searched={})
    return folder


def printed(table: Leaderboard) -> str:
    out = io.StringIO()
    print_leaderboard(table, Console(file=out, width=200))
    return out.getvalue()


def test_budgets_never_share_a_column_and_what_has_nothing_to_tune_stands_in_each(results: Path) -> None:
    table = build_leaderboard(results)
    assert [(c.name, c.budget) for c in table.columns] == [(QUICK, 1), (STANDARD, 8)]
    assert len(table.rows) == 4, "a budget is a column, not a row"
    quick, standard = cell(table, "lm · linear_probe", QUICK), cell(table, "lm · linear_probe", STANDARD)
    assert quick.hash != standard.hash and (quick.trials, standard.trials) == (1, 3)
    for same in ("gc · from_scratch", "frozen · zero_shot"):
        assert cell(table, same, QUICK).hash == cell(table, same, STANDARD).hash


def test_what_can_be_tuned_and_was_not_has_no_place_beside_what_was(results: Path) -> None:
    put(results, "cnn", 2.0, baseline=True, noise=5, choices=choices(0.9), searched=SEARCHED)
    put(results, "old", 2.0, baseline=True, noise=6)
    table = build_leaderboard(results)
    for name in ("cnn · from_scratch", "old · from_scratch"):
        assert cell(table, name, QUICK).status == "done" and cell(table, name, STANDARD).status == "missing"
    assert next(c for c in table.columns if c.budget == 8).best_baseline == "kmer · from_scratch"


def test_only_a_budget_that_something_was_tuned_under_is_a_column(tmp_path: Path) -> None:
    put(tmp_path, "lm", 1.5, choices=tuned(0.7, 0.003), searched=SEARCHED, spec=BUDGET)
    put(tmp_path, "gc", 0.2, baseline=True, noise=2, choices=choices(0.1), searched={})
    table = build_leaderboard(tmp_path)
    assert [c.name for c in table.columns] == [STANDARD]
    assert cell(table, "lm · from_scratch", STANDARD).tuning_gain is None, "its defaults were not run"
    assert "What tuning bought" not in to_markdown(table)


def test_what_tuning_bought_is_the_paired_difference_of_the_stored_predictions(tmp_path: Path) -> None:
    pair = put_tuned(tmp_path, "lm", 0.6, 1.5, mode="linear_probe", noise=3)
    table = build_leaderboard(tmp_path)
    defaults, under_budget = (read_predictions(read_record(r.path)) for r in pair if r.path)
    before, after = (estimate(p, "mcc").value for p in (defaults, under_budget))
    got = cell(table, "lm · linear_probe", STANDARD)
    assert before is not None and after is not None and got.tuning_gain is not None
    gain = got.tuning_gain
    assert (gain.value, gain.low, gain.high) == pytest.approx(difference_by_hand(under_budget, defaults, "mcc")[:3])
    assert got.untuned == before and gain.verdict == "better" and gain.over == "lm · linear_probe (budget 1)"
    assert cell(table, "lm · linear_probe", QUICK).tuning_gain is None
    section = to_markdown(table).partition("## What tuning bought")[2]
    assert f"{before:.3f} → {after:.3f}<br>⇧ +{gain.value:.3f}<br><sub>+{gain.low:.3f} to" in section
    assert "tuning: better than the defaults in 1 of 1 runs" in printed(table)


def test_a_budget_that_chose_the_defaults_bought_nothing(tmp_path: Path) -> None:
    put_tuned(tmp_path, "lm", 0.6, 0.6)
    gain = cell(build_leaderboard(tmp_path), "lm · from_scratch", STANDARD).tuning_gain
    assert gain is not None and (gain.value, gain.verdict) == (0.0, "tie")


def test_what_valid_chose_is_in_the_markdown_and_the_csv(results: Path) -> None:
    table = build_leaderboard(results)
    assert f"| {STANDARD} | lm | linear_probe | 3 | MCC 0.750 | lr 0.003 |" in to_markdown(table)
    lines = {(r["model"], r["column"]): r for r in csv.DictReader(io.StringIO(to_csv(table))) if r["primary"] == "True"}
    line = lines["lm", STANDARD]
    assert [line[name] for name in ("budget", "trials", "valid", "valid_metric", "chosen")] == [
        *("8", "3", "0.75", "mcc", "lr 0.003")
    ]
    assert line["tuning_gain_verdict"] == "better" and line["best_baseline_chosen_on"] == "valid"
    assert table.to_frame()["budget"].dtype == "Int64"


def put_baselines(results: Path, by_valid: float | None, by_test: float | None, **more: Any) -> Leaderboard:
    """Write a baseline that is good on valid, and one that is good on test; return the table."""
    put(results, "on_valid", 0.4, baseline=True, noise=1, choices=choices(by_valid, **more), searched={})
    put(results, "on_test", 1.2, baseline=True, noise=2, choices=choices(by_test), searched={})
    return build_leaderboard(results)


def test_the_best_baseline_is_the_one_that_is_best_on_valid(tmp_path: Path) -> None:
    table = put_baselines(tmp_path, 0.8, 0.5)
    (column,) = table.columns
    assert (column.best_baseline, column.chosen_on) == ("on_valid · from_scratch", "valid")
    assert "the task's best baseline chosen on valid." in to_markdown(table)
    assert "best baseline chosen on valid" in printed(table) and "best baseline chosen on valid" in table._repr_html_()


def test_one_whose_score_on_valid_is_undefined_is_not_the_best(tmp_path: Path) -> None:
    assert put_baselines(tmp_path, None, 0.5).columns[0].best_baseline == "on_test · from_scratch"


@pytest.mark.parametrize("without", ["an old record", "another metric", "none defined"])
def test_without_comparable_scores_on_valid_the_best_baseline_is_that_on_test_and_the_table_says_so(
    tmp_path: Path, without: str
) -> None:
    if without == "an old record":
        put(tmp_path, "older", 0.1, baseline=True, noise=3)
    scores = (None, None) if without == "none defined" else (0.8, 0.5)
    table = put_baselines(tmp_path, *scores, metric="auroc" if without == "another metric" else "mcc")
    assert (table.columns[0].best_baseline, table.columns[0].chosen_on) == ("on_test · from_scratch", "test")
    assert "the task's best baseline by its test score." in to_markdown(table)


def test_the_legend_names_the_columns_whose_best_baseline_is_by_its_test_score(results: Path) -> None:
    put(results, "old", 2.0, baseline=True, noise=6)
    text = to_markdown(build_leaderboard(results))
    assert f"best baseline chosen on valid, but by its test score on {QUICK}." in text


def test_a_table_of_records_from_before_choices_were_stored_says_nothing_new(tmp_path: Path) -> None:
    put(tmp_path, "kmer", 0.6, baseline=True, noise=1)
    put(tmp_path, "lm", 1.5, mode="linear_probe", noise=3)
    table = build_leaderboard(tmp_path)
    text = to_markdown(table)
    assert "the task's best baseline. † constant\n" in text
    assert not any(word in text + printed(table) for word in ("budget", "valid", "tuning", "Chosen"))
