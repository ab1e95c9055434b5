"""Families among test rows, and what they do to an interval that takes their rows for independent."""

from __future__ import annotations

import numpy as np

from ..splits import families
from ..types import Examples, FloatArray, StrArray, Task
from .finding import Finding, Threshold
from .hashes import too_short
from .kmers import Predicted
from .relatives import family_similarity
from .scores import encoded

WIDER = Threshold(1.25, None, "the standard error by families over that by clusters", share=False)


def family_finding(task: Task, test: Examples, predicted: Predicted | None) -> Finding:
    """Return the finding on how much wider an interval would be whose clusters were families of related test rows.

    The standard error of a mean over rows is that of sums over clusters (Davison & Hinkley 1997, section 3.8). The mean
    is that of the errors of the k-mer model where there is one, else of the labels, whose errors are more alike.
    """
    title = "Families of test rows and the clusters of the interval"
    short = too_short(test.inputs)
    why = f"{short}, so they are related by chance" if short else ""
    why = why or ("pairs have no label" if task.kind == "paired" else "")
    why = why or ("the next bases are not a label" if task.kind == "generation" else "")
    why = why or ("bases of a sequence are clusters already" if task.per_base else "")
    if why:
        return Finding("families", title, "balance", "NOTE", f"families were not searched for: {why}")
    rows = test if predicted is None else predicted.examples
    threshold = family_similarity(rows.inputs.sequences)
    family = families(rows, threshold)
    errors = encoded(task, rows.targets) if predicted is None else errors_of(predicted)
    n_families, n_clusters = len(set(family)), len(set(rows.clusters))
    by_family, by_cluster = standard_error(errors, family), standard_error(errors, rows.clusters)
    ratio = by_family / by_cluster if by_cluster > 0 else 1.0
    of = "labels" if predicted is None else "errors of the k-mer model"
    summary = f"{len(rows):,} test rows in {n_clusters:,} clusters make {n_families:,} families of similarity"
    summary += f" {threshold:g} or more; by families the standard error of the {of} is {ratio:.2f} times as wide"
    status = WIDER.status(ratio) if n_families < n_clusters else "PASS"
    if status != "PASS":
        summary += f": use {task.name}(cluster_similarity={threshold:g})"
    numbers = {
        "rows": len(rows),
        "families": n_families,
        "clusters": n_clusters,
        "ratio": ratio,
        "threshold": threshold,
    }
    notes = predicted.notes if predicted is not None and len(rows) < len(test) else ""
    return Finding("families", title, "balance", status, summary, str(WIDER), numbers, sampled=notes)


def standard_error(values: FloatArray, clusters: StrArray) -> float:
    """Return the standard error of the mean of the values (n, k) over whole clusters, pooled over columns."""
    _, of_row = np.unique(clusters.astype(str), return_inverse=True)
    sums = np.zeros((of_row.max(initial=-1) + 1, values.shape[1]))
    np.add.at(sums, of_row, values - values.mean(axis=0))
    return float(np.sqrt((sums**2).sum()) / max(len(values), 1))


def errors_of(predicted: Predicted) -> FloatArray:
    """Return how wrong each prediction is (n, k): a miss of the class or label, or the squared difference of ranks."""
    task, targets = predicted.task, predicted.examples.targets
    if task.kind == "classification":
        return np.asarray(predicted.scores.argmax(axis=1) != targets, np.float64)[:, None]
    if task.kind == "multilabel":
        return np.asarray((predicted.scores > 0.5) != targets, np.float64)
    from scipy.stats import rankdata

    columns = targets.reshape(len(targets), -1)
    difference: FloatArray = (rankdata(columns, axis=0) - rankdata(predicted.scores, axis=0)) / len(columns)
    return difference**2
