"""What a checkpoint had seen when it was written, by the log beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..digests import digest
from ..errors import BaserateError
from ..types import Training
from .config import read_config

CONFIG, LOG = "pretrain.toml", "log.jsonl"
_ON_THE_WAY = re.compile(r"at_(\d+(?:\.\d+)?)_percent")
_COLUMNS: Mapping[str, str] = {"steps": "step", "bases": "bases", "flops": "flops"}
"""The column of the log that counts each budget; minutes have none."""


def on_the_way(folder: Path) -> float | None:
    """Return the share of its training at which a checkpoint was written, by the folder's name; None for any other."""
    found = _ON_THE_WAY.fullmatch(folder.resolve().name)
    return float(found[1]) / 100 if found else None


def training_of(folder: Path) -> Training | None:
    """Return where a checkpoint of `baserate pretrain` is in its training; None for any other, or where it is unknown.

    The last row of its log says it, or, where that ends before the checkpoint, the log of the whole training in the
    folder above: bases grow in proportion to what is spent.
    """
    folder = folder.resolve()
    if not (folder / CONFIG).is_file() or not (folder / LOG).is_file():
        return None
    share = on_the_way(folder)
    name = folder.name if share is None else folder.parent.name
    try:
        config, rows = read_config(folder / CONFIG), _rows(folder / LOG)
    except (BaserateError, OSError, ValueError):  # files of these names that another program wrote
        return None
    budget, total = config.training.budget
    # Two trainings that differ in their budget alone have rates of their own, and are no one course.
    same = digest(config.identity, budget, str(total))
    if share == 0:
        return Training(name, 0, 0.0, same)
    column = _COLUMNS.get(budget, "")
    if share is not None and column and (not rows or rows[-1][column] < share * total):
        above = folder.parent / LOG
        rows = _until(_rows(above) if above.is_file() else [], column, share * total)
    return Training(name, int(rows[-1]["bases"]), float(rows[-1]["flops"]), same) if rows else None


def _rows(log: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [row for row in rows if isinstance(row, dict) and {"step", "bases", "flops"} <= set(row)]


def _until(rows: Sequence[Mapping[str, Any]], column: str, spent: float) -> list[dict[str, Any]]:
    """Return a row for the moment at which so much of the budget was spent, [] where the log ends before."""
    at = [0.0, *(float(row[column]) for row in rows)]
    if at[-1] < spent:
        return []
    return [{key: np.interp(spent, at, [0.0, *(float(row[key]) for row in rows)]) for key in ("bases", "flops")}]
