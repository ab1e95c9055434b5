"""Test scores of single features and of k-mers, learnt from train: the shortcuts that a model may take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..dna.kmers import kmer_features
from ..errors import DataError
from ..probes.linear import PENALTIES, fit_probe
from ..progress import activity
from ..transforms import Fitted, fit_transform
from ..types import Examples, FloatArray, Inputs, IntArray, Split, Task
from .features import add_positions, feature_table
from .finding import Finding, Status
from .scores import Score, encoded, judged, rank_name, score, shown, thresholds, untrained

KMERS = (1, 2, 3, 4, 5)
LEARN_FROM = 20_000
"""Most training rows that the k-mer model learns from."""
KMER_BASES = 20_000_000
"""Most bases of training, and of test, whose k-mers are counted."""
OUTPUTS = 8
"""Most labels or measurements that the k-mer model predicts."""
LEAVES = 64
UNSEEN = ("position", "lower case")
"""Features that models do not see: a WARN at most."""
UNJUDGED = ("row order",)


def shortcut_findings(
    task: Task, split: Split, compositions: Mapping[str, Mapping[str, FloatArray]]
) -> Iterator[Finding]:
    """Yield the scores of the majority, of each feature alone and of k-mers; single features alone are judged."""
    if task.kind == "generation":
        yield Finding(
            "shortcuts", "Single features", "shortcuts", "NOTE", "not tried: no feature predicts the next bases"
        )
        return
    tables: dict[str, dict[str, FloatArray]] = {
        part: feature_table(task, e, compositions[part]) for part, e in split if len(e)
    }
    if task.kind != "paired":  # both sequences of a pair lie at one place
        add_positions(tables, split)
    learns = bool(len(split.train)) and task.kind != "paired"
    if learns:
        yield _noted(task, "majority", "Majority: the average of the training labels", _majority(task, split))
    advance = activity("learning from single features", len(tables["test"]))
    for name, values in tables["test"].items():
        result = _learnt(task, split, tables["train"][name], values) if learns else untrained(task, split.test, values)
        yield _judged(task, name, result, learns, constant=_constant(tables, name))
        advance(1)
    if learns:
        yield _kmers(task, split)


def _majority(task: Task, split: Split) -> Score:
    learnt = _transform(task, split.train)
    mean = encoded(task, learnt.apply(split.train.targets)).mean(axis=0)
    return score(task, split.test, learnt.undo(np.tile(mean, (len(split.test), 1))))


def _transform(task: Task, train: Examples) -> Fitted:
    """Return the task's transform, fitted on train; none where it cannot be, which a finding of its own tells."""
    try:
        return fit_transform(task.transform, train.targets)
    except DataError:
        return fit_transform("none", train.targets)


def _learnt(task: Task, split: Split, train: FloatArray, test: FloatArray) -> Score:
    """Return the test score of a regression tree of at most 64 leaves, trained on the feature alone.

    On 0/1 columns its squared error is the Gini impurity, so one learner serves all kinds, and no shape is assumed.
    """
    from sklearn.tree import DecisionTreeRegressor

    least = max(5, len(train) // 1000)
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=least, random_state=0)
    learnt = _transform(task, split.train)
    tree.fit(train[:, None], encoded(task, learnt.apply(split.train.targets)))
    predicted = np.asarray(tree.predict(test[:, None])).reshape(len(test), -1)
    return score(task, split.test, learnt.undo(predicted))


def _constant(tables: Mapping[str, Mapping[str, FloatArray]], name: str) -> bool:
    return all(np.ptp(table[name]) == 0 for table in tables.values())


def _judged(task: Task, name: str, result: Score, learnt: bool, *, constant: bool) -> Finding:
    status: Status = judged(result, task)  # type: ignore[assignment]
    limits = thresholds(task)
    by = f"WARN from {limits['WARN']:g}, FAIL from {limits['FAIL']:g} {_LABELS[rank_name(task)]}"
    by += ", if 3 standard errors better than chance"
    if name in UNJUDGED:
        status, by = "NOTE", "reported, not judged: no model sees it"
    elif name in UNSEEN:
        status = "WARN" if status == "FAIL" else status
        by = by.split(", FAIL")[0] + f" {_LABELS[rank_name(task)]}, never FAIL: no model sees it"
    summary = f"{name} alone: " + ("the same in all rows" if constant else _score_text(task, result, learnt))
    numbers = {
        **result.to_json(),
        "feature": name,
        "constant": constant,
        "learnt": learnt,
        "chance_error": result.error,
    }
    return Finding(f"feature:{name}", f"{name} alone", "shortcuts", status, summary, by, numbers)


_LABELS = {"auroc": "AUROC", "spearman": "|Spearman|", "paired_accuracy": "paired accuracy"}


def _score_text(task: Task, result: Score, learnt: bool) -> str:
    rank = f"{_LABELS[rank_name(task)]} {shown(result.rank)}"
    if not learnt:
        return f"{rank} on test, not trained, with the better sign"
    if task.metrics[0] in ("auroc", "spearman"):
        return f"{rank} on test"
    return f"{task.metrics[0]} {shown(result.primary)}, {rank} on test"


def _noted(task: Task, name: str, title: str, result: Score, sampled: str = "") -> Finding:
    summary = f"{title.partition(':')[0]}: {_score_text(task, result, True)}"
    return Finding(name, title, "shortcuts", "NOTE", summary, numbers=result.to_json(), sampled=sampled)


def _kmers(task: Task, split: Split) -> Finding:
    """Return the test score of a linear model on the frequencies of all words of 1 to 5 bases."""
    title = "k-mers: a linear model of all words of 1 to 5 bases"
    if not len(split.valid) and len(split.train) < 20:
        return Finding(
            "kmers", title, "shortcuts", "NOTE", "k-mers: not trained, there are fewer than 20 training rows"
        )
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
        learnt = _transform(task, fitted)
        fitted, chosen = (replace(e, targets=learnt.apply(e.targets)) for e in (fitted, chosen))
        probe = fit_probe(x, fitted.targets, v, chosen.targets, n_classes=n_classes, penalties=PENALTIES)
    except DataError as reason:
        return Finding("kmers", title, "shortcuts", "NOTE", f"k-mers: not trained: {reason}")
    predicted = learnt.undo(probe.predict(_frequencies(tested.inputs)))
    return _noted(task, "kmers", title, score(task, tested, predicted), "; ".join(notes))


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
