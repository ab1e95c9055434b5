"""What goes on in a folder of results, as the command, as lines of JSON and in logs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from baserate.cli import cli
from baserate.cli.watch import duration
from baserate.errors import DataError
from baserate.owner import machine
from baserate.status import GRID, Ended, Forecast, journal, status

DONE = {
    ("t@1", "cnn", "from_scratch"): 10.0,
    ("u@1", "cnn", "from_scratch"): 20.0,
    ("t@1", "length", "from_scratch"): 1.0,
}


def ended(status: str = "done") -> list[Ended]:
    return [Ended(key, status, seconds) for key, seconds in DONE.items()]


@pytest.mark.parametrize(
    ("cells", "workers", "left"),
    [
        ([("t@1", "cnn", "from_scratch")], 1, 10),
        ([("v@1", "cnn", "from_scratch")], 1, 15),  # as on other tasks
        ([("t@1", "length", "from_scratch"), ("u@1", "cnn", "from_scratch")], 2, 10.5),
        ([("t@1", "cnn", "from_scratch"), ("t@1", "new", "linear_probe")], 1, 20),  # as the others on average
        ([("t@1", "new", "linear_probe")], 1, None),
        ([], 1, 0),
    ],
)
def test_the_time_left_is_that_of_like_cells(
    cells: list[tuple[str, str, str]], workers: int, left: float | None
) -> None:
    assert Forecast(cells, ended(), workers).seconds() == left
    assert Forecast(cells, ended("failed"), workers).seconds() == (None if cells else 0)


def test_cells_that_end_take_no_more_time_and_teach() -> None:
    cell = ("t@1", "new", "linear_probe")
    forecast = Forecast([cell, cell, cell], [])
    forecast.end(Ended(cell, "done_before", 99.0))
    assert forecast.seconds() is None
    forecast.end(Ended(cell, "done", 4.0))
    assert forecast.seconds() == 4


_SLOW = "import time\ndef embed(sequences):\n    time.sleep(300)\n    return [[len(s)] for s in sequences]\n"


def baserate(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "baserate"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


def test_status_says_what_is_done_what_runs_and_what_died(toy_card: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(_SLOW)
    command = [str(Path(sys.executable).parent / "baserate"), "run", "--task", str(toy_card), "--no-audit", "-q"]
    command += ["--model", "length", "--model", "slow.py", "--tracking-uri", "none"]
    results = tmp_path / "results"
    with subprocess.Popen(command, cwd=tmp_path) as run:
        while not (results.is_dir() and status(results).counts and status(results).going):
            time.sleep(0.1)
            assert run.poll() is None
        found = status(results)
        (of,), (cell,) = found.runs, found.going
        assert (of.machine, of.process, of.dead, of.cells, dict(of.ended)) == (
            machine(),
            run.pid,
            False,
            2,
            {"done": 1},
        )
        assert of.left is None, "no like cell has ended"
        assert (cell.task, cell.model, cell.mode, cell.dead) == ("toy_motif@1", "slow", "linear_probe", False)
        shown = CliRunner().invoke(cli, ["status", str(results)], standalone_mode=False)
        assert shown.return_value == 0 and f"{results}: 1 done" in shown.output
        assert f"runs: process {run.pid} on {machine()}, for " in shown.output
        assert "1 of 2 cells ended, time left not known yet" in shown.output
        assert "  toy_motif@1 · slow · linear_probe: process " in shown.output
        run.kill()
    assert [(r.dead, r.cells) for r in status(results).runs] == [(True, 2)] and status(results).going[0].dead
    shown = CliRunner().invoke(cli, ["status", str(results)], standalone_mode=False)
    assert "1 of 2 cells ended; the same command goes on" in shown.output
    assert "slow · linear_probe: died with process" in shown.output
    (tmp_path / "slow.py").write_text(_SLOW.replace("300", "0"))
    assert subprocess.run(command, cwd=tmp_path, timeout=300).returncode == 0
    again = status(results)
    assert (dict(again.counts), again.runs, again.failed) == ({"done": 2}, (), ())


def test_lines_of_json_and_lines_in_logs(toy_card: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def embed(sequences):\n    raise ValueError('out of luck')\n")
    run = ["run", "--task", toy_card, "--model", "length", "--model", "bad.py", "--no-audit", "--tracking-uri", "none"]
    logged = baserate(*run, "--results", "logged", cwd=tmp_path)
    assert logged.returncode == 1
    lines = logged.stderr.splitlines()
    assert [line for line in lines if line.startswith("[1/2] ✓ toy_motif · length · from_scratch  mcc 0.000")]
    assert [line for line in lines if line.startswith("[2/2] ✗ toy_motif · bad · linear_probe  ")]
    done = baserate(*run, "--progress", "json", cwd=tmp_path)
    assert done.returncode == 1 and "1 cells done" in done.stdout
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [e["event"] for e in events] == ["run", "started", "ended", "started", "ended", "end"]
    assert all(e["at"] for e in events)
    good: dict[str, Any] = events[2]
    assert (good["task"], good["model"], good["mode"]) == ("toy_motif@1", "length", "from_scratch")
    assert (good["status"], good["metric"], good["value"], good["cells"], good["ended"]) == ("done", "mcc", 0.0, 2, 1)
    assert events[4]["status"] == "failed" and "out of luck" in events[4]["error"]
    assert events[0]["left_seconds"] is None and events[5]["left_seconds"] == 0
    shown = baserate("status", "--json", cwd=tmp_path)
    assert shown.returncode == 1
    value = json.loads(shown.stdout)
    assert value["records"] == {"done": 1, "failed": 1} and value["runs"] == value["running"] == []
    assert "out of luck" in value["failed"][0]["error"] and value["failed"][0]["model"] == "bad"
    text = baserate("status", cwd=tmp_path).stdout
    assert "results: 1 done, 1 failed" in text and "failed: toy_motif@1 · bad · linear_probe: " in text
    (next((tmp_path / "results").glob("*/length.*")) / "record.json").write_text("{")
    assert "1 failed, 1 unreadable" in baserate("status", cwd=tmp_path).stdout
    nowhere = baserate("status", "nowhere", cwd=tmp_path)
    assert nowhere.returncode == 2 and "nowhere: no such folder" in nowhere.stderr


def test_a_run_that_writes_nothing_leaves_no_folder(tmp_path: Path) -> None:
    results = tmp_path / "a" / "results"
    with journal(results, [("t", "m", "o")], 1) as notes:
        notes.note(Ended(("t", "m", "o"), "no_data", 0.0, "why"))
        (run,) = status(results).runs
        assert (run.cells, dict(run.ended), run.left) == (1, {"no_data": 1}, 0)
    assert not list(tmp_path.iterdir())
    with journal(tmp_path, [], 1):
        pass
    assert tmp_path.is_dir(), "what was there stays"
    with pytest.raises(DataError, match="no such folder"):
        status(results)


def test_notes_of_other_machines_and_half_written_ones_do_no_harm(tmp_path: Path) -> None:
    head = {"cells": [["t", "m", "o"]], "workers": 1, "began": time.time() - 90}
    for name, text in ((f"node7.{os.getpid()}", json.dumps(head)), (f"{machine()}.{os.getpid()}", ""), ("odd", "{}")):
        (tmp_path / f".running-{name}.0.{GRID}").write_text(text)
    (run,) = status(tmp_path).runs
    assert (run.machine, run.dead, 90 <= run.seconds < 120) == ("node7", False, True)


def test_a_line_that_is_cut_off_hides_no_run(tmp_path: Path) -> None:
    head = {"cells": [["t", "m", "o"], ["t", "n", "o"]], "workers": 1, "began": time.time()}
    done = {"key": ["t", "m", "o"], "status": "done", "seconds": 1.0, "error": ""}
    lines = [json.dumps(head), json.dumps(done), json.dumps(done)[:20]]
    (tmp_path / f".running-node7.1.0.{GRID}").write_text("\n".join(lines))
    (run,) = status(tmp_path).runs
    assert run.ended == {"done": 1}


def test_containers_with_one_host_name_are_not_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for space in ("pid:[4026531836]", "pid:[7]", "pid:[8]"):
        monkeypatch.setattr(os, "readlink", lambda path, space=space: space)
        names.append(machine())
    assert names[1:] == [f"{names[0]}-7", f"{names[0]}-8"]


def test_no_notes_where_none_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with journal(tmp_path / "file", [], 1) as notes:
        notes.note(Ended(("t", "m", "o"), "done", 0.0))
    with journal(None, [], 1) as notes:
        notes.note(Ended(("t", "m", "o"), "done", 0.0))


@pytest.mark.parametrize(("seconds", "said"), [(4.4, "4 s"), (89, "1 min"), (3540, "59 min"), (12_000, "3 h 20 min")])
def test_times_in_words(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_signals_have_the_codes_that_are_documented() -> None:
    text = (Path(__file__).parent.parent / "docs" / "running.md").read_text(encoding="utf-8")
    for code in (0, 1, 2, 128 + signal.SIGINT, 128 + signal.SIGTERM):
        assert f"| {code} |" in text
