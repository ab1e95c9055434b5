"""A file of cells in bundles, each for a process of its own on some machine: JSON that a person can read and change."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..digests import canonical_json
from ..errors import ConfigError
from ..files import write_whole
from ..plan import Cell
from ..storage import is_url, url_of
from .selection import Selection

_SCHEMA = 1
_VARIABLES = ("BASERATE_", "HF_")
_OF_A_PROCESS = ("BASERATE_WORKER",)


@dataclass(frozen=True)
class Bundle:
    """Cells that one process runs, by what distinguishes each; `kind` is 'cpu' or 'gpu'."""

    kind: str
    cells: tuple[Mapping[str, Any], ...]
    seconds: float = 0.0
    memory_mb: float = 0.0

    @property
    def keys(self) -> frozenset[str]:
        """What distinguishes its cells, as text."""
        return frozenset(map(canonical_json, self.cells))


@dataclass(frozen=True)
class CellsFile:
    """A selection, its cells in bundles, and where they run: results, working folder, variables of the environment.

    Results are a folder or, in a file that was read, the URL of one in a store.
    """

    selection: Selection
    bundles: tuple[Bundle, ...]
    results: Path | str
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises ConfigError where it cannot be written."""
        value = {
            "schema": _SCHEMA,
            "folder": str(self.folder),
            "results": url_of(Path(self.results)) or str(self.results),
            "selection": self.selection.to_json(),
            "variables": dict(self.variables),
            "bundles": [{**vars(bundle), "cells": list(bundle.cells)} for bundle in self.bundles],
        }
        try:
            write_whole(path, json.dumps(value, indent=1) + "\n")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror}); choose another place") from error

    def bundle(self, index: int) -> Bundle:
        """Return a bundle. Raises ConfigError where there is none of the number."""
        if not 0 <= index < len(self.bundles):
            raise ConfigError(f"index {index}: the file has bundles 0 to {len(self.bundles) - 1}")
        return self.bundles[index]


def read_cells_file(path: Path) -> CellsFile:
    """Return the content of a file of cells. Raises ConfigError, in one line, where it is not one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] > _SCHEMA:
            raise ConfigError(f"{path}: schema {value['schema']} is newer than {_SCHEMA}; update baserate")
        return CellsFile(
            Selection.from_json(value["selection"]),
            tuple(Bundle(**{**bundle, "cells": tuple(bundle["cells"])}) for bundle in value["bundles"]),
            value["results"] if is_url(value["results"]) else Path(value["results"]),
            Path(value["folder"]),
            {str(k): str(v) for k, v in value["variables"].items()},
        )
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); `baserate plan --cells` writes one") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not a file of cells ({error!r}); `baserate plan --cells` writes one") from error


def variables() -> dict[str, str]:
    """Return what the environment says to baserate and to the hub, for processes on other machines; no secrets."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith(_VARIABLES) and name not in _OF_A_PROCESS and "TOKEN" not in name
    }


def named(cell: Cell) -> dict[str, Any]:
    """Return what distinguishes a cell from all others of its plan, as a JSON object."""
    value: dict[str, Any] = {"task": cell.task.id, "model": cell.card.name, "mode": cell.mode}
    value |= {"settings": json.loads(canonical_json(dict(cell.settings)))} if cell.settings else {}
    return value | ({"budget": cell.budget} if cell.budget > 1 else {})


def in_bundles(cells: Sequence[Cell], *, seconds: float, most: int = 0, gpus: bool = True) -> tuple[Bundle, ...]:
    """Return the cells in bundles of about `seconds` each, those for a GPU apart, `most` of each kind (0: any number).

    Cells of one model and task stay together, and models follow one another, so that few are loaded or embed twice;
    a bundle is longer where there would be more than `most`.
    """
    found: list[Bundle] = []
    for kind in ("cpu", "gpu"):
        mine = [cell for cell in cells if (cell.cost.gpu and gpus) == (kind == "gpu")]
        groups: dict[tuple[str, str], list[Cell]] = {}
        for cell in mine:
            groups.setdefault((cell.card.name, cell.task.id), []).append(cell)
        size = seconds
        filled = _filled(list(groups.values()), size)
        while most and len(filled) > most:
            size *= max(1.1, len(filled) / most)
            filled = _filled(list(groups.values()), size)
        found += [
            Bundle(
                kind,
                tuple(map(named, part)),
                round(_seconds(part), 1),
                max((cell.cost.memory_mb or 0.0 for cell in part), default=0.0),
            )
            for part in filled
        ]
    return tuple(found)


def _filled(groups: Sequence[Sequence[Cell]], size: float) -> list[list[Cell]]:
    filled: list[list[Cell]] = []
    taken = 0.0
    for group in groups:
        more = _seconds(group)
        if not filled or taken + more > size:
            filled.append([])
            taken = 0.0
        filled[-1] += group
        taken += more
    return filled


def _seconds(cells: Sequence[Cell]) -> float:
    return sum(cell.cost.seconds or 0.0 for cell in cells)
