"""The leaderboard in one format, to print or to write to one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from ..errors import DataError
from ..files import write_whole
from .compact import to_compact
from .fields import to_csv
from .latex import to_latex
from .notebook import to_html
from .spreadsheet import to_xlsx
from .table import Table

_STYLE = "body{font:14px/1.4 sans-serif;margin:2em}td,th{padding:.3em .7em;border-bottom:1px solid #ddd}"
_STYLE += "table{border-collapse:collapse}caption{caption-side:bottom;padding-top:1em}"


def to_json(table: Table) -> str:
    """Return everything in the leaderboard as JSON."""
    return json.dumps(asdict(table), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def to_page(table: Table) -> str:
    """Return the scores as a page of HTML that loads nothing."""
    head = f'<meta charset="utf-8"><title>Leaderboard</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{to_html(table)}</body></html>\n'


FORMATS: Mapping[str, Callable[[Table], str | bytes]] = {
    "markdown": to_compact,
    "latex": to_latex,
    "csv": to_csv,
    "json": to_json,
    "html": to_page,
    "xlsx": to_xlsx,
}
"""How a leaderboard is written, by the name of the format."""


def write_formatted(table: Table, format: str, out: Path) -> None:
    """Write the leaderboard to the file `out`, whole or not at all. Raises DataError where it cannot be written."""
    content = FORMATS[format](table)
    try:
        write_whole(out, content if isinstance(content, str) else lambda beside: beside.write_bytes(content))
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}; name another file") from error
