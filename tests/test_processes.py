"""Cells in processes of their own: the same records, and no death that takes the grid along."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import baserate as br
from baserate.cards.task import task_card
from baserate.cli.display import GridDisplay
from baserate.errors import BaserateError, ConfigError
from baserate.evaluate import Worker
from baserate.executors.executor import Lost
from baserate.executors.processes import isolated, processes
from baserate.owner import machine
from baserate.plan import Cell, Protocol, plan
from baserate.progress import Advance, activity, listening
from baserate.provenance import WORKER
from baserate.records import has_killed, read_records, record_folder
from baserate.registry import get_model
from baserate.run import Grid
from baserate.types import ModelCard, Task


@pytest.fixture
def toys(toy_card: Path) -> list[Task]:
    """Two tasks of one kind."""
    text = toy_card.read_text()
    other = toy_card.with_name("other_motif.toml")
    other.write_text(text.replace("toy_motif", "other_motif"))
    return [task_card(toy_card), task_card(other)]


def cells_of(tasks: list[Task], *names: str) -> list[Cell]:
    return plan(tasks, [ModelCard(name, dict, {"from_scratch": {}}, {}, "d", revision=str) for name in names])


def ended(cells: list[Cell], prepare: Callable[[], Callable[[Cell], Any]], workers: int = 2) -> Iterator[Any]:
    """Return the executor's results; what the test module defines reaches the processes by value."""
    return processes(cells, prepare, workers=workers, started=lambda cell: None)


def test_the_records_are_those_of_one_process_but_for_cost_and_environment(toys: list[Task], tmp_path: Path) -> None:
    cells = plan(toys, [get_model(name) for name in ("gc_content", "kmer_logreg", "cnn")], ["from_scratch"])
    records = {}
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        outcome = Grid(folder, Protocol(seeds=(0,)), workers=workers).run(cells)
        assert (outcome.done, outcome.failed) == (6, ())
        records[workers] = {
            (record.spec.task, record.spec.model): (
                json.loads((record.path / "record.json").read_text()),
                record.predictions.scores.tobytes(),
            )
            for record in read_records(folder)
        }
    assert records[1].keys() == records[2].keys()
    for identity, (one, scores) in records[1].items():
        two, scores_of_two = records[2][identity]
        for own in ("seconds", "peak_memory_mb", "environment", "digest"):
            one.pop(own), two.pop(own)
        assert one == two and scores == scores_of_two


def test_a_process_keeps_to_its_task_until_the_others_are_taken(toys: list[Task], tmp_path: Path) -> None:
    def prepare() -> Callable[[Cell], tuple[str, str, int]]:
        def run(cell: Cell) -> tuple[str, str, int]:
            (tmp_path / str(os.getpid())).touch()
            while len(list(tmp_path.glob("[0-9]*"))) < 2:  # the other process may take long to start
                time.sleep(0.01)
            time.sleep(0.3)
            (tmp_path / f"worker-{os.environ[WORKER]}").touch()
            return cell.task.name, cell.card.name, os.getpid()

        return run

    results = list(ended(cells_of(toys, "a", "b"), prepare))
    assert len(set(results)) == 4 and {p.name for p in tmp_path.glob("worker-*")} == {"worker-0", "worker-1"}
    first, second = ({pid for name, _, pid in results if name == task.name} for task in toys)
    assert len(first) == len(second) == 1 and first != second and os.getpid() not in first | second


def test_a_process_that_dies_takes_its_cell_alone_which_is_tried_again(toys: list[Task], tmp_path: Path) -> None:
    def prepare() -> Callable[[Cell], str]:
        def run(cell: Cell) -> str:
            tried = tmp_path / cell.task.name
            if cell.card.name == "dies" or (cell.card.name == "dies_once" and not tried.exists()):
                tried.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if cell.card.name == "ends":
                os._exit(3)
            if cell.card.name == "is_asked_to_end":
                os.kill(os.getpid(), signal.SIGTERM)
            return cell.card.name

        return run

    results = list(ended(cells_of(toys, "a", "dies", "b", "dies_once", "ends", "is_asked_to_end", "c"), prepare))
    assert sorted(r for r in results if isinstance(r, str)) == ["a", "a", "b", "b", "c", "c", "dies_once", "dies_once"]
    lost = {(r.cell.card.name, r.reason) for r in results if isinstance(r, Lost)}
    assert lost == {
        ("dies", "its process was killed by SIGKILL, as when the memory is full, 2 times"),
        ("ends", "its process ended with exit code 3, 2 times"),
        ("is_asked_to_end", "its process ended with exit code 143, 2 times"),
    }


def test_an_isolated_model_shares_no_process_with_another(toys: list[Task]) -> None:
    def prepare() -> Callable[[Cell], tuple[str, int]]:
        def run(cell: Cell) -> tuple[str, int]:
            if cell.card.name == "dies":
                os.abort()
            return cell.card.name, os.getpid()

        return run

    cells = cells_of(toys, "a", "dies", "b")
    results = list(isolated(cells, prepare, workers=1, started=lambda cell: None))
    lost = [r for r in results if isinstance(r, Lost)]
    assert {r.reason for r in lost} == {"its process was killed by SIGABRT, 2 times"} and len(lost) == 2
    of = {name: {r[1] for r in results if not isinstance(r, Lost) and r[0] == name} for name in "ab"}
    assert len(of["a"]) == len(of["b"]) == 1 and of["a"] != of["b"] and os.getpid() not in of["a"] | of["b"]


def test_a_cell_that_its_process_dies_of_has_failed(toys: list[Task], tmp_path: Path) -> None:
    class DiesOfIt:
        """A model that ends its process while it is trained."""

        def fit(self, *examples: Any, **settings: Any) -> DiesOfIt:
            os.kill(os.getpid(), signal.SIGKILL)
            return self

        def predict(self, inputs: Any) -> Any:
            return None

    dies = ModelCard("dies_of_it", DiesOfIt, {"from_scratch": {}}, {}, "d", revision=str)
    cells = plan(toys[:1], [dies, get_model("length")], ["from_scratch"])
    outcome = Grid(tmp_path, Protocol(seeds=(0,)), workers=2, audited=False, checked=False).run(cells)
    assert outcome.done == 1
    (failed,) = outcome.failed
    assert failed.cell.card.name == "dies_of_it" and "killed by SIGKILL" in failed.reason
    by_model = {r.spec.model: r for r in read_records(tmp_path)}
    assert (by_model["dies_of_it"].status, by_model["dies_of_it"].error) == ("failed", failed.reason)


_SERIAL = """
import sys
import baserate as br
task, model, results = sys.argv[1:]
br.run(task, [model, "length"], results=results, seeds=[0], audit=False)
"""


def test_a_cell_that_the_last_process_died_of_runs_in_one_of_its_own(toy_card: Path, tmp_path: Path) -> None:
    model, results = tmp_path / "ends.py", tmp_path / "results"
    model.write_text("import os\ndef embed(sequences):\n    os.kill(os.getpid(), 9)\n")
    command = [sys.executable, "-c", _SERIAL, str(toy_card), str(model), str(results)]
    assert not subprocess.run(command, timeout=300, capture_output=True, text=True).stderr
    assert read_records(results) == [], "the grid died with the process"
    for _ in range(2):
        again = subprocess.run(command, timeout=300, capture_output=True, text=True)
        assert "ends · linear_probe: the process that ran it last died, so it runs in one of its own" in again.stderr
        assert {r.spec.model: (r.status, r.error) for r in read_records(results)} == {
            "ends": ("failed", "its process was killed by SIGKILL, as when the memory is full, 2 times"),
            "length": ("done", ""),
        }
    model.write_text("def embed(sequences):\n    return [[len(s)] for s in sequences]\n")
    subprocess.run(command, timeout=300, check=True)
    assert "done" in {r.status for r in read_records(results) if r.spec.model == "ends"}


def test_a_model_that_leaves_by_os_exit_fails_its_cell_alone(toy_card: Path, tmp_path: Path) -> None:
    model, results = tmp_path / "leaves.py", tmp_path / "results"
    model.write_text(
        "import os\n"
        "def embed(sequences):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os._exit(7)\n"
        "    os._exit(0 if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7 else 9)\n"
    )
    command = [sys.executable, "-c", _SERIAL, str(toy_card), str(model), str(results)]
    subprocess.run(command, timeout=300, check=True)
    assert {r.spec.model: (r.status, r.error) for r in read_records(results)} == {
        "leaves": ("failed", "called os._exit(0)"),
        "length": ("done", ""),
    }
    model.write_text("import os, threading\ndef embed(s):\n    threading.Thread(target=os._exit, args=[0]).start()\n")
    assert subprocess.run(command, timeout=300, capture_output=True).returncode


def test_a_cell_that_was_merely_killed_is_done_in_another_process(toys: list[Task], tmp_path: Path) -> None:
    cells = plan(toys[:1], [get_model("length")], ["from_scratch"])
    spec = Worker(Protocol(seeds=(0,))).spec(cells[0])
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mark = record_folder(tmp_path, spec).parent / f".running-{machine()}.{dead.pid}.{spec.hash}"
    mark.parent.mkdir()
    mark.touch()
    assert has_killed(tmp_path, spec)
    (result,) = Grid(tmp_path, Protocol(seeds=(0,)), audited=False, checked=False).each(cells)
    assert result.status == "done" and not has_killed(tmp_path, spec) and not mark.exists()
    assert not list(mark.parent.glob(".*")), "nothing is left"


def test_what_ends_the_grid_is_raised_and_no_process_is_left(toys: list[Task], tmp_path: Path) -> None:
    def prepare() -> Callable[[Cell], None]:
        def run(cell: Cell) -> None:
            (tmp_path / str(os.getpid())).touch()
            if cell.task.name == "toy_motif":
                raise BaserateError("the disk is full")
            time.sleep(60)

        return run

    with pytest.raises(BaserateError, match=r"^the disk is full$"):
        list(ended(cells_of(toys, "a"), prepare))
    for pid in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.name), 0)


def test_progress_comes_by_cell_and_log_entries_through_the_loggers_here(
    toys: list[Task], caplog: pytest.LogCaptureFixture
) -> None:
    def prepare() -> Callable[[Cell], None]:
        def run(cell: Cell) -> None:
            print("a model prints")  # which must not be taken for a message
            advance = activity("training", 10)
            for step in range(10):
                advance(1, f"step {step}")
                time.sleep(0.05)
            logging.getLogger("baserate.evaluate").warning("%s is odd", cell.task.name)

        return run

    heard: dict[tuple[str, int, str], list[tuple[int, str]]] = {}

    def listener(doing: str, total: int, lane: str) -> Advance:
        advances = heard.setdefault((doing, total, lane), [])
        return lambda n, now="": advances.append((n, now))

    with listening(listener):
        list(ended(cells_of(toys, "a"), prepare))
    assert heard.keys() == {("training", 10, f"{task.name} · a · from_scratch") for task in toys}
    for advances in heard.values():
        assert 2 <= len(advances) < 10 and sum(n for n, _ in advances) <= 10 and advances[0] == (1, "step 0")
    assert sorted(caplog.messages) == ["other_motif is odd", "toy_motif is odd"]


def test_processes_end_with_the_generator(toys: list[Task], tmp_path: Path) -> None:
    def prepare() -> Callable[[Cell], int]:
        return lambda cell: os.getpid()

    running = ended(cells_of(toys, "a", "b"), prepare)
    pid = next(running)
    running.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_cannot_be_sent_is_refused_with_the_way_out(toys: list[Task]) -> None:
    card = ModelCard("locked", threading.Lock(), {"from_scratch": {}}, {}, "d", revision=str)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"locked.* cannot be sent to another process \(.*lock.*one worker"):
        list(ended(plan(toys, [card]), lambda: lambda cell: None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers = 0: expected 1 or more"),
        ({"workers": 2, "executor": "serial"}, "'serial' has one; 'processes' has several"),
    ],
)
def test_workers_that_there_cannot_be(toys: list[Task], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list(Grid(None, Protocol(), **options).each(cells_of(toys, "a")))


def test_an_object_of_the_users_goes_to_other_processes(toys: list[Task]) -> None:
    def shares(sequences: list[str]) -> list[list[float]]:
        return [[s.count(base) / len(s) for base in "ACG"] for s in sequences]

    records = br.run(tasks=toys, models={"shares": shares}, results=None, workers=2, progress=False, audit=False)
    assert [record.status for record in records] == ["done", "done"]
    assert all(len(record.predictions.ids) for record in records)


def test_a_bar_for_each_cell_that_runs() -> None:
    display = GridDisplay(2, quiet=True)
    bars = display._progress
    first, second = display._activities("training", 10, "t · a · m"), display._activities("embedding", 5, "t · b · m")
    first(3, "epoch 1")
    second(1)
    assert [bar.description for bar in bars.tasks[1:]] == [
        "  t · a · m · training · epoch 1",
        "  t · b · m · embedding",
    ]
    display._activities("predicting", 4, "t · a · m")
    assert [bar.description for bar in bars.tasks[1:]] == ["  t · b · m · embedding", "  t · a · m · predicting"]


def test_a_process_whose_parent_is_gone_ends_before_its_cell_could_fail_of_it() -> None:
    orphan = (
        "import os\n"
        "from baserate.executors.child import _Output\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "try:\n"
        "    _Output(os.fdopen(write, 'wb')).send('activity', 'training', 9)\n"
        "finally:\n"
        "    print('went on')\n"
    )
    ended = subprocess.run([sys.executable, "-c", orphan], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "")
