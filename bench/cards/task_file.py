"""Many tasks from one TOML file: tables `[tasks.NAME]` on top of the keys that they share."""

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
"""Keys whose tables are merged with a task's own table, not replaced by it."""


def task_cards(path: Path) -> list[Task]:
    """Return the tasks that a file declares: one, or those of its benchmark, called `benchmark.task`.

    A task inherits the keys of the benchmark and may override them, in [source], [split] and [expect] key by key. In
    [source] `{task}` stands for the task's name. A description is the task's followed by the benchmark's. Raises
    ConfigError naming the key.
    """
    return [task_from(table, path, where) for where, table in card_tables(path)]


def card_tables(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return for each task of a file how messages name it, and its table, merged with the shared keys."""
    card = read_toml(path)
    if "tasks" not in card:
        return [(str(path), card)]
    check_keys(card, (*KEYS, "tasks"), str(path))
    if not isinstance(card["tasks"], dict) or not card["tasks"]:
        raise ConfigError(f"{path}: tasks = {card['tasks']!r}; expected tables such as [tasks.promoters]")
    benchmark = card.get("name", "")
    if not isinstance(benchmark, str) or not benchmark:
        raise ConfigError(f"{path}: key 'name' is missing; the names of the tasks begin with it")
    shared = {key: value for key, value in card.items() if key != "tasks"}
    tables = []
    for name, keys in card["tasks"].items():
        where = f"{path}: tasks.{name}"
        if not isinstance(keys, dict):
            raise ConfigError(f"{where} = {keys!r}; expected a table")
        check_keys(keys, [key for key in KEYS if key != "name"], where)
        tables.append((where, _merged(shared, keys, benchmark, name)))
    return tables


def find_in_file(path: Path, pattern: str = "") -> list[Task]:
    """Return the tasks of a file, or those whose name, with or without the benchmark's, matches `pattern`.

    Raises UnknownName, with the nearest names, where none does.
    """
    tasks = task_cards(path)
    if not pattern:
        return tasks
    short = {task.name.partition(".")[2]: task for task in tasks} | {task.name: task for task in tasks}
    matches = {short[name].id: short[name] for name in fnmatch.filter(short, pattern)}
    if not matches:
        raise UnknownName("task", pattern, [name for name in short if name], hint=f"The file is {path}.")
    return list(matches.values())


def register_benchmarks(folder: Path) -> None:
    """Register the tasks of every TOML file in a folder. Raises ConfigError or DuplicateName where one is wrong."""
    for path in sorted(folder.glob("*.toml")):
        for task in task_cards(path):
            TASKS.add(task.id, task, origin=str(path))


def _merged(shared: Mapping[str, Any], keys: Mapping[str, Any], benchmark: str, name: str) -> dict[str, Any]:
    card = {**shared, **keys, "name": f"{benchmark}.{name}"}
    for key in _MERGED:
        task_table, shared_table = keys.get(key, {}), shared.get(key, {})
        # Another rule has other arguments, so its table is not merged.
        both = isinstance(task_table, dict) and isinstance(shared_table, dict)
        if both and "rule" not in task_table and (task_table or shared_table):
            card[key] = {**shared_table, **task_table}
    if isinstance(card.get("source"), dict):
        card["source"] = _with_name(card["source"], name)
    descriptions = [
        text for text in (keys.get("description", ""), shared.get("description", "")) if isinstance(text, str)
    ]
    return card | ({"description": " ".join(filter(None, descriptions))} if any(descriptions) else {})


def _with_name(value: Any, name: str) -> Any:
    """Return the value with `{task}` in its text replaced by the task's name."""
    if isinstance(value, str):
        return value.replace("{task}", name)
    if isinstance(value, list):
        return [_with_name(v, name) for v in value]
    return {key: _with_name(v, name) for key, v in value.items()} if isinstance(value, dict) else value
