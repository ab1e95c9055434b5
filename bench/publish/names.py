"""The words and the file names of the pages."""

from __future__ import annotations

import re

from ..digests import digest
from ..files import writable
from ..leaderboard.table import Column, Row
from ..leaderboard.wording import arrow, label

MODES = {
    "zero_shot": "zero-shot",
    "as_is": "as is",
    "linear_probe": "probe",
    "fine_tune": "fine-tuned",
    "from_scratch": "from scratch",
}
VERDICTS = {
    "better": "better",
    "preliminary": "preliminary",
    "tie": "not told apart",
    "worse": "worse",
    "": "not tested",
}


def page_of(folder: str, name: str) -> str:
    """Return the file of the page of a task or model: the same for the same name, and of plain letters only."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    return f"{folder}/{plain or 'page'}-{digest(name)[:6]}.html"


def mode_name(mode: str) -> str:
    """Return the mode as the pages call it."""
    return MODES.get(mode, mode.replace("_", " "))


def metric_name(metric: str) -> str:
    """Return the metric with the arrow towards better values."""
    return f"{label(metric)} {arrow(metric)}".rstrip()


def short_name(column: Column) -> str:
    """Return the column's name, without the version where that is the first."""
    return re.sub(r"@1\b", "", column.name, count=1)


def row_title(row: Row) -> str:
    """Return the model, with what sets it apart and its mode, on one line."""
    mode = "" if row.kind == "baseline" and row.mode == "from_scratch" else f" · {mode_name(row.mode)}"
    return row.model + mode + (f" ({row.detail})" if row.detail else "")


def plain(text: str) -> str:
    """Return the text on one line, without the signs that XML cannot have."""
    return "".join(sign if sign.isprintable() else "?" for sign in writable(" ".join(text.split())))
