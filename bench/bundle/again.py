"""A sample of cells run again, and their scores beside those that were recorded."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from ..errors import BaserateError
from ..evaluate import Worker, evaluate
from ..records import Record
from ..types import Split
from .against_cards import Here
from .finding import Finding, same

_ROUNDING = 1e-6
"""How far scores of one computation may lie apart by the order of its sums."""


def sample(records: Sequence[Record], n: int, seed: int) -> list[Record]:
    """Return `n` of the records that are done, drawn by the seed, in their order; all of them where there are fewer."""
    done = [record for record in records if record.status == "done"]
    drawn = set(random.Random(seed).sample(range(len(done)), min(n, len(done))))
    return [record for i, record in enumerate(done) if i in drawn]


def findings_by_rerun(record: Record, here: Here) -> list[Finding]:
    """Return how the scores of a run made again, without caches, differ from the recorded ones.

    A primary score outside the recorded interval is a fault, one within it is 'changed': another machine's arithmetic
    may train another model. A cell that cannot be run here, or fails, is 'unknown'.
    """
    made = here.cell(record)
    if isinstance(made, str):
        return [Finding("unknown", "rerun", f"not run again: {made}")]
    cell, protocol = made
    split = here.split(cell.task, protocol.limit)
    if not isinstance(split, Split):
        return [Finding("unknown", "rerun", f"not run again: {split}")]
    worker = Worker(protocol, None, audited=False, checked=False)
    try:
        again, predictions = evaluate(cell, worker)
    except BaserateError as error:
        return [Finding("unknown", "rerun", f"not run again: {' '.join(str(error).split())}")]
    except Exception as error:  # noqa: BLE001 - a model of somebody else's fails as it likes; the rest is still verified
        return [Finding("unknown", "rerun", f"failed when run again: {type(error).__name__}: {error}")]
    stated = record.predictions
    if again.hash != record.hash:
        differs = [k for k, v in again.spec.to_json().items() if v != record.spec.to_json().get(k)]
        return [Finding("changed", "rerun", f"run again it is another run: {', '.join(differs)} differ")]
    if predictions.scores.shape != stated.scores.shape or list(predictions.ids) != list(stated.ids):
        return [Finding("fault", "rerun", "run again it scores other examples")]
    apart = np.abs(predictions.scores - stated.scores)
    largest = float(np.max(apart, initial=0, where=np.isfinite(apart)))
    missing = bool((np.isfinite(predictions.scores) != np.isfinite(stated.scores)).any())
    if largest <= _ROUNDING and not missing:
        return []
    first = record.estimates[0]
    other = again.estimate(first.metric)
    value = None if other is None else other.value
    text = (
        f"run again, scores differ by up to {largest:.2g}; {first.metric} is {_text(value)}, not {_text(first.value)}"
    )
    if same(first.value, value):
        return [Finding("changed", "rerun", text)]
    within = None not in (value, first.low, first.high) and first.low <= value <= first.high  # type: ignore[operator]
    return [Finding("changed" if within else "fault", "rerun", text)]


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
