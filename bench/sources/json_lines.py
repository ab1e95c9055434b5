"""JSON lines as a table: columns of text by name, one row per line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ..errors import DataError

JSON_LINES = (".jsonl", ".ndjson")


def json_columns(lines: Iterable[str], path: Path) -> dict[str, list[str]]:
    """Return the columns of JSON lines as text. Raises DataError, naming the line, for any other content.

    null becomes '', and lists are joined by ';', as several labels are.
    """
    columns: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: expected an object, such as {{...}}, found {line.strip()[:20]!r}")
        if not columns:
            columns = {key: [] for key in row}
        if row.keys() != columns.keys():
            odd = sorted(row.keys() ^ columns.keys())[0]
            raise DataError(f"{path}: line {number}: key {odd!r} is not in every line")
        for key, values in columns.items():
            values.append(_plain(row[key]))
    if not columns:
        raise DataError(f"{path}: empty, expected JSON lines")
    return columns


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(map(_plain, value))
    return value if isinstance(value, str) else json.dumps(value)
