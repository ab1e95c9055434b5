"""What records say about tuning: the budget under which they are compared, what valid chose, and how good it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..records import Record
from ..results import value_text
from .wording import better


def budgets_of(records: Iterable[Record]) -> list[int]:
    """Return the budgets that have a column of their own, in order: those of what can be tuned, or 1 if nothing can."""
    return sorted({r.spec.budget for r in records if not _has_nothing_to_tune(r)}) or [1]


def under(budget: int, records: Sequence[Record]) -> list[Record]:
    """Return the records that are compared under a budget of so many trials.

    What has nothing to tune is what it would be under any budget, unless the same run was tuned under this one. A
    trained record from before this was stored was not tuned, and may have had something to tune.
    """
    tuned = {untuned(r) for r in records if r.spec.budget == budget > 1}
    return [r for r in records if r.spec.budget == budget or (_has_nothing_to_tune(r) and r.hash not in tuned)]


def untuned(record: Record) -> str:
    """Return the hash of the same run under its defaults: that of the record itself, unless it was tuned."""
    versions = {part: version for part, version in record.spec.versions.items() if part != "trials"}
    return replace(record.spec, budget=1, versions=versions).hash


def _has_nothing_to_tune(r: Record) -> bool:
    return r.spec.budget == 1 and (not r.spec.train_fraction or (r.searched is not None and not r.searched))


def n_trials(record: Record) -> int | None:
    """Return how many trials were made; None for a record that does not say or whose mode chooses nothing."""
    return max(1, len(record.choices[0].trials)) if record.choices and record.spec.train_fraction else None


def valid_score(record: Record) -> tuple[str, float | None]:
    """Return the metric of the score on valid, and its mean over seeds; ('', None) for a record without one.

    The mean is None where a seed has no score.
    """
    if not record.choices:
        return "", None
    values = [choice.valid for choice in record.choices if choice.valid is not None]
    return record.choices[0].metric, sum(values) / len(values) if len(values) == len(record.choices) else None


def chosen_in_short(record: Record) -> str:
    """Return what was chosen on valid, such as 'lr 0.0003, epoch 3/5': a value for each seed where they differ."""
    names = sorted({name for choice in record.choices or () for name in choice.chosen})
    out = []
    for name in names:
        values = [value_text(choice.chosen.get(name)) for choice in record.choices or ()]
        out.append(f"{name} {values[0] if len(set(values)) == 1 else '/'.join(values)}")
    return ", ".join(out)


def heights_on_valid(records: Sequence[Record]) -> list[float] | None:
    """Return the scores on valid, signed so that higher is better, by which these records can be compared.

    None where one has none, they are of different metrics, or none of them is defined. One that is undefined is lowest.
    """
    scores = [valid_score(r) for r in records]
    metrics = {metric for metric, _ in scores}
    sign = {"higher": 1, "lower": -1, "": 0}[better(metrics.pop())] if len(metrics) == 1 else 0
    if not sign or all(value is None for _, value in scores):
        return None
    return [float("-inf") if value is None else sign * value for _, value in scores]
