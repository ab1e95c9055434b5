"""What a metric is: what it needs, how it is computed under weights, why it may not exist, and how to register one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..registry import Registry, origin_of
from ..types import FloatArray, IntArray
from .kernels import Kernel, Prepare, mean_of, where_both

Better = Literal["higher", "lower", ""]
Needs = Literal["classes", "probabilities", "ranking", "labels", "value", "scale", "pair", "bases"]
Vary = Literal["always", "labels", "never"]
NoValue = Callable[[NDArray[Any], FloatArray], str]
Span = tuple[float, float]


def _always_a_value(targets: NDArray[Any], scores: FloatArray) -> str:
    return ""


@dataclass(frozen=True)
class Metric:
    """A metric: `of(targets, scores, cluster, n_clusters)` returns the kernel for one seed's scores (n, outputs).

    `needs` is 'classes' for one score per class, 'probabilities' where these must also sum to 1, 'ranking' for scores
    that order examples (one for a binary target, or one per class), 'labels' for a probability of each of several
    labels, 'value' for one number per example, 'scale' where it must also be on the scale of the targets, 'pair' for
    one of which only the sign matters, 'bases' for predicted bases. `labels` means that `of`, which takes one label,
    is averaged over several; every 'value' and 'scale' is averaged over several outputs.

    `must_vary` is 'always' where targets of a single value allow no score, be they classes, a label or an output;
    'labels' where only a label must be both 0 and 1 to count in the mean over several; 'never' where any targets will
    do. `no_value(targets, scores)` returns why there is no value for targets and scores that are otherwise as needed,
    and '' where there is one. `definition` is what tables explain the metric with. `span` are the least and the
    largest value that there can be, None where the metric has no such bounds.
    """

    name: str
    label: str
    better: Better
    needs: Needs
    of: Prepare
    definition: str
    labels: bool = False
    must_vary: Vary = "always"
    no_value: NoValue = _always_a_value
    span: Span | None = None

    def __call__(self, targets: NDArray[Any], scores: FloatArray, weights: NDArray[Any]) -> FloatArray:
        """Return the metric (draws,) under each row of integer `weights` (draws, n); NaN where it is undefined."""
        kernel = self.prepare(targets, scores, np.arange(len(targets)), len(targets))
        return kernel(np.ascontiguousarray(weights.T, dtype=np.float64))

    def prepare(self, targets: NDArray[Any], scores: FloatArray, cluster: IntArray, n_clusters: int) -> Kernel:
        """Return the kernel for scores (n, outputs) of targets (n,), or (n, k): a mean over the k labels or outputs.

        Labels of a single value, and outputs that do not vary, do not count in the mean.
        """
        if targets.ndim == 1 or self.needs in ("labels", "bases"):
            return self.of(targets, scores, cluster, n_clusters)
        kernels = []
        for j in self._counted(targets):
            kernel = self.of(targets[:, j], self._column(scores, j), cluster, n_clusters)
            # A draw may lack a label that the data have.
            missing = self.must_vary == "labels"
            kernels.append(where_both(kernel, targets[:, j], cluster, n_clusters) if missing else kernel)
        return mean_of(kernels)

    def undefined(self, targets: NDArray[Any], scores: FloatArray) -> str:
        """Return why the metric does not exist for these targets and scores (n, outputs), or '' where it does."""
        n, k = scores.shape
        if n == 0:
            return "there are no examples"
        if not np.isfinite(targets).all():
            return "a target is not finite"
        if not np.isfinite(scores).all():
            return f"{int((~np.isfinite(scores)).any(axis=1).sum())} of {n} examples have a score that is not finite"
        return self._misfit(targets, scores) or self.unanswerable(targets, k) or self._unscorable(targets, scores)

    def unanswerable(self, targets: NDArray[Any], outputs: int) -> str:
        """Return why the metric exists for no scores at all on these targets, or ''."""
        if not len(targets):
            return "there are no examples"
        if self.needs in ("pair", "bases", "labels"):
            return ""
        if targets.ndim == 2:
            if len(self._counted(targets)):
                return ""
            return "no output varies" if self.needs in ("value", "scale") else "no label is both 0 and 1 in the targets"
        if self.needs in ("value", "scale"):
            return "all targets are equal" if self.must_vary == "always" and np.ptp(targets) == 0 else ""
        present = np.unique(targets)
        classes = max(outputs, 2)
        if self.needs == "ranking" and len(present) < classes:
            absent = min(set(range(classes)) - {int(c) for c in present})
            return f"class {absent} is absent from the targets"
        return "the targets hold only one class" if self.must_vary == "always" and len(present) < 2 else ""

    def left_out(self, targets: NDArray[Any]) -> str:
        """Return how many labels or outputs do not count in the mean, '' where all do."""
        if targets.ndim == 1 or self.needs in ("pair", "bases", "labels"):
            return ""
        k, counted = targets.shape[1], len(self._counted(targets))
        if counted == k:
            return ""
        what = "outputs do not vary" if self.needs in ("value", "scale") else "labels are never, or always, set"
        return f"mean over {counted}: {k - counted} of {k} {what}"

    def _counted(self, targets: NDArray[Any]) -> IntArray:
        """Return the columns of targets (n, k) that the mean is over."""
        if self.must_vary == "never":
            return np.arange(targets.shape[1])
        return np.flatnonzero(targets.min(axis=0) < targets.max(axis=0))

    def _column(self, scores: FloatArray, j: int) -> FloatArray:
        """Return the scores of one label or output as `of` takes them."""
        if self.needs in ("classes", "probabilities"):
            return np.stack([1 - scores[:, j], scores[:, j]], axis=1)
        return scores[:, j : j + 1]

    def _misfit(self, targets: NDArray[Any], scores: FloatArray) -> str:
        """Return why scores of this form do not fit targets of that form, or ''."""
        k = scores.shape[1]
        width = 1 if targets.ndim == 1 else targets.shape[1]
        labels = targets.ndim == 2 and targets.dtype.kind in "iu"
        if self.needs == "bases":
            return "" if labels and k == width else f"{self.label} needs a base for each of those that follow"
        if self.needs in ("value", "scale", "pair"):
            if labels:
                return f"{self.label} needs measurements; these are labels"
            if k != width:
                return (
                    f"{self.label} needs {'one value' if width == 1 else f'{width} values'} per example; there are {k}"
                )
            return ""
        if targets.ndim == 2:
            if not labels or not (self.labels or self.needs == "labels"):
                return f"{self.label} needs one class per example; these are {'labels' if labels else 'measurements'}"
            if k != width:
                return f"{self.label} needs a score for each of {width} labels; there are {k}"
            if not np.isin(targets, (0, 1)).all():
                return "targets must be 0 or 1 for each label"
            if self.needs != "ranking" and not (scores.min() >= -1e-6 and scores.max() <= 1 + 1e-6):
                return f"{self.label} needs probabilities of the labels"
            return ""
        if self.needs == "labels":
            return f"{self.label} needs labels, several of which an example may have; these are classes"
        if self.needs != "ranking" and k == 1:
            return f"{self.label} needs a score for each class; there is one score per example"
        if not np.isin(targets, np.arange(max(k, 2))).all():
            return f"targets must be class indices below {max(k, 2)}"
        if self.needs == "probabilities" and not (scores.min() >= -1e-6 and np.allclose(scores.sum(1), 1, atol=1e-3)):
            return f"{self.label} needs probabilities that sum to 1"
        return ""

    def _unscorable(self, targets: NDArray[Any], scores: FloatArray) -> str:
        """Return why the metric does not exist for these scores, though it might for others, or ''."""
        if self.needs == "value":
            columns = self._counted(targets) if targets.ndim == 2 else np.arange(1)
            flat = [j for j in columns if np.ptp(scores[:, j]) == 0]
            where = f" of output {flat[0]}" if flat and targets.ndim == 2 else ""
            if flat:
                return f"all predictions{where} are equal"
        return self.no_value(targets, scores)


METRICS: Registry[Metric] = Registry("metric", builtin="baserate.metrics")
"""Every metric by name."""


def metric(
    name: str,
    *,
    label: str,
    better: Literal["higher", "lower"],
    needs: Needs,
    definition: str,
    labels: bool = False,
    must_vary: Vary = "always",
    no_value: NoValue = _always_a_value,
    span: Span | None = None,
) -> Callable[[Prepare], Prepare]:
    """Return a decorator that registers, as a metric, a function that returns kernels; see `Metric` and `Prepare`.

    >>> from baserate.metrics import mean, metric
    >>> @metric("brier_hit", label="Hit", better="higher", needs="probabilities", must_vary="never",
    ...         definition="mean probability of the true class")                       # doctest: +SKIP
    ... def hit(targets, scores, cluster, n_clusters):
    ...     return mean(scores[np.arange(len(targets)), targets], cluster, n_clusters)
    """

    def register(of: Prepare) -> Prepare:
        entry = Metric(name, label, better, needs, of, definition, labels, must_vary, no_value, span)
        METRICS.add(name, entry, origin=origin_of(inspect.unwrap(of)))
        return of

    return register
