from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baserate.errors import DataError
from baserate.records import Record, read_predictions, read_record, read_records, record_folder, write_record
from baserate.types import Estimate, Predictions, RunSpec, strings

SPEC = RunSpec("toy@1", "d", "s", "cnn(width=8)", {"width": 8}, "r", "from_scratch", {"lr": 0.1}, (0, 4), 0.9)
ESTIMATES = (
    Estimate("mcc", 0.5, 0.4, 0.6, 3, 2, (0.4, 0.6)),
    Estimate("auroc", None, None, None, 3, 2, (None, None), reason="one class"),
)
RECORD = Record(
    SPEC,
    "done",
    {"id": "toy@1"},
    {"name": "cnn"},
    ESTIMATES,
    flags=("collapsed",),
    seconds=1.5,
    audit={"verdict": "WARN", "reasons": ["WARN: few clusters"]},
    exposure={"status": "clean", "reason": "not pretrained"},
)
PREDICTIONS = Predictions(
    strings(["a", "b", "c"]),
    np.array([0, 1, 1]),
    strings(["g", "g", "h"]),
    {"species": strings(["x", "y", "y"])},
    np.arange(12, dtype=float).reshape(2, 3, 2),
    (0, 4),
)


def test_record_and_predictions_come_back_as_they_were(tmp_path: Path) -> None:
    folder = write_record(tmp_path, RECORD, PREDICTIONS)
    (record,) = read_records(tmp_path)
    assert record.path == folder == record_folder(tmp_path, SPEC)
    assert replace(record, path=None, predictions_digest="") == RECORD
    found = read_predictions(record)
    assert np.array_equal(found.scores, PREDICTIONS.scores)
    assert np.array_equal(found.targets, PREDICTIONS.targets)
    assert list(found.strata["species"]) == ["x", "y", "y"] and list(found.clusters) == ["g", "g", "h"]
    assert sorted(p.name for p in folder.parent.iterdir()) == [folder.name], "nothing is left beside"


def test_labels_and_several_measurements_come_back(tmp_path: Path) -> None:
    for targets in (np.array([[0, 1], [1, 1], [0, 0]]), np.array([[0.5], [-1.0], [2.0]])):
        write_record(tmp_path, RECORD, replace(PREDICTIONS, targets=targets))
        found = read_predictions(read_records(tmp_path)[0]).targets
        assert found.dtype == targets.dtype
        np.testing.assert_array_equal(found, targets)


def test_a_record_from_before_there_were_audits_and_exposure_has_neither(tmp_path: Path) -> None:
    file = write_record(tmp_path, RECORD, PREDICTIONS) / "record.json"
    old = {k: v for k, v in json.loads(file.read_text()).items() if k not in ("audit", "exposure")}
    file.write_text(json.dumps(old))
    found = read_record(file.parent)
    assert (found.audit, found.exposure, found.estimates) == ({}, {}, RECORD.estimates)


def test_which_examples_were_scored_comes_back(tmp_path: Path) -> None:
    scored = np.array([True, False, True])
    scores = np.where(scored[:, None], PREDICTIONS.scores, np.nan)
    write_record(tmp_path, RECORD, replace(PREDICTIONS, scores=scores, scored=scored))
    found = read_predictions(read_records(tmp_path)[0])
    assert found.scored is not None and found.scored.dtype == bool and np.array_equal(found.scored, scored)
    assert np.array_equal(found.scores, scores, equal_nan=True)
    write_record(tmp_path, RECORD, PREDICTIONS)
    assert read_predictions(read_records(tmp_path)[0]).scored is None, "as in records from before there was a mask"


def test_writing_again_replaces(tmp_path: Path) -> None:
    write_record(tmp_path, replace(RECORD, status="failed", error="boom", estimates=()), None)
    write_record(tmp_path, RECORD, PREDICTIONS)
    (record,) = read_records(tmp_path)
    assert record.status == "done"


def test_every_field_of_the_spec_is_part_of_the_identity() -> None:
    changed = {"task": "x", "data": "x", "split": "x", "model": "x", "params": {}, "revision": "x", "mode": "zero_shot"}
    changed |= {"settings": {}, "seeds": (1,), "train_fraction": 0.5, "limit": 7}  # type: ignore[dict-item]
    assert set(changed) == set(SPEC.to_json())
    hashes = {replace(SPEC, **{key: value}).hash for key, value in changed.items()}  # type: ignore[arg-type]
    assert len(hashes | {SPEC.hash}) == len(changed) + 1
    assert RunSpec.from_json(json.loads(json.dumps(SPEC.to_json()))).hash == SPEC.hash


@pytest.mark.parametrize(
    "damage",
    [lambda t: t[: len(t) // 2], lambda t: "{}", lambda t: t.replace("cnn(width=8)", "cnn(width=9)"), lambda t: "\0"],
)
def test_corrupt_record_is_one_clear_line(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    file = write_record(tmp_path, RECORD, PREDICTIONS) / "record.json"
    file.write_text(damage(file.read_text()))
    with pytest.raises(DataError, match=r"record\.json: .*; delete .* and run again") as error:
        read_records(tmp_path)
    assert "\n" not in str(error.value)


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    file = write_record(tmp_path, RECORD, PREDICTIONS) / "record.json"
    file.write_text(file.read_text().replace('"schema": 1', '"schema": 99'))
    with pytest.raises(DataError, match="schema 99 is newer than 1; update baserate"):
        read_record(file.parent)


def test_altered_predictions_are_refused(tmp_path: Path) -> None:
    folder = write_record(tmp_path, RECORD, PREDICTIONS)
    file = folder / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"predictions\.parquet: altered since it was written"):
        read_predictions(read_record(folder))


def test_undefined_numbers_are_null_and_nan_is_refused(tmp_path: Path) -> None:
    text = (write_record(tmp_path, RECORD, PREDICTIONS) / "record.json").read_text()
    assert "NaN" not in text and json.loads(text)["estimates"][1]["value"] is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path, replace(RECORD, seconds=float("nan")), None)
    assert read_records(tmp_path)[0].seconds == 1.5, "the earlier record is untouched"


def test_unwritable_results_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write results in .*file: .*; choose another with --results"):
        write_record(tmp_path / "file", RECORD, PREDICTIONS)


def test_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_records(tmp_path / "none")
