"""What each column of a file was taken for, and what else it could be."""

from __future__ import annotations

from collections.abc import Mapping

from . import columns as c
from .columns import Column
from .roles import Roles
from .target import can_be_target

_FIXED = ("sequence", "alternate", "chrom", "start", "end", "strand", "ref", "alt")
"""Roles that follow from what a column holds beside the others."""


def alternatives(roles: Roles) -> Mapping[str, tuple[str, ...]]:
    """Return for each column, by name, what else it could be: the roles that its content allows and it has not.

    A role that an option of `baserate new task` gives has the option beside it; others are keys of the card.
    """
    return {name: tuple(_others(roles, column)) for name, column in roles.columns.items()}


def _others(roles: Roles, column: Column) -> list[str]:
    role = roles.taken.get(column.name, "")
    if role == "target":
        return _kinds(roles, column)
    if role in _FIXED:
        return []
    out = []
    if column.holds == "dna" and roles.form == "sequences":
        out.append("sequence (--sequence)")
    if can_be_target(column):
        out.append("target (--target)")
    if column.parts and role != "strata":
        out.append("parts of a split (column)")
    recurring = 2 < len(column.counts) < len(roles.sample) and not column.empty
    if recurring and (column.named(c.GROUP) or column.chromosome) and role not in ("group", "cluster"):
        out.append("group")
    if column.unique and column.holds == "text" and role != "id":
        out.append("id")
    return out


def _kinds(roles: Roles, column: Column) -> list[str]:
    """Return what else a target of numbers could hold."""
    if column.holds not in ("numbers", "whole numbers") or roles.kind not in ("classification", "regression"):
        return []
    if roles.kind == "classification":
        return ["measurements (kind)"] if len(column.counts) > 2 else []
    return ["classes (kind)"] if column.holds == "whole numbers" and len(column.counts) < len(roles.sample) // 2 else []
