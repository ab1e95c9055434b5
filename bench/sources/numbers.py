"""Numbers as files write them: decimal commas, separators of thousands, per cent, exponents of Fortran."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

MISSING = ("nan", "na", "inf", "-inf")
"""Words, in lower case, of columns of numbers for what is no number."""

ADVICE = "write '.' for decimals and nothing between thousands"
"""What makes any column of numbers unambiguous."""

_SPACES = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
_THOUSANDS = {
    "": "",
    ",": "commas",
    ".": "points",
    f"[{_SPACES}]": "spaces",
    f"[{_APOSTROPHES}]": "apostrophes",
}
_GROUPED = re.compile(r"[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_LIST = re.compile(r"(0|[1-9]\d*)(,(0|[1-9]\d*))*")


@dataclass(frozen=True)
class Numbers:
    """A column as numbers, (n,), with the notation in words ('' for plain ones).

    `doubt` is set where the column can be read as other numbers, and `lists` where it can be lists that ',' joins: in
    words, what the first such cell may be.
    """

    values: Sequence[float]
    notation: str = ""
    doubt: str = ""
    lists: str = ""


def read_numbers(texts: Sequence[str]) -> Numbers | None:
    """Return the numbers of a column, all in one notation; None where a cell is a number in no notation of the others.

    A column of '1,234' can be 1234 or 1.234, and one of '1,5' and '3' can be lists: `doubt` and `lists`.
    """
    plain = [_plain(text) for text in texts]
    if None not in plain:
        return Numbers([v for v in plain if v is not None])
    cells = [text.strip().replace("\N{MINUS SIGN}", "-") for text in texts]
    percent = all(cell.endswith("%") for cell in cells)
    if percent:
        cells = [cell[:-1].rstrip() for cell in cells]
    readings: list[Numbers] = []
    for mark in (".", ","):
        for separator, name in _THOUSANDS.items():
            values = None if separator == mark else _read(cells, mark, separator)
            if values is None or any(values == known.values for known in readings):
                continue
            words = ["decimal commas" * (mark == ","), f"{name} between thousands" * bool(name), "per cent" * percent]
            readings.append(Numbers(values, ", ".join(filter(None, words)) or "exponents or signs as in print"))
    if not readings:
        return None
    if percent:
        readings = [Numbers([v / 100 for v in reading.values], reading.notation) for reading in readings]
    first, *others = readings
    if others:
        i = next(i for i, v in enumerate(first.values) if v != others[0].values[i])
        doubt = f"{texts[i]!r} may be {first.values[i]:.15g} or {others[0].values[i]:.15g}"
        return Numbers(first.values, first.notation, doubt)
    lists = [cell for cell in cells if _LIST.fullmatch(cell) and len(set(cell.split(","))) > cell.count(",")]
    if "decimal commas" in first.notation and len(lists) == len(cells) and not percent:
        i = next(i for i, cell in enumerate(cells) if "," in cell)
        return Numbers(first.values, first.notation, lists=f"{texts[i]!r} may be {first.values[i]:.15g} or a list")
    return first


def is_number(text: str) -> bool:
    """Return whether a text is a finite number in plain notation."""
    return _plain(text) is not None


def whole_number(text: str) -> int | None:
    """Return a coordinate or a count, in which ',' can only stand between thousands; None where it is no number."""
    plain = text.replace(",", "") if _GROUPED.fullmatch(text.strip()) else text
    try:
        return int(plain)
    except ValueError:
        return None


def _plain(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None  # Python reads '1_5' as 15


def _read(cells: Sequence[str], mark: str, separator: str) -> list[float] | None:
    """Return the cells as numbers with this decimal mark and this separator of thousands; None where one is not."""
    groups = rf"|[1-9]\d{{0,2}}(?:{_escaped(separator)}\d{{3}})+" if separator else ""
    whole = rf"(?:0|[1-9]\d*{groups})"  # '01,02' is a list of codes
    decimal = re.escape(mark)
    number = re.compile(
        rf"(?P<whole>[+-]?{whole}?)(?:{decimal}(?P<part>\d*))?(?:[eEdD](?P<exponent>[+-]?\d+))?", re.ASCII
    )
    out = []
    for cell in cells:
        found = number.fullmatch(cell)
        digits = re.sub(r"[^\d+-]", "", found["whole"]) if found else ""
        if not found or not (digits.strip("+-") or found["part"]):
            return None
        value = float(f"{digits or '0'}.{found['part'] or '0'}e{found['exponent'] or '0'}".replace("+.", "+0."))
        if not math.isfinite(value):
            return None
        out.append(value)
    return out


def _escaped(separator: str) -> str:
    return separator if separator.startswith("[") else re.escape(separator)
