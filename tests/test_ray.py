"""Cells on Ray: the records of a serial run, weights loaded once, and no death that takes the grid along."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import baserate as br
from baserate.cards.task import task_card
from baserate.errors import ConfigError, MissingExtra
from baserate.executors.executor import Lost
from baserate.executors.ray import ray as on_ray
from baserate.plan import Cell, plan
from baserate.progress import Advance, activity, listening
from baserate.records import read_records
from baserate.types import ModelCard, Task

engine = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own processes and files


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two cores of this machine, for all tests of this file; Ray takes seconds to start."""
    engine.init(
        address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, logging_level="ERROR"
    )
    yield
    engine.shutdown()


def cells_of(task: Task, *names: str) -> list[Cell]:
    return plan([task], [ModelCard(name, dict, {"from_scratch": {}}, {}, "d", revision=str) for name in names])


def contents(results: Path) -> dict[tuple[str, str, str], Any]:
    found = {}
    for record in read_records(results):
        assert record.path
        value = json.loads((record.path / "record.json").read_text())
        for own in ("seconds", "peak_memory_mb", "environment", "digest"):
            value.pop(own)
        scores = (record.path / "predictions.parquet").read_bytes() if record.status == "done" else b""
        found[record.spec.task, record.spec.model, record.spec.mode] = value, scores
    return found


@pytest.mark.usefixtures("cluster")
def test_records_of_two_workers_are_those_of_a_serial_run(toy_card: Path, tmp_path: Path) -> None:
    def run(where: str, **how: Any) -> dict[tuple[str, str, str], Any]:
        br.run(
            [toy_card],
            ["gc_content", "kmer_logreg", "onehot_linear"],
            results=tmp_path / where,
            seeds=[0],
            audit=False,
            **how,
        )
        return contents(tmp_path / where)

    one, two = run("serial"), run("ray", executor="ray", workers=2)
    assert one == two and len(one) >= 3


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_dies_takes_its_cell_alone_which_is_tried_again(toy_card: Path, tmp_path: Path) -> None:
    def prepare() -> Callable[[Cell], tuple[str, int]]:
        def run(cell: Cell) -> tuple[str, int]:
            name = cell.card.name
            if name == "dies" or (name == "dies_once" and not (tmp_path / name).exists()):
                (tmp_path / name).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return name, os.getpid()

        return run

    started: list[str] = []
    cells = cells_of(task_card(toy_card), "a", "dies", "b", "dies_once", "c")
    results = list(on_ray(cells, prepare, workers=2, started=lambda cell: started.append(cell.card.name)))
    done = [result for result in results if not isinstance(result, Lost)]
    (lost,) = [result for result in results if isinstance(result, Lost)]
    assert sorted(name for name, _ in done) == ["a", "b", "c", "dies_once"] and started.count("dies_once") == 2
    assert lost.cell.card.name == "dies" and "died" in lost.reason and lost.reason.endswith(", 4 times")


@pytest.mark.usefixtures("cluster")
def test_a_model_stays_with_its_worker(toy_card: Path, tmp_path: Path) -> None:
    tasks = [task_card(toy_card)]
    for name in ("second", "third"):
        other = toy_card.with_name(f"{name}.toml")
        other.write_text(toy_card.read_text().replace("toy_motif", name))
        tasks.append(task_card(other))

    def prepare() -> Callable[[Cell], tuple[str, int]]:
        def run(cell: Cell) -> tuple[str, int]:
            (tmp_path / str(os.getpid())).touch()
            while len(list(tmp_path.glob("[0-9]*"))) < 2:  # the other worker may take long to start
                time.sleep(0.01)
            time.sleep(0.3)
            return cell.card.name, os.getpid()

        return run

    cells = [cell for task in tasks for cell in cells_of(task, "a", "b")]
    results = list(on_ray(cells, prepare, workers=2, started=lambda cell: None))
    assert len(results) == 6 and len(set(results)) == 2, "each model was in one process"


@pytest.mark.usefixtures("cluster")
def test_what_a_cell_does_is_seen_in_its_own_lane(toy_card: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, str, int]] = []

    def listener(doing: str, total: int, lane: str) -> Advance:
        seen.append((lane, doing, total))
        return lambda n, now="": (tmp_path / f"{doing} {now}").touch()

    def prepare() -> Callable[[Cell], str]:
        def run(cell: Cell) -> str:
            advance, end = activity(doing := f"training {cell.card.name}", 40), time.monotonic() + 60
            while not (tmp_path / f"{doing} loss 0.4").exists() and time.monotonic() < end:
                advance(1, "loss 0.4")
                time.sleep(0.05)
            return cell.card.name

        return run

    cells = cells_of(task_card(toy_card), "a", "b")
    with listening(listener):
        assert sorted(on_ray(cells, prepare, workers=2, started=lambda cell: None)) == ["a", "b"]
    assert sorted(seen) == [(str(cell), f"training {cell.card.name}", 40) for cell in cells]
    assert {file.name for file in tmp_path.glob("training*")} == {"training a loss 0.4", "training b loss 0.4"}


@pytest.mark.usefixtures("cluster")
def test_what_ends_the_grid_is_raised(toy_card: Path) -> None:
    def prepare() -> Callable[[Cell], None]:
        def run(cell: Cell) -> None:
            raise ConfigError("no cell can succeed")

        return run

    with pytest.raises(ConfigError, match="no cell can succeed"):
        list(on_ray(cells_of(task_card(toy_card), "a", "b"), prepare, workers=2, started=lambda cell: None))


def test_without_ray_a_line_says_what_to_install(toy_card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r'pip install "baserate\[cluster\]"'):
        br.run([toy_card], ["length"], results=None, executor="ray", seeds=[0], audit=False)
