"""What a verification finds, and when two values are the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["fault", "changed", "unknown"]
LEVELS: Mapping[Level, str] = {
    "fault": "a statement that is not so",
    "changed": "made by other code, cards or data than those here",
    "unknown": "not checked, since what it needs is not here",
}
ROUNDING = 1e-8


@dataclass(frozen=True)
class Finding:
    """What does not hold, or could not be checked, in one line; `about` is the field or the file."""

    level: Level
    about: str
    text: str


def difference(stated: Any, made: Any) -> tuple[Level, str] | None:
    """Return the first place at which two JSON values differ by more than rounding, in words; None if they do not.

    A value that differs is a fault; a key that only one of them has may be of another version, where nothing else is.
    """
    found = list(_differences(stated, made, ""))
    return min(found, key=lambda f: f[0] != "fault", default=None)


def _differences(stated: Any, made: Any, at: str) -> Iterator[tuple[Level, str]]:
    if isinstance(stated, dict) and isinstance(made, dict):
        for key in sorted(stated.keys() | made.keys()):
            here = f"{at}.{key}" if at else str(key)
            if key in stated and key in made:
                yield from _differences(stated[key], made[key], here)
            else:
                yield "changed", f"{here} is {'missing' if key in made else 'unknown'} here; another version wrote it"
    elif isinstance(stated, list) and isinstance(made, list):
        if len(stated) != len(made):
            yield "fault", f"{at} has {len(stated)} entries, but {len(made)} by the records"
        for i, (a, b) in enumerate(zip(stated, made, strict=False)):
            yield from _differences(a, b, f"{at}[{i}]")
    elif not same(stated, made):
        yield "fault", f"{at} is {stated!r}, but {made!r} by the records"


def same(a: object, b: object) -> bool:
    """Return whether two values are equal, numbers to within rounding."""
    if isinstance(a, bool) or isinstance(b, bool) or not (isinstance(a, (int, float)) and isinstance(b, (int, float))):
        return type(a) is type(b) and a == b
    return math.isclose(a, b, rel_tol=ROUNDING, abs_tol=ROUNDING * 1e-3)
