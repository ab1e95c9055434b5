"""Whether intervals and verdicts hold what they say, by simulation of test sets and trainings whose truth is known."""

from __future__ import annotations

from .claims import Claim, every_claim

__all__ = ["Claim", "every_claim"]
