"""What a mode is, how to register one, and which settings and versions a run in it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import ConfigError, NotApplicable
from ..networks.settings import KIND_VERSIONS, SHARED
from ..registry import Registry, origin_of
from ..settings import WINDOW, Search, Setting, Settings, added, count, defaults, in_effect, stated
from ..types import FloatArray, ModelCard, Task
from .job import Job

CONTEXT = count(200, "bases about a site, for a model without a state for each base; in tasks of bases only")


def needs_labels(task: Task) -> str:
    """Return why nothing can be learned from the task's labels, '' where it can."""
    if task.kind == "paired":
        return f"{task.name} asks which of a pair is real; nothing is trained for that"
    if task.kind == "generation":
        return f"{task.name} asks for the bases that follow; nothing is trained for that"
    return ""


@dataclass(frozen=True)
class Mode:
    """A way to use a model: the methods that it needs (any one of them), its settings, and what runs it.

    `run(job)` returns scores (seeds, n, outputs); `scores(job)` calls it, and does what a task's transform asks.
    `trains` is whether it learns from the training part, `scaled` whether its scores are on the scale of the targets,
    `may_skip` whether an example may be left without a score, and `chooses` whether a setting that may be `several`
    can be a list of values, one of which is chosen on valid.
    `part` is the setting that names one of `parts`, a zero-shot rule or a probe, which has settings and a version of
    its own; `part_for(task, default)` returns its name where the user gives none. `refuses(task)` returns why the
    mode makes no sense for a task, or ''. `version` is raised whenever what the mode computes changes.
    """

    name: str
    run: Callable[[Job], FloatArray]
    needs: tuple[str, ...] = ()
    trains: bool = True
    scaled: bool = True
    may_skip: bool = False
    chooses: bool = False
    settings: Settings = field(default_factory=dict)
    part: str = ""
    parts: Registry[Any] | None = None
    part_for: Callable[[Task, str], str] = lambda task, default: default
    refuses: Callable[[Task], str] = needs_labels
    version: int = 1

    def transforms(self, task: Task) -> bool:
        """Return whether models learn the task's targets transformed in this mode."""
        return self.trains and task.transform != "none"

    def scores(self, job: Job) -> FloatArray:
        """Return the scores (seeds, n, outputs) of `run`, on the scale of the targets.

        Where a task declares a transform, `run` sees a job of one seed at a time, whose targets of train and valid are
        transformed as the rows that this seed trains on have it; what comes back is on the measured scale again.
        """
        if not self.transforms(job.task):
            return self.run(job)
        scores = []
        for seed in job.seeds:
            learnt, undo = job.transformed(seed)
            learnt_scores = np.asarray(self.run(learnt), np.float64)[0]
            scores.append(undo(learnt_scores) if self.scaled else learnt_scores)
        job.notes[:] = dict.fromkeys(job.notes)
        return np.stack(scores)

    def check(self, task: Task, card: ModelCard) -> None:
        """Raise NotApplicable, saying why, where the mode makes no sense for the task or the model."""
        if reason := self.refuses(task):
            raise NotApplicable(reason)
        if self.trains and not task.trainable:
            raise NotApplicable(f"{task.name} has no training part: it is for zero-shot use")
        if card.variants is not None and card.variants != task.variants:
            kind = "variants" if card.variants else "sequences"
            raise NotApplicable(f"{card.name} works on {kind} only; {task.name} has none")

    def check_model(self, model: object, card: ModelCard) -> None:
        """Raise ConfigError where the loaded model lacks the capability, or the card does not declare its settings."""
        if self.needs and not any(hasattr(model, method) for method in self.needs):
            raise ConfigError(
                f"model {card.name!r} declares mode {self.name} but its {type(model).__name__} has no "
                f"{' or '.join(self.needs)}()"
            )
        undeclared = set(getattr(model, "declared", {}).get(self.name, {})) - set(settings_of(self, card))
        if undeclared:
            raise ConfigError(
                f"model {card.name!r} is a network, and its card does not declare {', '.join(sorted(undeclared))}; "
                "write settings=NETWORK (from baserate.networks.settings import NETWORK) beside its modes"
            )

    def part_settings(self, name: str) -> Settings:
        """Return the settings of one of the parts. Raises UnknownName for an unknown one."""
        settings: Settings = self.parts.get(name).settings if self.parts else {}
        return settings


MODES: Registry[Mode] = Registry("mode", builtin="baserate.modes")


def mode(name: str, **about: Any) -> Callable[[Callable[[Job], FloatArray]], Callable[[Job], FloatArray]]:
    """Return a decorator that registers a function of a job as a mode; the keywords are the fields of `Mode`."""

    def register(run: Callable[[Job], FloatArray]) -> Callable[[Job], FloatArray]:
        MODES.add(name, Mode(name, run, **about), origin=origin_of(run))
        return run

    return register


def settings_of(mode: Mode, card: ModelCard) -> Settings:
    """Return the settings that a card has in a mode, with the card's values as defaults, without those of a part.

    Those that a value of another setting adds are left out too. They are the mode's own, those that the card declares
    for the model's methods, and those that it merely sets.
    """
    declared = {**mode.settings, **card.settings.get(mode.name, {})}
    values = card.modes.get(mode.name, {})
    known = set(mode.part_settings(values[mode.part])) if mode.part in values else set()
    known |= {name for table in added(declared) for name in table}
    for name, value in values.items():
        if name not in known:
            declared[name] = replace(declared.get(name) or SHARED.get(name) or _undeclared(value), default=value)
    return declared


def every_table(mode: Mode, card: ModelCard) -> list[Settings]:
    """Return all tables of settings that a card may use in a mode: its own, what these add, and those of every part."""
    parts = mode.parts.all().values() if mode.parts else ()
    own = settings_of(mode, card)
    return [own, *added(own), *(part.settings for part in parts)]


def mode_settings(name: str, card: ModelCard, task: Task, changed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return every setting of a run with its value: defaults, then the card's, the task's rule, what the user changed.

    A rule or a probe brings its own settings, a setting those that its value adds, and a task without variants its own
    rule. What the user changed counts where the mode, the model or the part has such a setting; `context` is for tasks
    of bases, which read a window about each site and no long sequence. Left out is a setting at the value that runs had
    before there was the setting. Raises UnknownName for an unknown rule or probe.
    """
    return stated(*all_settings(name, card, task, changed))


def all_settings(
    name: str, card: ModelCard, task: Task, changed: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], Settings]:
    """Return every setting that has an effect on a run with its value, and the table that declares them."""
    mode, changed = MODES.get(name), changed or {}
    table = dict(settings_of(mode, card))
    if not task.per_base:
        table.pop("context", None)
    values = defaults(table)
    if task.window and "context" in table:
        values["context"] = task.window
    if mode.part:
        default = mode.part_for(task, values[mode.part])
        chosen = changed.get(mode.part, default)
        card_values = card.modes.get(mode.name, {}) if chosen == values[mode.part] else {}
        part = mode.part_settings(chosen)
        values |= {**defaults(part), **{k: v for k, v in card_values.items() if k in part}, mode.part: chosen}
        table |= part
        for without in getattr(mode.parts.get(chosen), "without", ()) if mode.parts else ():
            table.pop(without, None)
            values.pop(without, None)
    for key, setting in list(table.items()):
        more = setting.adds.get(chosen := changed.get(key, values[key]), {}) if setting.adds else {}
        card_values = card.modes.get(mode.name, {}) if more and chosen == values[key] else {}
        values |= {**defaults(more), **{k: v for k, v in card_values.items() if k in more}}
        table |= more
    if task.per_base:
        table = {k: setting for k, setting in table.items() if k not in WINDOW or setting.about != WINDOW[k].about}
    values |= {k: v for k, v in changed.items() if k != mode.part}
    return in_effect({k: v for k, v in values.items() if k in table}, table), table


def space_of(
    name: str, card: ModelCard, settings: Mapping[str, Any], changed: Mapping[str, Any] | None = None
) -> dict[str, Search]:
    """Return where trials draw the settings of a run and the parameters of its model, by name; {} if nothing is tuned.

    What the user changed stays as it is, and so does a setting with a list of values.
    """
    mode = MODES.get(name)
    if not mode.trains:
        return {}
    params = card.search if "fit" in mode.needs else {}
    table = {**settings_of(mode, card), **(mode.part_settings(settings[mode.part]) if mode.part else {})}
    for key, setting in list(table.items()):
        table |= setting.adds.get(settings.get(key, ""), {}) if setting.adds else {}
    searched = {name: setting.search for name, setting in table.items() if setting.search and name in settings}
    fixed = {*(changed or {}), *(k for k, v in settings.items() if isinstance(v, (list, tuple)))}
    if "context" in settings:  # a task of bases, whose states are not pooled
        fixed.add("pooling")
    return {k: v for k, v in {**searched, **params}.items() if k not in fixed}


def versions_of(mode: Mode, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the declared versions of the mode, and of the rule, probe or kind of training that its settings name."""
    versions = {"mode": str(mode.version)}
    if mode.name == "fine_tune" and settings.get("train") in KIND_VERSIONS:
        versions["train"] = str(KIND_VERSIONS[settings["train"]])
    if mode.parts:
        versions[mode.part] = str(mode.parts.get(settings[mode.part]).version)
    return versions


def _undeclared(value: Any) -> Setting:
    return Setting(value, "declared only by the model's card", "a value that the model takes", lambda _: True)
