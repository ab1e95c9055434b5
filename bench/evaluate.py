"""One cell: Task -> Split -> (Model, Mode) -> Predictions -> Estimate -> Record."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import BaserateError, MissingExtra, NotApplicable
from .exposure import exposure_of
from .files import writable
from .isolation import isolated
from .modes import MODES
from .modes.components import components_of
from .modes.job import Job
from .modes.strand import scores_on_both
from .modes.valid import scores_on_valid
from .modes.zero_shot import reference_quarters
from .plan import Cell, Protocol, run_spec
from .provenance import environment
from .records import SKIPPED, Record, Status, model_snapshot, record_folder, task_snapshot
from .registry import load_model
from .results import Predictions, RunSpec
from .splits import coarser_units, load_split
from .statistics import LIKELIHOOD, estimate, flag_collapsed, with_derived
from .types import FloatArray, ModelCard, Split, StrArray, Task

log = logging.getLogger(__name__)

MISSING = "package missing"
"""The flag of a cell that is run again once its package is installed."""


def evaluate(cell: Cell, worker: Worker, looked: Callable[[], Mapping[str, Any]] = dict) -> tuple[Record, Predictions]:
    """Return the cell's finished record and its predictions on the test examples.

    `looked` is called as soon as these are scored, and returns what the record says of earlier looks at them. Raises
    NotApplicable where the mode makes no sense here or scores no example, and any error of the task's source or of the
    model.
    """
    mode, split, spec = MODES.get(cell.mode), worker.split(cell.task), worker.spec(cell)
    unfinished = worker.begin(cell)
    mode.check(cell.task, cell.card)
    with isolated(network=not cell.card.baseline):
        model_flags = worker.model_flags(cell.card)
    start = time.perf_counter()
    with isolated(network=not cell.card.baseline):
        model = worker.model(cell.card)
    mode.check_model(model, cell.card)
    job = Job(
        cell.task,
        cell.card,
        model,
        split,
        spec.settings,
        spec.seeds,
        spec.train_fraction,
        worker.cache,
        space=cell.space,
        budget=spec.budget,
        models=None if worker.models is None else record_folder(worker.models, spec),
        resample=spec.resample,
        draws=spec.seeds,
    )
    size = worker.protocol.replicates if mode.trains else 0
    with isolated(network=not cell.card.baseline):
        scores, strand = scores_on_both(mode, job) if worker.protocol.check_strand else (mode.scores(job), None)
        asked = worker.protocol.check_reference and mode.name == "zero_shot" and cell.task.variants
        by_reference = {LIKELIHOOD: reference_quarters(job)} if asked else {}
        looks = looked()
        components = components_of(mode, job, scores, size) if size else None
        choices = job.choices or scores_on_valid(mode, job)
    test = split.test
    scored = _scored(cell, scores) if mode.may_skip else None
    coarser = coarser_units(cell.task, test)
    columns = test.ids, test.targets, test.clusters, {**by_reference, **worker.strata(cell.task)}
    predictions = Predictions(*columns, scores, spec.seeds, scored, coarser, spec.one_set)
    record = replace(
        unfinished,
        status="done",
        scaled=mode.scaled,
        estimates=tuple(estimate(predictions, metric, scaled=mode.scaled) for metric in cell.task.metrics),
        flags=_flags(job, predictions) + model_flags,
        parameter_hash=job.parameter_hash(),
        choices=tuple(choices),
        test_looks=len(job.looks) or len(spec.seeds),
        components=components,
        strand=strand,
        **looks,
    )
    return worker.finish(cell, record, start), predictions


def without_result(cell: Cell, worker: Worker, error: Exception | SystemExit, start: float) -> Record:
    """Return the finished record of a cell that ended in `error`: not applicable, or failed with the reason.

    A baseline whose package is missing is not applicable, since a grid that does not name the baseline must not fail
    on a machine without the package. The split of the cell's task must be there.
    """
    missing = isinstance(error, MissingExtra)
    not_applicable = isinstance(error, NotApplicable) or (missing and cell.card.baseline)
    status: Status = "not_applicable" if not_applicable else "failed"
    flags = ((MISSING,) if missing else ()) + (() if not_applicable else worker.model_flags(cell.card))
    return worker.finish(cell, replace(worker.begin(cell), status=status, error=error_text(error), flags=flags), start)


@dataclass
class Worker:
    """What a process shares between cells: each task's split and audit, each model's flags, and the one loaded model.

    Outputs of models are cached under `cache`, or nowhere with None; trained models are written under `models`, if
    given. `audited` and `checked` are whether tasks are audited and models checked; a trial (`protocol.limit`) is not
    audited. With `refuse_leaks` the whole task is audited, whatever the limit, and `leak` returns why none of its cells
    may run.
    """

    protocol: Protocol
    cache: Path | None = None
    audited: bool = True
    checked: bool = True
    refuse_leaks: bool = False
    models: Path | None = None
    _splits: dict[str, Split | Exception | SystemExit] = field(default_factory=dict, init=False)
    _strata: dict[str, Mapping[str, StrArray]] = field(default_factory=dict, init=False)
    _audits: dict[str, Mapping[str, Any]] = field(default_factory=dict, init=False)
    _model_flags: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False)
    _loaded: tuple[ModelCard | None, Any] = field(default=(None, None), init=False)
    _spec: tuple[Cell, RunSpec] | None = field(default=None, init=False)

    def split(self, task: Task) -> Split:
        """Return the task's split, under the protocol's limit. Raises, each time, what its source raised at first."""
        if task.id not in self._splits:
            try:
                self._splits[task.id] = load_split(task, limit=self.protocol.limit)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - raised below, for each cell of the task
                self._splits[task.id] = error
        split = self._splits[task.id]
        if isinstance(split, Split):
            return split
        raise split

    def strata(self, task: Task) -> Mapping[str, StrArray]:
        """Return the strata of the task's test examples, those of their sequences included."""
        if task.id not in self._strata:
            self._strata[task.id] = with_derived(self.split(task).test)
        return self._strata[task.id]

    def spec(self, cell: Cell) -> RunSpec:
        """Return all that decides the cell's result."""
        if self._spec is None or self._spec[0] is not cell:
            self._spec = cell, run_spec(cell, self.split(cell.task), self.protocol)
        return self._spec[1]

    def audit(self, task: Task) -> Mapping[str, Any]:
        """Return what records store of the task's audit: verdict, reasons and leaks; {} where none is asked for."""
        from .audit import audit
        from .cache.folder import cache_dir

        if not self.refuse_leaks and (not self.audited or self.protocol.limit):
            return {}
        if task.id not in self._audits:
            try:
                split = load_split(task) if self.protocol.limit else self.split(task)
                self._audits[task.id] = audit(task, split, cache=cache_dir()).in_short()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a result without an audit is still a result, and says so
                _warn(f"{task.id}: it could not be audited", error)
                self._audits[task.id] = {"verdict": "", "reasons": [f"not audited: {error_line(error)}"]}
        return self._audits[task.id]

    def leak(self, task: Task) -> str:
        """Return, under `refuse_leaks`, how training data leak into test data, or why this is not known; else ''."""
        if not self.refuse_leaks:
            return ""
        audited = self.audit(task)
        if not audited["verdict"]:
            return "; ".join(audited["reasons"])
        return "; ".join(line for line in audited["leaks"] if line.startswith("FAIL"))

    def model_flags(self, card: ModelCard) -> tuple[str, ...]:
        """Return the flags of all records of a model: whose code it ran, and the checks that it fails."""
        if card.name not in self._model_flags:
            self._loaded = (None, None)  # a check loads the model itself, and two may not fit in memory
            self._model_flags[card.name] = self._flags_of(card)
        return self._model_flags[card.name]

    def _flags_of(self, card: ModelCard) -> tuple[str, ...]:
        from .cache.folder import cache_dir
        from .checks import faults

        flags = (f"remote code at {card.remote_code}",) if card.remote_code else ()
        if card.baseline or not self.checked:
            return flags
        try:
            return (*flags, *(f"check failed: {fault}" for fault in faults(card, cache_dir())))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a result without checks is still a result, and says so
            _warn(f"{card.name}: its checks could not be run", error)
            return (*flags, f"checks not run: {error_line(error)}")

    def model(self, card: ModelCard) -> Any:
        """Return the loaded model, the only one in memory. Raises what its loader raises."""
        if not self._is_loaded(card):
            self._loaded = (None, None)
            self._loaded = (card, load_model(card))
        return self._loaded[1]

    def _is_loaded(self, card: ModelCard) -> bool:
        """Return whether the model in memory is the card's, by name: cards come anew with each cell of a process."""
        return self._loaded[0] is not None and self._loaded[0].name == card.name

    def begin(self, cell: Cell) -> Record:
        """Return the record of the cell before anything is computed."""
        split = self.split(cell.task)
        missing = {"dropped": split.dropped, "left_out": dict(split.left_out)}
        return Record(
            spec=self.spec(cell),
            status="failed",
            task=task_snapshot(cell.task) | {key: value for key, value in missing.items() if value},
            model=model_snapshot(cell.card),
            grid=self.protocol.grid,
            searched={name: str(search) for name, search in cell.space.items()},
            audit=self.audit(cell.task),
            exposure=self.exposure(cell),
            baseline=cell.baseline,
        )

    def exposure(self, cell: Cell) -> dict[str, str]:
        """Return whether the cell's model saw the test examples in pretraining, and why; unknown if this fails."""
        try:
            return exposure_of(cell.card, cell.task, self.split(cell.task), mode=cell.mode).to_json()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a result whose exposure is not known is still a result
            _warn(f"{cell}: what its model has seen is not known", error)
            return {"status": "unknown", "reason": f"not known: {error_line(error)}"}

    def finish(self, cell: Cell, record: Record, start: float) -> Record:
        """Return the record with the cost of the cell since `start`, and with where it was made."""
        seconds = round(time.perf_counter() - start, 3)
        # 'auto' leaves the precision of a network to the device.
        precision = getattr(self._loaded[1], "precision", "") if self._is_loaded(cell.card) else ""
        where = environment() | ({"precision": str(precision)} if precision else {})
        return replace(record, seconds=seconds, peak_memory_mb=_peak_memory_mb(), environment=where)


def error_text(error: Exception | SystemExit) -> str:
    """Return one line for a mistake of the caller, and the traceback for a bug."""
    if isinstance(error, BaserateError | SystemExit):
        return error_line(error)
    return writable("".join(traceback.format_exception(error)).strip())


def error_line(error: Exception | SystemExit) -> str:
    """Return the error's message on one line, after the name of its type where it is a bug."""
    if isinstance(error, SystemExit):
        return f"called sys.exit({error.code!r})"
    message = writable(" ".join(str(error).split()))
    if isinstance(error, BaserateError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _warn(what: str, error: Exception | SystemExit) -> None:
    """Log what a record lacks because of an unforeseen error, with its traceback where it is a bug."""
    log.warning("%s: %s", what, error_line(error), exc_info=None if isinstance(error, BaserateError) else error)


def _scored(cell: Cell, scores: FloatArray) -> NDArray[np.bool_] | None:
    """Return which examples a mode that may skip some could score, None where it scored all.

    Raises NotApplicable where it scored none. In other modes a score that is not finite is a fault, not an omission.
    """
    scored = np.asarray(~np.isnan(scores).all(axis=(0, 2)))
    if not scored.any():
        part = MODES.get(cell.mode).part
        by = f" by {part} {cell.resolved[part]!r}" if part else ""
        raise NotApplicable(f"{cell.card.name}{by} can score none of the {len(scored)} examples of {cell.task.name}")
    return None if scored.all() else scored


def _flags(job: Job, predictions: Predictions) -> tuple[str, ...]:
    """Return what a reader must know about the result: collapsed, skipped, cut or in chunks, and the mode's notes."""
    n = len(predictions.ids)
    flags = ["collapsed"] if flag_collapsed(predictions) else []
    if predictions.scored is not None:
        flags.append(f"{SKIPPED} {n - int(predictions.scored.sum())} of {n}")
    return (*flags, *_too_long(job), *job.notes)


def _too_long(job: Job) -> list[str]:
    """Return what becomes of sequences longer than the model reads: how many are in chunks, or cut and by how much."""
    model, inputs = job.model, job.split.test.inputs
    if not hasattr(model, "n_truncated"):
        return []
    length = {"max_length": job.settings["max_length"]} if "max_length" in job.settings else {}
    if hasattr(model, "left_out"):
        cut = model.left_out(inputs.sequences, **length)
        long, bases = int(np.count_nonzero(cut)), int(cut.sum())
    else:
        long, bases = model.n_truncated(inputs.sequences, **length), 0
    if not long:
        return []
    if job.settings.get("window") == "chunk" and hasattr(model, "chunks"):
        return [
            f"read in chunks {long} of {len(inputs)}: {model.chunks(overlap=job.settings.get('overlap'), **length)}"
        ]
    # The sites of a task of bases share a sequence, of which each reads another window.
    total = 0 if inputs.per_base else sum(map(len, inputs.sequences))
    share = f": {_percent(bases / total)} of all bases left out" if bases and total else ""
    return [f"truncated {long} of {len(inputs)}{share}"]


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _peak_memory_mb() -> float:
    """Return the peak resident memory of the process so far, in MiB; 0 where the system does not report it."""
    try:
        import resource
    except ImportError:
        return 0.0
    units = 1 << 20 if sys.platform == "darwin" else 1 << 10  # bytes on macOS, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units, 1)
