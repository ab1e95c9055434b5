"""What is estimated from predictions, how sure it is, and how two models differ on the same examples."""

from __future__ import annotations

from .bootstrap import N_RESAMPLES, replicates
from .comparison import (
    ALPHA,
    FEW_DIFFER,
    Difference,
    comparable,
    difference,
    false_discovery,
    holm,
    paired_seeds,
    swap_p,
    unlike_clusters,
)
from .examples import aligned, flag_collapsed, scored_mask
from .intervals import UNSCALED, estimate, estimate_of
from .jackknife import Groups, Jackknife, groups_of, jackknife
from .ranks import cliques, critical_difference, friedman_p, may_be_best, rank_intervals, ranks_in_tasks, surely_better
from .strata import LIKELIHOOD, QUARTERS, quarters, with_derived
from .values import point_value, unanswerable

__all__ = [
    "ALPHA",
    "FEW_DIFFER",
    "LIKELIHOOD",
    "N_RESAMPLES",
    "QUARTERS",
    "UNSCALED",
    "Difference",
    "Groups",
    "Jackknife",
    "aligned",
    "cliques",
    "comparable",
    "critical_difference",
    "difference",
    "estimate",
    "estimate_of",
    "false_discovery",
    "flag_collapsed",
    "friedman_p",
    "groups_of",
    "holm",
    "jackknife",
    "may_be_best",
    "paired_seeds",
    "point_value",
    "quarters",
    "rank_intervals",
    "ranks_in_tasks",
    "replicates",
    "scored_mask",
    "surely_better",
    "swap_p",
    "unanswerable",
    "unlike_clusters",
    "with_derived",
]
