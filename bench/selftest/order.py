"""What must not change an estimate: the order of rows, of classes and of seeds, and the names of clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from ..results import Predictions
from ..statistics import estimate
from ..types import strings
from .claim import Claim
from .worlds import World

_ROUNDING = 1e-9
_WORLD = World(400, 60, seeds=3, training=0.2)
_METRICS = ("auroc", "auprc", "mcc", "accuracy")


def _rows(p: Predictions, rng: Generator) -> Predictions:
    at = rng.permutation(len(p.ids))
    return replace(p, ids=p.ids[at], targets=p.targets[at], clusters=p.clusters[at], scores=p.scores[:, at])


def _classes(p: Predictions, rng: Generator) -> Predictions:
    return replace(p, targets=1 - p.targets, scores=p.scores[:, :, ::-1])


def _seeds(p: Predictions, rng: Generator) -> Predictions:
    at = rng.permutation(len(p.seeds))
    return replace(p, seeds=tuple(p.seeds[i] for i in at), scores=p.scores[at])


def _names(p: Predictions, rng: Generator) -> Predictions:
    names, at = np.unique(p.clusters.astype(str), return_inverse=True)
    return replace(p, clusters=strings(rng.permutation(len(names)))[at])


CHANGES: dict[str, tuple[Callable[[Predictions, Generator], Predictions], tuple[str, ...]]] = {
    "rows in another order": (_rows, _METRICS),
    "classes in another order": (_classes, tuple(m for m in _METRICS if m != "auprc")),  # which is that of class 1
    "seeds in another order": (_seeds, _METRICS),
    "clusters of other names": (_names, _METRICS),
}


def unchanged(name: str, n: int) -> list[Claim]:
    """Return the share of `n` test sets of which every estimate and interval stays as it was after a change."""
    change, metrics = CHANGES[name]
    rng, found = np.random.default_rng(5), []
    for _ in range(n):
        (model,) = _WORLD.models(rng, [_WORLD.skill])
        other = change(model, rng)
        found.append(all(_alike(model, other, metric) for metric in metrics))
    return [Claim("order", "same estimates", name, 1.0, 1.0).with_rate(found)]


def _alike(a: Predictions, b: Predictions, metric: str) -> bool:
    one, other = estimate(a, metric), estimate(b, metric)
    pairs = zip((one.value, one.low, one.high), (other.value, other.low, other.high), strict=True)
    return all(x is not None and y is not None and abs(x - y) <= _ROUNDING for x, y in pairs)
