"""How much predictions change where a sequence is read on the other strand, which has the same biology or has not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..dna.sequence import reverse_complement
from ..results import Estimate
from ..statistics.change import FLIPS, change_between
from ..statistics.intervals import METHOD
from ..text import Strings, Text
from ..types import Examples, FloatArray, Inputs, Split, Task, strings
from .job import Job
from .mode import Mode
from .per_base import reversed_sites


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
    return forward, change_between(test.ids, test.clusters, forward, reverse, job.seeds, kind=job.task.kind)


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
