"""From cells to records: one cell, whose failure is its own, or a grid of cells."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .cards.own_files import run_inherited_plugins
from .costs import Costs, history, with_costs, with_published
from .errors import ConfigError, DataError
from .evaluate import MISSING, Worker, error_line, error_text, evaluate, without_result
from .executors import EXECUTORS, Lost
from .leases import FOLDER as LEASES
from .leases import Leases
from .looks import Planned, count_look, declared, test_of
from .modes import MODES
from .modes.strand import unmeasured
from .outcomes import Outcome, Result
from .plan import Cell, Protocol, check_unique, planned_spec
from .provenance import environment, releases
from .records import (
    CannotWrite,
    Record,
    being_run,
    cannot_write,
    has_killed,
    model_snapshot,
    read_record,
    record_folder,
    tidy,
    write_record,
)
from .statistics import LIKELIHOOD
from .status import journal
from .storage import uploading, url_of
from .threads import sleep_if_busy

log = logging.getLogger(__name__)


def run_cell(
    cell: Cell,
    worker: Worker,
    results: Path | None = None,
    apart: Callable[[Cell], Result | None] | None = None,
    *,
    fresh_versions: bool = False,
    reason: str = "",
) -> Result:
    """Return what became of the cell, with its record written under `results`; a cell done before is not run again.

    With `fresh_versions` it is, unless it was made under the installed versions of the packages that count; its record
    is replaced by the new one where the cell is done, and stays where it fails. `reason` is why the test part is scored
    again, for the record of a cell whose network was scored on it before. A cell that the last process died of is
    run by `apart`, if that is given and can. Whatever goes wrong with the cell is in the result. Raises CannotWrite
    where `results` cannot be written at all, and DataError where the cell's record there is corrupt.
    """
    try:
        worker.split(cell.task)
    except (Exception, SystemExit) as error:  # its examples are not available; those of other tasks may be
        log.debug("%s has no data", cell, exc_info=True)
        return Result(cell, "no_data", reason=error_line(error))
    if leak := worker.leak(cell.task):
        return Result(cell, "leaky", reason=leak)
    try:
        spec = worker.spec(cell)
        folder = None if results is None else record_folder(results, spec)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - such as weights that cannot be read
        return Result(cell, "failed", reason=error_text(error))
    earlier = None if folder is None else _done_before(folder, cell, worker.protocol)
    again = earlier is not None and (
        _lacks_model(earlier, worker) or (fresh_versions and _is_of_other_versions(earlier))
    )
    if earlier is not None and not again:
        assert results is not None
        tidy(results, spec)
        return Result(cell, "done_before", _described_anew(earlier, cell, worker, results))
    if results is None:
        return _ended(cell, worker, None, earlier, reason)
    if apart is not None and has_killed(results, spec) and (result := apart(cell)) is not None:
        return result
    with being_run(results, spec):
        return _ended(cell, worker, results, earlier, reason)


def _ended(cell: Cell, worker: Worker, results: Path | None, earlier: Record | None, reason: str) -> Result:
    worker.audit(cell.task)
    start = time.perf_counter()

    def looked() -> Mapping[str, Any]:
        if results is None:
            return {}
        n = count_look(results, Planned(worker.spec(cell), test_of(cell.task)), reason)
        return {"earlier_looks": n, "look_reason": reason if n else ""}

    try:
        record, predictions = evaluate(cell, worker, looked)
        if results is None:
            record = replace(record, in_memory=predictions)
        else:
            record = read_record(write_record(results, record, predictions))
    except CannotWrite:
        raise
    except (Exception, SystemExit) as error:  # one cell of many: its record keeps the reason
        log.debug("%s failed", cell, exc_info=True)
        return _without(cell, worker, results, earlier, error, start)
    return Result(cell, record.status, record, record.error)


def _without(
    cell: Cell, worker: Worker, results: Path | None, earlier: Record | None, why: Exception | SystemExit, start: float
) -> Result:
    """Return the result of a cell that ended in an error, with its record, or without one if that cannot be written."""
    try:
        record = without_result(cell, worker, why, start)
        if earlier is not None and earlier.status == "done":
            return Result(cell, record.status, record, f"{record.error} (the record of other versions stays)")
        if results is not None:
            record = read_record(write_record(results, record, None))
    except CannotWrite:
        raise
    except (Exception, SystemExit) as error:  # such as a card with a value that JSON does not have
        log.debug("%s has no record", cell, exc_info=True)
        return Result(cell, "failed", reason=f"{error_text(why)}; it has no record: {error_line(error)}")
    return Result(cell, record.status, record, record.error)


def _done_before(folder: Path, cell: Cell, protocol: Protocol) -> Record | None:
    """Return the record in `folder`, None where there is none or the cell is to be tried again.

    So is a zero-shot cell where the card now says otherwise which variants are the more harmful, one that trains where
    more replicates are asked for than the record has, and one whose record says nothing of strands, or of references,
    where it should.
    """
    if not (folder / "record.json").exists():
        return None
    record = read_record(folder)
    stated = record.task.get("deleterious", bool(cell.task.deleterious))  # older records do not state it
    if cell.mode == "zero_shot" and cell.task.variants and stated != cell.task.deleterious:
        return None
    has = len(record.components.values) if record.components else 0
    if record.status == "done" and MODES.get(cell.mode).trains and has < protocol.replicates:
        return None
    lacks_strand = protocol.check_strand and record.strand is None and not unmeasured(MODES.get(cell.mode), cell.task)
    variants = protocol.check_reference and cell.mode == "zero_shot" and cell.task.variants
    if record.status == "done" and (lacks_strand or (variants and LIKELIHOOD not in record.predictions.strata)):
        return None
    return None if record.status == "failed" or MISSING in record.flags else record


def _lacks_model(record: Record, worker: Worker) -> bool:
    """Return whether models are to be saved, and that of a finished cell of a network was not."""
    if worker.models is None or record.status != "done" or record.model.get("baseline"):
        return False
    return record.spec.mode == "fine_tune" and not record_folder(worker.models, record.spec).exists()


def _is_of_other_versions(record: Record) -> bool:
    """Return whether a package was another release when the record was made; one that is not here has no say."""
    installed = releases(environment()["packages"], baseline=bool(record.model.get("baseline")))
    return any(installed.get(name, version) != version for name, version in record.made_with.items())


def _described_anew(earlier: Record, cell: Cell, worker: Worker, results: Path) -> Record:
    """Return the record of a finished cell, written anew where the model's card now lists other corpora.

    What a model saw changes no score, so nothing is computed again; the predictions stay as they are.
    """
    now = model_snapshot(cell.card)
    if earlier.status != "done" or earlier.model.get("pretraining", now["pretraining"]) == now["pretraining"]:
        return earlier
    record = replace(earlier, model=now, exposure=worker.exposure(cell))
    return read_record(write_record(results, record, earlier.predictions))


@dataclass(frozen=True)
class Grid:
    """Runs cells by an executor, and writes a record for each under `results`; the same cells again are skipped.

    The fields from `protocol` to `models` are passed to each `Worker`, `fresh_versions` and `reason` to `run_cell`.
    With `lock`, or in a folder that was locked before, no network has a second look at a test part without a `reason`.
    With a `lease` above 0 another process that runs a cell is left to it, unless it has not been heard of for so many
    seconds; `beside` are the cells of such processes, which one lock allows together with these. Up to
    `workers` cells run at once; the executor is 'serial' for one and 'processes' for more, unless it is named.
    `started(cell)` is called when a cell begins, `finished(result)` when it has ended.
    """

    results: Path | None
    protocol: Protocol
    cache: Path | None = None
    audited: bool = True
    checked: bool = True
    refuse_leaks: bool = False
    models: Path | None = None
    fresh_versions: bool = False
    executor: str = ""
    workers: int = 1
    lock: bool = False
    reason: str = ""
    lease: float = 0.0
    beside: Sequence[Cell] = ()
    started: Callable[[Cell], None] = lambda cell: None
    finished: Callable[[Result], None] = lambda result: None

    def run(self, cells: Iterable[Cell]) -> Outcome:
        """Return what became of the cells. Raises as `each` does, and DataError where no cell has its data."""
        outcome = Outcome.of(self.each(cells))
        if outcome.no_data and outcome == Outcome(no_data=outcome.no_data):
            raise DataError(next(iter(outcome.no_data.values())))
        return outcome

    def each(self, cells: Iterable[Cell]) -> Iterator[Result]:
        """Yield the result of each cell as it ends.

        Raises ConfigError for a cell that is listed twice, an unknown executor, more workers than it has, or a look at
        test that the lock refuses, and DataError where `results` cannot be written.
        """
        chosen = list(cells)
        check_unique(chosen)
        if self.workers < 1:
            raise ConfigError(f"workers = {self.workers}: expected 1 or more")
        executor = EXECUTORS.get(self.executor or ("serial" if self.workers == 1 else "processes"))
        sleep_if_busy()
        prepare = functools.partial(
            _prepare,
            self.results,
            protocol=self.protocol,
            cache=self.cache,
            audited=self.audited,
            checked=self.checked,
            refuse_leaks=self.refuse_leaks,
            models=self.models,
            fresh_versions=self.fresh_versions,
            reason=self.reason,
        )
        if executor is not EXECUTORS.get("serial"):
            past = history([self.results] if self.results else [])
            chosen = with_costs(chosen, Costs(with_published(past)), self.protocol)
        here = functools.partial(prepare, alone=executor is EXECUTORS.get("serial"), lease=self.lease)
        keys = [cell.key for cell in chosen]
        with (
            uploading(self.results) as upload,
            self._declared([*chosen, *self.beside]),
            journal(self.results, keys, self.workers) as notes,
        ):
            for ended in executor(chosen, here, workers=self.workers, started=self.started):
                result = _lost(prepare, ended) if isinstance(ended, Lost) else ended
                notes.note(result.in_short)
                upload(result.record.path if result.record else None)
                self.finished(result)
                yield result

    def _declared(self, cells: Iterable[Cell]) -> AbstractContextManager[None]:
        """Return the block in which the cells may run. Its start raises ConfigError where a lock refuses one."""
        if self.results is None:
            if self.lock or self.reason:
                raise ConfigError("a lock on looks at test, or a reason for one, needs a folder of results")
            return nullcontext()
        if url := url_of(self.results) if self.lock or self.reason else "":
            raise ConfigError(f"{url}: a lock on looks at test is of one folder, not of a store's; run in a folder")
        return declared(self.results, self._planned(cells), lock=self.lock, reason=self.reason)

    def _planned(self, cells: Iterable[Cell]) -> Iterator[Planned]:
        for cell in cells:
            with suppress(Exception, SystemExit):  # such as weights that cannot be read: it fails before it looks
                yield Planned(planned_spec(cell, self.protocol), test_of(cell.task))


def _prepare(
    results: Path | None,
    alone: bool = False,
    lost: str = "",
    lease: float = 0.0,
    *,
    fresh_versions: bool,
    reason: str,
    **options: Any,
) -> Callable[[Cell], Result]:
    """Return the function that runs a cell in this process, which the executor may just have started.

    Where it is `alone`, a cell that has killed a process before is run in another one. Where `lost` says why one was
    lost the function runs no cell, but writes its record. With a `lease` above 0 it runs those that nobody else does.
    """
    run_inherited_plugins()
    worker = Worker(**options)
    if lost:
        return functools.partial(_record_lost, worker=worker, results=results, reason=lost)
    how: dict[str, Any] = {"fresh_versions": fresh_versions, "reason": reason}
    elsewhere = functools.partial(_prepare, results, **how, **options)
    apart = functools.partial(_apart, elsewhere) if alone else None
    run = functools.partial(run_cell, worker=worker, results=results, apart=apart, **how)
    if not lease or results is None:
        return run
    return functools.partial(_leased, run=run, worker=worker, leases=Leases(results / LEASES, expires=lease))


def _leased(cell: Cell, run: Callable[[Cell], Result], worker: Worker, leases: Leases) -> Result:
    """Return what became of the cell; it is run here unless another process that lives has its lease."""
    try:
        work = worker.spec(cell).hash
    except (Exception, SystemExit):  # noqa: BLE001 - it has no data or no identity, as its result will say
        return run(cell)
    try:
        with leases.of(work) as mine:
            return (
                run(cell)
                if mine
                else Result(cell, "elsewhere", reason=f"it is run by {leases.owner(work) or 'another process'}")
            )
    except OSError as error:
        raise cannot_write(leases.folder.parent, error) from error


def _apart(prepare: Callable[..., Callable[[Cell], Result]], cell: Cell) -> Result | None:
    """Return what became of a cell that is run in a process of its own, so that its death ends nothing else.

    None where it cannot be sent to another process, such as an object of a notebook.
    """
    log.warning("%s: the process that ran it last died, so it runs in one of its own", cell)
    try:
        (ended,) = EXECUTORS.get("processes")([cell], prepare, workers=1, started=lambda cell: None)
    except ConfigError:
        log.debug("%s stays here", cell, exc_info=True)
        return None
    return _lost(prepare, ended) if isinstance(ended, Lost) else ended


def _lost(prepare: Callable[..., Callable[[Cell], Result]], lost: Lost) -> Result:
    """Return the result of a cell that its process died of, with a record written by another process.

    That process may die too, such as of examples that need more memory than there is; then there is no record.
    """
    writing = functools.partial(prepare, lost=lost.reason)
    ended: Result | Lost = lost
    with suppress(ConfigError):  # it cannot be sent there
        (ended,) = EXECUTORS.get("processes")([lost.cell], writing, workers=1, started=lambda cell: None)
    return Result(lost.cell, "failed", reason=lost.reason) if isinstance(ended, Lost) else ended


def _record_lost(cell: Cell, worker: Worker, results: Path | None, reason: str) -> Result:
    failed = Result(cell, "failed", reason=reason)
    if results is None:
        return failed
    try:
        folder = record_folder(results, worker.spec(cell))
        if (earlier := _done_before(folder, cell, Protocol())) is not None and earlier.status == "done":
            return failed  # the record of other versions stays
        # Not the model's flags: to check it is to load it, of which the process may have died.
        record = worker.finish(cell, replace(worker.begin(cell), error=reason), time.perf_counter())
        return replace(failed, record=read_record(write_record(results, record, None)))
    except CannotWrite:
        raise
    except (Exception, SystemExit):
        log.debug("%s has no record", cell, exc_info=True)
        return failed
