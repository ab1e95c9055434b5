"""The cluster bootstrap: values under draws of clusters, with which intervals are checked.

Clusters are drawn with replacement and every example of a drawn cluster comes along (Davison & Hinkley 1997,
section 3.8). The draws depend only on the number of clusters and the seed, so that all models of a task see the same
ones. Examples that a model did not score are left out.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..metrics import parse
from ..results import Predictions
from ..types import FloatArray
from .examples import scored_mask
from .values import kernel_of

N_RESAMPLES = 10_000

# Draws come in blocks of about this many example weights: arrays that stay in the CPU's cache are twice as fast.
_BLOCK = 1 << 17
_MIN_DRAWS = 256
_MAX_CACHED = 2_000_000
"""The most counts of clusters in draws that are cached for the next metric of the same task (16 MB)."""


def replicates(
    models: Sequence[Predictions], expression: str, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> FloatArray:
    """Return the metric of each model under the same draws of clusters, (models, draws); NaN where it is undefined.

    Each value is the mean over the model's seeds. All models must have the examples of the first, and have scored the
    same of them.
    """
    names = np.unique(models[0].clusters[scored_mask(models[0])].astype(str))
    kernels = []
    for model in models:
        # A cluster without a scored example is not among the names; none of its rows is used.
        cluster = np.searchsorted(names, model.clusters.astype(str))
        parsed = parse(expression, model.strata)
        kernels.append([kernel_of(model, s, parsed, cluster, len(names)) for s in range(len(model.seeds))])
    out = np.empty((len(models), n_resamples))
    done = 0
    for counts in _draws(len(names), n_resamples, seed, rows=max(len(m.ids) for m in models)):
        stop = done + counts.shape[1]
        for i, seeds in enumerate(kernels):
            out[i, done:stop] = np.mean([kernel(counts) for kernel in seeds], axis=0)
        done = stop
    return out


def _draws(n_clusters: int, n_resamples: int, seed: int, *, rows: int) -> Iterable[FloatArray]:
    """Return how often each cluster is drawn, (clusters, draws), in blocks; the draws do not depend on the blocks."""
    block = min(n_resamples, max(_MIN_DRAWS, _BLOCK // max(rows, n_clusters, 1)))
    few = n_clusters * n_resamples <= _MAX_CACHED
    return (
        _cached_draws(n_clusters, n_resamples, seed, block)
        if few
        else _make_draws(n_clusters, n_resamples, seed, block)
    )


@functools.lru_cache(maxsize=1)
def _cached_draws(n_clusters: int, n_resamples: int, seed: int, block: int) -> tuple[FloatArray, ...]:
    """Return the blocks, made once for all metrics of a task."""
    return tuple(_make_draws(n_clusters, n_resamples, seed, block))


def _make_draws(n_clusters: int, n_resamples: int, seed: int, block: int) -> Iterator[FloatArray]:
    rng = np.random.default_rng(seed)
    for start in range(0, n_resamples, block):
        b = min(block, n_resamples - start)
        drawn = rng.integers(n_clusters, size=(b, n_clusters)) + np.arange(b)[:, None] * n_clusters
        counts = np.bincount(drawn.ravel(), minlength=b * n_clusters).reshape(b, n_clusters)
        yield np.ascontiguousarray(counts.T, dtype=np.float64)
