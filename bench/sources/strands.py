"""The strand of an interval, from the codes that files use for it."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import DataError
from ..types import StrArray, strings

_PLUS = ("+", "1", "+1", "1.0", "plus", "positive", "pos", "forward", "fwd", "f")
_MINUS = ("-", "-1", "-1.0", "\N{MINUS SIGN}", "\N{MINUS SIGN}1", "minus", "negative", "neg", "reverse", "rev", "r")
_NONE = ("", ".", "*")

_STRAND_OF = dict.fromkeys(_PLUS, "+") | dict.fromkeys(_MINUS, "-") | dict.fromkeys(_NONE, "")

_EXPECTED = "+, 1, plus or forward; -, -1, minus or reverse; or '.' for none"
"""The commonest codes, for messages."""


def strand_of(code: str, where: str, *, advice: str = "") -> str:
    """Return '+', '-', or '' for a feature on neither, in any case. Raises DataError, begun by `where`, for others.

    A code that means a strand in some files only, such as 0 or 2, is among the others.
    """
    strand = _STRAND_OF.get(code.strip().lower())
    if strand is None:
        raise DataError(f"{where}: strand is {code!r}, expected {_EXPECTED}{advice}")
    return strand


def read_strands(codes: Iterable[str], reference: str, *, advice: str = "") -> StrArray:
    """Return '+' or '-' for each row, (n,); a window on neither strand is read along '+'.

    Raises DataError, naming the row, as `strand_of` does.
    """
    return strings(
        [strand_of(code, f"{reference}: row {row}", advice=advice) or "+" for row, code in enumerate(codes, 1)]
    )
