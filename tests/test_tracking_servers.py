"""MLflow that is dead, slow, broken or lost: a run waits for it a bounded time, says so once, and goes on."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from baserate.pretraining.config import PretrainConfig
from baserate.pretraining.mirror import Mirror
from baserate.records import read_records
from baserate.tracking import TrackingError, process, store, sync

from .mlflow_server import Server, serving
from .test_leaderboard import put


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    put(folder, "kmer", 0.6, baseline=True, noise=1)
    put(folder, "lm", 1.5, mode="linear_probe", noise=3)
    put(folder, "bad", status="failed", error="boom")
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(Server(tmp_path / "artifacts")) as found:
        yield found


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a server that takes connections and never answers."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        found.listen(50)
        yield f"http://127.0.0.1:{found.getsockname()[1]}"


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> float:
    """Shorten the time that a server may take, from 10 seconds, and return what all of a refusal may take."""
    assert process.PATIENCE == 10
    monkeypatch.setattr(process, "PATIENCE", 3.0)
    monkeypatch.setattr(process, "_PACE", 0.5)
    return 60.0  # most of it for Python and MLflow to start on a busy machine


def refused(results: Path, uri: str) -> str:
    with pytest.raises(TrackingError) as error:
        sync(read_records(results), results, uri)
    assert "\n" not in str(error.value)
    return str(error.value)


def baserate(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("baserate")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_a_server_that_never_answers_is_left_within_the_patience(results: Path, silent: str, patience: float) -> None:
    start = time.monotonic()
    assert refused(results, silent) == f"MLflow at {silent} cannot be used (it did not answer within 3 seconds)"
    assert time.monotonic() - start < patience


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////dev/null/all.db", "nonsense://x"])
def test_a_dead_store_is_one_line(results: Path, uri: str) -> None:
    assert refused(results, uri).startswith(f"MLflow at {uri} cannot be used")


def test_a_server_that_answers_500_is_one_line(results: Path, server: Server) -> None:
    server.broken = True
    assert "500" in refused(results, server.uri)


def test_a_server_that_dies_midway_keeps_what_it_has_and_the_next_copy_goes_on_from_there(
    results: Path, server: Server
) -> None:
    done = sync(read_records(results), results, server.uri)
    assert (done.copied, len(server.cells)) == (3, 3)
    per_record = server.requests // 3
    server.runs.clear()
    server.silent_after = server.requests + 2 * per_record
    assert "did not answer" in refused(results, server.uri)
    there = len(server.cells)
    assert 0 < there < 3, "some are whole"
    server.silent_after = 10**9
    again = sync(read_records(results), results, server.uri)
    assert (again.copied, again.known, len(server.cells)) == (3 - there, there, 3)
    unfinished = [r for r in server.runs.values() if r["info"]["lifecycle_stage"] == "deleted"]
    assert len(unfinished) <= 1, "what was cut short is deleted"


def test_a_server_that_is_slow_at_every_record_is_left_too(results: Path, server: Server, patience: float) -> None:
    for i in range(20):
        put(results, f"lm{i}", 1.0, noise=i)
    server.seconds = 0.2
    assert "did not answer" in refused(results, server.uri)
    assert len(server.cells) < 22, "although it answers every request"


def test_a_server_that_was_emptied_gets_every_record_again(results: Path, server: Server) -> None:
    assert sync(read_records(results), results, server.uri).copied == 3
    assert sync(read_records(results), results, server.uri).copied == 0
    server.runs.clear()
    assert sync(read_records(results), results, server.uri).copied == 3


@pytest.mark.parametrize("how", ["no database", "a folder", "locked"])
def test_a_store_that_cannot_be_opened_is_left_within_ten_seconds_with_the_way_out(results: Path, how: str) -> None:
    file = results / "mlflow.db"
    with closing(sqlite3.connect(":memory:" if how != "locked" else file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        if how == "no database":
            file.write_text("not a database at all, but text" * 40)
        elif how == "a folder":
            file.mkdir()
        start = time.monotonic()
        reason = refused(results, f"sqlite:///{file}")
        assert time.monotonic() - start < 60, "MLflow alone tries for 105 s"
    assert f"move {file} away" in reason and "cannot be used" in reason


def test_a_pretraining_is_not_delayed_by_a_store_that_cannot_be_opened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("not a database at all, but text" * 40)
    start = time.monotonic()
    mirror = Mirror(f"sqlite:///{file}", cast("PretrainConfig", None), 0)
    mirror.log({"step": 1, "loss": 2.0})
    assert time.monotonic() - start < 60
    assert [f"move {file} away" in record.message for record in caplog.records] == [True], "once"


def test_a_store_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mlflow.db"
    file.touch()
    monkeypatch.setattr(store.os, "access", lambda path, mode: False)
    with pytest.raises(TrackingError, match=r"it may not be written; free it, or move .*mlflow\.db away"):
        store.check_store(f"sqlite:///{file}")


def test_with_json_or_quiet_nothing_else_is_printed_even_with_a_server(
    toy_card: Path, tmp_path: Path, server: Server
) -> None:
    common = ["run", "--task", toy_card, "--model", "gc_content", "--seeds", "0", "--no-audit", "--server", server.uri]
    done = baserate(*common, "--results", tmp_path / "a", "--json")
    assert json.loads(done.stdout)["tracking"] == f"copied 1 records to MLflow at {server.uri}" and not done.stderr
    quiet = baserate(*common, "--results", tmp_path / "b", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    tracked = baserate("track", tmp_path / "b", "--server", server.uri, "--quiet")
    assert (tracked.returncode, tracked.stdout, tracked.stderr) == (0, "", "")
    server.broken = True
    lost = baserate(*common, "--results", tmp_path / "c", "--quiet")
    assert (lost.returncode, lost.stdout) == (0, ""), "the run is done all the same"
    assert lost.stderr.count("cannot be used") == 1 and f"baserate track {tmp_path / 'c'}" in lost.stderr


def test_track_says_where_to_look_and_what_is_wrong_with_what_was_asked(results: Path, server: Server) -> None:
    tracked = baserate("track", results, "--server", server.uri)
    assert "copied 3 records" in tracked.stdout
    assert f"{server.uri}/#/experiments/1/runs?viewStateShareKey=baserate" in tracked.stdout
    for arguments, why in (
        (("--models", results / "none"), "no such folder"),
        (("--server", "none"), "nothing to copy"),
    ):
        wrong = baserate("track", results, *arguments)
        assert wrong.returncode and why in wrong.stderr and wrong.stderr.count("\n") == 1
