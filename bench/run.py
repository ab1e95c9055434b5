"""From cells to records. `evaluate` is the line Task -> Split -> (Model, Mode) -> Predictions -> Estimate -> Record."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .errors import BaserateError, DataError, MissingExtra, NotApplicable
from .evaluate import evaluate
from .exposure import exposure_of
from .modes import MODES
from .plan import Cell, Protocol, run_spec
from .provenance import environment
from .records import Record, model_snapshot, read_record, record_folder, task_snapshot, write_record
from .registry import load_model
from .splits import load_split
from .types import ModelCard, RunSpec, Split, Task

log = logging.getLogger(__name__)

MISSING = "package missing"
"""The flag of a cell that is run again once its package is installed."""


@dataclass(frozen=True)
class Outcome:
    """What became of a grid: how many cells were done before, done now, not applicable, and the records that failed.

    `lost` maps the tasks whose examples could not be had to the reason, `refused` those that leak to how, where the
    grid refuses such; nothing is recorded of either.
    """

    skipped: int = 0
    done: int = 0
    not_applicable: int = 0
    failed: tuple[Record, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the counts, and the failed cells with their errors, as a JSON object."""
        failed = [
            {"task": r.spec.task, "model": r.spec.model, "mode": r.spec.mode, "error": r.error} for r in self.failed
        ]
        counts = {"done": self.done, "done_before": self.skipped, "not_applicable": self.not_applicable}
        return {**counts, "failed": failed, "lost": dict(self.lost), "refused": dict(self.refused)}


@dataclass
class Grid:
    """Runs cells in order, a model at a time, and writes a record for each; the same cells again are skipped.

    `started(cell)` is called before each cell, `finished(cell, record, seconds)` after it, the record being None where
    the cell was skipped. `examine(card)` returns what is wrong with a model, which its records then carry as flags; it
    is called once for each model that is no baseline, before the first of its cells that has to run. So is
    `audit(task, split)` for each task, and returns what records keep of it: the verdict, reasons and leaks; a trial's
    cut examples are not audited. With `refuse_leaks` no cell runs on a task that fails for a leak, or has no audit.
    """

    results: Path
    protocol: Protocol
    cache: Path | None
    started: Callable[[Cell], None] = lambda cell: None
    finished: Callable[[Cell, Record | None, float], None] = lambda cell, record, seconds: None
    examine: Callable[[ModelCard], tuple[str, ...]] = lambda card: ()
    audit: Callable[[Task, Split], Mapping[str, Any]] = lambda task, split: {}
    refuse_leaks: bool = False
    _splits: dict[str, Split] = field(default_factory=dict)
    _audits: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _taints: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def run(self, cells: Iterable[Cell]) -> Outcome:
        """Return what became of the cells. A cell that fails is a record with its error, and the others go on.

        Raises BaserateError for what concerns every cell, such as results that cannot be written.
        """
        skipped = done = not_applicable = 0
        failed: list[Record] = []
        loaded: tuple[ModelCard | None, object] = (None, None)
        lost: dict[str, str] = {}
        refused: dict[str, str] = {}
        for cell in cells:
            if cell.task.id in lost or cell.task.id in refused:
                self.finished(cell, None, 0.0)
                continue
            self.started(cell)
            start = time.perf_counter()
            try:
                split = self._split(cell.task)
            except BaserateError as error:  # its data are not here; the other tasks' may be
                lost[cell.task.id] = str(error)
                self.finished(cell, None, 0.0)
                continue
            if self.refuse_leaks and (leak := _leak(self._audited(cell.task, split))):
                refused[cell.task.id] = leak
                self.finished(cell, None, 0.0)
                continue
            spec = run_spec(cell, split, self.protocol)
            if self._is_done(spec):
                skipped += 1
                self.finished(cell, None, 0.0)
                continue
            audited = self._audited(cell.task, split)
            start = time.perf_counter()
            predictions = None
            try:
                MODES.get(cell.mode).check(cell.task, cell.card)
                if loaded[0] is not cell.card:
                    loaded = (None, None)  # two models may not fit into memory
                    if cell.card.name not in self._taints:
                        self._taints[cell.card.name] = self._taints_of(cell.card)
                        start = time.perf_counter()
                    loaded = (cell.card, load_model(cell.card))
                record, predictions = evaluate(cell, spec, split, loaded[1], cache=self.cache)
                done += 1
            except NotApplicable as reason:
                record = self._without_result(cell, spec, "not_applicable", str(reason))
                not_applicable += 1
            except MissingExtra as reason:
                # A baseline that nobody named must not fail a grid on a machine that lacks its package.
                status = "not_applicable" if cell.card.baseline else "failed"
                record = replace(self._without_result(cell, spec, status, str(reason)), flags=(MISSING,))
                not_applicable += cell.card.baseline
                failed += [] if cell.card.baseline else [record]
            except (Exception, SystemExit) as error:  # one cell of many: its record keeps the reason
                record = self._without_result(cell, spec, "failed", _told(error))
                log.debug("%s failed", cell, exc_info=True)
                failed.append(record)
            seconds = time.perf_counter() - start
            taints = () if record.status == "not_applicable" else self._taints.get(cell.card.name, ())
            record = replace(
                record,
                flags=record.flags + taints,
                seconds=round(seconds, 3),
                peak_memory_mb=_peak_memory_mb(),
                environment=environment() | _precision(loaded[1]),
                grid=self.protocol.grid,
                audit=audited,
                exposure=exposure_of(cell.card, cell.task, split, mode=cell.mode).to_json(),
            )
            write_record(self.results, record, predictions)
            self.finished(cell, record, seconds)
        if lost and not (skipped or done or not_applicable or failed or refused):
            raise DataError(next(iter(lost.values())))
        return Outcome(skipped, done, not_applicable, tuple(failed), lost, refused)

    def _split(self, task: Task) -> Split:
        if task.id not in self._splits:
            self._splits[task.id] = load_split(task, limit=self.protocol.limit)
        return self._splits[task.id]

    def _audited(self, task: Task, split: Split) -> Mapping[str, Any]:
        if task.id not in self._audits:
            whole = load_split(task) if self.refuse_leaks and self.protocol.limit else split
            try:
                wanted = self.refuse_leaks or not self.protocol.limit
                self._audits[task.id] = self.audit(task, whole) if wanted else {}
            except Exception as error:  # a result without an audit is still a result, and says so
                bug = not isinstance(error, BaserateError)
                log.warning("%s: it could not be audited: %s", task.id, _told_in_a_line(error), exc_info=bug)
                self._audits[task.id] = {"verdict": "", "reasons": [f"not audited: {_told_in_a_line(error)}"]}
        return self._audits[task.id]

    def _is_done(self, spec: RunSpec) -> bool:
        folder = record_folder(self.results, spec)
        if not folder.exists():
            return False
        record = read_record(folder)
        return record.status != "failed" and MISSING not in record.flags

    def _taints_of(self, card: ModelCard) -> tuple[str, ...]:
        """Return the flags of all records of a model: the checks that it fails, and whose code it ran."""
        flags = (f"remote code at {card.remote_code}",) if card.remote_code else ()
        if card.baseline:
            return flags
        try:
            return (*flags, *(f"check failed: {fault}" for fault in self.examine(card)))
        except (Exception, SystemExit) as error:  # a result without checks is still a result, and says so
            log.warning("%s: its checks could not be run", card.name, exc_info=True)
            return (*flags, f"checks not run: {_told_in_a_line(error)}")

    def _without_result(self, cell: Cell, spec: RunSpec, status: Any, error: str) -> Record:
        return Record(spec, status, task_snapshot(cell.task), model_snapshot(cell.card), error=error)


def _leak(audited: Mapping[str, Any]) -> str:
    """Return how training data leak into test data, or why this is not known; '' where the audit found no such leak."""
    if not audited.get("verdict"):
        return "; ".join(audited.get("reasons", ())) or "not audited"
    return "; ".join(line for line in audited.get("leaks", ()) if line.startswith("FAIL"))


def _told(error: Exception | SystemExit) -> str:
    """Return the caller's mistakes as their one line, and a bug of ours with its traceback."""
    if isinstance(error, BaserateError | SystemExit):
        return _told_in_a_line(error)
    return "".join(traceback.format_exception(error)).strip()


def _told_in_a_line(error: Exception | SystemExit) -> str:
    if isinstance(error, SystemExit):
        return f"called sys.exit({error.code!r})"
    return " ".join(str(error).split()) or type(error).__name__


def _precision(model: object) -> dict[str, str]:
    """Return the precision that a network ran in, which 'auto' leaves to the device."""
    found = getattr(model, "precision", "")
    return {"precision": str(found)} if found else {}


def _peak_memory_mb() -> float:
    """Return the peak resident memory of the process so far, in MiB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
