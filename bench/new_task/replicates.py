"""Whether rows, or columns, are replicates: several measurements of one input."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from ..errors import ConfigError, DataError
from ..sources.replicates import Replicates
from ..sources.targets import are_missing
from . import columns as c
from .columns import Column
from .roles import Guess, Roles, describe, some

SHARE = 0.1
"""The share of rows that must measure an input once more, with another value, for them to be taken for replicates."""
_CONDITIONS = 50
"""Most values of a column that may name conditions."""
_NUMBERED = re.compile(r"(?P<stem>.*?)[\W_]*(bio|tech)?[\W_]*(rep(licate)?|r)[\W_]*\d+(?P<rest>.*)", re.I)


def choose_replicates(roles: Roles, given: str) -> None:
    """Add the key `replicates` where it is `given`, or where the rows show that inputs are measured several times.

    Raises ConfigError where what is given does not fit the target, and DataError where the rows of an input may as
    well be conditions.
    """
    where, several = roles.sample.reference, [n for n, role in roles.taken.items() if role == "target"]
    known = [name for name in get_args(Replicates) if name]
    if given and given not in known:
        raise ConfigError(f"--replicates {given}: expected one of {', '.join(known)}")
    if given and roles.kind == "paired":
        raise ConfigError(f"{where}: --replicates {given}: there is no target; leave the option out")
    if given in ("mean", "columns") and roles.kind != "regression":
        raise ConfigError(
            f"{where}: --replicates {given} is for measurements, and {some(several)} holds classes; --replicates "
            "grouped keeps the rows of an input together"
        )
    if given == "columns":
        if len(several) < 2:
            raise ConfigError(f"{where}: --replicates columns needs --target for each column, such as rep1 and rep2")
        roles.classes = ()
        roles.guesses.append(Guess("replicates", "columns", f"the target is the mean of {len(several)} columns"))
        return
    if not given and roles.kind not in ("regression", "classification"):
        return
    rows_of = _rows_of(roles)
    repeated = [rows for rows in rows_of if len(rows) > 1]
    counted = (
        f"{sum(map(len, repeated)):,} of {len(roles.sample):,} rows measure {_count(repeated, 'input')} repeatedly"
    )
    if given:
        roles.guesses.append(Guess("replicates", given, f"given by --replicates: {counted}"))
        _name_inputs(roles, rows_of)
    elif roles.kind == "classification":
        _group_variants(roles, repeated)
    elif _are_measured_again(roles, repeated):
        _refuse_conditions(roles, repeated, counted)
        reason = "a model has one score for an input, to which their scatter is noise; 'grouped' keeps each row"
        roles.guesses.append(Guess("replicates", "mean", f"{counted}: {reason}"))
        roles.notes.append(f"{counted}; the card takes the mean of each, --replicates grouped keeps the rows")
        _name_inputs(roles, rows_of)


def _group_variants(roles: Roles, repeated: Sequence[Sequence[int]]) -> None:
    """Add the key where variants, whose ids are unique, have several rows with a class each."""
    if roles.form != "variants" or not repeated or roles.target is None:
        return
    labels = roles.target.values
    differ = sum(len({labels[row].lower() for row in rows}) > 1 for rows in repeated)
    counted = f"{sum(map(len, repeated)):,} of {len(roles.sample):,} rows are of {_count(repeated, 'variant')}"
    roles.guesses.append(Guess("replicates", "grouped", f"{counted}, whose rows stay together"))
    classes = f", {differ:,} of them with several classes" if differ else ""
    roles.notes.append(f"{counted}{classes}; the card keeps all rows, those of a variant in one group and cluster")


def _refuse_conditions(roles: Roles, repeated: Sequence[Sequence[int]], counted: str) -> None:
    """Raise DataError where another column differs between the rows of an input, as conditions do."""
    if conditions := _conditions(roles, repeated):
        listed = some([f"{column.name!r} ({describe(column)})" for column in conditions], 3)
        raise DataError(
            f"{roles.sample.reference}: {counted}, with other values of {listed}: replicates, or conditions? "
            "--replicates mean takes the mean of an input, --replicates grouped keeps its rows together; of conditions "
            "make a file each"
        )


def replicate_columns(fit: Sequence[Column]) -> list[str]:
    """Return the names of columns of numbers that differ in the number of a replicate alone, such as rep1 and rep2."""
    of_stem: dict[tuple[str, str], list[str]] = defaultdict(list)
    for column in fit:
        found = _NUMBERED.fullmatch(column.name)
        if found and column.holds in ("numbers", "whole numbers"):
            of_stem[found["stem"], found["rest"]].append(column.name)
    return max(of_stem.values(), key=len, default=[]) if any(len(names) > 1 for names in of_stem.values()) else []


def _count(repeated: Sequence[object], what: str) -> str:
    return f"{len(repeated):,} {what}{'s' * (len(repeated) != 1)}"


def _rows_of(roles: Roles) -> list[list[int]]:
    """Return the rows of each input, without those that have no target."""
    of = {role: name for name, role in roles.taken.items() if role != "target"}
    names = (
        ("sequence", "alternate") if roles.form == "sequences" else ("chrom", "start", "end", "strand", "ref", "alt")
    )
    inputs = [roles.columns[of[role]].values for role in names if role in of]
    targets = [roles.columns[name] for name, role in roles.taken.items() if role == "target"]
    lacks = [are_missing(t.values, numbers=roles.kind == "regression", point=True) for t in targets]
    out: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, cells in enumerate(zip(*inputs, strict=True)):
        if not any(missing[row] for missing in lacks):
            out[tuple(cell.upper() for cell in cells)].append(row)
    return list(out.values())


def _are_measured_again(roles: Roles, repeated: Sequence[Sequence[int]]) -> bool:
    """Return whether enough rows have another value of an input; of variants, which have unique ids, any rows do."""
    targets = [roles.columns[name].values for name, role in roles.taken.items() if role == "target"]
    differ = [rows for rows in repeated if len({tuple(values[row] for values in targets) for row in rows}) > 1]
    least = 1 if roles.form == "variants" else SHARE * len(roles.sample)
    return sum(map(len, repeated if roles.form == "variants" else differ)) >= max(1, least)


def _conditions(roles: Roles, repeated: Sequence[Sequence[int]]) -> list[Column]:
    """Return the columns of few values, other than names of replicates, that mostly differ between an input's rows."""
    out = []
    for column in roles.free():
        few = 2 <= len(column.counts) <= min(_CONDITIONS, len(column.values) // 4)
        if not few or column.parts or column.named(c.REPLICATE) or column.chromosome:
            continue
        differ = sum(len({column.values[row] for row in rows}) > 1 for rows in repeated)
        if differ >= len(repeated) / 2:
            out.append(column)
    return out


def _name_inputs(roles: Roles, rows_of: Sequence[Sequence[int]]) -> None:
    """Take a column of ids that names inputs, since its values are not different in every row."""
    if "id" in roles.taken.values():
        return
    for column in roles.free():
        values = column.values
        if not column.named(c.ID) or column.empty or not 1 < len(column.counts) < len(values):
            continue
        names = [{values[row] for row in rows} for rows in rows_of]
        if all(len(one) == 1 for one in names) and len(set().union(*names)) == len(names):
            roles.take("id", column, "one for each input")
            return
