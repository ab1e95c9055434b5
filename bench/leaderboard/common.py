"""The examples on which the rows of a column are compared, where a zero-shot rule could not score all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..records import Record
from ..results import Predictions
from ..statistics import scored_mask
from ..types import StrArray, strings

MIN_SHARE = 0.5
"""The share of a column's examples that a record must score to be compared with the others."""


@dataclass(frozen=True, eq=False)
class Common:
    """The ids of the examples that all compared records score, sorted; None where these are all of them.

    `left_out` counts the other examples; `apart` has the hashes of the records that are not compared.
    """

    ids: StrArray | None = None
    left_out: int = 0
    apart: frozenset[str] = frozenset()


def common_examples(records: Sequence[Record]) -> Common:
    """Return the examples on which the done records of a column are compared: those that each of them scores.

    A record that scores fewer than half of the examples is set apart, so that it does not empty the table for the
    others; where no example would be left, every record that skips some is.
    """
    scored: dict[str, frozenset[str]] = {}
    everything: frozenset[str] = frozenset()
    for r in records:
        if r.skips:
            p = r.predictions
            everything = frozenset(p.ids)
            scored[r.hash] = frozenset(p.ids[scored_mask(p)])
    compared = {h for h, ids in scored.items() if len(ids) >= MIN_SHARE * len(everything)}
    ids = everything.intersection(*(scored[h] for h in compared))
    if not ids:
        return Common(apart=frozenset(scored))
    left_out = len(everything) - len(ids)
    return Common(strings(sorted(ids)) if left_out else None, left_out, frozenset(scored) - compared)


def restricted(predictions: Predictions, ids: StrArray | None) -> Predictions:
    """Return the predictions with no examples scored but those with these ids; None means all."""
    if ids is None:
        return predictions
    selected = np.isin(predictions.ids.astype(str), ids.astype(str))
    return replace(predictions, scored=scored_mask(predictions) & selected)
