"""Which cell runs next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from baserate.executors.schedule import Schedule
from baserate.machine import _quota, cores, gpus, memory_bytes
from baserate.plan import Cell, Cost
from baserate.registry import get_task
from baserate.types import ModelCard


def cell(model: str, task: str = "t", seconds: float = 1.0, memory: float = 0.0, *, baseline: bool = True) -> Cell:
    card = ModelCard(model, dict, {"from_scratch": {}}, {}, "d", revision=str, baseline=baseline)
    return Cell(
        replace(get_task("yeast_coding"), name=task), card, "from_scratch", {"x": seconds}, cost=Cost(seconds, memory)
    )


def by_task(cell: Cell) -> str:
    return cell.task.id


def test_the_longest_is_first_and_a_worker_stays_with_what_it_has() -> None:
    cells = [cell("a", "t1", 1), cell("b", "t1", 5), cell("a", "t2", 9), cell("b", "t2", 2), cell("c", "t3", 3)]
    plan = Schedule(cells, by_task)
    order = [plan.next(worker) for worker in (0, 1, 0, 1, 1)]
    assert [(c.task.name, c.card.name) for c in order if c] == [
        ("t2", "a"),
        ("t1", "b"),
        ("t2", "b"),
        ("t1", "a"),
        ("t3", "c"),
    ]
    assert len(plan) == 0 and plan.next(0) is None


def test_a_network_on_a_task_runs_once_at_a_time_since_it_embeds_once() -> None:
    plan = Schedule([cell("m", seconds=1, baseline=False), cell("m", seconds=2, baseline=False)], by_task)
    assert plan.next(0) and plan.next(1) is None and len(plan) == 1
    plan.done(0)
    assert plan.next(1)


def test_cells_wait_for_memory_but_one_alone_is_tried() -> None:
    plan = Schedule([cell("a", seconds=9, memory=900), cell("b", seconds=5, memory=200), cell("c")], by_task, 1000)
    first, second = plan.next(0), plan.next(1)
    assert first and second and (first.card.name, second.card.name) == ("a", "c")
    plan.done(1)
    assert plan.next(1) is None
    plan.done(0)
    assert plan.next(1)
    assert Schedule([cell("a", memory=5000)], by_task, 1000).next(0)


def test_a_cell_that_is_put_back_is_run_again() -> None:
    plan = Schedule([cell("a")], by_task)
    first = plan.next(0)
    assert first
    plan.done(0)
    plan.again(first)
    assert len(plan) == 1 and plan.next(1) is first


def test_cores_are_those_of_the_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() >= 1 and memory_bytes() > 0 and gpus() >= 0
    monkeypatch.setattr("baserate.machine._folders", lambda: [tmp_path, tmp_path / "inner"])
    (tmp_path / "inner").mkdir()
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert _quota() == float("inf")
    (tmp_path / "inner" / "cpu.max").write_text("150000 100000\n")
    assert _quota() == 1.5 and cores() <= 2
    (tmp_path / "cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert cores() == 1
    (tmp_path / "memory.max").write_text("1048576\n")
    assert memory_bytes() == 1048576
    monkeypatch.setattr("baserate.machine._folders", lambda: [])
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert cores() == 1
