"""Which records of a column were made under older versions of packages than others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..records import Record


def newest_of(records: Iterable[Record]) -> dict[str, str]:
    """Return the newest release of each package that records which are done were made with."""
    newest: dict[str, str] = {}
    for record in records:
        if record.status == "done":
            for package, version in record.made_with.items():
                newest[package] = max(newest.get(package, version), version, key=_order)
    return newest


def older_than(newest: Mapping[str, str], record: Record) -> tuple[str, ...]:
    """Return the packages of which the record was made with an older release, such as 'torch 2.3.0 (newest 2.13.0)'."""
    return tuple(f"{p} {v} (newest {newest[p]})" for p, v in record.made_with.items() if newest.get(p, v) != v)


def _order(version: str) -> tuple[list[int], bool, str]:
    """Return what releases are sorted by: the numbers, then pre-releases before the release of these numbers."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    rest = version[numbers.end() :] if numbers else version
    return [int(n) for n in numbers[0].split(".")] if numbers else [], rest[:5] in ("", ".post"), rest
