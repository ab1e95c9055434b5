"""How often intervals cover, equal methods are told apart and true gains are found, in simulated worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..metrics import Expression, parse
from ..results import Predictions
from ..statistics import Difference, Groups, difference, estimate, groups_of, holm, jackknife, replicates, swap_p
from .claim import Claim
from .worlds import World

ALPHA = 0.05
_DRAWS = 1000
_LOST = 0.05
"""The share of true gains that may be found less often than by the ordinary bootstrap."""


def coverage(setting: str, world: World, metrics: Sequence[str], low: float, high: float, n: int) -> list[Claim]:
    """Return for each metric the share of `n` test sets whose interval has the truth, of those that have one."""
    truth, rng = {metric: world.truth(metric) for metric in metrics}, np.random.default_rng(1)
    covered: dict[str, list[bool]] = {metric: [] for metric in metrics}
    for _ in range(n):
        (model,) = world.models(rng, [world.skill])
        for metric in metrics:
            e = estimate(model, metric)
            if e.low is not None and e.high is not None:
                covered[metric].append(e.low <= truth[metric] <= e.high)
    return [
        Claim("coverage", metric, setting, low, high).with_rate(found, n - len(found))
        for metric, found in covered.items()
    ]


def withheld(setting: str, world: World, metrics: Sequence[str], n: int) -> list[Claim]:
    """Return for each metric how often there is no interval, where there are too few clusters for one."""
    rng = np.random.default_rng(6)
    models = [world.models(rng, [world.skill])[0] for _ in range(n)]
    return [
        Claim("coverage", f"{metric}, no interval", setting, 1.0, 1.0).with_rate(
            [estimate(model, metric).low is None for model in models]
        )
        for metric in metrics
    ]


def equal_methods(setting: str, world: World, n: int, metric: str = "mcc", others: int = 1) -> list[Claim]:
    """Return the share of `n` tables in which a method is told apart from one of its equals.

    With one other that is the raw rate, at most 7 %; with several it is that of any verdict in a table, at most 5 %.
    """
    rng, parsed, found = np.random.default_rng(2), parse(metric), []
    for _ in range(n):
        first, *rest = world.models(rng, [world.skill] * (1 + others))
        groups = groups_of(first, parsed)
        ps = [gain(first, other, parsed, groups).p for other in rest]
        found.append(min(holm([1.0 if p is None else p for p in ps])) < ALPHA)
    about = f"{metric}, two methods" if others == 1 else f"{metric}, a table of {1 + others}"
    return [Claim("level", about, setting, 0.0, 0.07 if others == 1 else 0.05).with_rate(found)]


def gain(a: Predictions, b: Predictions, metric: Expression, groups: Groups) -> Difference:
    """Return the difference of two models with its p as a leaderboard has it: of the t, or of swaps if larger."""
    d = difference(jackknife(a, metric, groups), jackknife(b, metric, groups), span=metric.span)
    return d.by_swaps(swap_p(a, b, metric, groups)) if d.p is not None and d.p < ALPHA else d


def permuted(metric: str, chance: float, n: int) -> list[Claim]:
    """Return the share of `n` permutations of the targets after which the interval does not have chance in it."""
    rng, found = np.random.default_rng(3), []
    (model,) = World(500, 500, uneven=0.0, measured=metric == "spearman").models(rng, [1.0])
    for _ in range(n):
        e = estimate(replace(model, targets=rng.permutation(model.targets)), metric)
        found.append(e.low is not None and e.high is not None and not e.low <= chance <= e.high)
    return [Claim("level", f"{metric}, permuted labels", "500 examples", 0.0, 0.06).with_rate(found)]


def power(setting: str, world: World, metric: str, more: float, n: int) -> list[Claim]:
    """Return how often a method of `more` skill is found better, where the paired bootstrap of clusters finds it.

    That one holds the trained models fixed, and so is asked where a method is one training without noise. Its verdict
    is that a percentile interval of 1,000 draws of the difference does not have 0 in it.
    """
    rng, parsed, found, by_draws = np.random.default_rng(4), parse(metric), [], []
    true = replace(world, skill=world.skill + more).truth(metric) - world.truth(metric)
    for i in range(n):
        better, other = world.models(rng, [world.skill + more, world.skill])
        d = gain(better, other, parsed, groups_of(better, parsed))
        found.append(d.p is not None and d.p < ALPHA and d.value > 0)
        one, two = replicates([better, other], metric, n_resamples=_DRAWS, seed=i)
        by_draws.append(bool(np.quantile(one - two, ALPHA / 2) > 0))
    beside = float(np.mean(by_draws))
    where = f"a gain of {true:.3f}, {setting}"
    claim = Claim("power", metric, where, max(0.0, beside - _LOST), 1.0, size=true, beside=beside)
    return [claim.with_rate(found)]
