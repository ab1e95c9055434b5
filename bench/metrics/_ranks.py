"""Metrics of ranks under many draws of clusters, as machine code. Imported only when it runs.

`counts` (clusters, draws) says how often each cluster is drawn, and `cluster` (n,) is that of each example in the order
of a column. The loops over draws are the innermost: a row of `counts` is read as it lies in memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled
from ..types import FloatArray, IntArray


@compiled
def pairs_won(
    counts: FloatArray, cluster: IntArray, positive: NDArray[np.bool_], run: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return twice how many pairs each draw has of a positive and a lower negative example, ties half; and all pairs.

    `run` (n,) numbers the runs of equal scores, in ascending order.
    """
    won, positives, negatives, tied_positives, tied_negatives = np.zeros((5, counts.shape[1]))
    alone = True
    for i in range(len(cluster)):
        weights = counts[cluster[i]]
        ends = i + 1 == len(cluster) or run[i + 1] != run[i]
        if alone and ends:  # nothing is tied, which is so of most scores
            if positive[i]:
                for d in range(len(weights)):
                    won[d] += 2 * weights[d] * negatives[d]
                    positives[d] += weights[d]
            else:
                for d in range(len(weights)):
                    negatives[d] += weights[d]
            continue
        if positive[i]:
            for d in range(len(weights)):
                tied_positives[d] += weights[d]
        else:
            for d in range(len(weights)):
                tied_negatives[d] += weights[d]
        alone = ends
        if ends:
            for d in range(len(weights)):
                won[d] += tied_positives[d] * (2 * negatives[d] + tied_negatives[d])
                positives[d] += tied_positives[d]
                negatives[d] += tied_negatives[d]
                tied_positives[d] = 0.0
                tied_negatives[d] = 0.0
    return won, positives * negatives


@compiled
def average_precision(
    counts: FloatArray, cluster: IntArray, positive: NDArray[np.bool_], run: IntArray, negative: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the sum of hits x precision in each draw, how many hits, and how many examples.

    `run` (n,) numbers the runs of equal scores, in descending order; a negative counts as so many as `negative`
    (draws,) says.
    """
    total, hits, right, called = np.zeros((4, counts.shape[1]))
    any_hits = False
    for i in range(len(cluster)):
        weights = counts[cluster[i]]
        if positive[i]:
            any_hits = True
            for d in range(len(weights)):
                called[d] += weights[d]
                hits[d] += weights[d]
        else:
            for d in range(len(weights)):
                called[d] += weights[d] * negative[d]
        if any_hits and (i + 1 == len(cluster) or run[i + 1] != run[i]):
            # Without a branch: a draw that has none of these examples adds 0.
            for d in range(len(weights)):
                right[d] += hits[d]
                total[d] += hits[d] * (right[d] / max(called[d], 1.0))
                hits[d] = 0.0
            any_hits = False
    return total, right, called


@compiled
def hits_before(
    counts: FloatArray, cluster: IntArray, positive: NDArray[np.bool_], run: IntArray, allowed: FloatArray
) -> FloatArray:
    """Return how many positives each draw has above the first score at which there are more negatives than `allowed`.

    `run` (n,) numbers the runs of equal scores, in descending order, each of which is above or below as a whole.
    """
    kept, hits, false = np.zeros((3, counts.shape[1]))
    for i in range(len(cluster)):
        weights = counts[cluster[i]]
        if positive[i]:
            for d in range(len(weights)):
                hits[d] += weights[d]
        else:
            for d in range(len(weights)):
                false[d] += weights[d]
        if i + 1 == len(cluster) or run[i + 1] != run[i]:
            for d in range(len(weights)):
                if false[d] <= allowed[d]:
                    kept[d] = hits[d]
    return kept


@compiled
def rank_moments(
    counts: FloatArray, cluster_x: IntArray, run_x: IntArray, y_at_x: IntArray, cluster_y: IntArray, run_y: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the number of examples in each draw, and the sums of squares and of products of their midranks, less 1/2.

    Examples are in ascending order of x in `cluster_x` and `run_x`, of y in `cluster_y` and `run_y`; `y_at_x` is the
    run of y of each example in the order of x.
    """
    n, draws = len(cluster_x), counts.shape[1]
    total, xx, yy, xy, own, products = np.zeros((6, draws))
    ranks = np.empty((run_y[-1] + 1, draws))
    alone = True
    for i in range(n):
        weights = counts[cluster_y[i]]
        ends = i + 1 == n or run_y[i + 1] != run_y[i]
        to = ranks[run_y[i]]
        if alone and ends:
            for d in range(draws):
                rank = total[d] + 0.5 * weights[d]
                to[d] = rank
                yy[d] += weights[d] * rank * rank
                total[d] += weights[d]
            continue
        for d in range(draws):
            own[d] += weights[d]
        alone = ends
        if ends:
            for d in range(draws):
                rank = total[d] + 0.5 * own[d]
                to[d] = rank
                yy[d] += own[d] * rank * rank
                total[d] += own[d]
                own[d] = 0.0
    total[:] = 0.0
    alone = True
    for i in range(n):
        weights = counts[cluster_x[i]]
        ends = i + 1 == n or run_x[i + 1] != run_x[i]
        rank_y = ranks[y_at_x[i]]
        if alone and ends:
            for d in range(draws):
                rank = total[d] + 0.5 * weights[d]
                xx[d] += weights[d] * rank * rank
                xy[d] += weights[d] * rank_y[d] * rank
                total[d] += weights[d]
            continue
        for d in range(draws):
            own[d] += weights[d]
            products[d] += weights[d] * rank_y[d]
        alone = ends
        if ends:
            for d in range(draws):
                rank = total[d] + 0.5 * own[d]
                xx[d] += own[d] * rank * rank
                xy[d] += products[d] * rank
                total[d] += own[d]
                own[d] = 0.0
                products[d] = 0.0
    return total, xx, yy, xy
