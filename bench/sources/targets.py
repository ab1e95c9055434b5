"""Targets of every kind from columns of text. Errors name file, row and column."""

from __future__ import annotations

import bisect
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, nearest
from ..types import FloatArray, IntArray, Kind
from .numbers import ADVICE, MISSING, read_numbers

log = logging.getLogger(__name__)

WITHOUT = "without a target"
"""Why rows are left out, in words that follow their number."""

_DROP = "drop_missing = true leaves out rows without a target"
_NONE = ("", "na", "n/a", "nan", "null", ".")
_JOINS = re.compile(r"[;,]")
_BINARY = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}

Column = Sequence[str]


def parse_targets(
    values: Column | Sequence[Column],
    *,
    kind: Kind,
    classes: Sequence[str],
    reference: str,
    column: str | Sequence[str],
) -> NDArray[Any]:
    """Return class indices (n,), labels (n, k) of 0 and 1, measurements (n,) or (n, k), or next bases (n, k).

    `column` is the name of the column `values`; where it is a list of names, `values` are as many columns. A class is
    a name or, unless the names are other numbers, an index into `classes`. Labels are a column of 0 and 1 for each, or
    one column in which ';' or ',' join the names or indices of the positive labels ('' for none) or, in every row, a 0
    or 1 for each of `classes`. Several measurements are a column for each, or joined in one column where there are two
    or more `classes`. Next bases are DNA of one length. Raises DataError for the first row that fits none of these,
    ConfigError where targets are not named.
    """
    # Arrow scalars are slower than str.
    several = not isinstance(column, str)
    columns: list[Column] = [_listed(v) for v in (values if several else [values])]
    names = [column] if isinstance(column, str) else list(column)
    if not names:
        raise ConfigError(f"{reference}: target = []; name one column or more")
    where = [_Where(reference, name) for name in names]
    if kind == "regression":
        if not several and len(classes) > 1 and any(map(_JOINS.search, columns[0])):
            return _joined_numbers(columns[0], len(classes), where[0])
        numbers = [_numbers(v, w) for v, w in zip(columns, where, strict=True)]
        return numbers[0] if len(numbers) == 1 else np.stack(numbers, axis=1)
    if several and kind == "multilabel":
        if classes and len(classes) != len(names):
            raise ConfigError(f"{reference}: there are {len(classes)} classes and {len(names)} target columns")
        return np.stack([_zeros_and_ones(v, w) for v, w in zip(columns, where, strict=True)], axis=1)
    if several and len(names) > 1:
        raise ConfigError(f"{reference}: target = {names}: a {kind} task has one target column")
    if kind == "generation":
        return _next_bases(columns[0], where[0])
    if kind == "paired":
        raise ConfigError(f"{reference}: a paired task has no target; leave {names[0]!r} out")
    if not classes:
        raise DataError(f"{reference}: a {kind} task needs `classes`, the names of the labels in order")
    if kind == "multilabel":
        return _joined_labels(columns[0], classes, where[0])
    known = class_indices(classes)
    folded = {name.lower(): i for i, name in enumerate(classes)}
    if len(folded) < len(classes):  # names that differ in their case alone are different classes
        folded = {}
    out = np.empty(len(columns[0]), np.int64)
    for row, value in enumerate(columns[0], 1):
        label = value.strip()
        if label not in known and label.lower() in folded:
            known[label] = folded[label.lower()]
        if label not in known:
            none = f"; {_DROP}" if label.lower() in _NONE else ""
            raise DataError(f"{where[0](row)} is {label!r}; {_advice(label, classes)}{none}")
        out[row - 1] = known[label]
    return out


def with_target(
    values: Sequence[Column], *, kind: Kind, reference: str, point: bool = False
) -> tuple[list[list[str]], NDArray[np.bool_]]:
    """Return the columns, where a value that is there takes the place of the missing, and which rows (n,) have all.

    Raises DataError where every row lacks one.
    """
    columns = [list(column) for column in values]
    lacks = [are_missing(column, numbers=kind == "regression", point=point) for column in columns]
    missing = np.any(lacks, axis=0)
    if missing.all():
        raise DataError(f"{reference}: no row has a target; drop_missing would leave out all of them")
    first = int(missing.argmin())
    for column in columns:
        for row in np.flatnonzero(missing):
            column[row] = column[first]
    if missing.any():
        log.info("%s: %d of %d rows have no target and are left out", reference, int(missing.sum()), len(missing))
    return columns, ~missing


def are_missing(values: Column, *, numbers: bool, point: bool = False) -> NDArray[np.bool_]:
    """Return which values (n,) are none: empty or NA, and in a column of numbers infinite ones too.

    With `point` '.' is none, as in BED, VCF and GFF.
    """
    words = {*_NONE} - ({"."} if not point else set()) | (
        {*MISSING, "+inf", "infinity", "+infinity", "-infinity"} if numbers else set()
    )
    return np.fromiter((value.strip().lower() in words for value in _listed(values)), bool, len(values))


@dataclass(frozen=True)
class _Where:
    reference: str
    column: str
    per_row: int = 1

    def __call__(self, place: int) -> str:
        """Return where the value at this place of the column is, counted from 1, `per_row` values in each row."""
        return f"{self.reference}: row {(place - 1) // self.per_row + 1}: {self.column!r}"


def _listed(values: Any) -> Column:
    listed: Column = values.to_pylist() if hasattr(values, "to_pylist") else values
    return listed


def class_indices(classes: Sequence[str]) -> dict[str, int]:
    """Return the index of each class by the texts for it: name, index and, of two classes, true or false."""
    by_name = {name: i for i, name in enumerate(classes)}
    if not _indexed(classes):
        return by_name
    booleans = {"False": 0, "false": 0, "True": 1, "true": 1} if len(classes) == 2 else {}
    return {str(i): i for i in range(len(classes))} | booleans | by_name


def _indexed(classes: Sequence[str]) -> bool:
    """Return whether a number can only be an index; of classes named '1' and '2' it would be a name."""
    return all(_BINARY.get(name.lower(), _number_or_none(name)) in (None, i) for i, name in enumerate(classes))


def _number_or_none(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None


def _advice(label: str, classes: Sequence[str]) -> str:
    near = nearest(label, classes)
    shown = ", ".join(map(repr, classes[:10])) + (", ..." if len(classes) > 10 else "")
    advice = f"did you mean {near[0]!r}?" if near else f"expected one of {shown}"
    return f"{advice} (or an index 0 to {len(classes) - 1})" if _indexed(classes) else advice


def _joined_labels(values: Column, classes: Sequence[str], where: _Where) -> IntArray:
    k = len(classes)
    cells = [[field.strip() for field in _JOINS.split(v)] if v.strip() else [] for v in values]
    out = np.zeros((len(cells), k), np.int64)
    # With two labels '0;1' is ambiguous; where every row has a 0 or 1 for each label, they are not indices.
    if k > 1 and all(len(fields) == k and all(f in ("0", "1") for f in fields) for fields in cells):
        out[:] = [[int(f) for f in fields] for fields in cells]
        return out
    known = class_indices(classes)
    for row, fields in enumerate(cells, 1):
        for field in fields:
            if field not in known:
                raise DataError(f"{where(row)} holds {field!r}; {_advice(field, classes)}")
            if out[row - 1, known[field]]:
                expected = f"each label once, or in every row a 0 or 1 for each of {k}"
                raise DataError(f"{where(row)} holds {field!r} twice; expected {expected}")
            out[row - 1, known[field]] = 1
    return out


def _zeros_and_ones(values: Column, where: _Where) -> IntArray:
    out = np.empty(len(values), np.int64)
    for row, value in enumerate(values, 1):
        bit = _BINARY.get(value.strip().lower())
        if bit is None:
            raise DataError(f"{where(row)} is {value!r}, expected 0 or 1")
        out[row - 1] = bit
    return out


def _numbers(values: Column, where: _Where) -> FloatArray:
    found = read_numbers(values)
    if found is None:
        raise _no_number(values, where)
    if found.doubt:
        raise DataError(f"{where.reference}: {where.column!r}: {found.doubt}; {ADVICE}")
    return np.array(found.values, dtype=np.float64)


def _joined_numbers(values: Column, k: int, where: _Where) -> FloatArray:
    """Return (n, k) numbers that ';' joins in any row, else ','; with ';' numbers may have decimal commas."""
    join = ";" if any(";" in value for value in values) else ","
    cells = [value.split(join) for value in values]
    for row, fields in enumerate(cells, 1):
        if len(fields) != k:
            raise DataError(f"{where(row)} holds {len(fields)} values, expected {k} joined by ';' or ','")
    flat = _Where(where.reference, where.column, per_row=k)
    return _numbers([field for fields in cells for field in fields], flat).reshape(-1, k)


def _no_number(values: Column, where: _Where) -> DataError:
    """Return the error for the first value that is no number, or not one as the others are written."""
    for row, text in enumerate(values, 1):
        if text.strip().lower() in (*MISSING, "+inf", "infinity", "-infinity"):
            return DataError(f"{where(row)} is {text!r}; {_DROP}")
        if read_numbers([text]) is None:
            return DataError(f"{where(row)} is {text!r}, expected a number")
    row = bisect.bisect(range(len(values)), 0, key=lambda n: read_numbers(values[:n]) is None)
    odd, before = values[row - 1], f"{where(1)} is {values[0]!r}"
    return DataError(f"{where(row)} is {odd!r}, a number in no notation of the rows before ({before}); {ADVICE}")


def _next_bases(values: Column, where: _Where) -> IntArray:
    bases = [v.strip().upper() for v in values]
    k = len(bases[0]) if bases else 0
    for row, text in enumerate(bases, 1):
        if not text or set(text) - set("ACGT"):
            raise DataError(f"{where(row)} is {text[:20]!r}, expected the bases that follow, of A, C, G and T")
        if len(text) != k:
            raise DataError(f"{where(row)} has {len(text)} bases where row 1 has {k}; all must have the same number")
    codes = np.frombuffer("".join(bases).encode("ascii"), np.uint8)
    out: IntArray = np.searchsorted(np.frombuffer(b"ACGT", np.uint8), codes).astype(np.int64).reshape(len(bases), k)
    return out
