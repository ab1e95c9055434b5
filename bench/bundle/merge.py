"""Records of several folders and bundles in one folder, with where each is from and who ran it on what machine."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError, NoRecords
from ..files import write_whole
from ..leaderboard.several import Conflict, resolved
from ..records import Record, read_predictions, read_records, record_folder
from ..storage import url_of
from .pack import SOURCES, manifest_of, nothing_in, opened

_MACHINE = ("platform", "cpus", "device", "git_commit", "git_dirty")


@dataclass(frozen=True)
class Merged:
    """What a merge made: how many runs, from how many records, and the conflicts that it decided or was stopped by."""

    runs: int
    records: int
    conflicts: tuple[Conflict, ...] = ()
    written: bool = False


def read_several(sources: Sequence[Path]) -> list[Record]:
    """Return the records of all folders, in their order. Raises DataError for a folder that has none."""
    records = []
    for source in sources:
        found = read_records(source)
        if not found:
            raise NoRecords(nothing_in([source]))
        records += found
    return records


def merge(sources: Sequence[Path], out: Path, *, prefer: Path | None = None) -> Merged:
    """Return what became of merging folders and bundles into the new folder `out`, written whole or not at all.

    A run that several have is taken from the first. Where its results differ nothing is written, unless one of the
    sources is to be preferred: `prefer`. The file `sources.json` says, for each run, who made it, in which source, on
    which machine, and every other record of it that was there. Raises DataError for a source without records and where
    `out` has content already, ConfigError for a `prefer` that is not among the sources.
    """
    if prefer is not None and prefer not in sources:
        raise ConfigError(f"prefer {prefer}: expected one of {', '.join(map(str, sources))}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: there is something already; name a new folder")
    ordered = sorted(sources, key=lambda source: source != prefer)
    with ExitStack() as stack:
        read: list[Record] = []
        history: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for source in ordered:
            folder = stack.enter_context(opened(source))
            author = str((manifest_of(folder) or {}).get("author", ""))
            before = _sources_in(folder)
            for record in read_several([folder]):
                read.append(record)
                known = before.get(record.hash) or [_made(record, source, author)]
                history[record.hash] += [entry for entry in known if entry not in history[record.hash]]
        chosen, conflicts = resolved(read)
        if conflicts and prefer is None:
            return Merged(len(chosen), len(read), tuple(conflicts))
        try:
            write_whole(out, lambda beside: _write(beside, chosen, history))
        except OSError as error:
            raise DataError(f"cannot write {out}: {error.strerror or error}; choose another folder") from error
    return Merged(len(chosen), len(read), tuple(conflicts), written=True)


def _write(folder: Path, records: Sequence[Record], history: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    folder.mkdir()
    for record in records:
        assert record.path is not None
        to = record_folder(folder, record.spec)
        to.mkdir(parents=True)
        shutil.copyfile(record.path / "record.json", to / "record.json")
        if record.predictions_digest:
            read_predictions(record)
            shutil.copyfile(record.path / "predictions.parquet", to / "predictions.parquet")
    entries = {
        record.hash: {
            "task": record.spec.task,
            "model": record.spec.model,
            "mode": record.spec.mode,
            "digest": record.digest,
            "made": list(history[record.hash]),
        }
        for record in records
    }
    text = json.dumps({"format": 1, "runs": entries}, indent=1, sort_keys=True)
    (folder / SOURCES).write_text(text + "\n", encoding="utf-8")


def _made(record: Record, source: Path, author: str) -> dict[str, Any]:
    """Return who made a record, in which source, on which machine."""
    machine = {key: record.environment.get(key) for key in _MACHINE}
    packages = dict(record.environment.get("packages") or {})
    made = {
        "source": url_of(source) or source.name or str(source),
        "author": author,
        "status": record.status,
        "digest": record.digest,
    }
    return {**made, "seconds": record.seconds, "machine": machine, "packages": packages}


def _sources_in(folder: Path) -> Mapping[str, list[dict[str, Any]]]:
    """Return, by run, who made its records, from a folder that was merged itself; nothing for any other folder."""
    file = folder / SOURCES
    if not file.is_file():
        return {}
    try:
        runs = json.loads(file.read_text(encoding="utf-8"))["runs"]
        return {run: [dict(made) for made in entry["made"]] for run, entry in runs.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: not a list of sources that `baserate merge` wrote ({error}); remove it") from error
