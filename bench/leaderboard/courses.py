"""Scores by pretraining: what the checkpoints of a training score, and what the last gained over the first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..records import Record
from ..types import StrArray
from .comparisons import adjusted, difference_of, gain_of, is_preliminary
from .table import Cell, Column, Course, Row
from .wording import sign_of

Key = tuple[str, str, str, str]


def courses_of(
    rows: Sequence[Row],
    cells: Mapping[tuple[Row, Column], Cell],
    records: Mapping[tuple[Row, Column], Record],
    ids: Mapping[Column, StrArray | None],
    better: Mapping[str, frozenset[tuple[str, str]]],
) -> tuple[Course, ...]:
    """Return the courses of all trainings whose checkpoints say how many bases they had seen, by column and mode.

    `ids` are those of the compared examples of each column, None for all, and `better` the pairs of rows, by the name
    of the column, of which the first is surely better. The gains are adjusted for each other. Where the first
    checkpoint is random weights, one draw of them, the gain is over the twin, which has several, if that is there.
    """
    found: dict[tuple[Column, Key], dict[int, Row]] = defaultdict(dict)
    operations: dict[Row, float] = {}
    for (row, column), r in sorted(records.items(), key=lambda item: item[0][0].name):
        training = r.model.get("training")
        if training and column.metrics and sign_of(column) and cells[row, column].compared:
            operations[row] = float(training["operations"])
            key = str(training["name"]), str(training["config"]), row.mode, row.detail
            found[column, key].setdefault(int(training["bases"]), row)
    labels = _labels({key for _, key in found})
    by_name = {row.name: row for row in rows}
    out = []
    for (column, key), at in sorted(found.items(), key=lambda item: (item[0][0].name, item[0][1])):
        bases, members = zip(*sorted(at.items()), strict=True)
        last = members[-1]
        first = members[0] if bases[0] else by_name.get(_twin(cells[last, column]), members[0])
        gain = None
        if len(members) > 1 and all(cells[row, column].estimates[0].low is not None for row in (first, last)):
            pair = records[last, column], records[first, column]
            d = difference_of(*pair, column.metric, ids[column])
            # One draw of random weights is one training, of no steps.
            few = is_preliminary(*pair) or (first is members[0] and not bases[0])
            gain = gain_of(d, sign=sign_of(column), over=first.name, preliminary=few)
        names, costs = tuple(row.name for row in members), tuple(operations[row] for row in members)
        out.append(Course(column.name, labels[key], key[2], names, bases, costs, gain))
    gains = iter(adjusted([course.gain for course in out if course.gain]))
    settled = [replace(course, gain=next(gains)) if course.gain else course for course in out]
    return tuple(replace(course, over=_over(course, settled, better)) for course in settled)


def _twin(cell: Cell) -> str:
    """Return the row of the same network with random weights, drawn for each seed; '' where there is none."""
    return cell.twin_gain.over if cell.twin_gain else ""


def _labels(keys: set[Key]) -> dict[Key, str]:
    """Return what trainings are called: by name, with the start of the configuration's digest where two share one."""
    count = Counter(name for name, _ in {key[:2] for key in keys})
    return {
        key: key[0] + (f"@{key[1][:8]}" if count[key[0]] > 1 else "") + (f" ({key[3]})" if key[3] else "")
        for key in keys
    }


def _over(
    course: Course, courses: Sequence[Course], better: Mapping[str, frozenset[tuple[str, str]]]
) -> tuple[str, ...]:
    """Return the trainings whose last checkpoint is surely worse than that of `course`, in its column and mode."""
    pairs = better.get(course.column, frozenset())
    return tuple(
        other.training
        for other in courses
        if (other.column, other.mode) == (course.column, course.mode) and (course.rows[-1], other.rows[-1]) in pairs
    )
