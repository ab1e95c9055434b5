"""What the site shows of predictions: curves whose area is the score, examples, and the two rows of a comparison."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from baserate.leaderboard.standings import build_leaderboard
from baserate.leaderboard.table import Table
from baserate.publish import predicted, publish, write_site
from baserate.publish.examples import AT_MOST, examples_script, examples_view
from baserate.publish.figures import figures_of
from baserate.publish.predicted import (
    Predicted,
    calibration,
    few_of,
    precision_recall,
    predicted_of,
    roc,
    share_of_positives,
)
from baserate.records import read_records
from baserate.statistics import estimate

from .test_leaderboard import put
from .test_publish import HOSTILE, data_of, loaded


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    put(folder, "kmer", 0.6, baseline=True, noise=1)
    put(folder, "constant", float("inf"), baseline=True, noise=2)
    put(folder, "good", 2.0, mode="linear_probe", noise=3)
    put(folder, "good_random", 0.3, mode="linear_probe", twin_of="good", noise=4)
    put(folder, "broken", status="failed", error="Traceback\nValueError: no such layer")
    return folder


def read(results: Path) -> tuple[Table, list[Predicted]]:
    table = build_leaderboard(results)
    return table, predicted_of(table, table.columns[0], {r.hash: r for r in read_records(results)})


def area(points: Any) -> float:
    return float(np.trapezoid(points[:, 1], points[:, 0]))


def test_the_area_under_a_curve_is_the_mean_score_over_seeds(results: Path) -> None:
    _, found = read(results)
    assert [p.row.model for p in found] == ["good", "kmer", "good_random", "constant"]
    for p in found:
        truth, seeds = p.predictions.targets, p.predictions.scores[:, :, 1]
        assert area(roc(p)) == pytest.approx(np.mean([roc_auc_score(truth, s) for s in seeds]), abs=0.004)
        precision = np.mean([average_precision_score(truth, s) for s in seeds])
        assert area(precision_recall(p)) == pytest.approx(precision, abs=0.02)
    constant = found[-1]
    assert np.allclose(roc(constant)[:, 0], roc(constant)[:, 1]), "equal scores rank nothing"


def test_several_classes_stand_each_against_the_rest(results: Path) -> None:
    _, (p, *_) = read(results)
    rng = np.random.default_rng(0)
    targets = rng.integers(3, size=300)
    scores = rng.dirichlet([1, 1, 1], size=(2, 300))
    scores[:, np.arange(300), targets] += 0.5
    scores /= scores.sum(axis=2, keepdims=True)
    many = replace(p, predictions=replace(p.predictions, targets=targets, scores=scores, seeds=(0, 1)))
    e = estimate(many.predictions, "auroc")
    assert e.value is not None and area(roc(many)) == pytest.approx(e.value, abs=0.004) and many.classes == 3
    assert area(precision_recall(many)) == pytest.approx(estimate(many.predictions, "auprc").value, abs=0.02)
    assert share_of_positives(many) == pytest.approx(1 / 3)
    assert np.allclose(many.scores, scores.mean(axis=0)[np.arange(300), targets])


def test_what_is_sure_and_right_as_often_lies_on_the_diagonal(results: Path) -> None:
    _, (p, *_) = read(results)
    chance = np.random.default_rng(1).random((1, 40_000))
    truth = (np.random.default_rng(2).random(40_000) < chance[0]).astype(int)
    scores = np.stack([1 - chance, chance], axis=2)
    made = replace(p.predictions, targets=truth, scores=scores, seeds=(0,))
    right = replace(p, predictions=made, record=replace(p.record, scaled=True))
    assert right.is_probability
    assert not replace(right, predictions=replace(made, scores=2 * scores)).is_probability
    points = calibration(right)
    assert len(points) == 10 and np.abs(points[:, 0] - points[:, 1]).max() < 0.03


def test_the_rows_to_look_at_first_are_the_model_its_twin_and_the_floor(results: Path) -> None:
    table, found = read(results)
    assert [p.row.model for p in few_of(found, table.columns[0])] == ["good", "kmer", "good_random"]
    (_, first), (_, others) = figures_of(found, table.columns[0])
    assert [entry["name"] for entry in first["lines"][0]["legend"]] == ["good · probe", "kmer", "good_random · probe"]
    assert [entry["name"] for line in others["lines"] for entry in line["legend"]] == ["constant"]
    assert [line["kind"] for line in others["lines"][0]["panels"][0]["lines"]] == ["beside", "baseline"]


def test_what_has_no_curve_has_no_figure(results: Path) -> None:
    table, found = read(results)
    one_class = [replace(p, predictions=replace(p.predictions, targets=np.ones(300, int))) for p in found]
    assert figures_of(one_class, table.columns[0]) == []
    several = replace(found[0], predictions=replace(found[0].predictions, targets=np.zeros((300, 2), int)))
    assert not several.has_one_number and found[0].has_one_number


def test_measured_values_are_points(results: Path) -> None:
    table, found = read(results)
    measured = [
        replace(
            p,
            predictions=replace(p.predictions, targets=np.linspace(-1, 2, 300), scores=p.predictions.scores[:, :, 1:]),
        )
        for p in found
    ]
    (_, first), _ = figures_of(measured, table.columns[0])
    panels = first["lines"][0]["panels"]
    assert [panel["title"] for panel in panels] == ["good · probe", "kmer", "good_random · probe"]
    assert panels[0]["dots"][0]["at"].count("M") == 300 and panels[0]["ends"][:2] == ("−1.000", "2.000")


def test_a_page_has_the_figures_and_a_few_examples(results: Path, tmp_path: Path) -> None:
    site = publish(results, tmp_path / "site").folder
    (page,) = (site / "tasks").glob("*.html")
    shown = re.findall(r'src="\.\./(plots/[^"]*predicted[^"]*)"', page.read_text())
    assert len(shown) == 2
    for file in shown:
        assert len([e for e in ElementTree.fromstring((site / file).read_text()).iter() if e.tag.endswith("polyline")])
    table, found = read(results)
    view = examples_view(found, table.columns[0])
    assert view and [row["id"] for row in view["rows"]] == ["x0", "x59", "x119", "x179", "x239", "x299"]
    for row in view["rows"]:
        at = int(row["id"][1:])
        assert row["target"] == str(found[0].predictions.targets[at]) and row["strata"] == [
            "human" if at // 5 % 2 else "fly"
        ]
        assert (
            row["scores"][0] == f"{found[0].predictions.scores[:, at, 1].mean():.3f}"
            and row["scores"][0] in page.read_text()
        )


def test_examples_to_compare_are_the_predictions(results: Path, tmp_path: Path) -> None:
    site = publish(results, tmp_path / "site").folder
    _, found = read(results)
    (column,) = json.loads(re.findall(r'id="site-data">(.*?)</script>', (site / "compare.html").read_text(), re.S)[0])[
        "columns"
    ]
    data = loaded(site, column["examples"])
    assert data["n"] == 300 == len(data["ids"]) and sorted(map(int, data["rows"])) == sorted(p.at for p in found)
    for p in found:
        low, high, steps = data["rows"][str(p.at)]
        values = low + np.array(steps) * (high - low) / 999
        assert np.abs(values - p.scores).max() < 2e-3
        assert data_of(site)["rows"][p.at]["name"] == p.row.name


def test_of_many_examples_and_rows_a_bounded_part_is_there(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicted, "MOST", 2)
    table, found = read(results)
    assert [p.row.model for p in found] == ["good", "kmer", "good_random"]
    more = {
        "ids": np.array([f"x{i}" for i in range(5000)]),
        "targets": np.zeros(5000, int),
        "scores": np.random.default_rng(0).random((1, 5000, 2)),
    }
    many = [replace(p, predictions=replace(p.predictions, **more)) for p in found]
    text = examples_script(many, table.columns[0])
    stored = json.loads(text[text.index(",") + 1 : text.rindex(")")])
    assert stored["n"] == 5000 and len(stored["ids"]) == AT_MOST and stored["ids"][0::999] == ["x0", "x4999"]
    assert len(text) < 30_000


def test_a_hostile_name_is_text_in_figures(tmp_path: Path) -> None:
    put(tmp_path / "results", HOSTILE, baseline=True)
    put(tmp_path / "results", "good", 2.0, mode="linear_probe", noise=3)
    site = publish(tmp_path / "results", tmp_path / "site").folder
    drawn = list((site / "plots").glob("*predicted*.svg"))
    assert drawn and all(HOSTILE in "".join(ElementTree.fromstring(f.read_text()).itertext()) for f in drawn)


def test_scores_are_drawn_against_size_and_context_where_models_state_them(tmp_path: Path) -> None:
    results = tmp_path / "results"
    put(results, "kmer", 0.6, baseline=True, noise=1)
    sizes = {"model_0": 10**6, "model_1": 5 * 10**7, "model_2": 2 * 10**9}
    for i, (name, skill) in enumerate(zip(sizes, (1.0, 2.0, 1.5), strict=True)):
        put(results, name, skill, mode="linear_probe", noise=2 + i)
    stated = {name: {"parameters": size, "context": 512} for name, size in sizes.items()}
    records = [replace(r, model={**r.model, **stated.get(r.spec.model, {})}) for r in read_records(results)]
    site = write_site(build_leaderboard(records), records, tmp_path / "site").folder
    (plot,) = (site / "plots").glob("*parameters*.svg")
    root = ElementTree.fromstring(plot.read_text())
    texts = [e.text for e in root.iter() if e.text]
    assert {"1 M", "10 M", "100 M", "1 B"} <= set(texts)
    assert sum("with parameters" in text for text in texts) == 3, "a baseline has no parameters and is the dashed line"
    assert [e.text for e in root.iter() if e.get("class") == "name"] == ["model_1 · probe", "model_0 · probe"]
    assert "Score against parameters" in (site / "plots.html").read_text()
    assert not list((site / "plots").glob("*context*.svg")), "one context alone shows nothing"
