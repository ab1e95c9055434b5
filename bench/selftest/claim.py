"""What is claimed, the rate that was found, and the bounds within which it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Topic = Literal["coverage", "level", "power", "faults", "order", "chaos"]
TOPICS: dict[Topic, str] = {
    "coverage": "Intervals of 95 % cover the truth",
    "level": "Equal methods are told apart",
    "power": "True gains are found",
    "faults": "The audit finds planted faults, and is silent on clean data",
    "order": "What must not matter does not",
    "chaos": "What is killed, or refused a disk, loses nothing that was done",
}
"""What the claims are about, in the order in which they are shown."""

_CHANCE = 2.6
"""The standard errors of a simulated rate by which it may miss its bounds."""


@dataclass(frozen=True)
class Claim:
    """A rate that was simulated `n` times in a `setting`; it must be from `low` to `high`, but for chance.

    `found` is None where nothing could be simulated, which does not hold. `withheld` is how often the interval was
    withheld besides. `size` is the true gain, and `beside` the rate of the ordinary paired bootstrap on the same data.
    """

    topic: Topic
    about: str
    setting: str
    low: float
    high: float
    found: float | None = None
    n: int = 0
    withheld: int = 0
    size: float | None = None
    beside: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the rate is within its bounds, or misses them by no more than 2.6 standard errors."""
        if self.found is None or not self.n:
            return False
        errors = [_CHANCE * np.sqrt(bound * (1 - bound) / self.n) for bound in (self.low, self.high)]
        return bool(self.low - errors[0] <= self.found <= self.high + errors[1])

    @property
    def expected(self) -> str:
        """The bounds in words."""
        if self.low == self.high:
            return "always" if self.low == 1 else f"{100 * self.low:.0f} %"
        if (self.low, self.high) == (0, 1):
            return "any"
        if self.low == 0:
            return f"at most {100 * self.high:.0f} %"
        if self.high == 1:
            return f"at least {100 * self.low:.1f} %"
        return f"{100 * self.low:.0f} to {100 * self.high:.0f} %"

    @property
    def rate(self) -> str:
        """The rate in words."""
        return "–" if self.found is None else f"{100 * self.found:.1f} %"

    def with_rate(self, happened: Sequence[bool], withheld: int = 0) -> Claim:
        """Return the claim with the share of what happened."""
        found = float(np.mean(happened)) if happened else None
        return replace(self, found=found, n=len(happened), withheld=withheld)
