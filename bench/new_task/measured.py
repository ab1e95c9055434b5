"""Whether measurements are to be transformed for training, judged by their tails."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..transforms import Tails, heaviest, tails_of
from ..types import FloatArray
from .columns import Column
from .roles import Guess


def propose_transform(columns: Sequence[Column]) -> list[Guess]:
    """Return the key `transform` with its reason where a column of measurements has heavy tails, else nothing."""
    measured = [np.array(list(_numbers(column)), np.float64) for column in columns]
    tails = heaviest([tails_of(values) for values in measured])
    if not tails.heavy:
        return []
    return [Guess("transform", "rank", f"heavy tails: {tails}; {_other(measured)}")]


def _other(measured: Sequence[FloatArray]) -> str:
    """Return what else the key can be, in words."""
    positive = all(values.min() >= 0 for values in measured if len(values))
    if positive and not _logged(measured).heavy:
        return "'log' learns log(1 + y), 'none' y itself"
    return "'none' learns y itself"


def _logged(measured: Sequence[FloatArray]) -> Tails:
    return heaviest([tails_of(np.log1p(values)) for values in measured])


def _numbers(column: Column) -> Iterator[float]:
    for text in column.values:
        try:
            value = float(text)
        except ValueError:
            continue
        if math.isfinite(value):
            yield value
