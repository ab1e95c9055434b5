"""Kernels of metrics: prepared once for their data and then evaluated for many draws of clusters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, IntArray

Kernel = Callable[[FloatArray], FloatArray]
"""Maps `counts` (clusters, draws) to the metric of each draw, (draws,), NaN where it is undefined."""

Prepare = Callable[[NDArray[Any], FloatArray, IntArray, int], Kernel]
"""Takes targets, scores (n, outputs), each example's cluster (n,) and how many clusters there are."""


TIE = 1e-9
"""How far apart two scores that are equal may be, for rounding."""


def additive(moments: FloatArray, cluster: IntArray, n_clusters: int, finish: Kernel) -> Kernel:
    """Return the kernel of a metric that depends on the data only through sums of `moments` (n, m).

    Summing within clusters first makes a draw cost clusters x m, not n x m.
    """
    sums = np.stack([np.bincount(cluster, weights=column, minlength=n_clusters) for column in moments.T])

    def kernel(counts: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return finish(sums @ counts)

    return kernel


def mean(values: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel of the mean of `values` (n,)."""
    moments = np.stack([values, np.ones(len(values))], axis=1)
    return additive(moments, cluster, n_clusters, lambda sums: sums[0] / sums[1])


def runs(sorted_values: NDArray[Any]) -> IntArray:
    """Return the number, from 0, of the run of equal values that each position (n,) belongs to."""
    return np.cumsum(np.r_[False, sorted_values[1:] != sorted_values[:-1]])


def one_vs_rest(binary: Callable[[NDArray[Any], FloatArray, IntArray], Kernel]) -> Prepare:
    """Return the function that prepares a ranking metric: for class 1 of two, or the plain mean over three or more."""

    @functools.wraps(binary)
    def prepare(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
        k = scores.shape[1]
        if k <= 2:
            return binary(targets == 1, scores[:, -1], cluster)
        kernels = [binary(targets == c, scores[:, c], cluster) for c in range(k)]
        return lambda counts: np.mean([kernel(counts) for kernel in kernels], axis=0)

    return prepare


def where_both(kernel: Kernel, label: NDArray[Any], cluster: IntArray, n_clusters: int) -> Kernel:
    """Return the kernel with NaN for draws in which the label (n,) is 0, or 1, throughout."""
    moments = np.stack([label == 0, label == 1], axis=1).astype(np.float64)
    both = additive(moments, cluster, n_clusters, lambda sums: sums.min(axis=0))
    return lambda counts: np.where(both(counts) > 0, kernel(counts), np.nan)


def mean_of(kernels: Sequence[Kernel]) -> Kernel:
    """Return the kernel of the mean over `kernels`, in each draw over those defined there."""

    def kernel(counts: FloatArray) -> FloatArray:
        total, known = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
        for each in kernels:
            value = each(counts)
            exists = ~np.isnan(value)
            total += np.where(exists, value, 0.0)
            known += exists
        return np.where(known > 0, total / np.maximum(known, 1), np.nan)

    return kernel


def weighted_mean_of(kernels: Sequence[Kernel], sizes: Sequence[FloatArray]) -> Kernel:
    """Return the kernel of the mean of `kernels` weighted by how many of their examples a draw has.

    `sizes[i]` (clusters,) is how many examples of each cluster kernel i covers.
    """

    def kernel(counts: FloatArray) -> FloatArray:
        total, known = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
        for each, size in zip(kernels, sizes, strict=True):
            value, n = each(counts), size @ counts
            exists = ~np.isnan(value)
            total += np.where(exists, n * value, 0.0)
            known += np.where(exists, n, 0.0)
        return np.where(known > 0, total / np.where(known > 0, known, 1.0), np.nan)

    return kernel
