"""What is claimed of intervals and verdicts, and how often it holds in simulated worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..metrics import parse
from ..progress import activity
from ..results import Predictions
from ..statistics import difference, estimate, groups_of, holm, jackknife
from .worlds import World

FULL, SHORT = 2000, 200
_METRICS = ("auroc", "auprc", "mcc", "accuracy")
_CHANCE = 2.6
"""The standard errors of a simulated rate by which it may miss its bounds."""

_COVERAGE: tuple[tuple[str, World, float, float], ...] = (
    ("400 clusters", World(2000, 400, uneven=1.0), 0.93, 0.97),
    ("every example a cluster", World(600, 600, uneven=0.0), 0.93, 0.97),
    ("47 uneven clusters", World(1000, 47), 0.93, 0.97),
    ("20 clusters", World(600, 20, uneven=0.2), 0.93, 0.97),
    ("a class of 10 %, 100 clusters", World(2000, 100, uneven=0.8, prevalence=0.1), 0.93, 0.97),
    ("five trainings that vary, 400 clusters", World(2000, 400, training=0.2, seeds=5), 0.93, 0.98),
    ("12 clusters", World(600, 12, uneven=0.2), 0.90, 0.98),
    ("near perfect, 40 clusters", World(600, 40, skill=2.6), 0.90, 0.99),
)
_TRAINING: tuple[tuple[str, World], ...] = (
    ("600 examples, 5 seeds", World(600, 400, uneven=0.3, training=0.1, seeds=5)),
    ("600 examples, 3 seeds", World(600, 400, uneven=0.3, training=0.1, seeds=3)),
    ("7,000 examples, 5 seeds", World(7000, 1700, uneven=0.3, training=0.2, seeds=5)),
    ("7,000 examples, 3 seeds", World(7000, 1700, uneven=0.3, training=0.2, seeds=3)),
    ("40 clusters, no noise of training", World(1000, 40)),
)


@dataclass(frozen=True)
class Claim:
    """A rate that was simulated `n` times in a `setting`; it must be from `low` to `high`, but for chance.

    `found` is None where nothing could be simulated, which does not hold.
    """

    about: str
    setting: str
    found: float | None
    n: int
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the rate is within its bounds, or misses them by no more than 2.6 standard errors."""
        if self.found is None or not self.n:
            return False
        errors = [_CHANCE * np.sqrt(bound * (1 - bound) / self.n) for bound in (self.low, self.high)]
        return bool(self.low - errors[0] <= self.found <= self.high + errors[1])


def every_claim(*, full: bool = False) -> Iterator[Claim]:
    """Return the claims one after the other as they are simulated: `FULL` times each, or `SHORT` times."""
    n = FULL if full else SHORT
    total = len(_COVERAGE) * len(_METRICS) + 2 * len(_TRAINING) + 1
    advance = activity("simulating", total)
    for one in _claims(n):
        yield one
        advance(1)


def _claims(n: int) -> Iterator[Claim]:
    for setting, world, low, high in _COVERAGE:
        for metric in _METRICS:
            yield coverage(world, metric, n, Claim(f"95 % interval of {metric} covers", setting, None, 0, low, high))
    for setting, world in _TRAINING:
        yield equal_methods(world, n, Claim("two equal methods are told apart", setting, None, 0, 0.0, 0.07))
    for setting, world in _TRAINING:
        about = "a table of 6 equal methods has a verdict"
        yield equal_methods(world, n // 2, Claim(about, setting, None, 0, 0.0, 0.06), others=5)
    yield permuted(n, Claim("AUROC of permuted labels differs from .5", "500 examples", None, 0, 0.0, 0.06))


def coverage(world: World, metric: str, n: int, claim: Claim) -> Claim:
    """Return the claim with the share of drawn test sets whose interval covers the truth, of those that have one."""
    truth, rng = world.truth(metric), np.random.default_rng(1)
    covered = []
    for _ in range(n):
        e = estimate(world.models(rng, [world.skill])[0], metric)
        if e.low is not None and e.high is not None:
            covered.append(e.low <= truth <= e.high)
    return _with_rate(claim, covered)


def equal_methods(world: World, n: int, claim: Claim, *, others: int = 1) -> Claim:
    """Return the claim with the share of tables in which a method is told apart (MCC) from one of its equals."""
    rng, metric, found = np.random.default_rng(2), parse("mcc"), []
    for _ in range(n):
        models = world.models(rng, [world.skill] * (1 + others))
        groups = groups_of(models[0], metric)
        first, *rest = (jackknife(model, metric, groups) for model in models)
        ps = [difference(first, other).p for other in rest]
        found.append(min(holm([1.0 if p is None else p for p in ps])) < 0.05)
    return _with_rate(claim, found)


def permuted(n: int, claim: Claim) -> Claim:
    """Return the claim with the share of permutations of the labels whose AUROC has an interval without .5."""
    rng, found = np.random.default_rng(3), []
    (model,) = World(500, 500, uneven=0.0).models(rng, [1.0])
    for _ in range(n):
        shuffled: Predictions = replace(model, targets=rng.permutation(model.targets))
        e = estimate(shuffled, "auroc")
        found.append(e.low is not None and e.high is not None and not e.low <= 0.5 <= e.high)
    return _with_rate(claim, found)


def _with_rate(claim: Claim, happened: list[bool]) -> Claim:
    rate: Callable[[list[bool]], float] = lambda values: float(np.mean(values))  # noqa: E731
    return replace(claim, found=rate(happened) if happened else None, n=len(happened))
