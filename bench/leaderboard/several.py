"""Records of several folders as one set: a run that was made more than once counts once, unless its results differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..records import Record
from .wording import number

_FEW = 3


@dataclass(frozen=True)
class Conflict:
    """Two records of one run that are both done and have other results, and what differs, in words."""

    first: Record
    second: Record
    differs: str

    def __str__(self) -> str:
        spec = self.first.spec
        where = " and ".join(str(r.path or "in memory") for r in (self.first, self.second))
        return f"run {self.first.hash} ({spec.model} · {spec.mode} on {spec.task}) differs in {where}: {self.differs}"


def united(records: Iterable[Record]) -> list[Record]:
    """Return a record for each run, in the order given. Raises DataError, naming both, where results of a run differ.

    Of a run that failed in one place and is done in another, the record that is done is returned.
    """
    chosen, conflicts = resolved(records)
    if conflicts:
        more = f"; and {len(conflicts) - _FEW} more" if len(conflicts) > _FEW else ""
        listed = "; ".join(map(str, conflicts[:_FEW]))
        raise DataError(f"{listed}{more}; name fewer folders, or decide: `baserate merge A B --out C --prefer A`")
    return chosen


def resolved(records: Iterable[Record]) -> tuple[list[Record], list[Conflict]]:
    """Return a record for each run, the first that is done where there is one, and those whose results differ from it.

    Records of one run agree where their scores and estimates are the same: seconds and machines may be others.
    """
    chosen: dict[str, Record] = {}
    conflicts = []
    for record in records:
        first = chosen.setdefault(record.hash, record)
        if first.status != "done" and record.status == "done":
            chosen[record.hash] = record
        elif first is not record and first.status == record.status == "done" and (what := _difference(first, record)):
            conflicts.append(Conflict(first, record, what))
    return list(chosen.values()), conflicts


def _difference(a: Record, b: Record) -> str:
    """Return, in words, how the results of two records of one run differ; '' where they do not."""
    if a.digest and a.digest == b.digest:
        return ""
    for x, y in zip(a.estimates, b.estimates, strict=False):
        if (x.metric, x.value) != (y.metric, y.value):
            return f"{x.metric} {number(x.value)} and {number(y.value)}"
    if a.predictions_digest != b.predictions_digest:
        p, q = a.predictions, b.predictions
        if p.scores.shape != q.scores.shape or list(p.ids) != list(q.ids):
            return "the test examples"
        if not np.array_equal(p.scores, q.scores, equal_nan=True):
            apart = np.abs(p.scores - q.scores)
            return f"scores, by up to {np.max(apart, initial=0, where=np.isfinite(apart)):.2g}"
        if not np.array_equal(p.targets, q.targets) or list(p.clusters) != list(q.clusters):
            return "targets or clusters"
    if a.estimates != b.estimates:
        return "intervals" if len(a.estimates) == len(b.estimates) else "the metrics"
    return ""
