"""What is estimated from predictions, how sure it is, and how two models differ on the same examples."""

from __future__ import annotations

from .bootstrap import N_RESAMPLES, replicates
from .comparison import Difference, difference, holm, swap_p
from .examples import aligned, flag_collapsed, scored_mask
from .intervals import UNSCALED, estimate, estimate_of
from .jackknife import Groups, Jackknife, groups_of, jackknife
from .values import point_value, unanswerable

__all__ = [
    "N_RESAMPLES",
    "UNSCALED",
    "Difference",
    "Groups",
    "Jackknife",
    "aligned",
    "difference",
    "estimate",
    "estimate_of",
    "flag_collapsed",
    "groups_of",
    "holm",
    "jackknife",
    "point_value",
    "replicates",
    "scored_mask",
    "swap_p",
    "unanswerable",
]
