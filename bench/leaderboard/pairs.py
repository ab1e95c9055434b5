"""The rows of a column compared two by two: every difference once, from which gains and ranks are taken."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence

from ..metrics import Expression, parse
from ..records import Record
from ..results import Predictions
from ..statistics import (
    FEW_DIFFER,
    Difference,
    Groups,
    aligned,
    comparable,
    groups_of,
    paired_seeds,
    unlike_clusters,
)
from ..types import FloatArray, StrArray
from .cache import ids_key, is_intact, pairs_file, read_differences, write_differences
from .common import restricted
from .comparisons import difference_by, jackknife_of

Differences = Mapping[tuple[int, int], Difference]
"""Those of rows i < j: the first minus the second."""


def differences_of(records: Sequence[Record], metric: str, ids: StrArray | None) -> Differences:
    """Return the differences of all pairs of records over the examples with these `ids`, cached together.

    Each is as `difference_of` makes it, but jackknives and predictions are read once for all.
    """
    pairs = list(itertools.combinations(range(len(records)), 2))
    file = pairs_file(records, metric, *ids_key(ids)) if pairs and all(map(is_intact, records)) else None
    known = None if file is None else read_differences(file)
    if known is None:
        known = _made(records, pairs, metric, ids)
        if file is not None:
            write_differences(file, known)
    return dict(zip(pairs, known, strict=True))


def _made(
    records: Sequence[Record], pairs: Sequence[tuple[int, int]], metric: str, ids: StrArray | None
) -> list[Difference]:
    column = _Scores(records, metric, ids)
    made = [jackknife_of(r, metric, ids, read=functools.partial(column.read, i)) for i, r in enumerate(records)]
    return [
        difference_by(
            (records[i], records[j]),
            (made[i], made[j]),
            metric,
            ids,
            may_differ_in_few=functools.partial(column.differ_in_few, i, j),
        )
        for i, j in pairs
    ]


class _Scores:
    """The comparable scores of a column's records; predictions are read when one of them is asked for, once."""

    def __init__(self, records: Sequence[Record], metric: str, ids: StrArray | None) -> None:
        self._records, self._metric, self._ids = records, metric, ids
        self._scores: dict[int, FloatArray] = {}

    @functools.cached_property
    def _first(self) -> tuple[Predictions, Expression, Groups]:
        """The predictions in whose order the others are set, with the expression and the groups."""
        first = restricted(self._records[0].predictions, self._ids)
        expression = parse(self._metric, first.strata)
        return first, expression, groups_of(first, expression)

    def read(self, i: int) -> Predictions:
        """Return the predictions of a record, whose comparable scores are then known."""
        first, expression, groups = self._first
        predictions = restricted(self._records[i].predictions, self._ids) if i else first
        self._scores[i] = comparable(aligned(predictions, first), expression, groups)
        return predictions

    def _of(self, i: int) -> FloatArray:
        if i not in self._scores:
            self.read(i)
        return self._scores[i]

    def differ_in_few(self, i: int, j: int) -> bool:
        """Return whether two of the records differ in fewer clusters than `FEW_DIFFER`."""
        groups = self._first[2]
        left, right = paired_seeds(self._of(i), self._of(j))
        # Where the first seeds differ in many, so do all together.
        return all(len(unlike_clusters(left[:n], right[:n], groups)) < FEW_DIFFER for n in (1, len(left)))
