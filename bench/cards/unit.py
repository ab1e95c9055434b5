"""What the intervals of a card's task are about: the unit that is a sample, and what was chosen and stays as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConfigError, nearest
from ..metrics import parse
from ..types import SplitRule

FAMILY = "family of similar sequences"
_PLACED = ("bed", "variants", "peaks")
"""The keys of sources whose rows have places in a genome; without a column, windows that overlap are one locus."""


def unit_of(card: Mapping[str, Any], rule: SplitRule) -> str:
    """Return what one cluster of the card's examples is: what its `unit` says, or what follows from its other keys."""
    if card.get("unit"):
        return str(card["unit"])
    if knows_families(rule):
        return FAMILY
    if locus := card["source"].get("locus"):
        return f"locus of {locus // 1000:,} kb" if locus % 1000 == 0 else f"locus of {locus:,} bp"
    if columns := _cluster_columns(card["source"]):
        return " and ".join(columns)
    if any(key in card["source"] for key in _PLACED):
        return "locus"
    return "unit of the member tasks" if "tasks" in card["source"] else "distinct sequence"


def fixed_of(card: Mapping[str, Any], metrics: Sequence[str]) -> str:
    """Return what is no sample: what the card's `fixed` says, or the strata by which its metrics are computed."""
    if card.get("fixed"):
        return str(card["fixed"])
    units = ("", card.get("coarser"), *_cluster_columns(card["source"]))
    columns = dict.fromkeys(parse(metric).column for metric in metrics)
    return ", ".join(column for column in columns if column not in units)


def check_coarser(card: Mapping[str, Any], where: str) -> str:
    """Return the column of the coarser unit, '' for none. Raises ConfigError where the source has none of the name."""
    name, source = str(card.get("coarser", "")), card["source"]
    known = [str(column) for column in source.get("strata", ())]
    known += ["chromosome"] if any(key in source for key in _PLACED) else []
    if "tasks" in source or not name or name in known:
        return name
    near = nearest(name, known)
    advice = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}" if known else "add it"
    raise ConfigError(f"{where}: coarser = {name!r} is not among the strata of [source]; {advice}")


def check_margin(card: Mapping[str, Any], where: str) -> float | None:
    """Return the margin, None where the card has none. Raises ConfigError where it is not above 0."""
    if "margin" not in card:
        return None
    if not 0 < (value := float(card["margin"])) < math.inf:
        raise ConfigError(f"{where}: margin = {value}; expected a number above 0 on the scale of the primary metric")
    return value


def knows_families(rule: object) -> bool:
    """Return whether the rule, or one that it is made of, joins similar sequences to clusters."""
    while rule is not None:
        if hasattr(rule, "families") and getattr(rule, "by", "homology") == "homology":
            return True
        rule = getattr(rule, "rule", None)
    return False


def _cluster_columns(source: Mapping[str, Any]) -> list[str]:
    columns = source.get("cluster") or source.get("group") or ()
    return [columns] if isinstance(columns, str) else [str(column) for column in columns]
