"""Vectors of sequences: each computed once, and the similarity of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, Strings


def once(compute: Callable[..., Any], *columns: NDArray[Any] | Strings) -> NDArray[np.float64]:
    """Return `compute(*columns)`, float64, computed once for equal rows."""
    first: dict[tuple[Any, ...], int] = {}
    back = np.array([first.setdefault(row, len(first)) for row in zip(*columns, strict=True)], np.int64)
    _, rows = np.unique(back, return_index=True)
    return np.asarray(compute(*(column[rows] for column in columns)), dtype=np.float64)[back]


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the vectors at length 1; one of length 0 stays so."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    out: NDArray[np.float64] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length != 0)  # NaN stays
    return out


SIMILARITY: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.float64]], FloatArray]] = {
    "cosine": lambda ref, alt: (unit(ref) * unit(alt)).sum(-1) - 1,
    "euclidean": lambda ref, alt: -np.linalg.norm(alt - ref, axis=-1),
    "inner_product": lambda ref, alt: (ref * alt).sum(-1),
}
"""Functions that return how similar the embeddings of REF and ALT are, (n,), by name."""
