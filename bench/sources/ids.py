"""Names of examples: unique, and the rows that are replicates of one input told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..errors import DataError
from ..types import IntArray, StrArray, strings


def check_ids(ids: StrArray, reference: str, *, advice: str = "ids must be unique") -> None:
    """Raise DataError, naming both rows, where an id is empty or occurs twice."""
    seen: dict[str, int] = {}
    for row, name in enumerate(ids, 1):
        if not name.strip():
            raise DataError(f"{reference}: row {row}: the id is empty")
        if seen.setdefault(name, row) != row:
            raise DataError(f"{reference}: row {row}: id {name!r} is also in row {seen[name]}; {advice}")


def distinct_ids(names: Sequence[str]) -> StrArray:
    """Return the names, with '#2' after the second of several equal ones, and so on."""
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return strings(out)


def ids_of_replicates(ids: StrArray, code: IntArray, reference: str) -> StrArray:
    """Return the ids, (n,), with '#2' after the second row of one id, and so on; `code` (n,) numbers the inputs.

    Raises DataError, naming both rows, where an id is empty or names two inputs.
    """
    first: dict[str, int] = {}
    for row, (name, number) in enumerate(zip(ids, code, strict=True)):
        if not name.strip():
            raise DataError(f"{reference}: row {row + 1}: the id is empty")
        if code[first.setdefault(name, row)] != number:
            raise DataError(
                f"{reference}: row {row + 1}: id {name!r} is also in row {first[name] + 1}, which is no replicate: its "
                "input is another"
            )
    return distinct_ids(ids.tolist())
