"""What is registered, as rows of plain values for people and programs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..networks.families import FAMILIES, published
from ..records import model_snapshot, task_snapshot
from ..registry import MODELS, TASKS
from ..types import PARTS, Task
from .find import find
from .suite import load_suite, suites
from .task import read_toml


def listing(kinds: Collection[str] = ()) -> dict[str, Any]:
    """Return what is registered, by kind, as rows of plain values, and under 'broken' what failed to load.

    Without `kinds` it has all of them; what is not asked for is not loaded.
    """
    return {kind: rows() for kind, rows in _KINDS.items() if not kinds or kind in kinds} | {
        "broken": {**TASKS.broken, **MODELS.broken}
    }


def _tasks() -> list[dict[str, Any]]:
    return [
        {
            "name": f"{c.name}@{c.version}",
            "asks": "variants" if c.variants else c.kind,
            **{part: c.sizes.get(part) for part in PARTS},
            "small": bool(c.small),
        }
        for c in TASKS.all().values()
    ]


def _models(*, baselines: bool) -> list[dict[str, Any]]:
    return [
        {"name": c.name, "modes": list(c.modes), "description": c.description}
        for c in MODELS.all().values()
        if c.baseline == baselines
    ]


def _checkpoints() -> list[dict[str, Any]]:
    return [
        {"name": c.id, "family": f.name, "parameters": c.parameters, "context": c.context}
        for f in FAMILIES.all().values()
        for c in f.checkpoints
    ]


def _suites() -> list[dict[str, Any]]:
    return [{"name": n, "description": read_toml(p).get("description", "")} for n, p in suites().items()]


_KINDS: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
    "tasks": _tasks,
    "models": functools.partial(_models, baselines=False),
    "baselines": functools.partial(_models, baselines=True),
    "checkpoints": _checkpoints,
    "suites": _suites,
}


def shortened(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of tasks with those of each benchmark merged into one row, `benchmark.*`."""
    out: dict[str, dict[str, Any]] = {}
    for row in rows:
        benchmark, dot, _ = str(row["name"]).partition(".")
        if not dot:
            out[row["name"]] = dict(row)
        elif benchmark not in out:
            n = sum(str(other["name"]).startswith(f"{benchmark}.") for other in rows)
            asks = dict.fromkeys(other["asks"] for other in rows if str(other["name"]).startswith(f"{benchmark}."))
            blank: dict[str, Any] = {str(part): None for part in PARTS}
            out[benchmark] = {
                **row,
                "name": f"{benchmark}.*  {n} tasks",
                "asks": ", ".join(asks),
                **blank,
                "small": False,
            }
    return list(out.values())


def describe(name: str) -> dict[str, Any]:
    """Return the card of a task, model, published checkpoint or suite as plain values; nothing is downloaded."""
    if name in suites():
        suite = load_suite(name)
        return {"name": name, "description": suite.description, "seeds": suite.seeds, "cells": [*map(str, suite.cells)]}
    if listed := published(name):
        family, checkpoint = listed
        return {"family": family.name, "description": family.description, **asdict(checkpoint), "tested": family.tested}
    card = find(name)
    if isinstance(card, Task):
        small = vars(card.small) if card.small else None
        return task_snapshot(card) | {"loaded": card.loaded, "small": small, "requires": card.requires}
    modes = {mode: dict(settings) for mode, settings in card.modes.items()}
    return model_snapshot(card) | {"modes": modes, "params": dict(card.params), "revision": card.revision()}
