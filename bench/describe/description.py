"""Descriptions: the measures of one model's embeddings of a task's test examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import Expression, Metric, mean
from ..metrics.metric import Span
from ..results import Estimate, Predictions
from ..statistics import estimate_of, groups_of, jackknife
from ..types import Examples, FloatArray, Task
from . import measures

MEASURES: dict[str, str] = {
    "rankme": "effective rank",
    "isoscore": "isotropy",
    "mean_cosine": "mean cosine",
    "adjusted_rand": "clusters are classes",
    "silhouette": "silhouette",
    "neighbour_purity": "neighbour purity",
    "purity_by_chance": "by chance",
    "cka_kmers": "CKA, 4-mers",
    "cka_gc": "CKA, GC",
    "cka_length": "CKA, length",
    "strand_cosine": "other strand",
}
"""The measures in the order in which they stand, with what a table calls them."""

NO_INTERVAL = "of these examples; no interval"
_AROUND = "jackknife over clusters, these embeddings as they are, t on the logit scale"


@dataclass(frozen=True)
class Description:
    """The measures of one model's embeddings of a task's test examples, without a value where they do not exist.

    `settings` are those of the embedding, `revision` identifies the weights and `data` the examples; `dimensions` is
    the width of an embedding. `components` are the first two principal components of each example, with the share of
    variance that each has, and `labels` its class, None where there is none.
    """

    task: str
    model: str
    revision: str
    data: str
    settings: Mapping[str, Any]
    n: int
    dimensions: int
    measures: tuple[Estimate, ...]
    components: FloatArray = field(compare=False, repr=False)
    shares: tuple[float, ...] = ()
    labels: tuple[str, ...] | None = field(default=None, compare=False, repr=False)

    def measure(self, name: str) -> Estimate:
        """Return the measure called `name`, one of `MEASURES`."""
        return next(e for e in self.measures if e.metric == name)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object of all but the coordinates of examples."""
        shown = {k: v for k, v in self.__dict__.items() if k not in ("components", "labels", "measures")}
        return {**shown, "shares": list(self.shares), "measures": [asdict(e) for e in self.measures]}


@dataclass(frozen=True, eq=False)
class Spaces:
    """What embeddings are compared with: 4-mer frequencies (n, 256), GC content and length (n, 1)."""

    kmers: FloatArray
    gc: FloatArray
    length: FloatArray


def measured(
    task: Task, test: Examples, forward: NDArray[Any], reverse: NDArray[Any] | None, spaces: Spaces
) -> tuple[Estimate, ...]:
    """Return every measure of the embeddings (n, d) of test examples; `reverse` are those of the other strand, if any.

    A measure that does not exist here has no value, and the reason.
    """
    n_clusters = len(set(test.clusters))
    x = np.asarray(forward, np.float64)
    equal = "all embeddings are equal" if not np.ptp(x, axis=0).any() else ""
    found: dict[str, Estimate] = {}

    def add(name: str, value: float | None, reason: str = "") -> None:
        known = None if value is None or not np.isfinite(value) else float(value)
        why = reason or ("undefined: the same for all examples" if known is None else "")
        found[name] = Estimate(name, known, None, None, len(test), n_clusters, method=NO_INTERVAL, reason=why)

    add("rankme", None if not x.any() else measures.rankme(x))
    add("mean_cosine", measures.mean_cosine(x) if x.any() else None)
    narrow = equal or ("embeddings of one dimension" if x.shape[1] < 2 else "")
    add("isoscore", None if narrow else measures.isoscore(x), narrow)
    unlabelled = equal or ("" if task.kind == "classification" else f"a {task.kind} task has no classes")
    unlabelled = unlabelled or ("test has one class" if len(set(test.targets.tolist())) < 2 else "")
    if unlabelled:
        for name in ("adjusted_rand", "silhouette", "neighbour_purity", "purity_by_chance"):
            add(name, None, unlabelled)
    else:
        unit = measures.directions(x)
        units = np.unique(test.clusters.astype(str), return_inverse=True)[1]
        add("adjusted_rand", measures.cluster_agreement(unit, test.targets))
        add("silhouette", measures.silhouette(unit, test.targets))
        shares, chance = measures.purity(unit, test.targets, units)
        few = "" if np.isfinite(shares).all() else f"fewer than {measures.NEIGHBOURS} examples of other clusters"
        if few:
            add("neighbour_purity", None, few)
        else:
            found["neighbour_purity"] = mean_over("neighbour_purity", shares, test, span=(0.0, 1.0))
        add("purity_by_chance", float(chance.mean()), few)
    for name, space, what in (
        ("cka_kmers", spaces.kmers, "4-mer frequencies"),
        ("cka_gc", spaces.gc, "GC content"),
        ("cka_length", spaces.length, "length"),
    ):
        flat = equal or ("" if np.ptp(space, axis=0).any() else f"all examples have the same {what}")
        add(name, None if flat else measures.cka(x, space), flat)
    unturned = equal or ("" if reverse is not None else "not measured for variants")
    if unturned or reverse is None:
        add("strand_cosine", None, unturned)
    else:
        turned = measures.cosines(x, np.asarray(reverse, np.float64))
        found["strand_cosine"] = mean_over("strand_cosine", turned, test, span=(-1.0, 1.0))
    return tuple(found[name] for name in MEASURES)


def mean_over(name: str, values: FloatArray, test: Examples, *, span: Span) -> Estimate:
    """Return the mean of a value of each example, (n,), with its interval over the clusters of the examples."""

    def of(targets: Any, scores: FloatArray, cluster: Any, n_clusters: int) -> Any:
        return mean(scores[:, 0], cluster, n_clusters)

    expression = Expression(Metric(name, name, "higher", "pair", of, "", must_vary="never", span=span))
    none = np.zeros(len(test), np.int64)
    # The row's number beside it: a value that all examples share is no constant prediction, which would be certain.
    scores = np.column_stack([values, np.arange(len(values))])[None]
    each = Predictions(test.ids, none, test.clusters, {}, scores, (0,))
    groups = groups_of(each, expression)
    made = estimate_of(jackknife(each, expression, groups), each, expression, groups)
    return replace(made, method=_AROUND)
