"""Scores by window: what a row scores on a task where it sees so many bases about the middle, and what more bring."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from ..records import Record
from ..types import StrArray
from .comparisons import difference_of
from .table import Area, Cell, Column, Curve, Row
from .wording import sign_of

AXIS = "window (bp)"


def windows_of(
    rows: Sequence[Row],
    cells: Mapping[tuple[Row, Column], Cell],
    records: Mapping[tuple[Row, Column], Record],
    ids: Mapping[Column, StrArray | None],
) -> tuple[Curve, ...]:
    """Return the curves of tasks with all examples that stand in several columns by their window, one a protocol.

    The area of a row is how much better it is in its widest window than in its narrowest, paired on the same examples;
    `ids` are those of the compared examples of each column, None for all.
    """
    by_task: dict[tuple[object, ...], dict[int, Column]] = defaultdict(dict)
    for c in dict.fromkeys(column for _, column in cells):
        if c.window and c.metrics and not c.shots:
            key = c.whole, c.metric, c.seeds, c.train_fraction, c.transform, c.budget, c.resample
            by_task[key].setdefault(c.window, c)
    out = []
    for (task, metric, *_), by_window in by_task.items():
        if len(by_window) < 2:
            continue
        sizes, members = zip(*sorted(by_window.items()), strict=True)
        gains = {}
        for row in rows:
            scored = [c for c in members if cells[row, c].compared]
            if scored:
                gains[row.name] = _gain(row, members, scored, records, ids)
        names = tuple(c.name for c in members)
        budget = members[0].budget
        curve = Curve(str(task), str(metric), names, sizes, tuple(gains), tuple(gains.values()), budget, AXIS)
        out.append(curve)
    return tuple(out)


def _gain(
    row: Row,
    members: Sequence[Column],
    scored: Sequence[Column],
    records: Mapping[tuple[Row, Column], Record],
    ids: Mapping[Column, StrArray | None],
) -> Area:
    narrow, wide = members[0], members[-1]
    if missing := [f"{c.window:,}" for c in (narrow, wide) if c not in scored]:
        return Area(None, None, None, f"no score in a window of {' or '.join(missing)} bp")
    one, other = ids[wide], ids[narrow]
    alike = np.array_equal(one, other) if one is not None and other is not None else one is other
    if not alike:
        return Area(None, None, None, "the windows cover different test examples")
    d = difference_of(records[row, wide], records[row, narrow], wide.metric, one)
    gain = d if sign_of(wide) >= 0 else d.turned
    return Area(gain.value, gain.low, gain.high, gain.reason)
