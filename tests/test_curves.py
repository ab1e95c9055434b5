"""Learning curves: their points are the scores of the columns, their area is what it says, and they are drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import baserate as br
from baserate.leaderboard import to_markdown, write_leaderboard
from baserate.leaderboard.board import Leaderboard
from baserate.leaderboard.curve_plot import labels_of, plot_curves
from baserate.leaderboard.curves import weights_of
from baserate.records import Record
from baserate.results import Choice


@pytest.fixture(scope="module")
def records(toy_card: Path) -> list[Record]:
    models = ["kmer_logreg", "gc_content", "constant"]
    return list(br.run(toy_card, models, shots="2,10,full", results=None, audit=False, progress=False))


def test_an_area_is_the_mean_over_the_logarithm() -> None:
    sizes = [4, 20, 1000]
    weights = weights_of(sizes)
    fine = np.linspace(np.log(4), np.log(1000), 100_001)
    values = np.array([0.1, 0.6, 0.7])
    assert weights.sum() == pytest.approx(1)
    assert weights @ values == pytest.approx(np.interp(fine, np.log(sizes), values).mean(), abs=1e-4)


def test_a_curve_has_the_scores_of_its_columns(records: list[Record]) -> None:
    table = br.leaderboard(records)
    (curve,) = table.curves
    assert (curve.task, curve.metric, curve.n_train) == ("toy_motif@1", "mcc", (4, 20, 128))
    assert curve.columns == ("toy_motif(shots=2)@1", "toy_motif(shots=10)@1", "toy_motif@1")
    row = next(row for row in table.rows if row.model == "kmer_logreg")
    points = [table.cell(row, c).value for c in table.columns if c.name in curve.columns]
    area = curve.areas[curve.rows.index(row.name)]
    assert area.value == pytest.approx(float(weights_of(curve.n_train) @ np.array(points, float)))
    assert area.low is not None and area.high is not None and area.low < area.value < area.high


def test_each_budget_has_a_curve_of_its_own(records: list[Record]) -> None:
    tuned = [replace(r, spec=replace(r.spec, budget=8)) for r in records if r.spec.model == "kmer_logreg"]
    tunable = [replace(r, searched={"max_k": "4, 5"}) if r.spec.model == "kmer_logreg" else r for r in records]
    table = br.leaderboard([*tunable, *tuned])
    assert [curve.title for curve in table.curves] == ["toy_motif@1", "toy_motif@1 (budget 8)"]
    for curve in table.curves:
        assert all(f"budget {curve.budget})" in name for name in curve.columns) and len(curve.columns) == 3
    assert "## Learning curve: toy_motif@1 (budget 8)" in to_markdown(table)


def test_a_score_on_valid_of_what_does_not_train_moves_no_point(records: list[Record]) -> None:
    r = next(r for r in records if r.spec.model == "constant" and not r.task.get("shots"))
    spec = replace(r.spec, model="frozen", mode="zero_shot", train_fraction=0.0)
    (curve,) = br.leaderboard([*records, replace(r, spec=spec, choices=(Choice(0, "mcc", 0.5),))]).curves
    assert curve.n_train == (4, 20, 128)


def test_a_curve_without_a_point_has_no_area(records: list[Record]) -> None:
    fewer = [r for r in records if not (r.spec.model.startswith("kmer") and r.task.get("shots") == 10)]
    (curve,) = br.leaderboard(fewer).curves
    area = curve.areas[[name.startswith("kmer") for name in curve.rows].index(True)]
    assert area.value is None and area.reason == "no score from 20 training examples"


def test_tasks_without_shots_have_no_curve(records: list[Record], tmp_path: Path) -> None:
    table = br.leaderboard([r for r in records if not r.task.get("shots")])
    assert table.curves == () and "Learning curve" not in to_markdown(table)
    (tmp_path / "curves.png").write_bytes(b"of an earlier table")
    assert tmp_path / "curves.png" not in write_leaderboard(table, tmp_path)
    assert not (tmp_path / "curves.png").exists()


def test_curves_are_written_in_text_and_picture(records: list[Record], tmp_path: Path) -> None:
    table = br.leaderboard(records)
    assert isinstance(table, Leaderboard)
    assert tmp_path / "curves.png" in write_leaderboard(table, tmp_path)
    text = (tmp_path / "leaderboard.md").read_text()
    assert "## Learning curve: toy\\_motif@1" in text or "## Learning curve: toy_motif@1" in text
    assert "| 4 | 20 | 128 | Area |" in text
    assert json.loads((tmp_path / "leaderboard.json").read_text())["curves"][0]["n_train"] == [4, 20, 128]
    plot_curves(table, tmp_path / "c.svg")
    drawn = (tmp_path / "c.svg").read_text()
    for words in ("toy_motif@1", "kmer_logreg", "gc_content", "training examples", ">128<"):
        assert words in drawn


def test_numbers_under_an_axis_do_not_touch() -> None:
    assert labels_of((2, 8, 32, 128, 512, 1024, 6244)) == ["2", "8", "32", "128", "", "1,024", "6,244"]
    assert labels_of((16, 64, 128, 256, 400)) == ["16", "64", "128", "256", "400"]
    assert labels_of((50, 100)) == ["50", "100"] and labels_of((7,)) == ["7"]
