"""Which cells are to be run, and all that decides the result of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import ConfigError, check_keys
from .modes import MODES, mode_settings
from .modes.settings import check_settings, settings_for
from .types import MODE_NAMES, ModelCard, ModeName, RunSpec, Split, Task

SEEDS = (0, 1, 2)


TRAIN_FRACTION = 0.9


@dataclass(frozen=True)
class Cell:
    """One model in one mode on one task, with the settings of the mode that the user changed."""

    task: Task
    card: ModelCard
    mode: ModeName
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.task.name} · {self.card.name} · {self.mode}"


@dataclass(frozen=True)
class Protocol:
    """What all cells of a grid share. `limit` cuts each part of a task to that many examples, for a trial."""

    seeds: tuple[int, ...] = SEEDS
    train_fraction: float = TRAIN_FRACTION
    limit: int = 0
    grid: str = "run"


def plan(
    tasks: Sequence[Task],
    cards: Sequence[ModelCard],
    modes: Sequence[ModeName] = (),
    settings: Mapping[str, Any] | None = None,
) -> list[Cell]:
    """Return the cells of tasks x models x modes (all modes of a model if none are named), a model's cells together.

    `settings` are changed in every mode that knows them; of a list of layers or poolings linear_probe chooses one, and
    other modes keep their own. Raises ConfigError for a setting or a value that no cell of the plan can use.
    """
    changed = {} if settings is None else settings
    if not isinstance(changed, Mapping):
        raise ConfigError(f"settings are {changed!r}: expected names with values, such as layer = 3")
    cells = [
        Cell(task, card, mode, changed)
        for card in cards
        for task in tasks
        for mode in card.modes
        if not modes or mode in modes
    ]
    used = {cell.mode for cell in cells} or set(MODE_NAMES)
    known = {name for mode in used for name in MODES[mode].changeable()}
    check_keys(changed, sorted(known), "settings")
    check_settings(changed, used)
    cells = [replace(cell, settings=settings_for(changed, cell.mode)) for cell in cells]
    settled = [mode_settings(cell.mode, cell.card, cell.task, cell.settings) for cell in cells]
    for name in changed:
        if cells and not any(name in found for found in settled):
            raise ConfigError(
                f"settings: {name} = {changed[name]!r} is of no use here: no rule or mode of this run has it"
            )
    return cells


def run_spec(cell: Cell, split: Split, protocol: Protocol) -> RunSpec:
    """Return all that decides the cell's result. Without training: no training share, and one seed unless a twin."""
    trains = MODES[cell.mode].trains
    return RunSpec(
        task=cell.task.id,
        data=split.data_fingerprint,
        split=split.fingerprint,
        model=cell.card.name,
        params=cell.card.params,
        revision=cell.card.revision(),
        mode=cell.mode,
        settings=mode_settings(cell.mode, cell.card, cell.task, cell.settings),
        seeds=protocol.seeds if trains or cell.card.twin_of else protocol.seeds[:1],
        train_fraction=protocol.train_fraction if trains else 0.0,
        limit=protocol.limit,
    )
