"""Every number of a record of the first schema follows from its stored predictions, or no table is made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.errors import DataError
from baserate.leaderboard import build_leaderboard, proof, tabulate, to_csv, to_markdown
from baserate.leaderboard.rows import UNDECLARED
from baserate.metrics import metric
from baserate.metrics.kernels import mean
from baserate.records import Record, read_records, write_record
from baserate.registry import Registry
from baserate.results import Estimate, Predictions, RunSpec
from baserate.statistics import estimate
from baserate.types import strings

TRUTH = np.random.default_rng(0).integers(2, size=120)


def predictions(skill: float, seeds: tuple[int, ...] = (0, 1)) -> Predictions:
    noise = np.random.default_rng([2, int(10 * skill)]).normal(size=(len(seeds), 120))
    p = 1 / (1 + np.exp(-(skill * (2 * TRUTH - 1) + noise)))
    ids, clusters = strings([f"x{i}" for i in range(120)]), strings([f"g{i // 4}" for i in range(120)])
    return Predictions(ids, TRUTH, clusters, {}, np.stack([1 - p, p], axis=2), seeds)


def put(results: Path, model: str, skill: float, metrics: tuple[str, ...] = ("mcc", "auroc"), **more: Any) -> Path:
    """Write a record of the first schema, and return its folder."""
    spec = RunSpec("toy@1", "d", "s", model, {}, "r", more.pop("mode", "linear_probe"), {}, (0, 1), 0.9)
    spec = replace(spec, **more.pop("spec", {}))
    p = predictions(skill)
    about = {"id": "toy@1", "metrics": list(metrics), "description": "A toy."}
    card = {"name": model, "baseline": more.pop("baseline", False), "twin_of": more.pop("twin_of", "")}
    record = Record(spec, "done", about, card, tuple(estimate(p, m) for m in metrics), **more)
    folder = write_record(results, record, p)
    edit(folder)
    return folder


def edit(folder: Path, **changes: Any) -> None:
    """Write the record as one of the first schema, by hand, with its first estimate changed."""
    file = folder / "record.json"
    value = json.loads(file.read_text())
    value = {k: v for k, v in value.items() if k in Record.__dataclass_fields__ and k != "digest"} | {"schema": 1}
    if changes:
        value["estimates"][0] |= changes
    file.write_text(json.dumps(value))


def test_a_score_edited_by_hand_is_on_no_table(tmp_path: Path) -> None:
    folder = put(tmp_path, "lm", 1.0)
    (computed,) = [c.value for c in build_leaderboard(tmp_path).cells]
    edit(folder, value=0.999)
    with pytest.raises(DataError) as refused:
        build_leaderboard(tmp_path)
    message = str(refused.value)
    assert f"{folder / 'record.json'}: the value of mcc is 0.999, but {computed!r} by the stored pred" in message
    assert "run again" in message and "\n" not in message


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 121},
        {"n_clusters": 60},
        {"per_seed": [0.9, 0.9]},
        {"per_seed": [0.9]},
        {"level": 0.5},
        {"value": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("cached", [False, True])
def test_every_part_of_an_estimate_is_held_to_the_predictions(
    tmp_path: Path, changes: dict[str, Any], cached: bool
) -> None:
    folder = put(tmp_path, "lm", 0.8)
    if cached:
        build_leaderboard(tmp_path)
    edit(folder, **changes)
    with pytest.raises(DataError, match="of mcc"):
        build_leaderboard(tmp_path)


def test_rounding_is_no_edit(tmp_path: Path) -> None:
    folder = put(tmp_path, "lm", 1.0)
    value = json.loads((folder / "record.json").read_text())["estimates"][0]["value"]
    edit(folder, value=value + 1e-11)
    assert build_leaderboard(tmp_path).cells[0].value == pytest.approx(value, abs=1e-10)


def test_what_was_found_the_same_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "lm", 0.7)
    want = build_leaderboard(tmp_path)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(proof, "estimate", never)
    monkeypatch.setattr(proof, "read_predictions", never)
    assert build_leaderboard(tmp_path) == want


def test_a_record_that_holds_a_digest_is_proven_by_that(tmp_path: Path) -> None:
    put(tmp_path, "lm", 1.0)
    (record,) = read_records(tmp_path)
    later = replace(record, schema=2, estimates=(replace(record.estimates[0], value=0.5), *record.estimates[1:]))
    assert tabulate([later]).cells[0].value == 0.5


def test_a_failed_run_has_no_score(tmp_path: Path) -> None:
    folder = put(tmp_path, "lm", 1.0)
    file = folder / "record.json"
    file.write_text(file.read_text().replace('"status": "done"', '"status": "failed"'))
    with pytest.raises(DataError, match=r"record.json: it states mcc = 0\.\d+ but has no predictions \(failed\)"):
        build_leaderboard(tmp_path)


def test_a_score_without_predictions_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path, "lm", 1.0)
    value = json.loads((folder / "record.json").read_text()) | {"predictions_digest": ""}
    (folder / "record.json").write_text(json.dumps(value))
    with pytest.raises(DataError, match="has no predictions"):
        build_leaderboard(tmp_path)


def test_a_zero_shot_score_has_no_error_on_the_scale_of_the_targets(tmp_path: Path) -> None:
    p = replace(predictions(1.0, (0,)), targets=np.linspace(0, 1, 120))
    p = replace(p, scores=p.scores[:, :, 1:])
    spec = RunSpec("toy@1", "d", "s", "lm", {}, "r", "zero_shot", {}, (0,), 0.0)
    metrics = ("spearman", "r2")
    estimates = tuple(estimate(p, m, scaled=False) for m in metrics)
    edit(write_record(tmp_path, Record(spec, "done", {"metrics": list(metrics)}, {"name": "lm"}, estimates), p))
    (cell,) = build_leaderboard(tmp_path).cells
    assert cell.estimates == estimates and cell.estimates[1].value is None


@pytest.mark.parametrize("scaled", [True, False])
def test_whether_scores_are_on_the_scale_of_the_targets_is_stored(scaled: bool, tmp_path: Path) -> None:
    spec = RunSpec("toy@1", "d", "s", "lm", {}, "r", "my_mode", {}, (0, 1), 0.9)
    p = predictions(1.0)
    stated = estimate(p, "mcc", scaled=scaled)
    write_record(tmp_path, Record(spec, "done", {}, {}, (stated,), scaled=scaled), p)
    (record,) = read_records(tmp_path)
    assert record.scaled is scaled and proof.is_scaled(record, stated) is scaled
    before = replace(record, scaled=None)
    told = replace(stated, reason="r2 needs predictions on the scale of the targets; a zero-shot score is on its own")
    assert proof.is_scaled(before, stated) and not proof.is_scaled(before, told), "an older record, by its text"


def test_a_metric_that_is_not_there_any_more_is_said_and_not_shown(tmp_path: Path) -> None:
    with Registry.temporarily():
        metric("trust", label="Trust", better="higher", needs="probabilities", definition="Trust.")(
            lambda targets, scores, cluster, n: mean(scores[np.arange(len(targets)), targets], cluster, n)
        )
        put(tmp_path, "lm", 1.0, ("trust", "mcc"))
        put(tmp_path, "floor", 0.3, ("trust", "mcc"), baseline=True)
    table = build_leaderboard(tmp_path)
    assert [c.value for c in table.cells] == [None, None]
    assert all(c.estimates[1].value is not None for c in table.cells)
    markdown = to_markdown(table)
    line = "trust is not shown, since it cannot be computed here: Unknown metric 'trust'."
    assert markdown.count(f"<sup>1</sup> {line}") == 1 and "undefined" in markdown and "toy<br>trust" in markdown
    assert line in to_csv(table)


def test_a_metric_over_a_stratum_that_the_predictions_lack_is_said_and_not_shown(tmp_path: Path) -> None:
    folder = put(tmp_path, "lm", 1.0)
    file = folder / "record.json"
    file.write_text(file.read_text().replace('"auroc"', '"auroc:species=fly"'))
    assert "cannot be computed here: Unknown stratum column 'species'" in to_csv(build_leaderboard(tmp_path))


def versioned(results: Path, model: str, skill: float, probe: int = 0, **more: Any) -> Path:
    versions = {"mode": "1", "probe": str(probe), "split": "1"} if probe else {}
    spec = {"versions": versions, "settings": {"probe": "linear", "c": 1.0} if probe else {}, **more.pop("spec", {})}
    return put(results, model, skill, spec=spec, **more)


def test_versions_that_meet_have_rows_of_their_own(tmp_path: Path) -> None:
    for probe, skill in enumerate((0.5, 1.0, 1.5)):
        versioned(tmp_path, "lm", skill, probe)
    assert {row.name for row in build_leaderboard(tmp_path).rows} == {
        f"lm · linear_probe ({UNDECLARED})",
        "lm · linear_probe (probe version 1)",
        "lm · linear_probe (probe version 2)",
    }


def test_versions_share_no_row_even_where_they_do_not_meet(tmp_path: Path) -> None:
    versioned(tmp_path, "lm", 1.0)
    versioned(tmp_path, "lm", 1.0, 1, spec={"task": "other@1"})
    assert {row.name for row in build_leaderboard(tmp_path).rows} == {
        f"lm · linear_probe ({UNDECLARED})",
        "lm · linear_probe",
    }


def test_the_rules_and_splits_of_different_tasks_have_versions_of_their_own(tmp_path: Path) -> None:
    for task, rule, version in (("a@1", "likelihood", "1"), ("b@1", "centroid", "3")):
        spec = {"task": task, "settings": {"rule": rule}, "versions": {"mode": "1", "rule": version, "split": version}}
        put(tmp_path, "lm", 1.0, mode="zero_shot", spec=spec)
    assert [row.name for row in build_leaderboard(tmp_path).rows] == ["lm · zero_shot"]


def test_the_first_version_of_a_kind_of_training_stands_in_no_record(tmp_path: Path) -> None:
    for task, versions in (("a@1", {"mode": "2"}), ("b@1", {"mode": "2", "train": "2"})):
        for kind in ("lora", "full") if task == "a@1" else ("lora",):
            spec = {"task": task, "settings": {"train": kind}, "versions": versions}
            put(tmp_path, "lm", 1.0, mode="fine_tune", spec=spec)
    names = sorted(row.name for row in build_leaderboard(tmp_path).rows)
    assert names == [
        "lm · fine_tune (train full)",
        "lm · fine_tune (train lora, train version 1)",
        "lm · fine_tune (train lora, train version 2)",
    ]


def test_a_twin_is_one_of_the_same_versions(tmp_path: Path) -> None:
    def twin_gain() -> object:
        (cell,) = [c for c in build_leaderboard(tmp_path).cells if c.row.startswith("lm ·")]
        return cell.twin_gain

    versioned(tmp_path, "lm", 1.0, 2)
    versioned(tmp_path, "lm_random", 0.2, 1, twin_of="lm", spec={"settings": {"probe": "linear", "c": 1.0}})
    versioned(tmp_path, "lm_random", 0.2, 0, twin_of="lm", spec={"settings": {"probe": "linear", "c": 1.0}})
    assert twin_gain() is None
    versioned(tmp_path, "lm_random", 0.2, 2, twin_of="lm")
    assert twin_gain() is not None


def test_a_record_made_in_this_process_needs_no_proof() -> None:
    spec = RunSpec("toy@1", "d", "s", "lm", {}, "r", "linear_probe", {}, (0,), 0.9)
    record = Record(spec, "done", {"metrics": ["mcc"]}, {"name": "lm"}, (Estimate("mcc", 0.5, None, None, 9, 9),))
    assert tabulate([record]).cells[0].value == 0.5
