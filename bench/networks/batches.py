"""Batches of sequences of like length under a budget of tokens that shrinks when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..types import IntArray

log = logging.getLogger(__name__)

TOKENS_ON_CPU = 2048
TOKENS_ON_GPU = 131_072
"""Padded tokens in a batch; a result does not depend on them. More than 2,048 no longer fit the caches of a CPU."""


def token_budget(device: torch.device) -> int:
    """Return how many padded tokens a batch may have at first."""
    return TOKENS_ON_GPU if device.type == "cuda" else TOKENS_ON_CPU


def in_batches(
    lengths: IntArray,
    compute: Callable[[IntArray], None],
    *,
    budget: int,
    equal: bool = False,
    done: Callable[[int], None],
) -> None:
    """Call `compute(index)` for batches that cover all rows, the longest first, each of at most `budget` padded tokens.

    With `equal` a batch holds rows of one length, for networks that padding disturbs. Where memory runs out the budget
    is halved and the batch tried again. Raises DataError where a single row does not fit.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        size = max(1, budget // max(1, longest))
        index = order[start : start + size]
        if equal:
            index = index[lengths[index] == longest]
        try:
            compute(index)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_memory(error):
                raise
            if len(index) == 1:
                raise DataError(f"out of memory on one sequence of {longest} tokens; cut it with max_length") from error
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            budget = longest * (len(index) // 2)
            log.warning("out of memory on %d rows of %d tokens; trying half as many", len(index), longest)
            continue
        done(len(index))
        start += len(index)


def is_memory(error: RuntimeError) -> bool:
    """Return whether the error is that memory ran out."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text


def pad(rows: Sequence[NDArray[np.int64]], value: int) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Return the rows as one (n, longest) array, padded on the right, and a mask of its tokens, None if unpadded."""
    lengths = np.array([len(row) for row in rows])
    if lengths.min() == lengths.max():
        return np.stack(rows), None
    real = np.arange(lengths.max()) < lengths[:, None]
    out = np.full(real.shape, value, np.int64)
    out[real] = np.concatenate(rows)
    return out, real


def window(length: int, keep: int, *, around: float | None = None) -> slice:
    """Return the slice of at most `keep` of `length` bases, centred as nearly as possible on offset `around`."""
    if length <= keep:
        return slice(0, length)
    middle = length / 2 if around is None else around
    start = min(max(0, int(middle - keep / 2)), length - keep)
    return slice(start, start + keep)
