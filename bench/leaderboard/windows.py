"""Scores of one task under several alterations: by window, and by the strength of an artefact in training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from ..records import Record
from ..types import StrArray
from .comparisons import difference_of
from .table import Area, Cell, Column, Curve, Row
from .wording import sign_of

AXIS, BATCH = "window (bp)", "classes told by the artefact (%)"


def windows_of(
    rows: Sequence[Row],
    cells: Mapping[tuple[Row, Column], Cell],
    records: Mapping[tuple[Row, Column], Record],
    ids: Mapping[Column, StrArray | None],
) -> tuple[Curve, ...]:
    """Return the curves of tasks that stand in several columns by their window or artefact, one a protocol.

    The area of a row is how much better it is in the last of them than in the first, paired on the same test examples;
    `ids` are those of the compared examples of each column, None for all.
    """
    by_task: dict[tuple[object, ...], dict[int, Column]] = defaultdict(dict)
    for c in dict.fromkeys(column for _, column in cells):
        axis, at = (AXIS, c.window) if c.window else (BATCH, round(100 * c.batch))
        if at and c.metrics and not c.shots:
            key = axis, c.whole, c.metric, c.seeds, c.train_fraction, c.transform, c.budget, c.resample
            by_task[key].setdefault(at, c)
    out = []
    for (axis_of_task, task, metric, *_), by_size in by_task.items():
        if len(by_size) < 2:
            continue
        sizes, members = zip(*sorted(by_size.items()), strict=True)
        gains = {}
        for row in rows:
            scored = [c for c in members if cells[row, c].compared]
            if scored:
                gains[row.name] = _gain(row, members, scored, records, ids)
        names = tuple(c.name for c in members)
        about = str(task), str(metric), names, sizes, tuple(gains), tuple(gains.values()), members[0].budget
        out.append(Curve(*about, axis=str(axis_of_task)))
    return tuple(out)


def _gain(
    row: Row,
    members: Sequence[Column],
    scored: Sequence[Column],
    records: Mapping[tuple[Row, Column], Record],
    ids: Mapping[Column, StrArray | None],
) -> Area:
    first, last = members[0], members[-1]
    if missing := [c.name for c in (first, last) if c not in scored]:
        return Area(None, None, None, f"no score on {' or '.join(missing)}")
    one, other = ids[last], ids[first]
    alike = np.array_equal(one, other) if one is not None and other is not None else one is other
    if not alike:
        return Area(None, None, None, "the two cover different test examples")
    d = difference_of(records[row, last], records[row, first], last.metric, one)
    gain = d if sign_of(last) >= 0 else d.turned
    return Area(gain.value, gain.low, gain.high, gain.reason)
