"""Where marks stand on a strip: an interval and a value from 0 to 100 percent of a scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The values at the two ends of a strip."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return where a value stands, in percent, at an end where it lies beyond."""
        return round(100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), 2)


@dataclass(frozen=True)
class Mark:
    """A value and its interval on a strip, in percent; `left` and `width` are None without an interval.

    `cut` names the sides on which the interval goes on beyond the scale.
    """

    at: float
    left: float | None
    width: float | None
    cut: str = ""


def scale_over(values: Iterable[float | None], *, zero: bool = False) -> Scale:
    """Return a scale over all values, with a little room at both ends; with `zero`, it holds 0 too."""
    known = [v for v in values if v is not None] + ([0.0] if zero else [])
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = 0.04 * (high - low) or 0.5
    return Scale(low - room, high + room)


def mark(scale: Scale, value: float | None, low: float | None, high: float | None) -> Mark | None:
    """Return where a value and its interval stand, None for no value."""
    if value is None:
        return None
    if low is None or high is None:
        return Mark(scale.at(value), None, None)
    cut = " ".join(side for side, beyond in (("left", low < scale.low), ("right", high > scale.high)) if beyond)
    return Mark(scale.at(value), scale.at(low), round(scale.at(high) - scale.at(low), 2), cut)
