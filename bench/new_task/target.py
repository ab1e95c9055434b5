"""Which column is the target, whether it holds classes, labels or numbers, and in which order its classes stand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError
from ..sources.numbers import ADVICE
from ..sources.targets import are_missing
from . import columns as c
from .columns import Column, column_of, joined_labels, zeros_and_ones
from .positive import NEGATIVE, positive_last
from .replicates import replicate_columns
from .roles import Guess, Roles, describe, short, some
from .sample import BED

MAX_CLASSES = 1000
GUESSED_CLASSES = 30
"""Most classes of a target that the user did not name: what has more is rather names or free text."""
_NO_VERDICT = re.compile(
    r"uncertain|\bvus\b|not provided|no classification|no assertion|conflicting|unknown|unclassified|not specified",
    re.I,
)
"""What a class of variants says where nobody has decided, such as in CLNSIG of ClinVar."""
_OF_GFF = ("source", "score", "phase")
"""Fields of GFF that say how a feature was found and is read, rather than what it is."""


def candidates(roles: Roles) -> list[Column]:
    """Return the columns that can be a target: not DNA, names, places or parts, and not constant."""
    fixed = _OF_GFF if roles.sample.form == "gff" else ()
    return [column for column in roles.free() if column.name not in fixed and can_be_target(column)]


def can_be_target(column: Column) -> bool:
    """Return whether a column can be a target, judged by its name and content."""
    return not _why_not(column)


def _why_not(column: Column) -> str:
    if column.holds == "nothing":
        return "empty"
    if len(column.counts) == 1:
        return f"always {next(iter(column.counts))!r}"
    if column.holds == "dna":
        return "DNA"
    if column.parts or column.untested:
        return "parts of a split"
    if column.named(c.TARGET):
        return _not_classes(column)
    if column.chromosome or column.named(c.PLACE) or column.named(c.SPECIES):
        return "a place"
    if column.named(c.ID) or column.named(c.GROUP):
        return "names"
    if column.named(c.REPLICATE):
        return "names of replicates"
    if column.holds == "whole numbers" and column.unique and len(column.values) > 20:
        return "as many values as rows"
    return _not_classes(column)


def _unfit(column: Column) -> bool:
    """Return whether the values cannot be classes or measurements."""
    return len(column.counts) < 2 or bool(_not_classes(column))


def _not_classes(column: Column) -> str:
    """Return why the text of a column is no list of classes, '' where it may be one or is no text."""
    if column.holds != "text" or joined_labels(column):
        return ""
    n, rows = len(column.counts), len(column.values) - column.empty
    if n > max(2, rows // 2):
        return "as many values as rows"
    if n > GUESSED_CLASSES:
        return f"{n} values"
    words = sum(len(v.split()) * k for v, k in column.counts.items()) / max(rows, 1)
    return "free text" if n > 3 and words >= 3 else ""


def choose_target(roles: Roles, given: Sequence[str]) -> None:
    """Assign the target: the columns `given`, else the only one that can be. Raises DataError where several can."""
    where = roles.sample.reference
    if given:
        return _set_target(roles, [roles.columns[name] for name in given], "given by --target", given=True)
    fourth = roles.columns.get("name")
    if roles.sample.form == "bed" and fourth is not None and not _unfit(fourth):
        return _set_target(roles, [fourth], "column 4 of a BED file")
    fit = candidates(roles)
    plain = all(name.lower() in BED or name.isdigit() for name in roles.columns)
    if roles.form == "intervals" and (plain or (roles.sample.form == "gff" and not fit)):
        # The score of BED is how dark a browser draws the interval, and what follows the strand is drawn too.
        free = [f"{column.name!r} ({describe(column)})" for column in roles.free() if len(column.counts) > 1][:4]
        measured = f", or, if a column is measured, name it with --target: {', '.join(free)}" if free else ""
        raise DataError(
            f"{where}: intervals without labels, which are positives without negatives; --negatives gc_matched makes "
            f"them of --genome, or add them and a column of labels (column 4 of BED){measured}"
        )
    if not fit:
        unfit = [f"{column.name!r} ({_why_not(column)})" for column in roles.free()]
        listed = f": {some(unfit)}" if unfit else "; every row needs a label or a measurement"
        raise DataError(f"{where}: no column can be the target{listed}" + ("; name one with --target" if unfit else ""))
    if len(fit) == 1:
        return _set_target(roles, fit, "the only column that can be a target")
    named = [column for column in fit if column.named(c.PLAIN_TARGET)]
    if len(named) == 1:
        return _set_target(roles, named, f"of {len(fit)} columns that can be a target the one with this name")
    if len(fit) > 2 and not named and all(set(column.counts) <= {"0", "1"} for column in fit):
        return _set_target(roles, fit, f"{len(fit)} columns of 0 and 1, one for each label")
    listed = some([f"{column.name!r} ({describe(column)})" for column in (named or fit)])
    replicates = replicate_columns(fit)
    mean = " ".join(f"--target {name}" for name in replicates[:6])
    advice = f"; {some(replicates, 6)} look like replicates, whose mean is {mean} --replicates columns"
    raise DataError(
        f"{where}: {len(named or fit)} columns can be the target: {listed}; name it with --target"
        + (advice if replicates else "")
    )


def _set_target(roles: Roles, chosen: Sequence[Column], reason: str, *, given: bool = False) -> None:
    where, first = roles.sample.reference, chosen[0]
    rows = len(roles.sample)
    for column in chosen:
        if column.holds == "nothing" or len(column.counts) < 2:
            only = f"always {next(iter(column.counts))!r}" if column.counts else "empty"
            raise DataError(f"{where}: column {column.name!r} is {only}; a target needs two values or more")
        numbers = column.numbers() if column.holds == "numbers" else None
        if numbers is not None and (numbers.doubt or numbers.lists):
            doubt = numbers.doubt or f"{numbers.lists} of labels"
            more = ", or ';' between labels" * bool(numbers.lists)
            raise DataError(f"{where}: column {column.name!r}: {doubt}; {ADVICE}{more}")
        _check_missing(roles, column)
        roles.taken[column.name] = "target"
    first = roles.target = _with_values(roles, first)
    if len(chosen) > 1:
        binary = all(set(column.counts) <= {"0", "1"} for column in chosen)
        if not binary and any(column.holds not in ("numbers", "whole numbers") for column in chosen):
            raise ConfigError(f"{where}: several --target columns must all be numbers, or all 0 and 1")
        roles.kind = "multilabel" if binary else "regression"
        roles.classes = tuple(column.name for column in chosen)
        roles.guesses.append(Guess("target", [column.name for column in chosen], reason))
        return
    roles.guesses.append(Guess("target", first.name, f"{reason}: {describe(first)}"))
    listed = next((value for value in first.counts if value.startswith("[") and value.endswith("]")), "")
    if listed:
        raise DataError(
            f"{where}: column {first.name!r} has lists as text, such as {short(listed)}; expected labels joined "
            "by ';', without ';' or ',' in a label"
        )
    labels = [str(i) for i in range(zeros_and_ones(first))] or joined_labels(first)
    if labels:
        roles.kind, roles.classes = "multilabel", ordered(labels)
        return
    roles.kind = "classification"
    if first.holds in ("numbers", "whole numbers") and not _few_whole(first, rows):
        roles.kind = "regression"
        return
    first = _without_verdict(roles, first)
    if len(first.counts) > MAX_CLASSES or first.unique or len(first.counts) > max(2, (rows - first.empty) // 2):
        raise DataError(
            f"{where}: column {first.name!r} has {len(first.counts)} values in {rows} rows: too many for classes, "
            "and they are not numbers"
        )
    single = [value for value, n in first.counts.items() if n == 1]
    if single and roles.sample.whole and rows > 20 and not given:
        raise DataError(
            f"{where}: column {first.name!r}: classes with one row, such as {short(single[0])!r} ({len(single)} of "
            f"{len(first.counts)}); leave them out, or say that it is the target with --target"
        )
    roles.classes = ordered(_merged(roles, first))


def _without_verdict(roles: Roles, column: Column) -> Column:
    """Return the column of variants' classes without those that are no verdict, which the card leaves out."""
    if roles.form != "variants":
        return column
    none = [value for value in column.counts if _NO_VERDICT.search(re.sub(r"[\W_]+", " ", value))]
    if not none or len(none) == len(column.counts):
        return column
    n = sum(column.counts[value] for value in none)
    roles.guesses.append(Guess("leave_out", none, f"no verdict: {n:,} of {len(column.values):,} rows"))
    roles.notes.append(f"{n:,} rows of {some(list(map(repr, none)))} are left out: they are no verdict")
    return replace(column, counts=Counter({v: k for v, k in column.counts.items() if v not in none}))


def _check_missing(roles: Roles, column: Column) -> None:
    """Raise DataError, with the way out, where rows have no value of a target and are not to be left out."""
    if column.empty and (joined_labels(column) or any(value.startswith("[") for value in column.counts)):
        return  # a row of no label
    missing = _missing(roles, column)
    n, rows = int(missing.sum()), len(missing)
    if not n:
        return
    share = f"{n:,} of {rows:,} rows {'has' if n == 1 else 'have'} no {column.name!r}"
    if roles.drop_missing:
        if not any(guess.key == "drop_missing" for guess in roles.guesses):
            roles.guesses.append(Guess("drop_missing", True, share))
        return
    first = int(missing.argmax())
    value = roles.sample.columns[column.name][first]
    raise DataError(
        f"{roles.sample.reference}: row {first + 1}: {column.name!r} is {value!r}; {share}: leave them out with "
        "--drop-missing"
    )


def _missing(roles: Roles, column: Column) -> NDArray[np.bool_]:
    """Return which rows (n,) have no value of a target, as the source of the card will judge."""
    return are_missing(column.values, numbers=column.holds != "text", point=roles.form != "sequences")


def _with_values(roles: Roles, column: Column) -> Column:
    """Return the column with '' in the rows that are left out for want of a value."""
    missing = _missing(roles, column)
    if not roles.drop_missing or not missing.any():
        return column
    return column_of(column.name, ["" if none else v for v, none in zip(column.values, missing, strict=True)])


def _merged(roles: Roles, column: Column) -> list[str]:
    """Return the classes, those that differ only in their case as one, spelt as most rows have it, with a note."""
    spelt: dict[str, list[str]] = {}
    for value, _ in column.counts.most_common():
        spelt.setdefault(value.lower(), []).append(value)
    for several in spelt.values():
        if len(several) > 1:
            roles.notes.append(f"{some(list(map(repr, several)))} of {column.name!r} are one class, {several[0]!r}")
    return [several[0] for several in spelt.values()]


def order_classes(roles: Roles, positive: str) -> None:
    """Put the positive of two classes last. Raises ConfigError, naming both, where nothing says which it is.

    Of variants that have a direction it is the more harmful one.
    """
    where, classes = roles.sample.reference, roles.classes
    two = roles.kind == "classification" and len(classes) == 2
    if positive:
        if not two or positive not in classes:
            raise ConfigError(f"{where}: --positive {positive!r}: expected one of two classes, {some(list(classes))}")
        roles.classes = (next(name for name in classes if name != positive), positive)
    elif two and roles.form != "variants" and "alternate" not in roles.taken.values():
        known = positive_last(classes)
        if known is None:
            raise ConfigError(
                f"{where}: no word says which of {classes[0]!r} and {classes[1]!r} is the positive class, on which "
                f"AUPRC and F1 depend; name it with --positive"
            )
        roles.classes = known


def _few_whole(column: Column, rows: int) -> bool:
    """Return whether the numbers are whole and few enough to be classes."""
    values = list(column.counts)
    whole = all(re.fullmatch(r"[+-]?\d+([.,]0*)?", v) for v in values)
    recur = rows >= 5 * len(values) and min(column.counts.values()) > 1
    return whole and len(values) <= 20 and (len(values) == 2 or recur)


def ordered(labels: Sequence[str]) -> tuple[str, ...]:
    """Return class names in order: numbers by value; words alphabetically, negative ones first."""
    try:
        return tuple(sorted(labels, key=lambda v: (float(v), v)))
    except ValueError:
        return tuple(sorted(labels, key=lambda v: (not NEGATIVE.fullmatch(v), v)))
