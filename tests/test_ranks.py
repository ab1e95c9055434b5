"""Ranks on tables whose truth is known: how often intervals have the true ranks, and what is found."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from baserate.statistics import (
    Jackknife,
    cliques,
    critical_difference,
    difference,
    friedman_p,
    may_be_best,
    rank_intervals,
    ranks_in_tasks,
    surely_better,
)
from baserate.types import FloatArray

CLUSTERS, SEEDS = 60, 5


def table(skills: Sequence[float], rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return gains and p-values (n, n) of rows of these skills: means over clusters, with the noise of trainings."""
    hard = rng.normal(size=CLUSTERS)
    made = []
    for skill in skills:
        trained = rng.normal(scale=0.1, size=(SEEDS, 1))
        x = skill + trained + hard + rng.normal(size=CLUSTERS) + 0.3 * rng.normal(size=(SEEDS, CLUSTERS))
        without = (x.sum(axis=1, keepdims=True) - x) / (CLUSTERS - 1)
        made.append(Jackknife(tuple(range(SEEDS)), x.mean(axis=1), without, float(CLUSTERS)))
    n = len(skills)
    gains, p = np.full((2, n, n), np.nan)
    for i, j in itertools.combinations(range(n), 2):
        d = difference(made[i], made[j])
        gains[i, j], p[i, j] = d.value, d.p
    return gains, p


@pytest.mark.parametrize("skills", [(0.0,) * 6, (0.0, 0.0, 0.0, 1.0, 1.0, 2.0)])
def test_intervals_have_all_true_ranks_in_95_of_100_tables(skills: tuple[float, ...]) -> None:
    rng, n_tables = np.random.default_rng(0), 300
    lowest = rankdata([-s for s in skills], method="min")
    highest = rankdata([-s for s in skills], method="max")
    right = best = 0
    for _ in range(n_tables):
        gains, p = table(skills, rng)
        low, high = rank_intervals(surely_better(gains, p))
        # Rows of equal skill share all the ranks that they take together.
        right += bool((low <= lowest).all() and (high >= highest).all())
        best += bool(may_be_best(gains, p)[lowest == 1].any())
    margin = 2.6 * np.sqrt(0.95 * 0.05 / n_tables)
    assert right / n_tables >= 0.95 - margin and best / n_tables >= 0.95 - margin


def test_a_row_that_is_better_is_found() -> None:
    rng, found, alone = np.random.default_rng(1), 0, 0
    for _ in range(100):
        gains, p = table((0.0, 0.0, 0.0, 1.5), rng)
        low, high = rank_intervals(surely_better(gains, p))
        found += (low[3], high[3]) == (1, 1)
        alone += list(np.flatnonzero(may_be_best(gains, p))) == [3]
    assert found >= 95 and alone >= 95


def test_ranks_follow_the_definition() -> None:
    gains, p = np.full((2, 4, 4), np.nan)
    pairs = {(0, 1): (0.01, 0.5), (0, 2): (0.4, 0.001), (1, 2): (0.4, 0.001), (0, 3): (-0.1, 0.9)}
    for at, (gain, value) in pairs.items():
        gains[at], p[at] = gain, value
    better = surely_better(gains, p)
    assert [list(map(int, x)) for x in rank_intervals(better)] == [[1, 1, 3, 1], [3, 3, 4, 4]]
    assert list(may_be_best(gains, p)) == [True, True, False, True], "what is not tested may be anything"
    assert list(may_be_best(gains, p, among=np.eye(4, dtype=bool))) == [True] * 4
    empty = np.zeros((0, 0))
    assert [len(x) for x in rank_intervals(surely_better(empty, empty))] == [0, 0]


def test_p_values_are_adjusted_for_all_pairs() -> None:
    gains, p = np.ones((2, 3, 3))
    p[:] = 0.02
    assert not surely_better(gains, p).any(), "3 tests of .02"
    p[:] = 0.016
    assert surely_better(gains, p).sum() == 3


def test_ranks_over_tasks_are_those_of_scipy() -> None:
    scores = np.random.default_rng(0).integers(4, size=(7, 5)).astype(float)
    ranks = ranks_in_tasks(scores)
    assert np.array_equal(ranks, rankdata(-scores, axis=1))
    assert friedman_p(ranks) == pytest.approx(friedmanchisquare(*ranks.T).pvalue)
    assert friedman_p(np.full((3, 4), 2.5)) == 1.0
    for k in (3, 10, 40):
        want = studentized_range.ppf(0.95, k, np.inf) * np.sqrt(k * (k + 1) / (12 * 6))
        assert critical_difference(6, k) == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize(("n_tasks", "n_rows"), [(3, 3), (6, 4), (10, 12)])
def test_equal_rows_are_told_apart_over_tasks_in_5_of_100_tables(n_tasks: int, n_rows: int) -> None:
    rng, critical, apart, ordered = np.random.default_rng(2), critical_difference(n_tasks, n_rows), 0, 0
    for _ in range(1000):
        ranks = ranks_in_tasks(rng.normal(size=(n_tasks, n_rows)))
        apart += np.ptp(ranks.mean(axis=0)) >= critical
        ordered += friedman_p(ranks) < 0.05
    assert apart <= 68 and ordered <= 68


def test_cliques_join_what_is_not_told_apart_and_none_is_within_another() -> None:
    assert cliques([1.0, 1.5, 2.0, 4.0, 4.2], 1.2) == [(0, 2), (3, 4)]
    assert cliques([1.0, 2.0, 3.0], 1.5) == [(0, 1), (1, 2)]
    assert cliques([1.0, 3.0], 1.0) == []
