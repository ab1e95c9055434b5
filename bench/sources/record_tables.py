"""FASTA and JSON lines as tables: columns of text by name, one row a record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import DataError

FASTA = (".fa", ".fasta", ".fna", ".ffn")
JSON_LINES = (".jsonl", ".ndjson")

_PAIR = re.compile(r"([A-Za-z_]\w*)=(.*)", re.S)


def fasta_columns(text: str, path: Path) -> dict[str, list[str]]:
    """Return the columns `id` and `sequence` of FASTA text, and one for each further field of the headers.

    Fields are parted by '|' or by blanks; `label=active` is column 'label', a bare one 'field2', 'field3' and so on.
    Where headers have not all the same fields, what follows the id is one column, 'description'. Raises DataError,
    naming the line, where the text is not FASTA.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not text.strip():
        raise DataError(f"{path}: empty, expected FASTA")
    if not text.lstrip().startswith(">"):
        raise DataError(f"{path}: line 1: expected '>NAME', found {text.split()[0][:20]!r}")
    headers, sequences, line = [], [], 1
    for record in text.lstrip()[1:].split("\n>"):
        header, _, body = record.partition("\n")
        if not header.strip(" \t|"):
            raise DataError(f"{path}: line {line}: a header without a name")
        headers.append(header.strip())
        sequences.append("".join(body.split()))
        line += record.count("\n") + 1
    fields = [_fields(header) for header in headers]
    names = _names(fields[0])
    if any(_names(f) != names for f in fields):
        parts = [header.split(maxsplit=1) for header in headers]
        return {
            "id": [p[0] for p in parts],
            "sequence": sequences,
            "description": [p[1] if len(p) > 1 else "" for p in parts],
        }
    columns = {name: [_value(f[i]) for f in fields] for i, name in enumerate(names)}
    return {"id": columns.pop("id"), "sequence": sequences, **columns}


def json_columns(lines: Iterable[str], path: Path) -> dict[str, list[str]]:
    """Return the columns of JSON lines as text; null is ''. Raises DataError, naming the line, for any other content.

    Lists are joined by ';', as several labels are.
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


def _fields(header: str) -> Sequence[str]:
    return [f.strip() for f in header.split("|")] if "|" in header else header.split()


def _names(fields: Sequence[str]) -> list[str]:
    names = ["id"]
    for i, field in enumerate(fields[1:], 2):
        found = _PAIR.fullmatch(field)
        name = found[1] if found else f"field{i}"
        names.append(f"field{i}" if name in (*names, "sequence") else name)
    return names


def _value(field: str) -> str:
    found = _PAIR.fullmatch(field)
    return found[2] if found else field
