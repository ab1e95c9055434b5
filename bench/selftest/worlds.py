"""Simulated predictions: clustered examples, uneven clusters, models that share what is hard, trainings that vary."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from ..metrics import parse
from ..results import Predictions
from ..statistics import point_value
from ..types import FloatArray, IntArray, StrArray, strings

_POPULATION, _NODES = 400_000, 9


@dataclass(frozen=True)
class World:
    """A test set of `n` examples in `clusters`, and models of `skill` in logits per class, or per SD of a measurement.

    `uneven` is the standard deviation of the logarithm of a cluster's size, `alike` the intra-class correlation of
    labels, `training` the standard deviation of the skill between trainings, of which there are `seeds`. Scores have an
    effect of the cluster and one of the example, half of each shared by all models, and noise of each training.
    Targets are two classes, or measurements where `measured`.
    """

    n: int
    clusters: int
    uneven: float = 0.6
    prevalence: float = 0.5
    skill: float = 1.0
    alike: float = 0.2
    training: float = 0.0
    seeds: int = 1
    measured: bool = False

    def models(self, rng: Generator, skills: Sequence[float]) -> list[Predictions]:
        """Return predictions of models of these skills on one drawn test set, (seeds, n, 2), or 1 where measured."""
        cluster = np.repeat(np.arange(self.clusters), self._sizes(rng))
        y, signal = self._targets(rng, cluster)
        hard = rng.normal(0, 0.5, self.clusters)[cluster] + rng.normal(0, 0.5, self.n)
        ids, names = _numbers(self.n), _numbers(self.clusters)[cluster]
        out = []
        for skill in skills:
            own = rng.normal(0, 0.5, self.clusters)[cluster] + rng.normal(0, 0.5, self.n)
            trained = skill + self.training * rng.normal(size=(self.seeds, 1))
            logit = trained * signal + hard + own + rng.normal(0, 0.7, (self.seeds, self.n))
            p = 1 / (1 + np.exp(-logit))
            scores = logit[:, :, None] if self.measured else np.stack([1 - p, p], axis=2)
            out.append(Predictions(ids, y, names, {}, scores, tuple(range(self.seeds))))
        return out

    def _targets(self, rng: Generator, cluster: IntArray) -> tuple[IntArray | FloatArray, FloatArray]:
        """Return the targets, and the part of a score that follows them."""
        if self.measured:
            shared, alone = np.sqrt(self.alike), np.sqrt(1 - self.alike)
            value: FloatArray = shared * rng.normal(size=self.clusters)[cluster] + alone * rng.normal(size=self.n)
            return value, value
        spread = 1 / self.alike - 1
        positive = rng.beta(self.prevalence * spread, (1 - self.prevalence) * spread, self.clusters)
        y = (rng.random(self.n) < positive[cluster]).astype(np.int64)
        return y, np.where(y, 1.0, -1.0)

    def truth(self, metric: str) -> float:
        """Return the metric's value on a population of 400,000 examples, or its mean over trainings of 100,000 each.

        That mean is an integral over the skill by nine nodes (Gauss-Hermite), since a mean of drawn trainings would
        be off by a share of what an interval is wide.
        """
        if not self.training:
            return self._of_population(metric, self.skill, _POPULATION)
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        values = [self._of_population(metric, self.skill + self.training * x, _POPULATION // 4) for x in nodes]
        return float(np.dot(weights, values) / weights.sum())

    def _of_population(self, metric: str, skill: float, n: int) -> float:
        many = replace(self, n=n, clusters=n // max(1, self.n // self.clusters), seeds=1, training=0.0)
        (whole,) = many.models(np.random.default_rng(0), [skill])
        value, reason = point_value(whole, parse(metric))
        assert value is not None, reason
        return value

    def _sizes(self, rng: Generator) -> IntArray:
        weights = rng.lognormal(0, self.uneven, self.clusters)
        return 1 + rng.multinomial(self.n - self.clusters, weights / weights.sum())


@functools.lru_cache(maxsize=8)
def _numbers(n: int) -> StrArray:
    """Return the numbers below `n` as names."""
    return strings(np.arange(n))
