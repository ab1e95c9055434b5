"""What a record states of its task, model and data, beside the cards and the data that are here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..audit import audit
from ..cache.folder import cache_dir
from ..cards.find import find_model, find_task
from ..digests import canonical_json
from ..errors import BaserateError, ConfigError
from ..exposure import exposure_of
from ..plan import Cell, Protocol, planned_spec, run_spec
from ..records import Record, model_snapshot, task_snapshot
from ..registry import MODELS
from ..splits import coarser_units, load_split
from ..statistics import LIKELIHOOD, with_derived
from ..types import ModelCard, Split, Task
from .finding import Finding

_DECIDES: tuple[str, ...] = (
    "id",
    "name",
    "version",
    "kind",
    "metrics",
    "classes",
    "variants",
    "per_base",
    "deleterious",
)
_DECIDES += ("transform", "shots", "split_rule", "sizes", "dropped", "left_out", "baseline", "twin_of")
"""Keys of a card's snapshot that decide a number, or whose floor it is: other keys are text that may be mended."""
_QUOTED = r"='\1'"
_LITERAL = re.compile(r"=(?!True\b|False\b|None\b)([A-Za-z_][\w.]*)")


@dataclass
class Here:
    """The cards and the data that are here, each looked for once; `data` is whether data are looked for at all."""

    data: bool = True
    _tasks: dict[str, Task | str] = field(default_factory=dict, init=False)
    _splits: dict[tuple[str, int], Split | str] = field(default_factory=dict, init=False)
    _audits: dict[str, Mapping[str, Any]] = field(default_factory=dict, init=False)

    def task(self, name: str) -> Task | str:
        """Return the task of this id, or why it is not here."""
        if name not in self._tasks:
            try:
                self._tasks[name] = _task(name)
            except BaserateError as error:
                self._tasks[name] = " ".join(str(error).split())
        return self._tasks[name]

    def split(self, task: Task, limit: int) -> Split | str:
        """Return the task's examples, or why they are not here."""
        if not self.data:
            return "data are not looked for"
        if (task.id, limit) not in self._splits:
            try:
                self._splits[task.id, limit] = load_split(task, limit=limit)
            except BaserateError as error:
                self._splits[task.id, limit] = " ".join(str(error).split())
        return self._splits[task.id, limit]

    def audit(self, task: Task, split: Split) -> Mapping[str, Any]:
        """Return what records state of the task's audit."""
        if task.id not in self._audits:
            self._audits[task.id] = audit(task, split, cache=cache_dir()).in_short()
        return self._audits[task.id]

    def cell(self, record: Record) -> tuple[Cell, Protocol] | str:
        """Return the cell that the record is of, and its protocol, or why that cannot be made here."""
        task, card = self.task(record.spec.task), _model(record.spec.model)
        if isinstance(task, str) or isinstance(card, str):
            return next(why for why in (task, card) if isinstance(why, str))
        spec = record.spec
        try:
            stated = Cell(task, card, spec.mode).resolved
            changed = {k: v for k, v in spec.settings.items() if k not in stated or not _equal(stated[k], v)}
            cell = Cell(task, card, spec.mode, changed, spec.budget, record.baseline)
            return cell, Protocol(spec.seeds, limit=spec.limit, grid=record.grid, resample=spec.resample)
        except BaserateError as error:
            return " ".join(str(error).split())


def findings_by_cards(record: Record, here: Here) -> list[Finding]:
    """Return where a record is not of the task, the data and the model that are here under these names."""
    found = [
        Finding("fault", f"spec.{what}", f"{what} is {stated!r} in the spec, but {card!r} in the snapshot of its card")
        for what, stated, card in (
            ("task", record.spec.task, record.task.get("id")),
            ("model", record.spec.model, record.model.get("name")),
        )
        if stated != card
    ]
    task, card = here.task(record.spec.task), _model(record.spec.model)
    split: Split | str = "" if isinstance(task, str) else here.split(task, record.spec.limit)
    if isinstance(task, str):
        found.append(Finding("unknown", "task", f"the task is not compared with its card: {task}"))
    else:
        found += _by_snapshot("task", record.task, _task_made(task, split))
    if isinstance(card, str):
        found.append(Finding("unknown", "model", f"the model is not compared with its card: {card}"))
    else:
        found += _by_snapshot("model", record.model, model_snapshot(card))
    if isinstance(split, Split) and isinstance(task, Task):
        found += _by_data(record, task, split)
        if record.audit.get("verdict") and not record.spec.limit:
            found += _stated("audit", record.audit, here.audit(task, split))
        if isinstance(card, ModelCard) and record.exposure:
            made = exposure_of(card, task, split, mode=record.spec.mode).to_json()
            found += _stated("exposure", record.exposure, made)
    elif split:
        found.append(Finding("unknown", "data", f"the examples are not compared with the data: {split}"))
    return [*found, *_by_spec(record, here, split)]


def _task(name: str) -> Task:
    """Return the task of an id: `name@1`, `name.small@1`, or `name(shots=16)@1`. Raises ConfigError for another one."""
    base, _, version = name.rpartition("@")
    stem, bracket, inside = base.partition("(")
    task = find_task(f"{stem}@{version}{bracket}{_LITERAL.sub(_QUOTED, inside)}")
    if task.id != name:
        raise ConfigError(f"the card here is of {task.id}")
    return task


def _model(name: str) -> ModelCard | str:
    """Return the registered model of a record, or why there is none: another's checkpoint is not here."""
    if name.partition("(")[0] not in MODELS.all():
        return f"no model is registered as {name!r}"
    try:
        return find_model(name)
    except BaserateError as error:
        return " ".join(str(error).split())


def _task_made(task: Task, split: Split | str) -> dict[str, Any]:
    made = task_snapshot(task)
    if isinstance(split, Split):
        missing = {"dropped": split.dropped, "left_out": dict(split.left_out)}
        made |= {key: value for key, value in missing.items() if value}
    return made


def _by_snapshot(what: str, stated: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield where a snapshot of a card is not that of the card here: a fault in what decides a number."""
    texts = []
    for key in sorted(stated.keys() | made.keys()):
        if key in stated and key in made and _equal(stated[key], made[key]):
            continue
        if key in _DECIDES and key in stated and key in made:
            text = f"{what}.{key} is {_short(stated[key])}, but {_short(made[key])} in the card here"
            yield Finding("fault", f"{what}.{key}", text)
        elif key in stated or made[key]:  # an earlier version may not state what is empty here
            texts.append(key)
    if texts:
        yield Finding("changed", what, f"the {what}'s card here has another {', '.join(texts)}")


def _by_data(record: Record, task: Task, split: Split) -> Iterator[Finding]:
    """Yield where the data here are others than those of the record, or its predictions are of other examples."""
    for name, made in (("data", split.data_fingerprint), ("split", split.fingerprint)):
        if getattr(record.spec, name) != made:
            text = f"{name} {getattr(record.spec, name)}, but {made} by the data here"
            yield Finding("fault", f"spec.{name}", text)
    if record.status != "done":
        return
    p, test = record.predictions, split.test
    columns: dict[str, tuple[Any, Any]] = {"id": (p.ids, test.ids), "target": (p.targets, test.targets)}
    columns |= {"cluster": (p.clusters, test.clusters), "coarser": (p.coarser, coarser_units(task, test))}
    derived = with_derived(test)
    columns |= {
        f"stratum:{name}": (values, derived.get(name)) for name, values in p.strata.items() if name != LIKELIHOOD
    }
    for name, (stated, there) in columns.items():
        if stated is None and there is None:
            continue
        if stated is None or there is None:
            text = "is missing" if stated is None else "is none of the data here"
            yield Finding("changed", name, f"predictions: column {name} {text}")
            continue
        if not _same_column(stated, there):
            yield Finding("fault", name, f"predictions: column {name} is not that of the test examples")


def _by_spec(record: Record, here: Here, split: Split | str) -> Iterator[Finding]:
    """Yield which parts of the run's identity are not those that the same call would have here."""
    made = here.cell(record)
    if isinstance(made, str):
        if not isinstance(here.task(record.spec.task), str) and not isinstance(_model(record.spec.model), str):
            yield Finding("changed", "spec", f"the run cannot be made here: {made}")
        return
    try:
        spec = run_spec(made[0], split, made[1]) if isinstance(split, Split) else planned_spec(*made)
    except BaserateError as error:
        yield Finding("unknown", "spec", f"the run cannot be planned here: {' '.join(str(error).split())}")
        return
    stated, planned = record.spec.to_json(), spec.to_json()
    for key in sorted((stated.keys() | planned.keys()) - {"data", "split"}):
        if not _equal(stated.get(key), planned.get(key)):
            text = f"{key} is {_short(stated.get(key))}, but {_short(planned.get(key))} here"
            yield Finding("changed", f"spec.{key}", text)


def _stated(what: str, stated: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[Finding]:
    differ = [key for key in made if not _equal(stated.get(key), made[key])]
    if differ:
        key = differ[0]
        text = f"{what}: {key} is {_short(stated.get(key))}, but {_short(made[key])} here"
        yield Finding("changed", what, text)


def _same_column(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind in "fiub" and b.dtype.kind in "fiub":
        return bool(np.array_equal(a.astype(np.float64), b.astype(np.float64), equal_nan=True))
    return bool((a.astype(str) == b.astype(str)).all())


def _equal(a: Any, b: Any) -> bool:
    return canonical_json(a) == canonical_json(b)


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."
