"""What a linear model of simple features, such as k-mers, learnt from train, predicts of test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..dna.kmers import kmer_features
from ..errors import DataError
from ..probes.linear import PENALTIES, fit_probe
from ..types import Examples, FloatArray, Inputs, IntArray, Split, Task
from .finding import Finding
from .measured import transform_of
from .scores import LABELS, judged_whole, rank_name, score, score_text, whole_limit

KMERS = (1, 2, 3, 4, 5)
LEARN_FROM = 20_000
"""Most training rows that the k-mer model learns from."""
KMER_BASES = 20_000_000
"""Most bases of training, and of test, whose k-mers are counted."""
FEWEST = 100
"""Rows of training and of test that are used however long they are."""
OUTPUTS = 8
"""Most labels or measurements that the k-mer model predicts."""

_TITLE = "k-mers: a linear model of all words of 1 to 5 bases"


@dataclass(frozen=True)
class Predicted:
    """Scores (n, k) of test examples, the task with the outputs that are predicted, and what was left out."""

    task: Task
    examples: Examples
    scores: FloatArray
    notes: str


def predict_by_kmers(task: Task, split: Split) -> Predicted | str:
    """Return the predictions of a linear model of the frequencies of all words, or why there are none."""
    return predict_linearly(task, split, _frequencies, bases=KMER_BASES)


def predict_linearly(task: Task, split: Split, features: Callable[[Inputs], Any], *, bases: int) -> Predicted | str:
    """Return what a linear model of `features(inputs)`, (n, d), fitted on train, predicts of test, or why nothing.

    Rows with about `bases` bases at most are used of training, and of test. Its penalty is chosen on valid.
    """
    if not len(split.train) or task.kind in ("paired", "generation"):
        return "there is no training part" if not len(split.train) else "there is no label to learn"
    if not len(split.valid) and len(split.train) < 20:
        return "there are fewer than 20 training rows"
    train, valid = _evenly(split.train, LEARN_FROM, bases), _evenly(split.valid, LEARN_FROM // 4, bases)
    test = _evenly(split.test, len(split.test), bases)
    fitted, chosen = split.train.take(train), split.valid.take(valid)
    if not len(chosen):
        tenth = np.arange(len(fitted)) % 10 == 0
        chosen, fitted = fitted.take(np.flatnonzero(tenth)), fitted.take(np.flatnonzero(~tenth))
    tested = split.test.take(test)
    notes = [f"trained on {len(train):,} of {len(split.train):,} rows"] if len(train) < len(split.train) else []
    notes += [f"tested on {len(test):,} of {len(split.test):,} test rows"] if len(test) < len(split.test) else []
    outputs = split.train.targets.shape[1] if split.train.targets.ndim == 2 else 1
    if outputs > OUTPUTS:
        notes += [f"the first {OUTPUTS} of {outputs} labels or measurements"]
        task = replace(task, classes=task.classes[:OUTPUTS])
        fitted, chosen, tested = (replace(e, targets=e.targets[:, :OUTPUTS]) for e in (fitted, chosen, tested))
    n_classes = 0 if task.kind == "regression" else min(outputs, OUTPUTS) if outputs > 1 else len(task.classes)
    try:
        x, v = features(fitted.inputs), features(chosen.inputs)
        learnt = transform_of(task, fitted)
        fitted, chosen = (replace(e, targets=learnt.apply(e.targets)) for e in (fitted, chosen))
        probe = fit_probe(x, fitted.targets, v, chosen.targets, n_classes=n_classes, penalties=PENALTIES)
    except DataError as reason:
        return f"not trained: {reason}"
    return Predicted(task, tested, learnt.undo(probe.predict(features(tested.inputs))), "; ".join(notes))


def kmer_finding(predicted: Predicted | str) -> Finding:
    """Return the score of the k-mer model on test, a WARN where it leaves little to add, or why there is none."""
    return whole_finding("kmers", _TITLE, "k-mers", predicted)


def whole_finding(name: str, title: str, what: str, predicted: Predicted | str) -> Finding:
    """Return the score of a simple model of whole sequences, a WARN where it leaves little to add; a NOTE otherwise."""
    if isinstance(predicted, str):
        return Finding(name, title, "shortcuts", "NOTE", f"{what}: {predicted}")
    task = predicted.task
    result = score(task, predicted.examples, predicted.scores)
    status = judged_whole(result, task)
    summary = f"{what}: {score_text(task, result, learnt=True)}"
    if status == "WARN":
        summary += f": {what} alone leave little for a model to add"
    by = f"WARN from {whole_limit(task):g} {LABELS[rank_name(task)]}, else reported, not judged"
    return Finding(name, title, "shortcuts", status, summary, by, result.to_json(), sampled=predicted.notes)


def _frequencies(inputs: Inputs) -> Any:
    """Return k-mer frequencies; for variants, those of ALT less those of REF."""
    x = kmer_features(inputs.sequences, KMERS)
    return x if inputs.alternates is None else (kmer_features(inputs.alternates, KMERS) - x).tocsr()


def _evenly(examples: Examples, most: int, bases: int) -> IntArray:
    """Return at most `most` rows, evenly spread, whose sequences have about `bases` bases at most."""
    n = len(examples)
    if not n:
        return np.zeros(0, np.int64)
    look = np.linspace(0, n - 1, min(n, 1000)).astype(np.int64)
    mean = float(np.mean([len(examples.inputs.sequences[int(i)]) for i in look]))
    keep = min(n, most, max(FEWEST, int(bases / max(mean, 1.0))))
    return np.arange(n) if keep == n else np.unique(np.linspace(0, n - 1, keep).astype(np.int64))
