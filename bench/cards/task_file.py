"""Many tasks from one TOML file: tables `[tasks.NAME]` over what they share."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, UnknownName, check_keys
from ..registry import TASKS
from ..types import Task
from .task import KEYS, read_toml, task_from

_MERGED = ("source", "split", "expect")
"""Keys whose tables are completed, not replaced, by a task's own."""


def task_cards(path: Path) -> list[Task]:
    """Return the tasks that a file declares: one, or those of its benchmark, called `benchmark.task`.

    A task has the keys of the benchmark and its own on top; of [source] and [expect] each key alone is replaced. In the
    text of [source] `{task}` stands for the task's name. A description is the task's, then the benchmark's. Raises
    ConfigError naming the key.
    """
    return [task_from(table, path, where) for where, table in card_tables(path)]


def card_tables(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the table of each task of a file, with all that it shares, and how messages name it."""
    card = read_toml(path)
    if "tasks" not in card:
        return [(str(path), card)]
    check_keys(card, (*KEYS, "tasks"), str(path))
    if not isinstance(card["tasks"], dict) or not card["tasks"]:
        raise ConfigError(f"{path}: tasks = {card['tasks']!r}; expected tables such as [tasks.promoters]")
    benchmark = card.get("name", "")
    if not isinstance(benchmark, str) or not benchmark:
        raise ConfigError(f"{path}: key 'name' is missing, which the names of the tasks begin with")
    shared = {key: value for key, value in card.items() if key != "tasks"}
    made = []
    for name, own in card["tasks"].items():
        where = f"{path}: tasks.{name}"
        if not isinstance(own, dict):
            raise ConfigError(f"{where} = {own!r}; expected a table")
        check_keys(own, [key for key in KEYS if key != "name"], where)
        made.append((where, _merged(shared, own, benchmark, name)))
    return made


def find_in_file(path: Path, pattern: str = "") -> list[Task]:
    """Return the tasks of a file, or those whose name, with or without the benchmark's, is or matches `pattern`.

    Raises UnknownName, with the nearest names, where none is.
    """
    tasks = task_cards(path)
    if not pattern:
        return tasks
    short = {task.name.partition(".")[2]: task for task in tasks} | {task.name: task for task in tasks}
    found = {short[name].id: short[name] for name in fnmatch.filter(short, pattern)}
    if not found:
        raise UnknownName("task", pattern, [name for name in short if name], hint=f"These are in {path}.")
    return list(found.values())


def register_benchmarks(folder: Path) -> None:
    """Register the tasks of every TOML file in a folder. Raises ConfigError or DuplicateName where one is wrong."""
    for path in sorted(folder.glob("*.toml")):
        for task in task_cards(path):
            TASKS.add(task.id, task, origin=str(path))


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any], benchmark: str, name: str) -> dict[str, Any]:
    card = {**shared, **own, "name": f"{benchmark}.{name}"}
    for key in _MERGED:
        mine, theirs = own.get(key, {}), shared.get(key, {})
        # Another rule has other arguments.
        if isinstance(mine, dict) and isinstance(theirs, dict) and "rule" not in mine and (mine or theirs):
            card[key] = {**theirs, **mine}
    if isinstance(card.get("source"), dict):
        card["source"] = _named(card["source"], name)
    said = [text for text in (own.get("description", ""), shared.get("description", "")) if isinstance(text, str)]
    return card | ({"description": " ".join(filter(None, said))} if any(said) else {})


def _named(value: Any, name: str) -> Any:
    """Return the value with `{task}` in its text replaced by the task's name."""
    if isinstance(value, str):
        return value.replace("{task}", name)
    if isinstance(value, list):
        return [_named(v, name) for v in value]
    return {key: _named(v, name) for key, v in value.items()} if isinstance(value, dict) else value
