"""Replicates: rows of one input with a measurement each, as one example of their mean or as one group of examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..text import distinct
from ..types import Examples, Inputs, IntArray, Intervals, Kind, StrArray
from . import counted

Replicates = Literal["", "mean", "grouped", "columns"]
"""What to do with replicates: the mean of the rows of an input, all rows in one group, the mean of several columns."""

MERGED = "merged into the mean of their replicates"


def same_inputs(inputs: Inputs, at: Intervals | None = None) -> IntArray:
    """Return a number for each example, (n,): that of its input, its sequences and, if it has one, its place."""
    columns = [distinct(inputs.sequences)[1]]
    if inputs.alternates is not None:
        columns.append(distinct(inputs.alternates)[1])
    if at is not None:
        columns += [numbered(at.chrom), at.start, at.end, numbered(at.strand)]
    return _combined(columns)


def replicated(examples: Examples, how: Replicates, *, kind: Kind, where: str) -> Examples:
    """Return the examples with replicates as the card has them: those of equal inputs averaged, or in one group.

    'mean' keeps inputs apart whose strata differ, or whose groups do, unless each row is a group of its own. 'columns'
    takes the mean of several columns of measurements. Raises ConfigError, begun by `where`, for what has no mean.
    """
    if how in ("mean", "columns") and kind != "regression":
        raise ConfigError(
            f'{where}: replicates = "{how}" is for measurements, and a {kind} task has none; "grouped" leaves each row '
            "its own label, and keeps the rows of an input together"
        )
    if how == "mean":
        return _averaged(examples)
    if how == "grouped":
        return _grouped(examples)
    if how == "columns":
        if examples.targets.ndim != 2:
            raise ConfigError(f'{where}: replicates = "columns" needs target = [...] of two columns or more')
        return replace(examples, targets=examples.targets.mean(axis=1))
    return examples


def _averaged(examples: Examples) -> Examples:
    columns = [same_inputs(examples.inputs, examples.intervals), *map(numbered, examples.strata.values())]
    groups = numbered(examples.groups)
    if groups.max(initial=-1) + 1 < len(examples):
        columns.append(groups)
    _, first, of_row = np.unique(_combined(columns), return_index=True, return_inverse=True)
    sums: NDArray[Any] = np.zeros((len(first), *examples.targets.shape[1:]))
    np.add.at(sums, of_row, examples.targets)
    counts = np.bincount(of_row).reshape(-1, *[1] * (sums.ndim - 1))
    order = np.argsort(first)
    merged = len(examples) - len(first)
    return replace(
        examples.take(first[order]),
        targets=(sums / counts)[order],
        left_out=counted([examples.left_out, {MERGED: merged} if merged else {}]),
    )


def _grouped(examples: Examples) -> Examples:
    code = same_inputs(examples.inputs, examples.intervals)
    groups = _joined(examples.groups, code)
    apart = examples.clusters is not examples.groups
    return replace(examples, groups=groups, clusters=_joined(examples.clusters, code) if apart else groups)


def _joined(names: StrArray, code: IntArray) -> StrArray:
    """Return the names, (n,), where those that share an input become the first of them."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n, number = len(names), numbered(names)
    graph = coo_matrix((np.ones(n), (number, n + code)), shape=(2 * n, 2 * n))
    component = connected_components(graph, directed=False)[1][number]
    _, first, back = np.unique(component, return_index=True, return_inverse=True)
    joined: StrArray = names[first[back]]
    return joined


def numbered(values: Iterable[str]) -> IntArray:
    """Return the number of each value, (n,), equal for equal values."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in values], np.int64)


def _combined(columns: list[IntArray]) -> IntArray:
    """Return a number for each row of several columns, (n,), equal for equal rows."""
    if len(columns) == 1:
        return columns[0]
    back: IntArray = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    return back
