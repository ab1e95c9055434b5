"""How much predictions change where a sequence is read on the other strand, which has the same biology or has not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dna.sequence import reverse_complement
from ..metrics import Expression, Kernel, Metric, additive, mean
from ..results import Estimate, Predictions
from ..statistics import groups_of, jackknife
from ..statistics.intervals import LEVEL, METHOD, estimate_of
from ..text import Strings, Text
from ..types import Examples, FloatArray, Inputs, IntArray, Split, Task, strings
from .job import Job
from .mode import Mode
from .per_base import reversed_sites

FLIPS = "strand_flips"
"""The share of test examples, or of their labels, that are called something else on the other strand."""
CHANGE = "strand_change"
"""The mean absolute change of a predicted value, in standard deviations of the predictions."""


def scores_on_both(mode: Mode, job: Job) -> tuple[FloatArray, Estimate]:
    """Return the scores (seeds, n, outputs) of a job, and how much they change on the other strand.

    Both strands are scored by the same trained models: the other one is more test examples. The estimate has no value,
    and the reason, for variants, pairs and modes that score without a training or a head.
    """
    test = job.split.test
    if unfit := unmeasured(mode, job.task):
        n_clusters = len(set(test.clusters))
        return mode.scores(job), Estimate(FLIPS, None, None, None, len(test), n_clusters, method=METHOD, reason=unfit)
    doubled = replace(job, split=Split(job.split.train, job.split.valid, with_other_strand(test)))
    scores = mode.scores(doubled)
    forward, reverse = scores[:, : len(test)], scores[:, len(test) :]
    return forward, change_between(test, forward, reverse, job.seeds, kind=job.task.kind)


def unmeasured(mode: Mode, task: Task) -> str:
    """Return why the other strand is not scored in a mode on a task, '' where it is."""
    if task.variants or task.kind == "paired":
        return "not measured for variants and pairs"
    return "" if mode.trains or mode.name == "as_is" else f"not measured in mode {mode.name}"


def with_other_strand(test: Examples) -> Examples:
    """Return the examples and after them the same on the other strand, under other ids."""
    inputs = test.inputs
    if inputs.per_base:
        other = reversed_sites(inputs)
        assert inputs.positions is not None and other.positions is not None
        positions = np.concatenate([inputs.positions, other.positions])
        both = Inputs(_joined(inputs.sequences, other.sequences), positions=positions, span=inputs.span)
    else:
        turned = strings([reverse_complement(sequence) for sequence in inputs.sequences])
        both = Inputs(_joined(inputs.sequences, turned))
    return Examples(
        strings([*test.ids, *(f"{i} on the other strand {n}" for n, i in enumerate(test.ids))]),
        both,
        np.concatenate([test.targets, test.targets]),
        np.concatenate([test.groups, test.groups]),
        np.concatenate([test.clusters, test.clusters]),
        {name: np.concatenate([column, column]) for name, column in test.strata.items()},
    )


def _joined(a: Strings, b: Strings) -> Strings:
    if isinstance(a, Text) or isinstance(b, Text):
        return Text.concatenate([a, b])
    return np.concatenate([a, b])


def change_between(
    test: Examples, forward: FloatArray, reverse: FloatArray, seeds: tuple[int, ...], *, kind: str
) -> Estimate:
    """Return how much scores (seeds, n, outputs) of the two strands differ, with its interval.

    That is FLIPS for classes and labels, and CHANGE for values and for classes of a single score.
    """
    k = forward.shape[2]
    called = kind == "multilabel" or (kind == "classification" and k > 1)
    of = _flips(k, labels=kind == "multilabel") if called else _change(k)
    name, span = (FLIPS, (0.0, 1.0)) if called else (CHANGE, None)
    # No target has a say in it.
    about = Metric(name, name, "lower", "pair", of, "", must_vary="never", span=span)
    none = np.zeros(len(test), np.int64)
    both = Predictions(test.ids, none, test.clusters, {}, np.concatenate([forward, reverse], axis=2), seeds)
    expression = Expression(about)
    groups = groups_of(both, expression)
    unknown = Estimate(name, None, None, None, len(test), groups.n_clusters, method=METHOD)
    if not np.isfinite(both.scores).all():
        return replace(unknown, reason="a score is not finite")
    made = jackknife(both, expression, groups)
    if not np.isfinite(made.values).all():
        return replace(unknown, reason="all predictions are equal")
    return estimate_of(made, both, expression, groups, level=LEVEL)


Of = Callable[[NDArray[Any], FloatArray, IntArray, int], Kernel]


def _flips(k: int, *, labels: bool) -> Of:
    def of(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
        a, b = scores[:, :k], scores[:, k:]
        other = ((a > 0.5) != (b > 0.5)).mean(axis=1) if labels else a.argmax(axis=1) != b.argmax(axis=1)
        return mean(np.asarray(other, np.float64), cluster, n_clusters)

    return of


def _change(k: int) -> Of:
    def of(targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
        a, b = scores[:, :k], scores[:, k:]
        centred = a - a.mean(axis=0)
        equal = np.ptp(a, axis=0) == 0
        moments = np.column_stack([np.ones(len(a)), np.abs(a - b), centred, centred**2])

        def finish(sums: FloatArray) -> FloatArray:
            n = sums[0]
            apart, first, second = (part / n for part in np.split(sums[1:], 3))
            variance = second - first**2
            ratio = np.where(equal[:, None] | (variance <= 1e-12 * second), np.nan, apart / np.sqrt(variance))
            value: FloatArray = ratio.mean(axis=0)
            return value

        return additive(moments, cluster, n_clusters, finish)

    return of
