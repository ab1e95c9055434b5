"""Which example is in which part: split rules, fixed subsets, and the one function that gives a task's split.

A rule returns for each example 'train', 'valid', 'test', or '' where it is dropped. Rules are frozen, so that a rule is
identified by its repr, and they assign whole groups wherever they can, so that no group is in two parts.
"""

from collections.abc import Callable, Mapping

from ..types import SplitRule
from .altered import changes_from, confounded, perturbed, unperturbed, window
from .drawn import k_fold, stratified
from .homology import by_homology, coarser_units, families, with_families
from .leaks import assert_no_leak
from .load import check_split, load_split
from .presets import by_preset
from .rules import (
    Region,
    all_test,
    by_chromosome,
    by_group,
    by_position,
    by_stratum,
    per_stratum,
    predefined,
    split_version,
    with_valid,
)
from .subsets import RESAMPLE, RESAMPLE_VERSION, draw_shots, few_shot, repeated, resampled, take_subset

RULES: Mapping[str, Callable[..., SplitRule]] = {
    "by_chromosome": by_chromosome,
    "by_preset": by_preset,
    "by_position": by_position,
    "by_group": by_group,
    "by_stratum": by_stratum,
    "by_homology": by_homology,
    "k_fold": k_fold,
    "stratified": stratified,
    "predefined": predefined,
    "all_test": all_test,
}
"""The rules that a card, or a variant of a task, can name."""

__all__ = [
    "RESAMPLE",
    "RESAMPLE_VERSION",
    "RULES",
    "Region",
    "all_test",
    "assert_no_leak",
    "by_chromosome",
    "by_group",
    "by_homology",
    "by_position",
    "by_preset",
    "by_stratum",
    "changes_from",
    "check_split",
    "coarser_units",
    "confounded",
    "draw_shots",
    "families",
    "few_shot",
    "k_fold",
    "load_split",
    "per_stratum",
    "perturbed",
    "predefined",
    "repeated",
    "resampled",
    "split_version",
    "stratified",
    "take_subset",
    "unperturbed",
    "window",
    "with_families",
    "with_valid",
]
