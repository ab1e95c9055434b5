"""A task from a TOML file."""

from __future__ import annotations

import functools
import inspect
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from . import splits
from .errors import ConfigError, check_keys, nearest
from .genomes import is_name
from .metrics import parse
from .sources.intervals import read_intervals
from .sources.tables import read_table
from .sources.variants import read_variants
from .types import SplitRule, Task
from .zero_shot import rule_of

METRICS = {
    "classification": ("mcc", "auroc", "auprc", "accuracy", "f1", "brier", "ece"),
    "multilabel": ("auprc", "auroc", "mcc", "f1", "f1_micro", "brier"),
    "regression": ("spearman", "pearson", "r2", "mae", "rmse"),
    "paired": ("paired_accuracy",),
    "generation": ("recovery", "exact_match"),
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
    "deleterious",
    "zero_shot",
)
_TOML = {str: "text in quotes", int: "a whole number", bool: "true or false", dict: "a table, such as [source]"}


def task_card(path: Path) -> Task:
    """Return the task that a TOML file declares; paths in it are relative to it. Raises ConfigError naming the key."""
    card = read_toml(path)
    check_keys(card, (*_TASK_KEYS, "source", "split"), str(path))
    for key in ("name", "kind", "source", "split"):
        if key not in card:
            raise ConfigError(f"{path}: key {key!r} is missing")
    for key, wanted in (
        ("name", str),
        ("kind", str),
        ("version", int),
        ("deleterious", bool),
        ("source", dict),
        ("split", dict),
    ):
        if not isinstance(card.get(key, wanted()), wanted):
            raise ConfigError(f"{path}: {key} = {card[key]!r}; expected {_TOML[wanted]}")
    for key in ("classes", "metrics", "species", "assembly", "zero_shot"):
        if not isinstance(card.get(key, []), list):
            raise ConfigError(f"{path}: {key} = {card[key]!r}; expected a list, such as [{card[key]!r}]")
    if not re.fullmatch(r"\w[\w.-]*", card["name"]):
        raise ConfigError(f"{path}: name = {card['name']!r}; expected letters, digits, '_', '-' and '.'")
    kind, classes = card["kind"], tuple(map(str, card.get("classes", ())))
    if kind not in METRICS:
        raise ConfigError(f"{path}: kind = {kind!r}; expected 'classification', 'regression' or 'paired'")
    if kind == "classification" and len(classes) < 2:
        raise ConfigError(f"{path}: a classification needs classes = [...] with two or more names")
    metrics = tuple(card.get("metrics", METRICS[kind]))
    for metric in metrics:
        parse(metric)
    for name in card.get("zero_shot", ()):
        rule_of(name)
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
        deleterious=card.get("deleterious", False),
        zero_shot=tuple(card.get("zero_shot", ())),
        variants=kind != "paired" and ("variants" in card["source"] or "alternate" in card["source"]),
        files=files,
    )


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
            if (
                parameter == "genome"
                and is_name(arguments[parameter])
                and not (path.parent / arguments[parameter]).exists()
            ):
                files.append(f"genome:{arguments[parameter]}")
                continue
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


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file. Raises ConfigError, naming the line, where it is none."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
