"""Ranks with what is not known about them: within one test set, and over tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, IntArray
from .comparison import ALPHA, holm


def surely_better(gains: FloatArray, p: FloatArray) -> NDArray[np.bool_]:
    """Return whether the first of two rows is better than the second and told apart from it, (n, n).

    Above the diagonal `gains` (n, n) has how much better the first is and `p` the p-value of that, NaN where the two
    are not tested. They are adjusted for each other by Holm's method: in 95 % of tables no pair is wrong.
    """
    better = np.zeros(gains.shape, dtype=bool)
    i, j = np.triu_indices(len(gains), k=1)
    tested = ~np.isnan(p[i, j])
    i, j = i[tested], j[tested]
    apart = np.asarray(holm(list(p[i, j]))) < ALPHA
    first = gains[i, j] > 0
    better[i[apart & first], j[apart & first]] = True
    better[j[apart & ~first], i[apart & ~first]] = True
    return better


def may_be_best(gains: FloatArray, p: FloatArray, *, among: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Return whether no row is surely better than each, (n,): in 95 % of tables the best row is among these.

    `gains` and `p` are as in `surely_better`. Only the n - 1 differences of the best row must be right, each on one
    side, so that fewer rows are left than have 1 in their interval of ranks. `among` (n, n) has the pairs that count;
    fewer of them are not corrected for less.
    """
    n = len(gains)
    above, below = (np.where(side, p / 2, 1 - p / 2) < ALPHA / max(1, n - 1) for side in (gains > 0, gains < 0))
    counted = np.triu(np.ones((n, n), dtype=bool) if among is None else among, k=1)
    beaten: NDArray[np.bool_] = np.logical_or((above & counted).any(axis=0), (below & counted).any(axis=1))
    return np.logical_not(beaten)


def rank_intervals(better: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Return the lowest and the highest rank of each row, (n,) both, from which rows are surely better than which.

    A row has at least as many before it as are surely better, and as many behind it as are surely worse. Where no pair
    is wrong all intervals have the true ranks (Mogstad et al. 2023, Rev. Econ. Stud., rdad006).
    """
    return 1 + better.sum(axis=0), len(better) - better.sum(axis=1)


def ranks_in_tasks(scores: FloatArray) -> FloatArray:
    """Return the rank of each row in each task, (tasks, rows); `scores` are signed, and equal ones share the middle."""
    above = (scores[:, None, :] > scores[:, :, None]).sum(axis=2)
    equal = (scores[:, None, :] == scores[:, :, None]).sum(axis=2)
    ranks: FloatArray = above + (equal + 1) / 2
    return ranks


def friedman_p(ranks: FloatArray) -> float:
    """Return the p-value of ranks (tasks, rows) of three rows or more if each task had put them in a random order.

    By Friedman's chi-squared with ties, which for few tasks is on the safe side; 1 where all rows tie in every task.
    """
    from scipy.special import chdtrc

    n, k = ranks.shape
    total = float(((ranks - (k + 1) / 2) ** 2).sum())
    between = n * float(((ranks.mean(axis=0) - (k + 1) / 2) ** 2).sum())
    return float(chdtrc(k - 1, n * (k - 1) * between / total)) if total else 1.0


def critical_difference(n_tasks: int, n_rows: int) -> float:
    """Return how far two mean ranks must lie apart to be told apart (Nemenyi; Demsar 2006, JMLR 7:1).

    In 95 % of tables of equal rows no two of all do. It is from the range of as many standard normals, by quadrature:
    scipy.stats, which has it too, takes longer to import than a table to make.
    """
    from scipy.special import ndtr

    x = np.linspace(-8.0, 8.0, 4001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    low, high = 0.0, 20.0
    while high - low > 1e-9:
        q = (low + high) / 2
        below = n_rows * np.trapezoid(density * (ndtr(x) - ndtr(x - q)) ** (n_rows - 1), x)
        low, high = (q, high) if below < 1 - ALPHA else (low, q)
    return high * float(np.sqrt(n_rows * (n_rows + 1) / (12 * n_tasks)))


def cliques(means: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """Return the first and last of rows, sorted by mean rank, that are not told apart; none within another."""
    out: list[tuple[int, int]] = []
    for i, first in enumerate(means):
        last = max(j for j in range(i, len(means)) if means[j] - first < critical)
        if last > i and (not out or last > out[-1][1]):
            out.append((i, last))
    return out
