"""Spreadsheets (.xlsx) as tables of text. Errors name the cell."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError, MissingExtra

log = logging.getLogger(__name__)

SPREADSHEET = ".xlsx"


def read_spreadsheet(path: Path, *, header: int = 0, sheet: str = "") -> dict[str, list[str]]:
    """Return the columns of a sheet, by default the first, as text, whole numbers without '.0', without blank rows.

    `header` is the number of rows above the one with the names. Left out are a first column of row numbers without a
    name, as pandas writes it, and below a stated header any column without a name. Raises DataError, naming the cell,
    for another column without a name and for merged cells, MissingExtra where openpyxl is not installed.
    """
    book = _open(path)
    titles = [each.title for each in book.worksheets]
    if sheet and sheet not in titles:
        raise DataError(f"{path}: no sheet {sheet!r}; it has {', '.join(map(repr, titles))}")
    chosen = book.worksheets[titles.index(sheet) if sheet else 0]
    if len(titles) > 1 and not sheet:
        log.info("%s: only the first of %d sheets is read, %r; sheet = ... names another", path, len(titles), titles[0])
    rows = [list(row) for row in chosen.iter_rows()]
    body = [row for row in rows[header + 1 :] if any(cell.value is not None for cell in row)]
    if not body:
        raise DataError(f"{path}: no table below row {header + 1}; header = ... is the number of rows above its header")
    names = [_text(cell).strip() for cell in rows[header]]
    for merged in chosen.merged_cells.ranges:
        if merged.max_row > header and any(names[merged.min_col - 1 : merged.max_col]):
            raise DataError(f"{path}: cells {merged.coord} are merged, so only the first has a value; split them")
    columns: dict[str, list[str]] = {}
    for i, name in enumerate(names):
        values = [_text(row[i]) for row in body]
        if name in columns:
            raise DataError(f"{path}: column {name!r} occurs more than once in row {header + 1}")
        if name:
            columns[name] = values
        elif not header and any(values) and not (i == 0 and _row_numbers(values)):
            raise DataError(
                f"{path}: cell {rows[0][i].coordinate} is empty, expected the name of a column; header = ... is the "
                "number of rows above the header"
            )
    if not columns:
        raise DataError(f"{path}: no names of columns in row {header + 1}; header = ... is the number of rows above it")
    return columns


def tables_in_sheets(path: Path) -> dict[str, tuple[str, ...]]:
    """Return for each sheet the names of the columns of its table: the first row of two cells or more, () for no table.

    Raises DataError and MissingExtra as `read_spreadsheet` does.
    """
    book = _open(path, read_only=True)
    out: dict[str, tuple[str, ...]] = {}
    try:
        for sheet in book.worksheets:
            rows = ([str(v) for v in row if v is not None] for row in sheet.iter_rows(values_only=True))
            wide = (tuple(row) for row in rows if len(row) > 1)
            header = next(wide, ())
            out[sheet.title] = header if any(wide) else ()
    except Exception as error:  # sheets are parsed as they are read
        raise _unreadable(path, error) from error
    book.close()
    return out


def _open(path: Path, *, read_only: bool = False) -> Any:
    """Return the open book. Raises DataError where it cannot be read, MissingExtra where openpyxl is not installed."""
    try:
        import openpyxl  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise MissingExtra(f'{path}: reading .xlsx needs openpyxl: `pip install "baserate[data]"`') from error
    try:
        # openpyxl leaves a file open where it fails.
        return openpyxl.load_workbook(io.BytesIO(path.read_bytes()), data_only=True, read_only=read_only)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    what = next(iter(str(error).splitlines()), type(error).__name__)
    return DataError(f"{path}: not a readable spreadsheet ({what})")


def _row_numbers(values: Sequence[str]) -> bool:
    return values in ([str(i) for i in range(len(values))], [str(i + 1) for i in range(len(values))])


def _text(cell: Any) -> str:
    """Return a cell as text; one that shows an error, such as #N/A, has no value."""
    value = None if cell.data_type == "e" else cell.value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
