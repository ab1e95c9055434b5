from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.records import Record, read_records, write_record
from baserate.results import Estimate, Predictions, RunSpec
from baserate.tracking import TrackingError, default_uri, sync, unmirrored
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


def test_tracking_leaves_the_environment_as_it_was(results: Path) -> None:
    before = dict(os.environ)
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
