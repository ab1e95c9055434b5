"""The cells of a run, and everything that decides the result of each."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import ConfigError, check_keys, nearest
from .modes import MODES, all_settings, every_table, space_of, versions_of
from .modes.trials import trials_version
from .results import RunSpec
from .settings import WINDOW, Search, Settings, check_values, stated
from .splits import RESAMPLE, RESAMPLE_VERSION, split_version
from .transforms import transform_version
from .types import ModelCard, Split, Task

SEEDS = (0, 1, 2, 3, 4)
FEW_SHOT_SEEDS = tuple(range(10))
MANY_SHOTS = 100
"""The examples per class from which the draw of the examples matters little beside the rest of the noise."""
BUDGETS = {"quick": 1, "standard": 8, "thorough": 32}
"""Numbers of trials by the names that papers may cite; quick is the defaults."""

TRAIN_FRACTION = 0.9
_LARGEST = 2**31 - 1
"""The largest seed: numpy's older generator takes 2**32 - 1, and some code counts on from a seed."""


@dataclass(frozen=True)
class Cost:
    """What a cell is expected to take: `seconds` of one worker, MiB of memory, and `tokens` that a network reads.

    `gpu` is whether a GPU would run it faster; None is what is not known, and `source` says where the rest is from.
    """

    seconds: float | None = None
    memory_mb: float | None = None
    tokens: int | None = None
    gpu: bool = False
    source: str = ""


@dataclass(frozen=True)
class Cell:
    """One model in one mode on one task, with the settings of the mode that the user changed.

    `budget` is how many trials of settings are made, from which one is chosen on valid. `baseline` is the one over
    which gains on the task are taken, by its model or MODEL:MODE; '' leaves that to the scores on valid. `cost` is for
    executors, which may run the longest first.
    """

    task: Task
    card: ModelCard
    mode: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    budget: int = 1
    baseline: str = ""
    cost: Cost = field(default=Cost(), compare=False)

    def __str__(self) -> str:
        tuned = f" · budget {self.budget}" if self.budget > 1 else ""
        return f"{self.task.name} · {self.card.name} · {self.mode}{tuned}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What cells that take about as long share with its record: task, model and mode."""
        return self.task.id, self.card.name, self.mode

    @functools.cached_property
    def resolved(self) -> Mapping[str, Any]:
        """Every setting of the run that stands in its record, with its value, including defaults."""
        return stated(*self._settings)

    def has(self, name: str) -> bool:
        """Return whether the run has the setting, in its record or at the value of runs before there was one."""
        return name in self._settings[0]

    @functools.cached_property
    def _settings(self) -> tuple[dict[str, Any], Settings]:
        return all_settings(self.mode, self.card, self.task, self.settings)

    @functools.cached_property
    def space(self) -> Mapping[str, Search]:
        """Where the trials of a budget draw settings, and parameters of the model; empty where nothing is tuned."""
        return space_of(self.mode, self.card, self.resolved, self.settings)


@dataclass(frozen=True)
class Protocol:
    """What all cells of a grid share. `limit` cuts each part of a task to that many examples, for a trial.

    Without `seeds` a task of fewer than 100 shots has ten, each a draw of its examples, and any other task five. With
    `replicates` R above 0 a cell that trains is also trained on R training samples with R seeds each. By `resample`
    each seed trains on another training set, drawn as `splits.resampled` says, in place of the share `train_fraction`
    of one; seeds of few shots draw their own anyway. `check_strand` is whether test examples are also scored on the
    other strand, and `check_reference` whether variants scored without labels are also put into quarters by how likely
    the model finds their reference. Raises ConfigError for values that make no sense.
    """

    seeds: tuple[int, ...] = ()
    train_fraction: float = TRAIN_FRACTION
    limit: int = 0
    grid: str = "run"
    replicates: int = 0
    resample: str = ""
    check_strand: bool = False
    check_reference: bool = False

    def __post_init__(self) -> None:
        if large := [seed for seed in self.seeds if seed > _LARGEST]:
            raise ConfigError(f"seed {large[0]}: expected a whole number from 0 to {_LARGEST}, which libraries take")
        if self.replicates < 0 or self.replicates == 1:
            raise ConfigError(f"replicates = {self.replicates!r}; expected 2 or more, or 0 for none")
        if self.limit < 0:
            raise ConfigError(f"limit = {self.limit!r}; expected the number of examples per part, 0 for all")
        if self.resample not in ("", *RESAMPLE):
            raise ConfigError(f"resample = {self.resample!r}; expected {' or '.join(map(repr, RESAMPLE))}")
        if self.resample == "train=disjoint" and self.replicates:
            raise ConfigError(
                "replicates need training sets that every seed can have; resample train=disjoint has none"
            )

    def seeds_of(self, task: Task) -> tuple[int, ...]:
        """Return the seeds of the task's cells that train."""
        return self.seeds or (FEW_SHOT_SEEDS if 0 < task.shots < MANY_SHOTS else SEEDS)


def budgets_of(value: Any) -> tuple[int, ...]:
    """Return budgets from a number, a name such as 'standard', a list of these, or text with commas.

    Raises ConfigError for anything else.
    """
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
    found = []
    for each in given:
        text = str(each).strip()
        number = BUDGETS.get(text, int(text) if text.isdigit() else 0)
        if number < 1 or isinstance(each, bool):
            near = nearest(text, BUDGETS)
            raise ConfigError(
                f"budget {text!r}: expected a number of trials from 1, or {', '.join(BUDGETS)}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
        found.append(number)
    return tuple(dict.fromkeys(found))


def plan(
    tasks: Sequence[Task],
    cards: Sequence[ModelCard],
    modes: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    budgets: Sequence[int] = (1,),
) -> list[Cell]:
    """Return the cells of tasks x models x modes (all modes of a model if none is given), a model's cells together.

    `settings` apply to every mode that has them; from a list of layers or poolings linear_probe chooses one, and other
    modes keep their defaults. A cell with settings to tune is there once for each of the `budgets`, another once.
    Raises ConfigError for an unknown mode, and for a setting or a value that no cell of the plan can use.
    """
    changed = {} if settings is None else settings
    if not isinstance(changed, Mapping):
        raise ConfigError(f"settings = {changed!r}; expected names with values, such as layer = 3")
    for name in modes:
        MODES.get(name)
    for card in cards:
        check_keys(card.modes, MODES.all(), f"modes of model {card.name!r}")
    pairs = [(card, MODES.get(name)) for card in cards for name in card.modes if not modes or name in modes]
    tables = [(mode, table) for card, mode in pairs for table in every_table(mode, card)]
    if pairs:
        check_keys(changed, sorted({name for _, table in tables for name in table}), "settings")
    check_values(changed, [table for _, table in tables], chosen_among=any(mode.chooses for mode, _ in tables))
    several = {name for _, table in tables for name, setting in table.items() if setting.several}
    lists = {name for name, value in changed.items() if name in several and isinstance(value, (list, tuple))}
    cells, ids = [], {task.id for task in tasks}
    for card, mode in pairs:
        used = {k: v for k, v in changed.items() if mode.chooses or k not in lists}
        # What does not train is the same for any number of training examples.
        wanted = [task for task in tasks if mode.trains or not task.shots or task.whole not in ids]
        for cell in (Cell(task, card, mode.name, used) for task in wanted):
            cells += [replace(cell, budget=budget) for budget in budgets] if cell.space else [cell]
    for name, value in changed.items():
        if cells and not any(cell.has(name) for cell in cells):
            beside = next((table[name].beside for _, table in tables if name in table), None)
            why = "only with {} = {!r}".format(*beside) if beside else "no rule or mode of this run has it"
            if not beside and all(card.baseline for card in cards):
                why += "; --model names the models to compare"
            if name in WINDOW and all(cell.task.per_base for cell in cells):
                why = "a task of bases reads a window about each of them"
            raise ConfigError(f"settings: {name} = {value!r} has no effect: {why}")
    return cells


def check_unique(cells: Sequence[Cell]) -> None:
    """Raise ConfigError where two cells have the same task, model, mode and settings: one would hide the other."""
    seen = set()
    for cell in cells:
        key = (cell.task.id, cell.card.name, cell.mode, repr(sorted(cell.settings.items())), cell.budget)
        if key in seen:
            changed = "".join(f", {name} = {value!r}" for name, value in sorted(cell.settings.items()))
            raise ConfigError(
                f"{cell.task.id} · {cell.card.name} · {cell.mode}{changed} is listed twice; expected once"
            )
        seen.add(key)


def run_spec(cell: Cell, split: Split, protocol: Protocol) -> RunSpec:
    """Return everything that decides the cell's result; a mode without training has one seed, unless for a twin."""
    return replace(planned_spec(cell, protocol), data=split.data_fingerprint, split=split.fingerprint)


def planned_spec(cell: Cell, protocol: Protocol) -> RunSpec:
    """Return everything that decides the cell's result but the data, which need not be there."""
    mode, seeds = MODES.get(cell.mode), protocol.seeds_of(cell.task)
    resample = protocol.resample if mode.trains and not cell.task.shots else ""
    fraction = {"": protocol.train_fraction, "train": 1.0, "train=disjoint": 1 / len(seeds)}[resample]
    versions = {**versions_of(mode, cell.resolved), "split": split_version(cell.task.split)}
    if mode.transforms(cell.task):
        versions["transform"] = transform_version(cell.task.transform)
    if resample:
        versions["resample"] = RESAMPLE_VERSION
    if cell.budget > 1:
        versions["trials"] = trials_version(cell.space)
    return RunSpec(
        task=cell.task.id,
        data="",
        split="",
        model=cell.card.name,
        params={k: v for k, v in cell.card.params.items() if k not in cell.card.later or v != cell.card.later[k]},
        revision=cell.card.revision(),
        mode=cell.mode,
        settings=cell.resolved,
        seeds=seeds if mode.trains or cell.card.twin_of else seeds[:1],
        train_fraction=fraction if mode.trains else 0.0,
        limit=protocol.limit,
        versions=versions,
        budget=cell.budget,
        resample=resample,
    )
