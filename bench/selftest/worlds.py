"""Simulated predictions: clustered examples, uneven clusters, models that share what is hard, trainings that vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from ..metrics import parse
from ..results import Predictions
from ..statistics import point_value
from ..types import IntArray, strings

_POPULATION = 400_000


@dataclass(frozen=True)
class World:
    """A test set of `n` examples in `clusters`, and models of `skill` in logits per class.

    `uneven` is the standard deviation of the logarithm of a cluster's size, `alike` the intra-class correlation of
    labels, `training` the standard deviation of the skill between trainings, of which there are `seeds`. Scores have an
    effect of the cluster and one of the example, half of each shared by all models, and noise of each training.
    """

    n: int
    clusters: int
    uneven: float = 0.6
    prevalence: float = 0.5
    skill: float = 1.0
    alike: float = 0.2
    training: float = 0.0
    seeds: int = 1

    def models(self, rng: Generator, skills: Sequence[float]) -> list[Predictions]:
        """Return predictions of models of these skills on one drawn test set, (seeds, n, 2) each."""
        cluster = np.repeat(np.arange(self.clusters), self._sizes(rng))
        spread = 1 / self.alike - 1
        positive = rng.beta(self.prevalence * spread, (1 - self.prevalence) * spread, self.clusters)
        y = (rng.random(self.n) < positive[cluster]).astype(np.int64)
        hard = rng.normal(0, 0.5, self.clusters)[cluster] + rng.normal(0, 0.5, self.n)
        ids, names = strings(np.arange(self.n)), strings(cluster)
        out = []
        for skill in skills:
            own = rng.normal(0, 0.5, self.clusters)[cluster] + rng.normal(0, 0.5, self.n)
            trained = skill + self.training * rng.normal(size=(self.seeds, 1))
            logit = trained * (2 * y - 1) + hard + own + rng.normal(0, 0.7, (self.seeds, self.n))
            p = 1 / (1 + np.exp(-logit))
            out.append(Predictions(ids, y, names, {}, np.stack([1 - p, p], axis=2), tuple(range(self.seeds))))
        return out

    def truth(self, metric: str) -> float:
        """Return the metric's value on a population of 400,000 examples, or its mean over 50 trainings on 50,000."""
        n, seeds = (_POPULATION // 8, 50) if self.training else (_POPULATION, 1)
        many = replace(self, n=n, clusters=n // max(1, self.n // self.clusters), seeds=seeds)
        (whole,) = many.models(np.random.default_rng(0), [self.skill])
        values = [point_value(whole, parse(metric), s)[0] for s in range(seeds)]
        return float(np.mean([value for value in values if value is not None]))

    def _sizes(self, rng: Generator) -> IntArray:
        weights = rng.lognormal(0, self.uneven, self.clusters)
        return 1 + rng.multinomial(self.n - self.clusters, weights / weights.sum())
