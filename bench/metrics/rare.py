"""Metrics of rare positives: average precision at any share of positives, and recall at so many false ones per Mb."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, IntArray
from .kernels import Kernel, Prepare, one_vs_rest, runs
from .metric import NoValue, metric

PERCENTS = ("50", "10", "2", "0.2", "0.02")
"""The shares of positives, in percent, at which there is an average precision."""
PER_MB = (10, 100, 1000)
"""The false positives in 1,000,000 examples at which there is a recall."""


_UNSEEN = 20
"""How many times as many negatives as there are to a positive must be there, and how many false ones be allowed: of
fewer, the first ones decide, and a sample without one cluster is about another number of them."""


def at_share(percent: str) -> str:
    """Return the metric that is the average precision where so many percent of the examples are positive."""
    return f"auprc_at_{percent}"


def share_of(metric: str) -> float | None:
    """Return the share of positives that a metric of this name is about, None for any other."""
    return next((float(p) / 100 for p in PERCENTS if metric == at_share(p)), None)


def _too_few_negatives(percent: str) -> NoValue:
    share = float(percent) / 100
    needed = round(_UNSEEN * (1 - share) / share)

    def why(targets: NDArray[Any], scores: FloatArray) -> str:
        if targets.ndim == 1:
            classes = range(scores.shape[1]) if scores.shape[1] > 2 else (1,)
            n = min(int((targets != c).sum()) for c in classes)
        else:
            n = int((targets == 0).sum(axis=0).min())
        return "" if n >= needed else f"{n:,} negatives are too few for a share of {percent} %: {needed:,} are needed"

    return why


def _too_few_examples(per_mb: int) -> NoValue:
    needed = -(-_UNSEEN * 1_000_000 // per_mb)

    def why(targets: NDArray[Any], scores: FloatArray) -> str:
        n = len(targets)
        return "" if n >= needed else f"{n:,} examples are too few for {per_mb:,} per Mb: {needed:,} are needed"

    return why


def _precision(percent: str) -> Prepare:
    share = float(percent) / 100

    @one_vs_rest
    def of(positive: NDArray[Any], score: FloatArray, cluster: IntArray) -> Kernel:
        """Return the kernel of the average precision with negatives weighted so that positives have the share."""
        from ._ranks import average_precision

        order = np.argsort(-score, kind="stable")
        examples = cluster[order], positive[order], runs(score[order])

        def kernel(counts: FloatArray) -> FloatArray:
            positives, negatives = _sums(positive, cluster, counts)
            both = (positives > 0) & (negatives > 0)
            weight = np.where(both, positives / np.where(both, negatives, 1.0), 0.0) * (1 - share) / share
            total, hits, _ = average_precision(counts, *examples, weight)
            return np.where(both, total / np.where(both, hits, 1.0), np.nan)

        return kernel

    return of


def _recall(per_mb: int) -> Prepare:
    @one_vs_rest
    def of(positive: NDArray[Any], score: FloatArray, cluster: IntArray) -> Kernel:
        """Return the kernel of the recall before more negatives than are allowed have as high a score."""
        from ._ranks import hits_before

        order = np.argsort(-score, kind="stable")
        examples = cluster[order], positive[order], runs(score[order])

        def kernel(counts: FloatArray) -> FloatArray:
            positives, negatives = _sums(positive, cluster, counts)
            allowed = per_mb * (positives + negatives) / 1e6
            hits = hits_before(counts, *examples, allowed)
            both = (positives > 0) & (negatives > 0)
            return np.where(both, hits / np.where(both, positives, 1.0), np.nan)

        return kernel

    return of


def _sums(positive: NDArray[Any], cluster: IntArray, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how many positive and how many negative examples each draw has."""
    each = (np.bincount(cluster[mask], minlength=len(counts)) for mask in (positive, ~positive))
    positives, negatives = (of_cluster.astype(np.float64) @ counts for of_cluster in each)
    return positives, negatives


for _percent in PERCENTS:
    metric(
        at_share(_percent),
        label=f"AUPRC at {_percent} %",
        span=(0.0, 1.0),
        better="higher",
        needs="ranking",
        labels=True,
        no_value=_too_few_negatives(_percent),
        definition=f"average precision where {_percent} % of the examples are positive: negatives are weighted, so "
        "that the precision at each threshold is that of the recall and the false positive rate there at this share",
    )(_precision(_percent))

for _n in PER_MB:
    metric(
        f"recall_at_{_n}_per_mb",
        label=f"Recall at {_n:,} false/Mb",
        span=(0.0, 1.0),
        better="higher",
        needs="ranking",
        labels=True,
        no_value=_too_few_examples(_n),
        definition=f"share of positives that score higher than all but {_n:,} negatives in 1,000,000 examples; ties "
        "count as called together",
    )(_recall(_n))
