"""Which of two classes is the positive one, judged by the words of their names."""

from __future__ import annotations

import re
from collections.abc import Sequence

NEGATIVE = re.compile(
    r"(no|non|not|neg|negative|benign|false|f|n|control|background|random|inactive|none|off|decoy|shuffled|"
    r"likely[ _]benign|absent|unbound|others?|rest|wt|weak|low|closed|unmethylated)([\W_].*)?|non[\W_]?.*|un.*|"
    r"in(active|tergenic|tron).*",
    re.I,
)
"""Names of classes that are the lack of something."""

_POSITIVE = re.compile(
    r"(yes|true|pos|positive|active|strong|high|bound|open|accessible|expressed|functional|methylated|essential|on|"
    r"present|real|peak|hit|pathogenic|deleterious)([\W_].*)?",
    re.I,
)
_LACK = ("neg", "negative", "control", "background", "random", "shuffled", "decoy", "inactive", "off", "weak", "low")
_LETTERS = {"t": "f", "y": "n", "p": "n", "+": "-"}
"""Positive classes of one letter, with the negative one beside which they are."""


def positive_last(classes: Sequence[str]) -> tuple[str, str] | None:
    """Return two classes, the positive one last, as their names say it; None where they do not.

    Of two numbers, or names that differ in their number alone, the higher is the positive one.
    """
    first, last = classes
    one, other = (re.split(r"([+-]?\d+\.?\d*)$", name)[:2] for name in classes)
    if len(one) == len(other) == 2 and one[0] == other[0]:
        return (first, last) if float(one[1]) < float(other[1]) else (last, first)
    signs = _sign(first, last), _sign(last, first)
    if signs[0] == signs[1]:
        return None
    return (first, last) if signs[0] < signs[1] else (last, first)


def _sign(name: str, other: str) -> int:
    """Return 1 for the name of a positive class, -1 for that of a negative one, 0 where it may be either."""
    lower = name.strip().lower()
    if len(lower) == 1:
        letters = (lower, other.strip().lower())
        return 1 if letters in _LETTERS.items() else -1 if letters[::-1] in _LETTERS.items() else 0
    words = re.split(r"[\W_]+", lower)
    if NEGATIVE.fullmatch(lower) or words[-1] in _LACK:
        return -1
    return int(bool(_POSITIVE.fullmatch(lower)) or words[-1] in ("pos", "positive"))
