"""The progress of a grid as lines of JSON, for schedulers and other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from ..outcomes import Result
from ..plan import Cell
from ..status import Forecast, ended_in


class ProgressLines:
    """Prints a line of JSON on standard error for each cell that begins and each that ends, as `GridDisplay` draws."""

    def __init__(self, cells: Sequence[Cell], results: Path, workers: int) -> None:
        self._cells, self._ended = len(cells), 0
        known = ended_in(results, below=False) if results.is_dir() else []
        self._forecast = Forecast([cell.key for cell in cells], known, workers)

    def __enter__(self) -> ProgressLines:
        self._print("run", {}, self._counts())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._print("end", {}, self._counts() | ({"error": type(error).__name__} if error else {}))

    def started(self, cell: Cell) -> None:
        """Print that the cell begins."""
        self._print("started", _named(cell), {})

    def note(self, text: str) -> None:
        """Print a line about many cells."""
        self._print("note", {}, {"text": text})

    def finished(self, result: Result) -> None:
        """Print what became of the cell, how many have ended, and about how many seconds are left."""
        short = result.in_short
        self._ended += 1
        self._forecast.end(short)
        value: dict[str, Any] = {"status": short.status, "seconds": short.seconds}
        if result.record is not None and result.record.estimates:
            first = result.record.estimates[0]
            value |= {"metric": first.metric, "value": first.value, "low": first.low, "high": first.high}
        value |= {"error": short.error} if short.error else {}
        self._print("ended", _named(result.cell), value | self._counts())

    def _counts(self) -> dict[str, Any]:
        left = self._forecast.seconds()
        return {"cells": self._cells, "ended": self._ended, "left_seconds": None if left is None else round(left, 1)}

    def _print(self, event: str, cell: Mapping[str, Any], value: Mapping[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        click.echo(json.dumps({"event": event, "at": at, **cell, **value}), err=True)


def _named(cell: Cell) -> dict[str, str]:
    return dict(zip(("task", "model", "mode"), cell.key, strict=True))
