"""Where the noise of a score comes from: the training sample, the seed, the test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..metrics import parse
from ..results import Components, Predictions
from ..statistics import point_value, replicates
from ..types import FloatArray
from .job import Job
from .mode import Mode

DRAWS = 1000


def components_of(mode: Mode, job: Job, scores: FloatArray, size: int) -> Components:
    """Return the components of the noise of the primary metric, from `size` training samples with `size` seeds each.

    `job` has been run, and `scores` (seeds, n, k) are its result; its choices among trials are not made again.
    """
    metric, test = parse(job.task.metrics[0]), job.split.test
    seeds = tuple(range(size))

    def predictions(values: FloatArray, of: tuple[int, ...]) -> Predictions:
        return Predictions(test.ids, test.targets, test.clusters, test.strata, values, of)

    rows = []
    for sample in seeds:
        crossed = replace(job, seeds=seeds, sample=sample, notes=[], choices=job.choices[:1])
        again = predictions(mode.scores(crossed), seeds)
        rows.append(tuple(point_value(again, metric, s)[0] for s in seeds))
    drawn = replicates([predictions(scores, job.seeds)], metric.text, n_resamples=DRAWS)[0]
    test_variance = float(np.nanvar(drawn, ddof=1)) if np.isfinite(drawn).sum() > 1 else None
    return Components(metric.text, tuple(rows), *variances(rows), test_variance)


def variances(values: Sequence[Sequence[float | None]]) -> tuple[float | None, float | None, float | None]:
    """Return the variances between rows, between columns, and of the rest, of a two-way table without replication."""
    if any(v is None for row in values for v in row):
        return None, None, None
    table = np.array(values, np.float64)
    r, c = table.shape
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    rest = float(((table - rows[:, None] - columns + table.mean()) ** 2).sum() / ((r - 1) * (c - 1)))
    between_rows, between_columns = c * rows.var(ddof=1), r * columns.var(ddof=1)
    return max(0.0, float(between_rows - rest) / c), max(0.0, float(between_columns - rest) / r), rest
