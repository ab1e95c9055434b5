"""The baseline over which the gains of a column are taken, chosen without a look at the test set where that can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..records import Record
from .table import Cell, Column, Row
from .tuning import heights_on_valid
from .wording import sign_of


def with_floor(
    column: Column, scored: Sequence[Row], cells: Mapping[Row, Cell], records: Mapping[Row, Record], given: str
) -> Column:
    """Return the column with its best baseline, and with how many examples and clusters it has.

    `scored` are the rows that are compared. The baseline is the one `given`, or the one that the records declare; else
    it is chosen by scores on valid, if all baselines of the column have one by the same metric, else by those on test.
    """
    if not scored:
        return column
    first = cells[scored[0]].estimates[0]
    column = replace(column, n=first.n, n_clusters=first.n_clusters)
    sign, floor = sign_of(column), [row for row in scored if row.kind == "baseline"]
    if not floor or not sign:
        return column
    declared = given or " or ".join(sorted({r.baseline for r in records.values() if r.baseline}))
    named = [row for row in floor if is_named(row, declared)]
    on_valid = heights_on_valid([records[row] for row in named or floor])
    heights = on_valid or [sign * (cells[row].value or 0.0) for row in named or floor]
    best = max(zip(heights, [row.name for row in named or floor], strict=True))[1]
    chosen_on = "test" if on_valid is None else "valid"
    if named:
        chosen_on = "given" if given else "declared"
    return replace(column, best_baseline=best, chosen_on=chosen_on, declared=declared)


def is_named(row: Row, name: str) -> bool:
    """Return whether a row is meant by its name in the table, its model, or MODEL:MODE."""
    return name in (row.name, row.model, f"{row.model}:{row.mode}")
