"""JSON as a table: objects, one a line or in one array, are columns of text by name, one row each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import DataError
from .collecting import joined_list

JSON = (".jsonl", ".ndjson", ".json")
"""Suffixes of JSON; whether it is lines or an array, the content tells."""


def json_columns(lines: Iterable[str], path: Path) -> dict[str, list[str]]:
    """Return the columns of JSON lines, or of a JSON array of objects, as text.

    null becomes '', and lists are joined by ';', as several labels are. Raises DataError, naming the line (or the row
    of an array), for any other content.
    """
    columns: dict[str, list[str]] = {}
    for number, row in _objects(lines, path):
        if not columns:
            columns = {key: [] for key in row}
        if row.keys() != columns.keys():
            odd = sorted(row.keys() ^ columns.keys())[0]
            raise DataError(f"{path}: {number}: key {odd!r} is not in every {number.split()[0]}")
        for key, values in columns.items():
            values.append(_plain(row[key]))
    if not columns:
        raise DataError(f"{path}: empty, expected JSON: one object a line, or an array of objects")
    return columns


def _objects(lines: Iterable[str], path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield each object with its place: 'line 3', or 'row 3' of an array."""
    first = True
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if not line.strip():
            continue
        if first and line.lstrip().startswith("["):
            yield from _array("\n".join([line, *(other for _, other in numbered)]), path)
            return
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            hint = "; expected one object a line, or an array of objects" if first else ""
            raise DataError(f"{path}: line {number}: not JSON ({error}){hint}") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: expected an object, such as {{...}}, found {line.strip()[:20]!r}")
        if first and row and all(isinstance(value, dict) for value in row.values()):
            raise DataError(
                f"{path}: line {number}: one object has all columns, expected one a row; pandas writes it by "
                "to_json(path, orient='records', lines=True)"
            )
        first = False
        yield f"line {number}", row


def _array(text: str, path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON array ({error}); the file may be cut off") from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(f"{path}: row {number}: expected an object, such as {{...}}, found {json.dumps(row)[:20]}")
        yield f"row {number}", row


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return joined_list([_plain(v) for v in value])
    return value if isinstance(value, str) else json.dumps(value)
