"""The page on tasks says of published ones what their cards say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from baserate.registry import TASKS

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "tasks.md"
_script = runpy.run_path(str(DOCS / "write_tasks_page.py"))
published_tasks, tasks_page = _script["published_tasks"], _script["tasks_page"]


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == tasks_page(page), "run: python docs/write_tasks_page.py"


def test_every_published_task_has_a_row() -> None:
    section = published_tasks()
    for task in TASKS.all().values():
        if TASKS.origin(task.id).endswith(".toml") or "." in task.name:
            assert f"| `{task.name}` |" in section and task.loaded, f"{task.name} does not say what it was tried on"
    assert "| `gue.prom_core_tata` | classification | 2 | 70 | 4,904 / 613 / 613 | mcc | real files |" in section
    assert "mcc (accuracy)" in section and "75,000 / – / 25,000" in section


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the lines"):
        tasks_page("# Tasks\n")
