from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.records import Record, read_records, write_record
from baserate.results import Choice, Estimate, Predictions, RunSpec, Trial
from baserate.tracking import TrackingError, default_uri, refusal, sync, unmirrored
from baserate.types import strings

SPEC = RunSpec("toy@1", "d", "s", "cnn", {"width": 8}, "r", "from_scratch", {"lr": 0.1}, (0,), 0.9)
ESTIMATES = (
    Estimate("spearman:background=*", 0.5, 0.4, 0.6, 3, 2, (0.5,)),
    Estimate("auroc", None, None, None, 3, 2, (None,), reason="one class"),
)
ENVIRONMENT = {"git_commit": "abc", "packages": {"numpy": "2"}}
RECORD = Record(SPEC, "done", {"id": "toy@1"}, {"name": "cnn"}, ESTIMATES, environment=ENVIRONMENT, grid="quickstart")
RECORD = replace(
    RECORD,
    audit={"verdict": "FAIL", "reasons": ["FAIL: 51 rows", "WARN: gc"]},
    exposure={"status": "exposed", "reason": "all lie in hg38"},
)
PREDICTIONS = Predictions(strings(["a", "b"]), np.array([0, 1]), strings(["g", "h"]), {}, np.zeros((1, 2, 1)), (0,))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_record(tmp_path, RECORD, PREDICTIONS)
    failed = replace(RECORD, spec=replace(SPEC, model="bad"), status="failed", error="boom", estimates=())
    write_record(tmp_path, failed, None)
    return tmp_path


def client_of(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


@pytest.mark.filterwarnings("ignore")
def test_a_parent_a_grid_and_a_child_a_cell_and_again_adds_nothing(results: Path) -> None:
    uri = default_uri(results)
    assert uri == f"sqlite:///{results / 'mlflow.db'}"
    records = read_records(results)
    assert unmirrored(records, results, uri) == records
    assert sync(records, results, uri).copied == 2
    assert unmirrored(read_records(results), results, uri) == []
    assert (sync(read_records(results), results, uri).copied, len(list(results.glob("*/*/record.json")))) == (0, 2)

    client = client_of(uri)
    runs = list(client.search_runs([client.get_experiment_by_name("baserate").experiment_id]))
    parent = next(r for r in runs if "mlflow.parentRunId" not in r.data.tags)
    children = {r.data.tags["baserate.status"]: r for r in runs if r is not parent}
    assert len(runs) == 3 and parent.info.run_name == "quickstart"
    done, failed = children["done"], children["failed"]
    assert done.data.tags["mlflow.parentRunId"] == failed.data.tags["mlflow.parentRunId"] == parent.info.run_id
    name = "spearman:background each"
    metrics = done.data.metrics
    assert (metrics[name], metrics[f"{name}.low"], metrics[f"{name}.high"]) == (0.5, 0.4, 0.6)
    assert "auroc" not in metrics, "undefined is absent, never 0"
    assert done.data.params["settings"] == '{"lr": 0.1}' and done.data.params["task"] == "toy@1"
    tags = done.data.tags
    assert (tags["baserate.audit"], tags["baserate.audit_reasons"]) == ("FAIL", "FAIL: 51 rows; WARN: gc")
    assert (tags["baserate.exposure"], tags["baserate.exposure_reason"]) == ("exposed", "all lie in hg38")
    files = {f.path for f in client.list_artifacts(done.info.run_id)}
    assert files == {"record.json", "predictions.parquet", "environment.json"}
    assert failed.info.status == "FAILED" and failed.data.tags["baserate.error"] == "boom"


@pytest.mark.filterwarnings("ignore")
def test_trials_are_a_table_and_the_course_of_training_is_metrics_by_epoch(tmp_path: Path) -> None:
    history = tuple({"epoch": e, "train_loss": 1.0 / e, "valid_loss": np.nan if e == 2 else 0.5} for e in range(1, 601))
    trials = (Trial({}, 0.5, 1.0), Trial({"lr": 0.2, "width": 16}, 0.75, 2.0), Trial({"lr": 0.9}, None, 0.5, "lost"))
    chosen = {"lr": 0.2, "width": 16}
    choices = (Choice(0, "mcc:a=b", 0.75, chosen, history, trials, 1), Choice(1, "mcc:a=b", None, chosen, (), (), 1))
    record = replace(RECORD, spec=replace(SPEC, seeds=(0, 1), budget=4), choices=choices)
    finite = replace(choices[0], history=tuple({k: v for k, v in row.items() if v == v} for row in history))
    stored = replace(record, choices=(finite, choices[1]))
    write_record(tmp_path, stored, replace(PREDICTIONS, scores=np.zeros((2, 2, 1)), seeds=(0, 1)))
    uri = default_uri(tmp_path)
    assert sync(read_records(tmp_path), tmp_path, uri).copied == 1
    client = client_of(uri)
    (run,) = [r for r in client.search_runs(["1"]) if "baserate.status" in r.data.tags]
    losses = client.get_metric_history(run.info.run_id, "train_loss/seed 0")
    assert [(m.step, m.value) for m in losses] == [(e, 1.0 / e) for e in range(1, 601)]
    assert {m.step for m in client.get_metric_history(run.info.run_id, "valid_loss/seed 0")} == {1, *range(3, 601)}
    assert run.data.metrics["valid.mcc:a b/seed 0"] == 0.75 and "valid.mcc:a b/seed 1" not in run.data.metrics
    table = json.loads(Path(client.download_artifacts(run.info.run_id, "trials.json")).read_text())
    assert table["columns"] == ["trial", "chosen", "mcc:a=b on valid", "seconds", "lr", "width", "error"]
    assert table["data"] == [
        [0, False, 0.5, 1.0, 0.1, 8, ""],
        [1, True, 0.75, 2.0, 0.2, 16, ""],
        [2, False, None, 0.5, 0.9, 8, "lost"],
    ]
    assert run.info.run_name == "toy@1 · cnn · from_scratch · budget 4"
    assert "trials.json" in run.data.tags["mlflow.loggedArtifacts"], "its page shows the table"


@pytest.mark.filterwarnings("ignore")
def test_a_cell_made_again_after_a_failure_is_copied_again(results: Path) -> None:
    uri = default_uri(results)
    sync(read_records(results), results, uri)
    write_record(results, replace(RECORD, spec=replace(SPEC, model="bad")), PREDICTIONS)
    assert len(unmirrored(read_records(results), results, uri)) == 1
    assert sync(read_records(results), results, uri).copied == 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////dev/null/all.db", "nonsense://x"])
def test_dead_store_is_one_line(results: Path, uri: str) -> None:
    with pytest.raises(TrackingError, match=f"MLflow at {uri} cannot be used") as error:
        sync(read_records(results), results, uri)
    assert "\n" not in str(error.value)
    assert len(unmirrored(read_records(results), results, uri)) == 2


@pytest.mark.filterwarnings("ignore")
def test_tracking_leaves_the_environment_as_it_was(results: Path) -> None:
    before = dict(os.environ)
    sync(read_records(results), results, default_uri(results))
    with pytest.raises(TrackingError):
        sync(read_records(results), results, "nonsense://x")
    assert dict(os.environ) == before


@pytest.mark.filterwarnings("ignore")
def test_an_error_that_names_a_file_in_latin_1_is_copied(tmp_path: Path) -> None:
    failed = replace(RECORD, status="failed", error="no weights in caf\udce9.npy", estimates=())
    write_record(tmp_path, failed, None)
    uri = default_uri(tmp_path)
    assert sync(read_records(tmp_path), tmp_path, uri).copied == 1
    (run,) = [r for r in client_of(uri).search_runs(["1"]) if "baserate.error" in r.data.tags]
    assert run.data.tags["baserate.error"] == r"no weights in caf\udce9.npy"


_SYNC = """
import sys
from pathlib import Path
from baserate.records import read_records
from baserate.tracking import default_uri, sync
results = Path(sys.argv[1])
sys.stdin.readline()
sync(read_records(results), results, default_uri(results))
"""


@pytest.mark.filterwarnings("ignore")
def test_processes_that_copy_at_the_same_time_make_one_copy_of_each_record(results: Path) -> None:
    command = [sys.executable, "-c", _SYNC, str(results)]
    copying = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in copying:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=300)[1] for process in copying]
    assert [p.returncode for p in copying] == [0, 0], ended
    assert len(client_of(default_uri(results)).search_runs(["1"])) == 3, "the grid and two cells"


@pytest.mark.filterwarnings("ignore")
def test_what_was_deleted_in_mlflow_stays_so_and_the_way_back_is_named(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, records = default_uri(results), read_records(results)
    sync(records, results, uri)
    client = client_of(uri)
    (cell, *_) = [r for r in client.search_runs(["1"]) if "mlflow.parentRunId" in r.data.tags]
    client.delete_run(cell.info.run_id)
    assert sync(records, results, uri).copied == 0, "a deleted run does not come back"

    client.delete_experiment("1")
    with pytest.raises(TrackingError, match=f"MLFLOW_TRACKING_URI='{uri}' mlflow experiments restore -x 1") as error:
        sync(records, results, uri)
    assert "set MLFLOW_EXPERIMENT_NAME to another name" in str(error.value)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "promoters")
    assert unmirrored(records, results, uri) == records
    assert sync(records, results, uri).copied == 2 and not unmirrored(records, results, uri)
    assert client.get_experiment_by_name("promoters").lifecycle_stage == "active"
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    client.restore_experiment("1")
    assert sync(records, results, uri).copied == 0


def test_a_message_of_mlflow_ends_with_its_advice() -> None:
    error = Exception(
        f"Out of date.{300 * ' x'}\n[SQL: alter table]\n(Background on this: http://x)\nRun mlflow db upgrade"
    )
    assert refusal(error, "u").endswith(" x Run mlflow db upgrade)") and "SQL" not in refusal(error, "u")
    assert refusal(Exception(3000 * "x" + " run mlflow db upgrade"), "u").endswith(" run mlflow db upgrade)")
    assert refusal(KeyError(), "u") == "MLflow at u cannot be used (KeyError)"
