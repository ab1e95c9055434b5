"""Suites: named grids of cells, built in or in a TOML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..digests import canonical_json
from ..errors import ConfigError, UnknownName, check_keys
from ..modes import MODES
from ..networks.hub import Access
from ..plan import Cell, budgets_of, plan
from ..registry import task_names
from .checkpoint import NO_ACCESS
from .find import find_models, find_tasks, identity_of, with_distinct_names, with_shots
from .task import read_toml

_SUITES = Path(__file__).parent.parent / "suites"


@dataclass(frozen=True)
class Suite:
    """A named grid: its cells in the order in which they run, its seeds, and whether it locks looks at test."""

    name: str
    description: str
    cells: list[Cell]
    seeds: tuple[int, ...]
    lock: bool = False


def suites() -> dict[str, Path]:
    """Return the built-in suites by name."""
    return {path.stem: path for path in sorted(_SUITES.glob("*.toml"))}


def load_suite(
    name: str,
    access: Access = NO_ACCESS,
    budget: Any = (),
    shots: Any = (),
    *,
    models: Sequence[str] = (),
    random_weights: bool = False,
) -> Suite:
    """Return a built-in suite or the one in a TOML file, with another `budget` or other `shots` if these are given.

    Further `models`, with `random_weights` their twins too, are run in each of its blocks in the modes that block and
    model share. Raises ConfigError or UnknownName, naming the key.
    """
    path = Path(name) if name.endswith(".toml") else suites().get(name)
    if path is None:
        tasks = any(known.startswith(f"{name}.") for known in task_names())
        hint = (
            f"{name!r} is a benchmark: the tasks '{name}.*' are its own."
            if tasks
            else "A suite of your own is a .toml file."
        )
        raise UnknownName("suite", name, suites(), hint=hint)
    value = read_toml(path)
    check_keys(value, ("description", "seeds", "budget", "shots", "baseline", "lock", "cells"), str(path))
    lock = value.get("lock", False)
    if not isinstance(lock, bool):
        raise ConfigError(f"{path}: lock = {lock!r}; expected true or false")
    added = find_models(models, access, random_weights=random_weights) if models else []
    planned: list[Cell] = []
    patterns: list[str] = []
    for i, block in enumerate(value.get("cells", [])):
        where = f"{path}: cells block {i + 1}"
        check_keys(
            block, ("tasks", "models", "modes", "settings", "random_weights", "budget", "shots", "baseline"), where
        )
        modes: list[str] = block.get("modes", [])
        for mode in modes:
            MODES.get(mode)
        own = find_models(block.get("models", []), access, random_weights=bool(block.get("random_weights", False)))
        cards = list({identity_of(card): card for card in (*own, *added)}.values())
        budgets = budgets_of(budget or block.get("budget", value.get("budget", 1)))
        chosen = with_shots(find_tasks(block.get("tasks", [])), shots or block.get("shots", value.get("shots", ())))
        try:
            cells = plan(chosen, cards, modes, block.get("settings", {}), budgets)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        planned += [replace(cell, baseline=_declared(block, where)) for cell in cells]
        patterns += block.get("tasks", [])
    find_tasks(patterns)  # raises where two blocks have different tasks of one name
    if not planned:
        raise ConfigError(f"{path}: the suite has no cells")
    run = {identity_of(cell.card) for cell in planned}
    for card in added:
        if identity_of(card) not in run:
            raise ConfigError(f"{path}: no block has a mode of model {card.name!r}: {', '.join(card.modes)}")
    every = {identity_of(cell.card): cell.card for cell in planned}
    distinct = dict(zip(every, with_distinct_names(list(every.values())), strict=True))
    unique: dict[tuple[str, str, str], Cell] = {}
    for cell in (replace(cell, card=distinct[identity_of(cell.card)]) for cell in planned):
        unique.setdefault((cell.task.id, str(cell), canonical_json(cell.settings)), cell)
    by_model = {cell.card.name: i for i, cell in reversed(list(enumerate(unique.values())))}
    ordered = sorted(
        _with_baselines(list(unique.values()), _declared(value, str(path)), path),
        key=lambda cell: by_model[cell.card.name],
    )
    return Suite(path.stem, value.get("description", ""), ordered, tuple(value.get("seeds", ())), lock)


def _declared(table: Mapping[str, Any], where: str) -> str:
    name = table.get("baseline", "")
    if not isinstance(name, str):
        raise ConfigError(f"{where}: baseline = {name!r}; expected the name of one baseline, such as 'cnn'")
    return name


def _with_baselines(cells: Sequence[Cell], of_all: str, path: Path) -> list[Cell]:
    """Return the cells, all of a task with the baseline that one of its blocks declares, else that `of_all` tasks.

    The latter counts where the suite runs it. Raises ConfigError where two blocks declare different ones for a task,
    and UnknownName for one that the suite does not run there.
    """
    run = {cell.task.id: [c for c in cells if c.task.id == cell.task.id and c.card.baseline] for cell in cells}
    names = {task: {n for c in there for n in (c.card.name, f"{c.card.name}:{c.mode}")} for task, there in run.items()}
    declared = {task: of_all for task, known in names.items() if of_all in known}
    if of_all and not declared:
        raise UnknownName("baseline", of_all, set().union(*names.values()), hint=f"{path} has it in no cell.")
    own: dict[str, str] = {}
    for cell in cells:
        task, name = cell.task.id, cell.baseline
        if name and name not in names[task]:
            raise UnknownName("baseline", name, names[task], hint=f"{path} has it in no cell of {task}.")
        if name and own.setdefault(task, name) != name:
            raise ConfigError(f"{path}: {cell.task.name} has two baselines, {own[task]!r} and {name!r}")
    return [replace(cell, baseline=(declared | own).get(cell.task.id, "")) for cell in cells]
