"""Pieces of Markdown for GitHub: text that stands for itself, and numbers with their intervals."""

from __future__ import annotations

import html
import re

from ..results import Estimate
from .wording import number


def escape(text: str) -> str:
    """Return the text so that it stands for itself in a Markdown table on GitHub: on one line, with no markup."""
    plain = html.escape(" ".join(text.split()), quote=False)
    plain = re.sub(r"([\\`*\[\]|~])", r"\\\1", plain)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", plain)


def limits(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Return an interval as a second line of small print, '' where there is none."""
    if low is None or high is None:
        return ""
    return f"<br><sub>{number(low, signed=signed)} to {number(high, signed=signed)}</sub>"


def estimate_text(e: Estimate) -> str:
    """Return the value with its interval."""
    return number(e.value) + limits(e.low, e.high)
