"""From what a user names to cards: registered names and globs, TOML cards, Python files, checkpoint folders, suites."""

from __future__ import annotations

import ast
import fnmatch
import functools
import importlib.util
import inspect
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from . import splits
from .capabilities import Model
from .errors import BaserateError, ConfigError, UnknownName, check_keys, nearest
from .metrics import parse
from .records import model_snapshot, task_snapshot
from .registry import MODELS, TASKS, Registry, get_model, get_task, task_names, with_params
from .run import Cell, plan
from .sources.intervals import read_intervals
from .sources.tables import read_table
from .sources.variants import read_variants
from .types import MODE_NAMES, PARTS, ModelCard, ModeName, SplitRule, Task, digest

C = TypeVar("C", Task, ModelCard)

METRICS = {
    "classification": ("mcc", "auroc", "auprc", "accuracy", "f1", "brier", "ece"),
    "regression": ("spearman", "pearson"),
}
_READERS: Mapping[str, Callable[..., Any]] = {"table": read_table, "bed": read_intervals, "variants": read_variants}
_RULES: Mapping[str, Callable[..., SplitRule]] = {
    "by_chromosome": splits.by_chromosome,
    "by_position": splits.by_position,
    "by_group": splits.by_group,
    "by_stratum": splits.by_stratum,
    "predefined": splits.predefined,
}
_TASK_KEYS = (
    "name",
    "version",
    "kind",
    "classes",
    "metrics",
    "description",
    "citation",
    "licence",
    "species",
    "assembly",
)
_TOML = {str: "text in quotes", int: "a whole number", dict: "a table, such as [source]"}
_SUITES = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class Suite:
    """A named grid: its cells in the order in which they run, and its seeds."""

    name: str
    description: str
    cells: list[Cell]
    seeds: tuple[int, ...]


def find_task(name: str) -> Task:
    """Return the registered task `name`, or the one in a file `./mine.toml` or `./mine.py`."""
    path = Path(name)
    if path.suffix == ".toml":
        return task_card(path)
    return _only(_run_file(path, TASKS), path, "task") if path.suffix == ".py" else get_task(name)


def find_model(name: str) -> ModelCard:
    """Return the registered model `name`, the one in `./mine.py`, or a checkpoint folder's.

    `name(k=4)` sets the loader's keyword arguments.
    """
    base, params = _parse_call(name)
    path = Path(base)
    if path.suffix == ".py":
        card = _only(_run_file(path, MODELS), path, "model")
    elif base not in MODELS.all() and ("/" in base or path.is_dir()):
        card = checkpoint_card(path)
    else:
        card = get_model(base)
    return with_params(card, **params)


def find(name: str) -> Task | ModelCard:
    """Return the task or the model called `name`. Raises UnknownName with the nearest of both kinds."""
    if Path(name).suffix == ".toml" or name.partition("@")[0] in task_names():
        return find_task(name)
    if _parse_call(name)[0] in MODELS.all() or Path(name).is_dir():
        return find_model(name)
    if Path(name).suffix == ".py":
        tasks, models = _run_file(Path(name), TASKS), _run_file(Path(name), MODELS)
        return _only(tasks, Path(name), "task") if tasks else _only(models, Path(name), "task or model")
    raise UnknownName("task or model", name, [*task_names(), *MODELS.all()], hint="`baserate list` shows all.")


def find_tasks(patterns: Sequence[str]) -> list[Task]:
    """Return the tasks that names, globs and files give, each once. Raises UnknownName where one gives none."""
    return _select(patterns, task_names(), find_task)


def find_models(patterns: Sequence[str]) -> list[ModelCard]:
    """Return the models that names, globs and folders give, each once; all baselines where no pattern is given."""
    if not patterns:
        return [card for card in MODELS.all().values() if card.baseline]
    return _select(patterns, list(MODELS.all()), find_model)


def task_card(path: Path) -> Task:
    """Return the task that a TOML file declares; paths in it are relative to it. Raises ConfigError naming the key."""
    card = _read_toml(path)
    check_keys(card, (*_TASK_KEYS, "source", "split"), str(path))
    for key in ("name", "kind", "source", "split"):
        if key not in card:
            raise ConfigError(f"{path}: key {key!r} is missing")
    for key, wanted in (("name", str), ("kind", str), ("version", int), ("source", dict), ("split", dict)):
        if not isinstance(card.get(key, wanted()), wanted):
            raise ConfigError(f"{path}: {key} = {card[key]!r}; expected {_TOML[wanted]}")
    for key in ("classes", "metrics", "species", "assembly"):
        if not isinstance(card.get(key, []), list):
            raise ConfigError(f"{path}: {key} = {card[key]!r}; expected a list, such as [{card[key]!r}]")
    if not re.fullmatch(r"\w[\w.-]*", card["name"]):
        raise ConfigError(f"{path}: name = {card['name']!r}; expected letters, digits, '_', '-' and '.'")
    kind, classes = card["kind"], tuple(map(str, card.get("classes", ())))
    if kind not in METRICS:
        raise ConfigError(f"{path}: kind = {kind!r}; expected 'classification' or 'regression'")
    if kind == "classification" and len(classes) < 2:
        raise ConfigError(f"{path}: a classification needs classes = [...] with two or more names")
    metrics = tuple(card.get("metrics", METRICS[kind]))
    for metric in metrics:
        parse(metric)
    source, files = _source(path, card["source"], kind, classes)
    rule = _rule(path, card["split"])
    return Task(
        name=card["name"],
        version=card.get("version", 1),
        kind=kind,
        metrics=metrics,
        source=source,
        split=rule,
        description=card.get("description", ""),
        split_rule=repr(rule),
        citation=card.get("citation", ""),
        licence=card.get("licence", ""),
        species=tuple(card.get("species", ())),
        assembly=tuple(card.get("assembly", ())),
        sizes={},
        classes=classes,
        variants="variants" in card["source"] or "alternate" in card["source"],
        files=files,
    )


def checkpoint_card(folder: Path) -> ModelCard:
    """Return a card for a local folder in Hugging Face layout. Raises ConfigError where it is none."""
    weights, config = folder / "model.safetensors", folder / "config.json"
    for file in (config, weights):
        if not file.is_file():
            raise ConfigError(f"{folder}: not a checkpoint folder; it has no {file.name}")

    def load() -> Model:
        from .hf import HuggingFaceModel

        return HuggingFaceModel(folder)

    return ModelCard(
        name=folder.resolve().name,
        load=load,
        modes={"zero_shot": {"rule": "masked_llr"}, "linear_probe": {"layer": -1, "pooling": "mean"}, "fine_tune": {}},
        params={},
        description=f"checkpoint folder {folder}",
        revision=lambda: digest(config.read_bytes(), weights.read_bytes()),
    )


def suites() -> dict[str, Path]:
    """Return the built-in suites by name."""
    return {path.stem: path for path in sorted(_SUITES.glob("*.toml"))}


def load_suite(name: str) -> Suite:
    """Return a built-in suite or the one in a TOML file. Raises ConfigError or UnknownName, naming the key."""
    path = Path(name) if name.endswith(".toml") else suites().get(name)
    if path is None:
        raise UnknownName("suite", name, suites(), hint="A suite of your own is a .toml file.")
    value = _read_toml(path)
    check_keys(value, ("description", "seeds", "cells"), str(path))
    cells: dict[str, Cell] = {}
    for i, block in enumerate(value.get("cells", [])):
        where = f"{path}: cells block {i + 1}"
        check_keys(block, ("tasks", "models", "modes"), where)
        modes: list[ModeName] = block.get("modes", [])
        for mode in modes:
            if mode not in MODE_NAMES:
                raise UnknownName("mode", mode, MODE_NAMES, hint=where)
        for cell in plan(find_tasks(block.get("tasks", [])), find_models(block.get("models", [])), modes):
            cells.setdefault(str(cell), cell)
    if not cells:
        raise ConfigError(f"{path}: the suite has no cells")
    by_model = {cell.card.name: i for i, cell in reversed(list(enumerate(cells.values())))}
    ordered = sorted(cells.values(), key=lambda cell: by_model[cell.card.name])
    return Suite(path.stem, value.get("description", ""), ordered, tuple(value.get("seeds", ())))


def listing() -> dict[str, Any]:
    """Return what is registered, by kind, as rows of plain values, and under 'broken' what failed to load."""
    tasks = [
        {
            "name": f"{c.name}@{c.version}",
            "asks": "variants" if c.variants else c.kind,
            **{part: c.sizes.get(part) for part in PARTS},
            "small": bool(c.small),
        }
        for c in TASKS.all().values()
    ]
    models = {
        kind: [
            {"name": c.name, "modes": list(c.modes), "description": c.description}
            for c in MODELS.all().values()
            if c.baseline == (kind == "baselines")
        ]
        for kind in ("models", "baselines")
    }
    named = [{"name": n, "description": _read_toml(p).get("description", "")} for n, p in suites().items()]
    return {"tasks": tasks, **models, "suites": named, "broken": {**TASKS.broken, **MODELS.broken}}


def describe(name: str) -> dict[str, Any]:
    """Return the card of a task, model or suite as plain values."""
    if name in suites():
        suite = load_suite(name)
        return {"name": name, "description": suite.description, "seeds": suite.seeds, "cells": [*map(str, suite.cells)]}
    card = find(name)
    if isinstance(card, Task):
        return task_snapshot(card) | {"small": vars(card.small) if card.small else None, "requires": card.requires}
    modes = {mode: dict(settings) for mode, settings in card.modes.items()}
    return model_snapshot(card) | {"modes": modes, "params": dict(card.params), "revision": card.revision()}


def _select(patterns: Sequence[str], names: Sequence[str], get: Callable[[str], C]) -> list[C]:
    found: dict[str, C] = {}
    for pattern in patterns:
        is_glob = any(c in pattern for c in "*?[") and not pattern.endswith(")")
        matches = sorted(fnmatch.filter(names, pattern)) if is_glob else [pattern]
        if not matches:
            raise ConfigError(f"{pattern!r} matches none of: {', '.join(names)}")
        for match in matches:
            card = get(match)
            found.setdefault(card.name, card)
    return list(found.values())


def _source(path: Path, value: Mapping[str, Any], kind: str, classes: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
    """Return the function that reads the examples, and the files that it reads."""
    given = [key for key in _READERS if key in value]
    if len(given) != 1:
        raise ConfigError(f"{path}: [source] needs one of table = ..., genome and bed = ..., genome and variants = ...")
    reader = _READERS[given[0]]
    names = {"reference": "table", "table": "variants" if given[0] == "variants" else "table"}
    keys = {names.get(p, p): p for p in inspect.signature(reader).parameters if p not in ("kind", "classes")}
    check_keys(value, keys, f"{path}: [source]")
    arguments = {keys[key]: v for key, v in value.items()}
    files = []
    for parameter in ("reference", "genome", "bed", "table"):
        if parameter in arguments:
            arguments[parameter] = _relative(path, arguments[parameter])
            files.append(arguments[parameter])
    missing = [
        names.get(p.name, p.name)
        for p in inspect.signature(reader).parameters.values()
        if p.default is p.empty and p.name not in arguments and p.name != "kind"
    ]
    if missing:
        raise ConfigError(f"{path}: [source] lacks {missing[0]} = ...")
    return functools.partial(reader, **arguments, kind=kind, classes=classes), tuple(files)


def _relative(card: Path, reference: str) -> str:
    """Return the reference as seen from here; `package:path` and absolute paths stay as they are."""
    beside = card.parent / reference
    return str(beside.resolve()) if beside.exists() or ":" not in reference else reference


def _rule(path: Path, value: Mapping[str, Any]) -> SplitRule:
    name = str(value.get("rule", ""))
    if name not in _RULES:
        near = nearest(name, _RULES)
        raise ConfigError(
            f"{path}: [split] rule = {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"one of {', '.join(_RULES)}")
        )
    rule = _RULES[name]
    known = [f.name for f in fields(rule)]  # type: ignore[arg-type]
    arguments = {k: _frozen(v) for k, v in value.items() if k not in ("rule", "valid_fraction")}
    check_keys(arguments, known, f"{path}: [split]")
    try:
        made = rule(**arguments)
    except TypeError as error:
        raise ConfigError(f"{path}: [split] {name}: {error}") from None
    return splits.with_valid(made, value["valid_fraction"]) if "valid_fraction" in value else made


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the keyword arguments of 'name(k=4, strand=True)'; only literals are read."""
    if not text.endswith(")"):
        return text, {}
    name, _, arguments = text[:-1].partition("(")
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        if isinstance(call, ast.Call) and not call.args and all(k.arg for k in call.keywords):
            return name, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError):
        pass
    raise ConfigError(f"cannot read model {text!r}; expected name(key=value, ...), the values being literals")


def _run_file(path: Path, registry: Registry[C]) -> list[C]:
    """Return the cards that a user's own Python file registers. It is run, because the user named it, and once."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    registry.all()
    origin = f"{path.resolve()}:"
    if not any(r.origin(n).startswith(origin) for r in (TASKS, MODELS) for n in r.all()):
        spec = importlib.util.spec_from_file_location(f"baserate_user_{digest(origin)}", path.resolve())
        assert spec and spec.loader
        try:
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        except BaserateError:
            raise
        except Exception as error:
            raise ConfigError(f"{path}: {type(error).__name__}: {error}") from error
    return [card for name, card in registry.all().items() if registry.origin(name).startswith(origin)]


def _only(cards: Sequence[C], path: Path, what: str) -> C:
    if len(cards) != 1:
        raise ConfigError(f"{path}: expected one {what} in the file, found {len(cards)}")
    return cards[0]
