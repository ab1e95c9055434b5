"""The rows of a column compared two by two: every difference once, from which gains and ranks are taken."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence

from ..metrics import parse
from ..records import Record
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
    made, few = [jackknife_of(r, metric, ids) for r in records], _few_unlike(records, metric, ids)
    return [
        difference_by(
            (records[i], records[j]), (made[i], made[j]), metric, ids, may_differ_in_few=functools.partial(few, i, j)
        )
        for i, j in pairs
    ]


def _few_unlike(records: Sequence[Record], metric: str, ids: StrArray | None) -> Callable[[int, int], bool]:
    """Return what says whether two of the records differ in few clusters; predictions are read when it is called."""

    @functools.cache
    def scores() -> tuple[list[FloatArray], Groups]:
        first = restricted(records[0].predictions, ids)
        expression = parse(metric, first.strata)
        groups = groups_of(first, expression)
        every = [aligned(restricted(r.predictions, ids), first) for r in records]
        return [comparable(p, expression, groups) for p in every], groups

    def few(i: int, j: int) -> bool:
        made, groups = scores()
        return len(unlike_clusters(*paired_seeds(made[i], made[j]), groups)) < FEW_DIFFER

    return few
