"""A task from a TOML table: every key is checked, and an error names file and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import ConfigError, check_keys, nearest
from ..files import check_regular
from ..metrics import parse
from ..splits import RULES, with_families, with_valid
from ..transforms import TRANSFORMS
from ..types import Examples, SplitRule, Task, Transform
from ..zero_shot import RULES as ZERO_SHOT
from .source import CardContext, Counts, file_source, hub_source
from .transfer import transfer_from, transfer_metrics
from .unit import check_coarser, check_margin, fixed_of, unit_of
from .values import TOML, check_values, frozen

METRICS = {
    "classification": ("mcc", "auroc", "auprc", "accuracy", "f1", "brier", "ece", "ece_debiased"),
    "multilabel": ("auprc", "auroc", "f1", "mcc"),
    "regression": ("spearman", "pearson", "r2"),
    "paired": ("paired_accuracy",),
    "generation": ("recovery", "exact_match"),
}
"""The metrics of a task whose card names none; the first is primary."""

VALID = 0.1
"""The share of the examples that is moved from train to valid where a data set has no validation part."""

TYPES: Mapping[str, type] = {
    "name": str,
    "version": int,
    "kind": str,
    "classes": list,
    "metrics": list,
    "published": str,
    "description": str,
    "citation": str,
    "licence": str,
    "origin": str,
    "length": str,
    "loaded": str,
    "species": list,
    "assembly": list,
    "deleterious": bool,
    "per_base": bool,
    "zero_shot": list,
    "transform": str,
    "unit": str,
    "coarser": str,
    "fixed": str,
    "margin": float,
    "source": dict,
    "split": dict,
    "expect": dict,
}
WITH_ANY_RULE = ("valid_fraction", "valid_similarity", "cluster_similarity")
"""The keys of [split] beside the rule and its own."""
KEYS = tuple(TYPES)
"""The keys of a card. `length`, in bp, is for readers only."""


def task_card(path: Path) -> Task:
    """Return the task that a TOML file declares; its paths are relative to it. Raises ConfigError naming the key."""
    return task_from(read_toml(path), path, str(path))


def task_from(card: Mapping[str, Any], path: Path, where: str) -> Task:
    """Return the task that a table declares, with paths relative to `path`. Raises ConfigError, begun by `where`."""
    check_keys(card, KEYS, where)
    for key in ("name", "kind", "source"):
        if key not in card:
            raise ConfigError(f"{where}: key {key!r} is missing")
    for key, value in card.items():
        expected_type = TYPES[key]
        accepted = (int, float) if expected_type is float else expected_type
        if not isinstance(value, accepted) or (expected_type is not bool and isinstance(value, bool)):
            expected = TOML.get(expected_type, f"a list, such as [{value!r}]")
            raise ConfigError(f"{where}: {key} = {value!r}; expected {expected}")
    for key in ("metrics", "zero_shot", "species", "assembly"):
        odd = next((v for v in card.get(key, ()) if not isinstance(v, str) or not v), None)
        if odd is not None or (key == "metrics" and not card.get(key, METRICS)):
            raise ConfigError(f"{where}: {key} = {card[key]!r}; expected a list of texts in quotes")
    odd = next((v for v in card.get("classes", ()) if not isinstance(v, (str, int)) or v == ""), None)
    if odd is not None or len(set(map(str, card.get("classes", ())))) < len(card.get("classes", ())):
        raise ConfigError(f"{where}: classes = {card['classes']!r}; expected a list of different names")
    if not re.fullmatch(r"\w[\w.-]*", card["name"]):
        raise ConfigError(f"{where}: name = {card['name']!r}; expected letters, digits, '_', '-' and '.'")
    kind, classes = card["kind"], tuple(map(str, card.get("classes", ())))
    if kind not in METRICS:
        raise ConfigError(f"{where}: kind = {kind!r}; expected {', '.join(map(repr, METRICS))}")
    if kind == "classification" and len(classes) < 2:
        raise ConfigError(f"{where}: a classification task needs classes = [...] with two or more names")
    transfer = None
    if "tasks" in card["source"]:
        transfer = transfer_from(card["source"], kind=kind, classes=classes, where=where)
    metrics = tuple(card.get("metrics", METRICS[kind] if transfer is None else transfer_metrics(transfer)))
    if card.get("published", "") not in ("", *metrics):
        raise ConfigError(f"{where}: published = {card['published']!r}; expected one of metrics = {list(metrics)}")
    for key, names, find in (("metrics", metrics, parse), ("zero_shot", card.get("zero_shot", ()), ZERO_SHOT.get)):
        for name in names:
            try:
                find(name)
            except ConfigError as error:
                raise ConfigError(f"{where}: {key}: {error}") from error
    transform = check_transform(card.get("transform", "none"), kind, where)
    on_hub = "hub" in card["source"] or "folder" in card["source"]
    if "split" not in card and not on_hub and transfer is None:
        raise ConfigError(f"{where}: key 'split' is missing")
    split = card.get("split", {"rule": "predefined", "column": "part", "valid_fraction": VALID})
    counts = _counts(card.get("expect", {}), classes, where)
    rule = _rule(where, split)
    source: Callable[[], Examples]
    files: tuple[str, ...] = ()
    if transfer is not None:
        source, origin = transfer, f"the tasks {', '.join(name for _, name in transfer.members)}"
    else:
        context = CardContext(
            path, where, kind, classes, counts, rule, "split" not in card, bool(card.get("published"))
        )
        source, files, origin = (hub_source if on_hub else file_source)(card["source"], context)
    rule = _around(rule, split, where)
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
        sizes=_sizes(counts, split),
        classes=classes,
        deleterious=card.get("deleterious"),
        zero_shot=tuple(card.get("zero_shot", ())),
        transform=transform,
        variants=kind != "paired" and ("variants" in card["source"] or "alternate" in card["source"]),
        per_base=card.get("per_base", False),
        published=card.get("published", ""),
        origin=card.get("origin", origin),
        loaded=card.get("loaded", ""),
        files=files,
        unit=unit_of(card, rule),
        coarser=check_coarser(card, where),
        fixed=fixed_of(card, metrics),
        margin=check_margin(card, where),
    )


def check_transform(name: Any, kind: str, where: str) -> Transform:
    """Return the name of a transform. Raises ConfigError, begun by `where`, if unknown, or of what is not measured."""
    if name not in TRANSFORMS:
        near = nearest(str(name), TRANSFORMS)
        advice = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(TRANSFORMS)}"
        raise ConfigError(f"{where}: transform = {name!r}; {advice}")
    if name != "none" and kind != "regression":
        raise ConfigError(f"{where}: transform = {name!r} is for measurements; a task of kind {kind!r} has none")
    known: Transform = name
    return known


def _counts(value: Mapping[str, Any], classes: tuple[str, ...], where: str) -> Counts:
    """Return the numbers of rows in [expect], by part: one number, or one for each class."""
    check_keys(value, ("train", "valid", "test", "rows"), f"{where}: [expect]")
    for part, n in value.items():
        ints = n if isinstance(n, list) else [n]
        if not all(isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in ints):
            raise ConfigError(f"{where}: [expect] {part} = {n!r}; expected a number of rows, or one for each class")
        if isinstance(n, list) and len(n) != len(classes):
            raise ConfigError(f"{where}: [expect] {part} has {len(n)} numbers where there are {len(classes)} classes")
    return tuple((part, tuple(n) if isinstance(n, list) else n) for part, n in value.items())


def _sizes(counts: Counts, split: Mapping[str, Any]) -> dict[str, int]:
    """Return the sizes of the parts, as far as [expect] gives them and no valid part is carved out of train."""
    sizes = {part: n if isinstance(n, int) else sum(n) for part, n in counts if part != "rows"}
    if split.get("rule") == "all_test":
        sizes |= {"train": 0, "valid": 0}
    carved = "valid_fraction" in split and not sizes.get("valid") and sizes.get("train") != 0
    return {part: n for part, n in sizes.items() if part == "test" or not carved}


def _rule(where: str, value: Mapping[str, Any]) -> SplitRule:
    """Return the split rule of a card, without the keys that go with any rule."""
    name = str(value.get("rule", ""))
    if name not in RULES:
        near = nearest(name, RULES)
        raise ConfigError(
            f"{where}: [split] rule = {name!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"one of {', '.join(RULES)}")
        )
    rule = RULES[name]
    known = [f.name for f in fields(rule)]  # type: ignore[arg-type]
    arguments = {k: frozen(v) for k, v in value.items() if k not in ("rule", *WITH_ANY_RULE)}
    check_keys(arguments, [*known, *WITH_ANY_RULE], f"{where}: [split]")
    check_values(arguments, rule, f"{where}: [split]")
    for key in WITH_ANY_RULE:
        if key in value and not 0 < _number(value[key]) <= 1:
            raise ConfigError(f"{where}: [split] {key} = {value[key]!r}; expected a number between 0 and 1")
    if "valid_similarity" in value and "valid_fraction" not in value:
        raise ConfigError(f"{where}: [split] valid_similarity goes with valid_fraction, the share of train to take")
    try:
        return rule(**arguments)
    except (TypeError, ConfigError) as error:
        raise ConfigError(f"{where}: [split] {name}: {error}") from None


def _around(rule: SplitRule, value: Mapping[str, Any], where: str) -> SplitRule:
    """Return the rule with what goes around any rule: a part of train as valid, and families as clusters."""
    try:
        if "valid_fraction" in value:
            rule = with_valid(rule, value["valid_fraction"], similarity=value.get("valid_similarity", 0.0))
        if "cluster_similarity" in value:
            rule = with_families(rule, value["cluster_similarity"])
    except ConfigError as error:
        raise ConfigError(f"{where}: [split] {error}") from None
    return rule


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file. Raises ConfigError, naming the line, where it is not TOML."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
