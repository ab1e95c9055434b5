"""What a linear model of k-mers, learnt from train, predicts of test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..dna.kmers import kmer_features
from ..errors import DataError
from ..probes.linear import PENALTIES, fit_probe
from ..types import Examples, FloatArray, Inputs, IntArray, Split, Task
from .finding import Finding
from .measured import transform_of
from .scores import score, score_text

KMERS = (1, 2, 3, 4, 5)
LEARN_FROM = 20_000
"""Most training rows that the k-mer model learns from."""
KMER_BASES = 20_000_000
"""Most bases of training, and of test, whose k-mers are counted."""
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
    if not len(split.train) or task.kind in ("paired", "generation"):
        return "there is no training part" if not len(split.train) else "there is no label to learn"
    if not len(split.valid) and len(split.train) < 20:
        return "there are fewer than 20 training rows"
    train, valid = _evenly(split.train, LEARN_FROM), _evenly(split.valid, LEARN_FROM // 4)
    test = _evenly(split.test, len(split.test))
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
        x, v = _frequencies(fitted.inputs), _frequencies(chosen.inputs)
        learnt = transform_of(task, fitted)
        fitted, chosen = (replace(e, targets=learnt.apply(e.targets)) for e in (fitted, chosen))
        probe = fit_probe(x, fitted.targets, v, chosen.targets, n_classes=n_classes, penalties=PENALTIES)
    except DataError as reason:
        return f"not trained: {reason}"
    return Predicted(task, tested, learnt.undo(probe.predict(_frequencies(tested.inputs))), "; ".join(notes))


def kmer_finding(predicted: Predicted | str) -> Finding:
    """Return the score of the k-mer model on test, or why there is none."""
    if isinstance(predicted, str):
        return Finding("kmers", _TITLE, "shortcuts", "NOTE", f"k-mers: {predicted}")
    result = score(predicted.task, predicted.examples, predicted.scores)
    summary = f"k-mers: {score_text(predicted.task, result, learnt=True)}"
    return Finding("kmers", _TITLE, "shortcuts", "NOTE", summary, numbers=result.to_json(), sampled=predicted.notes)


def _frequencies(inputs: Inputs) -> Any:
    """Return k-mer frequencies; for variants, those of ALT less those of REF."""
    x = kmer_features(inputs.sequences, KMERS)
    return x if inputs.alternates is None else (kmer_features(inputs.alternates, KMERS) - x).tocsr()


def _evenly(examples: Examples, most: int) -> IntArray:
    """Return at most `most` rows, evenly spread, whose sequences have about KMER_BASES bases at most."""
    n = len(examples)
    if not n:
        return np.zeros(0, np.int64)
    look = np.linspace(0, n - 1, min(n, 1000)).astype(np.int64)
    mean = float(np.mean([len(examples.inputs.sequences[int(i)]) for i in look]))
    keep = min(n, most, max(100, int(KMER_BASES / max(mean, 1.0))))
    return np.arange(n) if keep == n else np.unique(np.linspace(0, n - 1, keep).astype(np.int64))
