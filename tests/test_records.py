from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baserate.digests import digest
from baserate.errors import DataError
from baserate.prediction_file import predictions_in, write_predictions
from baserate.records import SCHEMA, Record, read_predictions, read_record, read_records, record_folder, write_record
from baserate.results import Estimate, Predictions, RunSpec
from baserate.types import strings

FIXTURES = Path(__file__).parent / "fixtures" / "records"
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
    old = {k: v for k, v in json.loads(file.read_text()).items() if k not in ("audit", "exposure", "digest")}
    file.write_text(json.dumps(old | {"schema": 1}))
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
    file.write_text(file.read_text().replace(f'"schema": {SCHEMA}', '"schema": 99'))
    with pytest.raises(DataError, match=f"schema 99 is newer than {SCHEMA}; update baserate"):
        read_record(file.parent)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"value": 0.5', '"value": 0.999'), ('"collapsed"', '"sound"'), ('"seconds": 1.5', '"seconds": 1.4')],
)
def test_an_edited_record_is_refused(old: str, new: str, tmp_path: Path) -> None:
    file = write_record(tmp_path, RECORD, PREDICTIONS) / "record.json"
    text = file.read_text()
    file.write_text(json.dumps(json.loads(text)))
    read = read_record(file.parent)
    assert read.digest, "how it is laid out is no content"
    assert not replace(read, grid="other").digest, "that of the content as it was read"
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=r"record\.json: edited since it was written; delete .* and run again"):
        read_records(tmp_path)


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_records_of_every_schema_load_for_ever(schema: int, tmp_path: Path) -> None:
    (record,) = read_records(FIXTURES / f"schema_{schema}")
    assert (record.schema, bool(record.digest), bool(record.spec.versions)) == (schema, schema > 1, schema > 1)
    expected = replace(
        RECORD,
        schema=schema,
        spec=record.spec,
        path=record.path,
        predictions_digest=record.predictions_digest,
    )
    assert record == expected and record.spec.settings == {"lr": 0.1}
    np.testing.assert_array_equal(record.predictions.scores, PREDICTIONS.scores)
    write_record(tmp_path, record, record.predictions)
    assert read_records(tmp_path)[0].schema == SCHEMA, "what is written is of the newest"


def test_published_records_load() -> None:
    folders = [path for path in (Path(__file__).parent.parent / "results" / "published").iterdir() if path.is_dir()]
    assert all(read_records(folder) for folder in folders)


HOLDS = """
import os, pickle, signal, sys, time
from pathlib import Path
from baserate.records import write_record

rename, moved = Path.rename, []

def rename_later(self, to):
    moved.append(self)
    if sys.argv[2] == "killed between" and len(moved) == 1:
        return rename(self, to)
    print("about to rename", flush=True)
    if sys.argv[2].startswith("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.readline()
    return rename(self, to)

Path.rename = rename_later
record, predictions = pickle.loads(Path(sys.argv[3]).read_bytes())
write_record(Path(sys.argv[1]), record, predictions)
"""


def writer(results: Path, end: str, folder: Path) -> subprocess.Popen[str]:
    """Return a process that has written all of a record but for the last rename."""
    (folder / "record.pickle").write_bytes(pickle.dumps((RECORD, PREDICTIONS)))
    command = [sys.executable, "-c", HOLDS, str(results), end, str(folder / "record.pickle")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline()
    return process


def litter(results: Path) -> list[str]:
    return sorted(path.parent.name for path in results.glob("*/.writing-*/record.json"))


def test_what_a_killed_process_leaves_is_ignored_and_swept(tmp_path: Path) -> None:
    results = tmp_path / "results"
    killed = writer(results, "killed", tmp_path)
    killed.communicate()
    assert killed.returncode == -9 and len(litter(results)) == 1
    assert read_records(results) == []
    write_record(results, RECORD, PREDICTIONS)
    assert not litter(results) and len(read_records(results)) == 1


def test_a_process_that_is_killed_while_it_replaces_a_record_loses_neither_for_good(tmp_path: Path) -> None:
    results = tmp_path / "results"
    before = read_record(write_record(results, replace(RECORD, seconds=1.0), PREDICTIONS))
    writer(results, "killed between", tmp_path).communicate()
    write_record(results, replace(RECORD, spec=replace(SPEC, limit=9)), PREDICTIONS)
    by_limit = {r.spec.limit: r for r in read_records(results)}
    assert by_limit[0] == before and by_limit.keys() == {0, 9}
    np.testing.assert_array_equal(read_predictions(by_limit[0]).scores, PREDICTIONS.scores)
    assert not list(results.glob("*/.*"))


def test_what_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    results = tmp_path / "results"
    slow = writer(results, "slow", tmp_path)
    other = replace(RECORD, spec=replace(SPEC, limit=9))
    write_record(results, other, PREDICTIONS)
    assert len(litter(results)) == 1 and [r.spec.limit for r in read_records(results)] == [9]
    slow.communicate("\n")
    assert slow.returncode == 0 and not litter(results)
    assert sorted(r.spec.limit for r in read_records(results)) == [0, 9]


def test_a_record_that_another_process_replaces_is_waited_for(tmp_path: Path) -> None:
    folder = write_record(tmp_path, RECORD, PREDICTIONS)
    away = folder.with_name("away")
    known = read_record(folder)
    for read in (lambda: read_record(folder), lambda: read_predictions(known)):
        folder.rename(away)
        back = threading.Timer(0.3, lambda: away.rename(folder))
        back.start()
        read()
        back.join()
    folder.rename(away)
    with pytest.raises(DataError, match="not a readable record"):
        read_record(folder)


def test_predictions_that_alone_are_missing_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = read_record(write_record(tmp_path, RECORD, PREDICTIONS))
    assert record.path
    (record.path / "predictions.parquet").unlink()
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits"))
    with pytest.raises(DataError, match="cannot be read"):
        read_predictions(record)


def test_what_other_machines_left_is_swept_after_a_day(tmp_path: Path) -> None:
    for name, hours in ((".writing-elsewhere.1.new", 1), (".writing-elsewhere.1.old", 30), (".writing-before", 30)):
        folder = tmp_path / "toy@1" / name
        folder.mkdir(parents=True)
        (folder / "record.json").write_text("{}")
        os.utime(folder, (time.time() - hours * 3600,) * 2)
    assert read_records(tmp_path) == []
    write_record(tmp_path, RECORD, PREDICTIONS)
    assert litter(tmp_path) == [".writing-elsewhere.1.new"]


def test_predictions_as_a_table() -> None:
    frame = PREDICTIONS.to_frame()
    assert list(frame) == ["id", "target", "cluster", "species", "seed", "score_0", "score_1"]
    assert list(frame["seed"]) == [0, 0, 0, 4, 4, 4] and list(frame["id"]) == ["a", "b", "c"] * 2
    np.testing.assert_array_equal(frame[["score_0", "score_1"]].to_numpy(), PREDICTIONS.scores.reshape(6, 2))
    several = replace(
        PREDICTIONS,
        targets=np.ones((3, 2)),
        scores=np.zeros((2, 3, 1)),
        strata={"seed": strings("xyz")},
        scored=np.array([True, True, False]),
    ).to_frame()
    assert list(several) == ["id", "target_0", "target_1", "cluster", "scored", "stratum_seed", "seed", "score"]


def test_a_record_as_a_table_of_a_notebook() -> None:
    page = replace(RECORD, flags=("skipped <1> of 3",))._repr_html_()
    assert "<td>mcc</td><td>0.500</td><td>[0.400, 0.600]</td><td>skipped &lt;1&gt; of 3</td>" in page
    assert "<td>auroc</td><td>one class</td><td></td>" in page
    failed = replace(RECORD, status="failed", estimates=(), error="Traceback\nboom")
    assert "<td></td><td>boom</td><td></td>" in failed._repr_html_()


def test_predictions_of_a_record_in_memory_and_of_none() -> None:
    assert replace(RECORD, in_memory=PREDICTIONS).predictions is PREDICTIONS
    with pytest.raises(DataError, match=r"of cnn\(width=8\) on toy@1 has no predictions"):
        _ = RECORD.predictions


def test_scores_take_less_than_their_bytes_and_come_back_to_the_last_bit(tmp_path: Path) -> None:
    n, rng = 5000, np.random.default_rng(0)
    ids, few = strings([f"r{i}" for i in range(n)]), rng.integers(3, size=n) / 7
    for scores, at_most in (
        (1 / (1 + np.exp(-rng.normal(size=(2, n, 1)))), 0.9),
        (np.tile(few[:, None], (2, 1, 1)), 0.1),
    ):
        predictions = replace(
            PREDICTIONS, ids=ids, targets=np.zeros(n, int), clusters=strings(["c"] * n), strata={}, scores=scores
        )
        write_predictions(tmp_path / "p.parquet", predictions)
        content = (tmp_path / "p.parquet").read_bytes()
        found = predictions_in(content, PREDICTIONS.seeds, one_set=False).scores
        assert found.tobytes() == scores.tobytes()
        columns = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
        parts = [columns.column(i) for i in range(columns.num_columns)]
        taken = sum(part.total_compressed_size for part in parts if part.path_in_schema.startswith("score:"))
        assert taken < at_most * scores.nbytes


def test_altered_predictions_are_refused(tmp_path: Path) -> None:
    folder = write_record(tmp_path, RECORD, PREDICTIONS)
    file = folder / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"predictions\.parquet: altered since it was written"):
        read_predictions(read_record(folder))


@pytest.mark.parametrize("gone", ["id", "cluster", "target", "score:4:0"])
def test_predictions_that_lack_a_column_are_refused(gone: str, tmp_path: Path) -> None:
    folder = write_record(tmp_path, RECORD, PREDICTIONS)
    file, record = folder / "predictions.parquet", read_record(folder)
    table = pq.read_table(file)
    pq.write_table(table.drop_columns([gone]), file)
    record = replace(record, predictions_digest=digest(file.read_bytes()))
    with pytest.raises(DataError, match=rf"predictions\.parquet: has no column '{gone}'; it has .*and run again"):
        read_predictions(record)


def test_predictions_without_any_column_are_refused(tmp_path: Path) -> None:
    folder = write_record(tmp_path, RECORD, PREDICTIONS)
    file, record = folder / "predictions.parquet", read_record(folder)
    for content, said in ((b"", "cannot be read"), (_no_columns(), "has no column 'id'; it has none")):
        file.write_bytes(content)
        with pytest.raises(DataError, match=said):
            read_predictions(replace(record, predictions_digest=digest(content)))


def _no_columns() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({}), out)
    return out.getvalue()


def test_undefined_numbers_are_null_and_nan_is_refused(tmp_path: Path) -> None:
    text = (write_record(tmp_path, RECORD, PREDICTIONS) / "record.json").read_text()
    assert "NaN" not in text and json.loads(text)["estimates"][1]["value"] is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(tmp_path, replace(RECORD, seconds=float("nan")), None)
    bad = replace(RECORD, estimates=(replace(ESTIMATES[0], per_seed=(0.4, float("inf"))),))
    with pytest.raises(DataError, match="the estimate of mcc has per_seed inf; expected a finite number or None"):
        write_record(tmp_path, bad, PREDICTIONS)
    assert read_records(tmp_path)[0].seconds == 1.5, "the earlier record is untouched"


def test_unwritable_results_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write results in .*file: .*; choose another folder"):
        write_record(tmp_path / "file", RECORD, PREDICTIONS)


@pytest.mark.parametrize("name", ["~/x", "run:1", "s3:/bucket/x", "file:x", "a?b#c%20d", "with space é"])
def test_a_folder_whose_name_could_be_a_uri_is_a_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_record(Path(name), RECORD, PREDICTIONS)
    (record,) = read_records(tmp_path / name)
    assert list(read_predictions(record).ids) == ["a", "b", "c"]


@pytest.mark.parametrize("sign", ["x", "é"])
def test_names_that_are_too_long_for_a_file_system_are_cut(sign: str, tmp_path: Path) -> None:
    def spec_of(i: int) -> RunSpec:
        model = f"mine(python='{200 * sign}{i}')"
        return replace(SPEC, model=model, task=f"{200 * sign}(split='{100 * sign}{i}')@1", params={"python": model})

    for i in range(2):
        write_record(tmp_path, replace(RECORD, spec=spec_of(i)), PREDICTIONS)
    records = read_records(tmp_path)
    assert {r.spec.model for r in records} == {spec_of(0).model, spec_of(1).model}
    assert all(len(os.fsencode(part)) <= 255 for r in records for part in record_folder(tmp_path, r.spec).parts)
    assert record_folder(tmp_path, SPEC).name == f"cnn_width=8_.from_scratch.{SPEC.hash[:8]}", "others are as they were"


def test_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_records(tmp_path / "none")
