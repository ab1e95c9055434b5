"""Test examples with what rows predicted for them: a few on a task's page, and those of any two rows to compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..files import writable
from ..leaderboard.table import Column
from ..leaderboard.wording import number
from .names import page_of, row_title
from .predicted import Predicted, few_of
from .scores import script

AT_MOST = 1000
"""The most examples of a task that the site holds; of more, as many are taken, evenly spaced over the test part."""
_STEPS = 999
_SHOWN, _LONGEST = 6, 60
_STRATA = 3


def examples_file(column: Column) -> str:
    """Return the name of the script with a task's examples."""
    return page_of("", f"{column.name} examples").strip("/").removesuffix(".html")


def examples_script(found: Sequence[Predicted], column: Column) -> str:
    """Return the script with the examples of a task and each row's scores on them, in steps of a 999th of its range."""
    p = found[0].predictions
    at = np.linspace(0, len(p.ids) - 1, min(AT_MOST, len(p.ids))).astype(int)
    value = {
        "n": len(p.ids),
        "what": {row.at: what_of(row) for row in found},
        "classes": [str(name) for name in found[0].record.task.get("classes") or ()] if found[0].classes else [],
        "ids": [_short(str(p.ids[i])) for i in at],
        "targets": [target_of(found[0], int(i)) for i in at],
        "rows": {row.at: _steps(row.scores, at) for row in found},
    }
    return script(examples_file(column), value)


def what_of(p: Predicted) -> str:
    """Return what a row's score of an example is, in words."""
    if p.is_probability:
        names = p.record.task.get("classes") or ()
        last = names[-1] if names else "the last class"
        return "probability of the true class" if p.classes > 2 else f"probability of {last}"
    return "predicted value" if p.record.scaled else "score"


def target_of(p: Predicted, at: int) -> str:
    """Return the target of an example as text: its class or its value."""
    target, names = p.predictions.targets[at], p.record.task.get("classes") or ()
    if p.classes:
        return str(names[int(target)]) if int(target) < len(names) else str(int(target))
    return number(float(target)) if np.ndim(target) == 0 else f"{np.size(target)} values"


def examples_view(found: Sequence[Predicted], column: Column) -> dict[str, Any] | None:
    """Return a few examples of a task, evenly spaced over the test part, None where no predictions are there.

    Each has its id, target and strata, and the scores of the rows to look at first, which are means over seeds.
    """
    if not found:
        return None
    p, few = found[0].predictions, few_of(found, column)
    strata = list(p.strata)[:_STRATA]
    at = np.unique(np.linspace(0, len(p.ids) - 1, min(_SHOWN, len(p.ids))).astype(int))
    return {
        "strata": strata,
        "heads": [(row_title(row.row), what_of(row)) for row in few],
        "n": f"{len(p.ids):,}",
        "rows": [
            {
                "id": _short(str(p.ids[i])),
                "target": target_of(found[0], int(i)),
                "strata": [_short(str(p.strata[name][i])) for name in strata],
                "scores": [number(_known(row.scores[i])) for row in few],
            }
            for i in at
        ],
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _short(text: str) -> str:
    """Return the text, cut where it is longer than a line."""
    text = writable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _steps(scores: Any, at: Any) -> list[Any]:
    """Return the ends of a row's scores and the scores between them in whole steps, null where there is none."""
    good = np.isfinite(scores)
    low, high = (float(scores[good].min()), float(scores[good].max())) if good.any() else (0.0, 1.0)
    width = high - low or 1.0
    steps = [round(_STEPS * (float(s) - low) / width) if np.isfinite(s) else None for s in scores[at]]
    return [float(f"{low:.4g}"), float(f"{high:.4g}"), steps]
