"""Whether intervals and verdicts hold what they say, and the audit finds what is planted, by simulation."""

from __future__ import annotations

from .claim import TOPICS, Claim
from .claims import every_claim
from .page import write_report

__all__ = ["TOPICS", "Claim", "every_claim", "write_report"]
