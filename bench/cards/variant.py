"""Variants of a task, named apart: of another split, few examples, transformed targets, windows or altered inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ..errors import ConfigError, check_keys, nearest
from ..results import CLEAN, INPUT, PERTURBED, STATE
from ..splits.altered import changes_from, confounded, perturbed, window
from ..splits.homology import with_families
from ..splits.rules import all_test
from ..splits.subsets import few_shot
from ..types import SplitRule, Task
from .task import check_transform
from .unit import FAMILY, knows_families
from .values import check_values

WITH_ANY_SPLIT = ("batch", "cluster_similarity", "perturb", "shots", "split", "transform", "window")
"""The settings of a variant beside those of a split rule."""


def variant(task: Task, settings: Mapping[str, Any], rules: Mapping[str, Any]) -> Task:
    """Return the variant of a task that `NAME(shots=16)` or `NAME(split='by_homology', threshold=0.8)` describes.

    `shots` is the number of training examples per class, in a task of bases of all, and `transform` what models learn
    in place of measurements; `split` names one of `rules`, and the other settings are that rule's; with
    `cluster_similarity` families of such relatives are what intervals leave out whole. `window` is the bp about its
    middle, or about the base in question, to which each input is cut, and `perturb` what is done to test inputs beside
    leaving them as they are. `batch` is the share of the classes but the first that have an artefact in training, which
    the rest of the first has. The name lists all settings, so that results are never mixed with the task's own. Raises
    ConfigError naming the setting.
    """
    where = f"task {task.name!r}"
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    rule, sizes = task.split, dict(task.sizes)
    if "split" in given:
        rule = _rule(where, given, rules)
        sizes = {"train": 0, "valid": 0} if isinstance(rule, all_test) else {}
    else:
        check_keys(given, WITH_ANY_SPLIT, where)
    if "cluster_similarity" in given:
        rule = _with_families(where, rule, given["cluster_similarity"])
    shots = given.get("shots")
    if shots is not None:
        if not isinstance(shots, int) or isinstance(shots, bool) or shots < 1:
            raise ConfigError(f"{where}: shots = {shots!r}; expected a whole number of examples per class, such as 16")
        if sizes.get("train") == 0:
            raise ConfigError(f"{where}: shots = {shots}; the task has no training part")
        rule = few_shot(rule, shots)
        sizes = {part: n for part, n in sizes.items() if part == "test"}
    if "transform" in given and sizes.get("train") == 0:
        raise ConfigError(f"{where}: transform = {given['transform']!r}; the task has no training part")
    transform = check_transform(given.get("transform", task.transform), task.kind, where)
    altered = _altered(task, given, where)
    whole, apart = task.whole, {"shots"} if shots is not None else set(altered) & set(given)
    if apart:
        others = {key: value for key, value in settings.items() if key not in apart}
        whole = (variant(task, others, rules) if others else task).id
    shown = ",".join(f"{key}={_plain(value)}" for key, value in sorted(given.items()))
    return replace(
        task,
        name=f"{task.name}({shown})",
        shots=shots or 0,
        whole=whole,
        split=rule,
        split_rule=repr(rule),
        transform=transform,
        unit=FAMILY if knows_families(rule) else "" if task.unit == FAMILY else task.unit,
        fixed="" if "split" in given else task.fixed,
        sizes=sizes if "perturb" not in given else {k: n for k, n in sizes.items() if k != "test"},
        small=None,
        **altered.get("window", {}),
        **altered.get("perturb", {}),
        **altered.get("batch", {}),
    )


def _altered(task: Task, given: Mapping[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Return the fields of the task that its altered inputs change, by the setting that asks for it."""
    asked = [key for key in ("window", "perturb", "batch") if key in given]
    if not asked:
        return {}
    if len(asked) > 1 or task.alter is not None:
        raise ConfigError(f"{where}: window, perturb and batch do not go together, nor any of them with itself")
    (key,) = asked
    if task.variants or (task.per_base and key != "window") or task.kind in ("paired", "generation"):
        what = "variants" if task.variants else "single bases" if task.per_base else f"a {task.kind} task"
        raise ConfigError(f"{where}: {key} is for whole sequences; this is on {what}")
    if key == "window":
        bp = given["window"]
        if not isinstance(bp, int) or isinstance(bp, bool) or bp < 1:
            raise ConfigError(f"{where}: window = {bp!r}; expected a whole number of bp, such as 128")
        return {key: {"window": bp, "alter": window(bp)}}
    if key == "batch":
        share = given["batch"]
        if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0.5 <= share <= 1:
            raise ConfigError(f"{where}: batch = {share!r}; expected a share from 0.5, which says nothing, to 1")
        if task.kind != "classification" or not task.trainable:
            raise ConfigError(f"{where}: batch is for classes that are trained on; this task has none")
        return {key: {"batch": float(share), "alter": confounded(float(share))}}
    try:
        names = changes_from(given["perturb"])
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    metric = task.metrics[0]
    if ":" in metric:
        raise ConfigError(f"{where}: perturb compares one score with another, and {metric!r} is one over strata")
    scopes = (f"{STATE}={PERTURBED}", f"{STATE}={CLEAN}", *(f"{INPUT}={CLEAN}-{name}" for name in names))
    return {key: {"alter": perturbed(names), "metrics": tuple(f"{metric}:{scope}" for scope in scopes)}}


def _rule(where: str, given: Mapping[str, Any], rules: Mapping[str, Any]) -> SplitRule:
    name = given["split"]
    if name not in rules:
        near = nearest(str(name), rules)
        advice = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(rules)}"
        raise ConfigError(f"{where}: split = {name!r}; {advice}")
    arguments = {k: v for k, v in given.items() if k not in WITH_ANY_SPLIT}
    check_keys(arguments, [f.name for f in fields(rules[name])], f"{where}, split {name}")
    check_values(arguments, rules[name], f"{where}, split {name}:")
    try:
        rule: SplitRule = rules[name](**arguments)
    except (TypeError, ConfigError) as error:
        raise ConfigError(f"{where}, split {name}: {error}") from None
    return rule


def _with_families(where: str, rule: SplitRule, similarity: Any) -> SplitRule:
    if not isinstance(similarity, (int, float)) or isinstance(similarity, bool):
        raise ConfigError(f"{where}: cluster_similarity = {similarity!r}; expected a number, such as 0.8")
    try:
        return with_families(rule, float(similarity))
    except ConfigError as error:
        raise ConfigError(f"{where}: cluster_similarity: {error}") from None


def _plain(value: Any) -> str:
    """Return a value as text that can be part of a folder's name."""
    text = "+".join(map(_plain, value)) if isinstance(value, tuple) else str(value)
    return re.sub(r"[^\w.+-]", "_", text)
