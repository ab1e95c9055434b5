"""What becomes of the runs of a folder while they go on: what ended, what is being computed where, and for how long.

A run notes its cells in a hidden file of the folder as they end; the file goes with the run, and stays where it dies.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .owner import Owner
from .records import record_folders
from .writing import marks, running

GRID = "grid"
"""The work that the mark of a run stands for, beside those of its cells."""

Key = tuple[str, str, str]
"""The task, the model and the mode of a cell, by which its record tells how long like ones take."""


@dataclass(frozen=True)
class Ended:
    """What a record says in short: its cell, its status, the seconds that it took and the last line of its error."""

    key: Key
    status: str
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Going:
    """A cell that a process computes, or did when it died, and for how many seconds."""

    task: str
    model: str
    mode: str
    machine: str
    process: int
    dead: bool
    seconds: float


@dataclass(frozen=True)
class Run:
    """A run that goes on, or that died: how many of its cells ended, by status, and about how many seconds are left.

    `left` is None where no like cell has ended yet. A process of another machine counts as alive.
    """

    machine: str
    process: int
    dead: bool
    seconds: float
    cells: int
    ended: Mapping[str, int]
    left: float | None


@dataclass(frozen=True)
class Status:
    """The records of a folder by status, the cells that failed with their reasons, and what goes on."""

    counts: Mapping[str, int]
    failed: tuple[Ended, ...]
    runs: tuple[Run, ...]
    going: tuple[Going, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object."""
        names = ("task", "model", "mode")
        failed = [dict(zip(names, e.key, strict=True)) | {"error": e.error} for e in self.failed]
        runs, going = [asdict(run) for run in self.runs], [asdict(cell) for cell in self.going]
        return {"records": dict(self.counts), "failed": failed, "runs": runs, "running": going}


class Forecast:
    """How long the cells that are left take, from the records of like ones: of the same task, else of the same model.

    What neither tells takes as long as the others on average.
    """

    def __init__(self, cells: Iterable[Key], ended: Iterable[Ended], workers: int = 1) -> None:
        self._left = Counter(cells)
        self._workers = workers
        self._seconds: dict[Any, list[float]] = {}
        for each in ended:
            self._learn(each)

    def end(self, each: Ended) -> None:
        """Take a cell as ended; what was done before takes no time, and tells none."""
        self._left[each.key] -= 1
        if each.status != "done_before":
            self._learn(each)

    def seconds(self) -> float | None:
        """Return the seconds that are left, None where nothing is known of any cell."""
        left = +self._left
        known = {key: seconds for key in left if (seconds := self._of(key)) is not None}
        if left and not known:
            return None
        mean = sum(known[key] * left[key] for key in known) / max(1, sum(left[key] for key in known))
        return sum(known.get(key, mean) * n for key, n in left.items()) / self._workers

    def _learn(self, each: Ended) -> None:
        if each.status == "done":
            for like in (each.key, each.key[1:]):
                self._seconds.setdefault(like, []).append(each.seconds)

    def _of(self, key: Key) -> float | None:
        times = self._seconds.get(key) or self._seconds.get(key[1:])
        return sum(times) / len(times) if times else None


@dataclass
class Journal:
    """The notes of a run that goes on; without a file, as where none can be written, it notes nothing."""

    file: Path | None = None
    _counts: Counter[str] = field(default_factory=Counter)

    def note(self, each: Ended) -> None:
        """Add that a cell has ended."""
        if self.file is not None:
            with suppress(OSError), self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(each)) + "\n")


@contextmanager
def journal(results: Path | None, cells: Sequence[Key], workers: int) -> Iterator[Journal]:
    """Yield where a run of the cells notes those that end, until the block ends or the process dies.

    Folders that are made for it and stay empty are removed.
    """
    if results is None:
        yield Journal()
        return
    new = [path for path in (results, *results.parents) if not path.exists()]
    about = json.dumps({"cells": [*map(list, cells)], "workers": workers, "began": time.time()}) + "\n"
    try:
        with ExitStack() as stack:
            file = None
            with suppress(OSError):  # then records cannot be written either, which says why
                file = stack.enter_context(running(results, GRID, about))
            yield Journal(file)
    finally:
        for path in new:
            with suppress(OSError):
                path.rmdir()


def status(results: Path) -> Status:
    """Return what is done, failed and going on in a folder. Raises DataError where there is no such folder."""
    ended = ended_in(results)
    runs = [run for mark, owner in marks(results, GRID) if (run := _run(mark, owner, ended)) is not None]
    going = [
        cell
        for folder in sorted(results.glob("[!.]*/"))
        for mark, owner in marks(folder)
        if (cell := _going(mark, owner)) is not None
    ]
    counts = Counter(each.status for each in ended)
    failed = tuple(each for each in ended if each.status not in ("done", "not_applicable"))
    return Status(dict(sorted(counts.items())), failed, tuple(runs), tuple(going))


def ended_in(results: Path, *, below: bool = True) -> list[Ended]:
    """Return what the records of a folder say in short; one that cannot be read has the status 'unreadable'.

    `below` is whether they may lie anywhere below. Raises DataError where there is no such folder.
    """
    return [_in_short(folder) for folder in record_folders(results, below=below)]


def _in_short(folder: Path) -> Ended:
    try:
        value = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        spec, lines = value["spec"], str(value.get("error", "")).splitlines()
        key = str(spec["task"]), str(spec["model"]), str(spec["mode"])
        return Ended(key, str(value["status"]), float(value["seconds"]), lines[-1] if lines else "")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Ended((folder.parent.name, folder.name, ""), "unreadable", 0.0, f"not a readable record ({error})")


def _run(mark: Path, owner: Owner, known: Sequence[Ended]) -> Run | None:
    """Return what the notes of a run say; None where it ended meanwhile, or its first line is not there yet."""
    try:
        head, *lines = mark.read_text(encoding="utf-8").splitlines()
        value = json.loads(head)
        cells = [(str(task), str(model), str(mode)) for task, model, mode in value["cells"]]
        forecast = Forecast(cells, known, int(value["workers"]))
        counts: Counter[str] = Counter()
        for line in lines:
            with suppress(ValueError):  # being written, or cut off with its process
                note = json.loads(line)
                forecast.end(Ended(**{**note, "key": tuple(note["key"])}))
                counts[note["status"]] += 1
        left = forecast.seconds()
        return Run(*_who(owner, value), len(cells), dict(sorted(counts.items())), left)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _going(mark: Path, owner: Owner) -> Going | None:
    try:
        value = json.loads(mark.read_text(encoding="utf-8"))
        return Going(str(value["task"]), str(value["model"]), str(value["mode"]), *_who(owner, value))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _who(owner: Owner, value: Mapping[str, Any]) -> tuple[str, int, bool, float]:
    return owner.machine, owner.process, owner.is_dead, round(max(0.0, time.time() - float(value["began"])), 1)
