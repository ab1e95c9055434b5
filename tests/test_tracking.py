"""The copy of records in MLflow: what a run has, that each is there once, and what is brought up to date."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.leaderboard import build_leaderboard
from baserate.records import read_records, record_folder
from baserate.results import Choice, Trial
from baserate.tracking import Job, Mirrored, TrackingError, copy, default_uri, refusal, uncopied

from .test_leaderboard import put

pytestmark = pytest.mark.filterwarnings("ignore")

AUDIT = {"verdict": "FAIL", "reasons": ["FAIL: 51 rows", "WARN: gc"]}
EXPOSURE = {"status": "exposed", "reason": "all lie in hg38"}


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a store without experiments of ours: to make one takes MLflow seconds."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    client_of(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def results(tmp_path: Path, empty_store: Path) -> Path:
    """Return a done, a failed and a not applicable cell of one suite, and an empty store beside them."""
    folder = tmp_path / "results"
    put(folder, "kmer", 0.6, baseline=True, noise=1, grid="quickstart")
    lm = {"spec": {"settings": {"lr": 0.1, "k": 3}, "params": {"width": 8, "k": 5}}, "audit": AUDIT}
    put(folder, "lm", 1.5, mode="linear_probe", noise=3, grid="quickstart", seconds=60.0, exposure=EXPOSURE, **lm)
    put(folder, "bad", status="failed", error="boom", grid="quickstart")
    put(folder, "causal", status="not_applicable", error="no labels", grid="quickstart")
    shutil.copy(empty_store, folder / "mlflow.db")
    return folder


def client_of(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


def track(results: Path, uri: str = "", **more: Any) -> Mirrored:
    return copy(Job(tuple(read_records(results)), results, uri or default_uri(results), **more))


def runs_of(results: Path, experiment: str = "baserate") -> dict[str, Any]:
    """Return the runs in the store by name."""
    client = client_of(default_uri(results))
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    names = [run.info.run_name for run in found]
    assert len(set(names)) == len(names), "each is there once"
    return dict(zip(names, found, strict=True))


def files_of(results: Path, run: Any) -> set[str]:
    return {file.path for file in client_of(default_uri(results)).list_artifacts(run.info.run_id)}


def test_a_suite_is_a_parent_with_the_leaderboard_and_a_cell_a_child_with_all_that_can_be_filtered(
    results: Path,
) -> None:
    records, uri = read_records(results), default_uri(results)
    assert uri == f"sqlite:///{results / 'mlflow.db'}"
    assert {r.spec.model for r in uncopied(records, uri)} == {"kmer", "lm", "bad"}
    assert (track(results).copied, uncopied(records, uri)) == (3, [])
    again = track(results)
    assert (again.copied, again.known, len(read_records(results))) == (0, 3, 4)

    runs = runs_of(results)
    assert set(runs) == {"quickstart", "kmer · from scratch · toy", "lm · probe · toy", "bad · from scratch · toy"}
    suite, lm = runs.pop("quickstart"), runs["lm · probe · toy"]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {suite.info.run_id}
    assert "mlflow.parentRunId" not in suite.data.tags

    metrics, record = lm.data.metrics, next(r for r in records if r.spec.model == "lm")
    first = record.estimates[0]
    assert (metrics["primary"], metrics["primary_low"], metrics["primary_high"]) == (first.value, first.low, first.high)
    assert metrics["mcc"] == first.value and metrics["mcc:species human-fly"] == record.estimates[2].value
    gain = next(c.gain for c in build_leaderboard(records).cells if c.hash == record.hash)
    assert gain and (metrics["gain"], metrics["gain_low"], metrics["gain_high"]) == (gain.value, gain.low, gain.high)
    assert metrics["system/seconds"] == 60 and "gain" not in runs["kmer · from scratch · toy"].data.metrics
    by_seed = client_of(uri).get_metric_history(lm.info.run_id, "seeds/primary")
    assert [(m.step, m.value) for m in by_seed] == list(zip(record.spec.seeds, first.per_seed, strict=True))

    params, tags = lm.data.params, lm.data.tags
    assert (params["lr"], params["k"], params["width"], params["model.k"]) == ("0.1", "3", "8", "5")
    assert (params["task"], params["model"], params["mode"]) == ("toy@1", "lm", "linear_probe")
    assert (tags["kind"], tags["regime"], tags["family"], tags["budget"]) == ("model", "probed", "Other tasks", "1")
    assert (tags["audit"], tags["audit_reasons"]) == ("FAIL", "FAIL: 51 rows; WARN: gc")
    assert (tags["exposure"], tags["exposure_reason"]) == ("exposed", "all lie in hg38")
    assert tags["mlflow.source.git.commit"] == "c0ffee00c0ffee00"
    assert files_of(results, lm) == {"record.json", "predictions.parquet", "environment.json"}
    (data,) = lm.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("toy@1", "data0")

    assert record.path is not None
    end = int(1000 * (record.path / "record.json").stat().st_mtime)
    assert (lm.info.end_time, lm.info.start_time) == (end, pytest.approx(end - 60_000, abs=1))
    assert suite.info.start_time <= lm.info.start_time and suite.info.end_time >= lm.info.end_time
    bad = runs["bad · from scratch · toy"]
    assert bad.info.status == "FAILED" and bad.data.tags["error"] == "boom"
    assert "boom" in bad.data.tags["mlflow.note.content"]


def test_the_run_of_a_suite_has_the_table_what_came_of_it_and_what_does_not_apply(results: Path) -> None:
    (results / "mine.png").touch()
    track(results)
    suite = runs_of(results)["quickstart"]
    assert "mine.png" not in files_of(results, suite)
    leaderboard = {f"leaderboard.{ending}" for ending in ("md", "csv", "json", "html", "png")}
    assert files_of(results, suite) >= {*leaderboard, "not_applicable.json"}
    assert "lm<br><sub>model, probed</sub>" in suite.data.tags["mlflow.note.content"]
    metrics = suite.data.metrics
    assert (metrics["cells done"], metrics["cells failed"], metrics["cells that do not apply"]) == (2, 1, 1)
    assert metrics["model cells better than the best baseline"] == 1
    client = client_of(default_uri(results))
    table = json.loads(Path(client.download_artifacts(suite.info.run_id, "not_applicable.json")).read_text())
    assert table["data"] == [["toy@1", "causal", "from_scratch", "no labels"]]
    assert "not_applicable.json" in suite.data.tags["mlflow.loggedArtifacts"], "its page shows the table"
    view = client.get_experiment("1").tags["mlflow.sharedViewState.baserate"]
    assert json.loads(view)["orderByKey"] == "metrics.`gain`"


def test_a_better_baseline_changes_the_gains_and_the_table_that_were_copied_before(results: Path) -> None:
    track(results)
    before = runs_of(results)["lm · probe · toy"].data.metrics["gain"]
    put(results, "cnn", 1.0, baseline=True, noise=5, grid="quickstart")
    assert track(results).copied == 1
    runs, table = runs_of(results), build_leaderboard(results)
    gain = next(c.gain for c in table.cells if c.row == "lm · linear_probe")
    assert gain and gain.value < before, "over a better baseline"
    assert runs["lm · probe · toy"].data.metrics["gain"] == gain.value
    assert runs["quickstart"].data.metrics["cells done"] == 3
    assert "cnn" in runs["quickstart"].data.tags["mlflow.note.content"]
    for folder in results.glob("*/kmer*"):
        shutil.rmtree(folder)
    for folder in results.glob("*/cnn*"):
        shutil.rmtree(folder)
    track(results)
    assert np.isnan(runs_of(results)["lm · probe · toy"].data.metrics["gain"]), "without baselines there is no gain"


def test_runs_outside_a_suite_are_named_after_their_task_or_what_there_is(tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    put(tmp_path, "kmer", 0.6, baseline=True)
    track(tmp_path)
    assert "toy" in runs_of(tmp_path)
    put(tmp_path, "kmer", 0.6, baseline=True, spec={"task": "other@1"}, task={"id": "other@1"})
    put(tmp_path, "lm", 0.9, mode="linear_probe", spec={"budget": 8})
    track(tmp_path)
    assert {"2 tasks, 2 models", "lm · probe · toy · budget 8"} <= set(runs_of(tmp_path))


def test_trials_are_a_table_and_the_course_of_training_is_metrics_by_epoch(tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    history = tuple(
        {"epoch": e, "train_loss": 1.0 / e} | ({} if e == 2 else {"valid_loss": 0.5}) for e in range(1, 601)
    )
    trials = (Trial({}, 0.5, 1.0), Trial({"lr": 0.2, "width": 16}, 0.75, 2.0), Trial({"lr": 0.9}, None, 0.5, "lost"))
    chosen = {"lr": 0.2, "width": 16}
    choices = (Choice(0, "mcc:a=b", 0.75, chosen, history, trials, 1), Choice(1, "mcc:a=b", None, chosen, (), (), 1))
    spec = {"settings": {"lr": 0.1}, "params": {"width": 8}, "budget": 4}
    put(tmp_path, "cnn", choices=choices, spec=spec)
    assert track(tmp_path).copied == 1
    client, run = client_of(default_uri(tmp_path)), runs_of(tmp_path)["cnn · from scratch · toy · budget 4"]
    losses = client.get_metric_history(run.info.run_id, "train_loss/seed 0")
    assert [(m.step, m.value) for m in losses] == [(e, 1.0 / e) for e in range(1, 601)]
    assert {m.step for m in client.get_metric_history(run.info.run_id, "valid_loss/seed 0")} == {1, *range(3, 601)}
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "seeds/valid")] == [(0, 0.75)]
    assert (run.data.params["lr"], run.data.params["width"]) == ("0.2", "16"), "with what valid chose"
    table = json.loads(Path(client.download_artifacts(run.info.run_id, "trials.json")).read_text())
    assert table["columns"] == ["trial", "chosen", "mcc:a=b on valid", "seconds", "lr", "width", "error"]
    assert table["data"] == [
        [0, False, 0.5, 1.0, 0.1, 8, ""],
        [1, True, 0.75, 2.0, 0.2, 16, ""],
        [2, False, None, 0.5, 0.9, 8, "lost"],
    ]
    assert "trials.json" in run.data.tags["mlflow.loggedArtifacts"], "its page shows the table"


def test_a_cell_made_again_after_a_failure_is_copied_again(results: Path) -> None:
    track(results)
    put(results, "bad", grid="quickstart")
    assert len(uncopied(read_records(results), default_uri(results))) == 1
    assert track(results).copied == 1


def test_what_is_gone_from_the_store_is_copied_again(results: Path, empty_store: Path) -> None:
    uri, records = default_uri(results), read_records(results)
    track(results)
    shutil.copy(empty_store, results / "mlflow.db")
    assert len(uncopied(records, uri)) == 3, "emptied"
    assert track(results).copied == 3
    with sqlite3.connect(results / "mlflow.db") as connection:  # as `mlflow gc` does
        (run,) = connection.execute("select run_uuid from tags where value like '%lm · probe%'").fetchone()
        for table in ("tags", "params", "metrics", "latest_metrics", "runs"):
            connection.execute(f"delete from {table} where run_uuid = ?", (run,))
    assert [r.spec.model for r in uncopied(records, uri)] == ["lm"]
    assert track(results).copied == 1


def test_a_copy_that_was_cut_short_is_made_again(results: Path) -> None:
    track(results)
    with sqlite3.connect(results / "mlflow.db") as connection:
        connection.execute("delete from tags where key = 'baserate.hash' and value not like 'quickstart%'")
    assert track(results).copied == 3
    assert len(runs_of(results)) == 4, "and what there was of it is gone"


def test_results_that_were_moved_find_their_artifacts_and_their_suite(results: Path, tmp_path: Path) -> None:
    track(results)
    moved = tmp_path / "elsewhere" / "results of june"
    moved.parent.mkdir()
    results.rename(moved)
    assert track(moved).copied == 0
    put(moved, "cnn", 1.0, baseline=True, noise=5, grid="quickstart")
    assert track(moved).copied == 1
    client, runs = client_of(default_uri(moved)), runs_of(moved)
    assert runs["cnn · from scratch · toy"].data.tags["mlflow.parentRunId"] == runs["quickstart"].info.run_id
    for name in ("quickstart", "lm · probe · toy", "cnn · from scratch · toy"):
        for file in files_of(moved, runs[name]):
            assert Path(client.download_artifacts(runs[name].info.run_id, file)).is_file()
    assert len(files_of(moved, runs["lm · probe · toy"])) == 3


def test_saved_models_are_registered_once_with_the_run_of_their_cell(results: Path, tmp_path: Path) -> None:
    record = next(r for r in read_records(results) if r.spec.model == "lm")
    folder = record_folder(tmp_path / "saved", record.spec)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text("weights")
    assert track(results, models=tmp_path / "saved").registered == 1
    assert track(results, models=tmp_path / "saved").registered == 0
    client = client_of(default_uri(results))
    (version,) = client.search_model_versions("name = 'lm on toy'")
    assert version.run_id == runs_of(results)["lm · probe · toy"].info.run_id
    assert Path(client.download_artifacts(version.run_id, "model/model.safetensors")).read_text() == "weights"


def test_tracking_leaves_the_environment_as_it_was(results: Path) -> None:
    before = dict(os.environ)
    track(results)
    with pytest.raises(TrackingError):
        track(results, "nonsense://x")
    assert dict(os.environ) == before


def test_an_error_that_names_a_file_in_latin_1_is_copied(results: Path) -> None:
    put(results, "worse", status="failed", error="no weights in caf\udce9.npy", grid="quickstart")
    assert track(results).copied == 4
    run = runs_of(results)["worse · from scratch · toy"]
    assert run.data.tags["error"] == r"no weights in caf\udce9.npy"


_SYNC = """
import sys
from pathlib import Path
from baserate.records import read_records
from baserate.tracking import Job, copy, default_uri
results = Path(sys.argv[1])
sys.stdin.readline()
copy(Job(tuple(read_records(results)), results, default_uri(results)))
"""


def test_three_processes_that_copy_at_the_same_time_make_one_copy_of_each_record(results: Path) -> None:
    command = [sys.executable, "-c", _SYNC, str(results)]
    copying = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in copying:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=300)[1] for process in copying]
    assert [p.returncode for p in copying] == [0, 0, 0], ended
    assert len(runs_of(results)) == 4, "the suite and three cells"


def test_what_was_deleted_in_mlflow_stays_so_and_the_way_back_is_named(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, records = default_uri(results), read_records(results)
    track(results)
    client = client_of(uri)
    client.delete_run(runs_of(results)["lm · probe · toy"].info.run_id)
    put(results, "cnn", 1.0, baseline=True, noise=5, grid="quickstart")
    assert track(results).copied == 1, "a deleted run does not come back, and its gain is left alone"

    client.delete_experiment("1")
    with pytest.raises(TrackingError, match=f"MLFLOW_TRACKING_URI='{uri}' mlflow experiments restore -x 1") as error:
        track(results)
    assert "set MLFLOW_EXPERIMENT_NAME to another name" in str(error.value)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "promoters")
    assert len(uncopied(records, uri)) == 3
    assert track(results).copied == 4 and not uncopied(records, uri)
    assert len(runs_of(results, "promoters")) == 5
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    client.restore_experiment("1")
    assert track(results).copied == 0


def test_a_message_of_mlflow_ends_with_its_advice() -> None:
    error = Exception(
        f"Out of date.{300 * ' x'}\n[SQL: alter table]\n(Background on this: http://x)\nRun mlflow db upgrade"
    )
    assert refusal(error, "u").endswith(" x Run mlflow db upgrade)") and "SQL" not in refusal(error, "u")
    assert refusal(Exception(3000 * "x" + " run mlflow db upgrade"), "u").endswith(" run mlflow db upgrade)")
    assert refusal(KeyError(), "u") == "MLflow at u cannot be used (KeyError)"
