"""Scores by how rare positives are: one set of predictions at every share, and where the order of two rows turns."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from ..metrics.rare import share_of
from ..records import Record
from ..types import StrArray
from .comparisons import Gain, adjusted, difference_of, gain_of, is_preliminary
from .table import Area, Cell, Column, Curve, Row, Turn

RARITY, SHARE = "positives in 10,000", "AUPRC at that share"


def shares_in(column: Column) -> dict[float, str]:
    """Return the metrics of a column that are about a share of positives, by that share, the largest first."""
    known = {share: metric for metric in column.metrics if (share := share_of(metric)) is not None}
    return dict(sorted(known.items(), reverse=True))


def rarity_of(rows: Sequence[Row], cells: Mapping[tuple[Row, Column], Cell]) -> tuple[Curve, ...]:
    """Return the curves of columns whose metrics are about several shares of positives."""
    out = []
    for column in dict.fromkeys(column for _, column in cells):
        known = dict(sorted(shares_in(column).items()))
        shown = tuple(row.name for row in rows if cells[row, column].compared)
        if len(known) > 1 and shown:
            sizes = tuple(round(10_000 * share) for share in known)
            about = column.name, column.metric, (column.name,) * len(known), sizes, shown
            areas = tuple(Area(None, None, None) for _ in shown)
            out.append(Curve(*about, areas, column.budget, RARITY, tuple(known.values())))
    return tuple(out)


def turns_of(
    rows: Sequence[Row],
    cells: Mapping[tuple[Row, Column], Cell],
    records: Mapping[tuple[Row, Column], Record],
    ids: Mapping[Column, StrArray | None],
) -> tuple[Turn, ...]:
    """Return the pairs of rows whose order at the largest share of positives is another at a smaller one.

    Each has the two differences, paired; their p-values are adjusted for those of all pairs at all shares, as if the
    others were 1: a pair that does not turn could not be found to.
    """
    found: list[tuple[Column, Row, Row, str, str]] = []
    gains: list[Gain] = []
    n = 0
    for column in dict.fromkeys(column for _, column in cells):
        shares = list(shares_in(column).values())
        scored = [row for row in rows if len(shares) > 1 and cells[row, column].compared]
        for one, other in itertools.combinations(scored, 2):
            pair = records[one, column], records[other, column]
            n += 2 * (len(shares) - 1)
            for metric in shares[1:]:
                if _apart(cells[one, column], cells[other, column], column, shares[0], metric):
                    found.append((column, one, other, shares[0], metric))
                    few = is_preliminary(*pair)
                    for m in (shares[0], metric):
                        d = difference_of(*pair, m, ids[column])
                        gains.append(gain_of(d, sign=1, over=other.name, preliminary=few))
    unlike = [Gain("", 0.0, None, None, 1.0)] * (n - len(gains))
    settled = adjusted([*gains, *unlike])
    out = []
    for i, (column, one, other, first, metric) in enumerate(found):
        gain, second = settled[2 * i : 2 * i + 2]
        sure = {gain.verdict, second.verdict} == {"better", "worse"}
        out.append(Turn(column.name, one.name, other.name, first, metric, gain, second, sure))
    return tuple(out)


def _apart(one: Cell, other: Cell, column: Column, *metrics: str) -> bool:
    """Return whether two rows are in another order by the second metric than by the first, where both have scores."""
    at = [column.metrics.index(metric) for metric in metrics]
    pairs = [(one.estimates[i].value, other.estimates[i].value) for i in at]
    first, second = (0.0 if a is None or b is None else a - b for a, b in pairs)
    return first * second < 0
