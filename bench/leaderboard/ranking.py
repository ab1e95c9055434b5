"""The rows of one column compared with each other: gains over others, and ranks as far as they are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..records import Record
from ..statistics import ALPHA, Difference, holm, may_be_best, rank_intervals, surely_better
from ..types import StrArray
from .comparisons import Every, Gain, gain_of, is_preliminary
from .pairs import differences_of
from .table import Column, Row


@dataclass(frozen=True)
class Compared:
    """What the `cells` of a column get, by row, with gains unadjusted; and the pairs of names (better, worse).

    A pair is there where the two rows are told apart.
    """

    cells: Mapping[Row, Mapping[str, Any]]
    better: frozenset[tuple[str, str]]


def compared(
    column: Column,
    records: Mapping[Row, Record],
    baselines: Iterable[Row],
    twins: Mapping[Row, str],
    ids: StrArray | None,
    *,
    sign: int,
) -> Compared:
    """Return what the comparison of a column's rows gives: ranks, and gains over baselines and over `twins`.

    `records` are those with an interval, over the examples with these `ids`; `baselines` are all that are compared.
    `sign` is -1 where lower is better.
    """
    rows = list(records)
    of_pair = differences_of(list(records.values()), column.metric, ids)
    at = {row.name: i for i, row in enumerate(rows)}
    few = [is_preliminary(r) for r in records.values()]

    def gain(row: Row, over: str) -> Gain | None:
        i, j = at[row.name], at.get(over)
        if j is None or i == j:
            return None
        d = of_pair[i, j] if i < j else of_pair[j, i].turned
        return gain_of(d, sign=sign, over=over, preliminary=few[i] or few[j])

    def every(i: int, others: Sequence[str]) -> Every | None:
        if not others:
            return None
        # The claim fails if one of its parts does, so that none of them is corrected for the others (Berger 1982,
        # Technometrics 24:295).
        known = [at[name] for name in others if name in at]
        sides = [_one_sided(of_pair[i, j], sign) if i < j else _one_sided(of_pair[j, i], -sign) for j in known]
        found = [p for p in sides if p is not None]
        largest = max(found) if len(found) == len(others) else None
        return Every(len(others), largest, preliminary=any(few[i] or few[j] for j in known))

    gains, p = np.full((2, len(rows), len(rows)), np.nan)
    for (i, j), d in of_pair.items():
        gains[i, j] = sign * d.value
        if d.p is not None and not few[i] and not few[j]:
            p[i, j] = d.p
    better = surely_better(gains, p)
    lowest, highest = rank_intervals(better)
    regimes = np.array([row.regime for row in rows])
    best, leads = may_be_best(gains, p), may_be_best(gains, p, among=regimes[:, None] == regimes)
    floor = [row.name for row in baselines]
    out: dict[Row, dict[str, Any]] = {}
    for i, row in enumerate(rows):
        out[row] = {"rank": int(lowest[i]), "rank_high": int(highest[i])}
        out[row] |= {"best": bool(best[i]), "best_of_regime": bool(leads[i]), "untested": few[i]}
        if row.kind != "baseline":
            out[row] |= {"gain": gain(row, column.best_baseline), "every": every(i, floor)}
        if row in twins:
            out[row]["twin_gain"] = gain(row, twins[row])
    named = frozenset((rows[i].name, rows[j].name) for i, j in zip(*np.nonzero(better), strict=True))
    return Compared(out, named)


def _one_sided(d: Difference, sign: int) -> float | None:
    """Return the p-value of the difference, by this sign, not being above 0; None where it has none."""
    return None if d.p is None else d.p / 2 if sign * d.value > 0 else 1 - d.p / 2


def every_adjusted(claims: Sequence[Every]) -> list[Every]:
    """Return the claims with p-values adjusted for each other (Holm 1979), and whether they hold."""
    p_adjusted = iter(holm([claim.p for claim in claims if claim.p is not None]))
    out = []
    for claim in claims:
        p = None if claim.p is None else next(p_adjusted)
        out.append(replace(claim, p_adjusted=p, better=p is not None and p < ALPHA and not claim.preliminary))
    return out
