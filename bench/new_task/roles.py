"""What is known of the columns of a sample: their roles, the keys of the card that follow, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..types import Kind
from .columns import Column
from .sample import Sample


@dataclass(frozen=True)
class Guess:
    """A key of the card, its value, and the reason for it."""

    key: str
    value: Any
    reason: str = ""


@dataclass
class Roles:
    """The roles of the columns as they become known; `notes` are warnings for the user."""

    sample: Sample
    columns: Mapping[str, Column]
    kind: Kind = "classification"
    classes: tuple[str, ...] = ()
    guesses: list[Guess] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    target: Column | None = None
    drop_missing: bool = False
    form: Literal["sequences", "intervals", "variants"] = "sequences"

    def take(self, role: str, column: Column, reason: str) -> None:
        """Assign the role to the column."""
        self.taken[column.name] = role
        self.guesses.append(Guess(role, column.name, reason))

    def free(self) -> list[Column]:
        """Return the columns without a role, in file order."""
        return [column for column in self.columns.values() if column.name not in self.taken]


def describe(column: Column) -> str:
    """Return a short description of the content of a column."""
    if column.holds == "dna":
        return f"DNA, {bp(column)}"
    if column.holds in ("numbers", "whole numbers") and len(column.counts) > 20:
        numbers = column.numbers()
        if numbers is None or not numbers.values:
            return "no numbers"
        notation = f" with {numbers.notation}" if numbers.notation else ""
        return f"{column.holds}{notation}, {min(numbers.values):g} to {max(numbers.values):g}"
    common = ", ".join(f"{short(v)}: {n:,}" for v, n in column.counts.most_common(4))
    more = ", ..." if len(column.counts) > 4 else ""
    return f"{len(column.counts)} value{'s' * (len(column.counts) != 1)}: {common}{more}" if common else "nothing"


def short(text: str) -> str:
    """Return the text, cut where it is long."""
    return text if len(text) <= 24 else f"{text[:20]}...({len(text)})"


def some(names: Sequence[str], most: int = 8) -> str:
    """Return the first names and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def bp(column: Column) -> str:
    """Return the lengths of a column's values."""
    low, high = column.lengths()
    return f"{low} bp" if low == high else f"{low} to {high} bp"
