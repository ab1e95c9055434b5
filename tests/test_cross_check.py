"""Intervals of the jackknife beside those of the bootstrap: they agree, and where one is wrong it is seen."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from baserate.cli import cli
from baserate.errors import DataError
from baserate.leaderboard import cross_check
from baserate.leaderboard.cross_check import Checked, check_intervals, to_csv
from baserate.records import Record, read_records, write_record
from baserate.results import Predictions, RunSpec
from baserate.statistics import estimate, replicates
from baserate.types import strings


def put(results: Path, model: str, *, clusters: int = 60, factor: float = 1.0, skill: float = 1.0) -> Predictions:
    """Write a record of a model on 300 examples, its intervals so many times too wide, and return its predictions."""
    rng = np.random.default_rng(clusters)
    y, seeds = rng.integers(2, size=300), (0, 1, 2, 3, 4)
    p = 1 / (1 + np.exp(-(skill * (2 * y - 1) + rng.normal(size=(5, 300)))))
    scores = np.full((5, 300, 2), 0.5) if skill == 0 else np.stack([1 - p, p], axis=2)
    names = strings(np.arange(300) % clusters)
    made = Predictions(strings(np.arange(300)), y, names, {}, scores, seeds)
    spec = RunSpec("toy@1", "d", "s", model, {}, "r", "from_scratch", {}, seeds, 0.9)
    estimates = []
    for metric in ("mcc", "auroc"):
        e = estimate(made, metric)
        estimates.append(replace(e, se_test=e.se_test * factor if e.se_test is not None else None))
    about = {"id": "toy@1", "metrics": ["mcc", "auroc"], "description": "", "sizes": {"train": 9}}
    record = Record(spec, "done", about, {"name": model, "baseline": True, "twin_of": ""}, tuple(estimates))
    write_record(results, record, made)
    return made


def test_every_interval_stands_beside_that_of_the_same_draws(tmp_path: Path) -> None:
    p = put(tmp_path, "kmer")
    mcc, auroc = check_intervals(read_records(tmp_path))
    assert (mcc.task, mcc.model, mcc.metric, auroc.metric) == ("toy@1", "kmer", "mcc", "auroc")
    e, drawn = estimate(p, "mcc"), replicates([p], "mcc")[0]
    assert len(drawn) == 10_000 and (mcc.jackknife_low, mcc.jackknife_high) == e.trained
    assert (mcc.bootstrap_low, mcc.bootstrap_high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    assert mcc.ratio is not None and mcc.ratio == pytest.approx(drawn.std() / e.se_test) and 0.9 < mcc.ratio < 1.1
    assert mcc.agrees is auroc.agrees is True


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_an_interval_that_is_too_narrow_or_too_wide_is_flagged(tmp_path: Path, factor: float) -> None:
    put(tmp_path, "kmer", factor=factor)
    assert [c.agrees for c in check_intervals(read_records(tmp_path))] == [False, False]


def test_few_clusters_are_not_judged_nor_is_what_no_draw_changes(tmp_path: Path) -> None:
    put(tmp_path, "few", clusters=20)
    assert all("20.0 effective clusters, 50 are needed" in c.reason for c in check_intervals(read_records(tmp_path)))
    put(tmp_path / "flat", "flat", skill=0.0)
    flat = check_intervals(read_records(tmp_path / "flat"))
    assert flat and all(c.agrees is None and c.ratio is None and c.reason for c in flat)
    put(tmp_path / "fewer", "fewer", clusters=5)
    assert check_intervals(read_records(tmp_path / "fewer")) == [], "there is no interval to check"


def test_a_metric_that_many_draws_lack_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "kmer")
    drawn = np.where(np.arange(100) < 6, np.nan, 0.5)
    monkeypatch.setattr(cross_check, "replicates", lambda *a, **k: drawn[None])
    assert {c.reason for c in check_intervals(read_records(tmp_path))} == {"undefined in 6 of 100 draws"}


def test_the_command_writes_all_and_shows_what_disagrees(tmp_path: Path) -> None:
    put(tmp_path, "kmer")
    put(tmp_path, "wrong", factor=0.5)
    command = ["leaderboard", str(tmp_path), "--check-intervals"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0 and "Of 4 intervals, 2 agree with 10,000 draws" in " ".join(done.output.split())
    text = (tmp_path / "intervals.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(r["model"], r["metric"], r["agrees"]) for r in rows] == [
        ("kmer", "mcc", "True"),
        ("kmer", "auroc", "True"),
        ("wrong", "mcc", "False"),
        ("wrong", "auroc", "False"),
    ]
    assert text == to_csv(check_intervals(read_records(tmp_path)))
    quiet = CliRunner().invoke(cli, [*command, "--quiet"])
    assert quiet.exit_code == 0 and quiet.output == ""
    (tmp_path / "intervals.csv").unlink()
    (tmp_path / "intervals.csv").mkdir()
    refused = CliRunner().invoke(cli, command, standalone_mode=False)
    assert isinstance(refused.exception, DataError) and "choose another folder" in str(refused.exception)


def test_the_fields_of_the_csv_are_those_of_a_checked_interval() -> None:
    checked = Checked("t", "m", "mode", "run", "mcc", 0.5, 60.0, 0.4, 0.6)
    head, line = to_csv([checked]).splitlines()
    assert head.startswith("task,model,mode,run,metric,value") and line.startswith("t,m,mode,run,mcc,0.5,60.0,0.4,0.6,")
