"""Test scores of single features and of k-mers, learnt from train: the shortcuts that a model may take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..progress import activity
from ..splits import by_group, predefined, stratified
from ..types import FloatArray, Split, Task
from .features import add_positions, feature_table
from .finding import Finding, Status
from .measured import transform_of
from .scores import LABELS, Score, encoded, judged, rank_name, score, score_text, thresholds, untrained

LEAVES = 64
UNSEEN = ("position", "lower case")
"""Features that models do not see: a WARN at most."""
SORTED = 0.9
"""AUROC from which the order of rows is that of their labels."""


def shortcut_findings(
    task: Task, split: Split, compositions: Mapping[str, Mapping[str, FloatArray]]
) -> Iterator[Finding]:
    """Yield the scores of the majority and of each feature alone, which are judged."""
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
        if name == "row order":
            yield _ordered(task, split, result, learns)
        else:
            yield _judged(task, name, result, learns, constant=_constant(tables, name))
        advance(1)


def _majority(task: Task, split: Split) -> Score:
    learnt = transform_of(task, split.train)
    mean = encoded(task, learnt.apply(split.train.targets)).mean(axis=0)
    return score(task, split.test, learnt.undo(np.tile(mean, (len(split.test), 1))))


def _learnt(task: Task, split: Split, train: FloatArray, test: FloatArray) -> Score:
    """Return the test score of a regression tree of at most 64 leaves, trained on the feature alone.

    On 0/1 columns its squared error is the Gini impurity, so one learner serves all kinds, and no shape is assumed.
    """
    from sklearn.tree import DecisionTreeRegressor

    least = max(5, len(train) // 1000)
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=least, random_state=0)
    learnt = transform_of(task, split.train)
    tree.fit(train[:, None], encoded(task, learnt.apply(split.train.targets)))
    predicted = np.asarray(tree.predict(test[:, None])).reshape(len(test), -1)
    return score(task, split.test, learnt.undo(predicted))


def _constant(tables: Mapping[str, Mapping[str, FloatArray]], name: str) -> bool:
    return all(np.ptp(table[name]) == 0 for table in tables.values())


def _judged(task: Task, name: str, result: Score, learnt: bool, *, constant: bool) -> Finding:
    status: Status = judged(result, task)  # type: ignore[assignment]
    limits = thresholds(task)
    by = f"WARN from {limits['WARN']:g}, FAIL from {limits['FAIL']:g} {LABELS[rank_name(task)]}"
    by += ", if 3 standard errors better than chance"
    if name in UNSEEN:
        status = "WARN" if status == "FAIL" else status
        by = by.split(", FAIL")[0] + f" {LABELS[rank_name(task)]}, never FAIL: no model sees it"
    summary = f"{name} alone: " + ("the same in all rows" if constant else score_text(task, result, learnt=learnt))
    numbers = _numbers(name, result, learnt, constant=constant)
    return Finding(f"feature:{name}", f"{name} alone", "shortcuts", status, summary, by, numbers)


def _numbers(name: str, result: Score, learnt: bool, *, constant: bool) -> dict[str, object]:
    about = {"feature": name, "constant": constant, "learnt": learnt, "chance_error": result.error}
    return {**result.to_json(), **about}


def _ordered(task: Task, split: Split, result: Score, learnt: bool) -> Finding:
    """Return the finding on the order of rows, a WARN where rows that were split one by one are sorted by label.

    No model sees the order. But whatever cuts such a file by row numbers takes the classes apart: a split, the first
    rows, batches that are not shuffled. Where a rule splits by place, gene or family, it does not.
    """
    name, limit = "row order", f"{SORTED:g} AUROC"
    by = f"WARN from {limit} where rows are split one by one, else reported, not judged: no model sees it"
    summary = f"{name} alone: {score_text(task, result, learnt=learnt)}"
    is_sorted = rank_name(task) == "auroc" and judged(result, task) == "FAIL"
    status: Status = "WARN" if is_sorted and by_rows(split, task.split) else "NOTE"
    if status == "WARN":
        summary += ": the file is sorted by label, so that parts or batches cut by row number differ in their classes"
    numbers = _numbers(name, result, learnt, constant=len(split.test) == 1)
    return Finding(f"feature:{name}", f"{name} alone", "shortcuts", status, summary, by, numbers)


def by_rows(split: Split, rule: object) -> bool:
    """Return whether rows are split one by one: no group has two, and the rule knows no place and no family."""
    while (inner := getattr(rule, "rule", None)) is not None:
        rule = inner
    if not isinstance(rule, predefined | stratified | by_group):
        return False
    return all(len(set(e.groups)) == len(e) for _, e in split)


def _noted(task: Task, name: str, title: str, result: Score) -> Finding:
    summary = f"{title.partition(':')[0]}: {score_text(task, result, learnt=True)}"
    return Finding(name, title, "shortcuts", "NOTE", summary, numbers=result.to_json())
