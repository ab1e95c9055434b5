"""A task's rows as one table, and the TOML card that reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..card_text import toml_value
from ..splits import predefined
from ..types import Examples, Split, Task

_NOTE = re.compile(
    r" ?\bVersion \d+ of \S+, cleaned: .*?test [\d,]+ \(was [\d,]+\)\."  # as it was written before
    r"| ?\bVersion \d+: \S+ (?:split anew by families, )?with(?:out [\d,]+| all) of its [\d,]+ rows\."
)
"""The note on an earlier cleaning in a description."""


def table_columns(task: Task, split: Split) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns of the table, and the keys of [source] that name them.

    Strata keep their names, since metrics may refer to them; a column of ours whose name is taken gets another. The
    stratum that held the parts is left out.
    """
    parts = [(part, e) for part, e in split if len(e)]
    old = getattr(task.split, "rule", task.split)  # what with_valid carves from
    split_by = old.column if isinstance(old, predefined) else ""
    strata = [name for name in parts[0][1].strata if name != split_by and all(name in e.strata for _, e in parts)]
    taken = set(strata)

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    columns: dict[str, Any] = {}
    names: dict[str, Any] = {}

    def add(key: str, name: str, values: Any) -> None:
        names[key] = free(name)
        columns[names[key]] = values

    def joined(values: Any) -> list[str]:
        return [str(v) for _, e in parts for v in values(e)]

    add("id", "id", joined(lambda e: e.ids))
    add("sequence", "sequence", joined(lambda e: e.inputs.sequences))
    if parts[0][1].inputs.alternates is not None:
        add("alternate", "alternate", joined(lambda e: e.inputs.alternates))
    _add_targets(task, [e for _, e in parts], free, columns, names)
    add("group", "group", joined(lambda e: e.groups))
    add("cluster", "cluster", joined(lambda e: e.clusters))
    part = free("part")
    columns[part] = [name for name, e in parts for _ in range(len(e))]
    for name in strata:
        columns[name] = joined(lambda e, name=name: e.strata[name])
    if all(e.intervals is not None for _, e in parts):
        for name in ("chrom", "start", "end", "strand"):
            columns[free(name)] = joined(lambda e, name=name: getattr(e.intervals, name))
    return columns, names | {"strata": [*strata, part]}


def _add_targets(
    task: Task, parts: Sequence[Examples], free: Any, columns: dict[str, Any], names: dict[str, Any]
) -> None:
    if task.kind == "paired":
        return
    targets = np.concatenate([e.targets for e in parts])
    if task.kind in ("multilabel", "regression") and targets.ndim == 2:
        labels = [free(f"label{j}" if not task.classes else task.classes[j]) for j in range(targets.shape[1])]
        columns |= {
            name: [str(int(v)) if task.kind == "multilabel" else repr(float(v)) for v in targets[:, j]]
            for j, name in enumerate(labels)
        }
        names["target"] = labels
        return
    names["target"] = free("label")
    if task.kind == "classification":
        columns[names["target"]] = [task.classes[int(t)] for t in targets]
    elif task.kind == "generation":
        columns[names["target"]] = ["".join("ACGT"[int(b)] for b in row) for row in targets]
    else:
        columns[names["target"]] = [repr(float(t)) for t in targets]


def card_text(task: Task, split: Split, names: Mapping[str, Any], note: str, changes: Sequence[str]) -> str:
    """Return the text of the card of the task's next version.

    Its description is the task's own with a `note` of one sentence, in place of that of an earlier cleaning; `changes`
    are comments.
    """
    card: dict[str, Any] = {
        "name": task.name,
        "version": task.version + 1,
        "kind": task.kind,
        "classes": list(task.classes),
        "metrics": list(task.metrics),
        "published": task.published,
        "description": f"{_NOTE.sub('', task.description)} Version {task.version + 1}: {note}".strip(),
        "citation": task.citation,
        "licence": task.licence,
        "origin": task.origin,
        "species": list(task.species),
        "assembly": list(task.assembly),
        "zero_shot": list(task.zero_shot),
        "transform": "" if task.transform == "none" else task.transform,
    }
    lines = [
        "# Written by `baserate resplit`; removed.csv lists every removed row.",
        *(f"# {s}" for s in changes),
        "",
    ]
    lines += [f"{key} = {toml_value(value)}" for key, value in card.items() if value not in ("", [])]
    if task.deleterious is not None:
        lines.append(f"deleterious = {toml_value(task.deleterious)}")
    lines += ["", "[source]", f"table = {toml_value(task.name + '.parquet')}"]
    lines += [f"{key} = {toml_value(value)}" for key, value in names.items() if value]
    lines += ["", "[split]", 'rule = "predefined"', f"column = {toml_value(names['strata'][-1])}"]
    lines += ["", "[expect]", *(f"{part} = {len(e)}" for part, e in split)]
    return "\n".join(lines) + "\n"
