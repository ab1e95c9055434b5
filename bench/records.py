"""Records: self-describing results on disk. A record is read back without the task or the model, any metric recomputed.

The folder of a run, `RESULTS/<task@version>/<model>.<mode>.<hash>/`, has `record.json` and, unless the run failed,
`predictions.parquet`. It is written as a hidden folder beside and renamed, so that a folder that exists is whole;
readers ignore hidden folders, and writers sweep those of dead processes.
"""

from __future__ import annotations

import html
import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .digests import canonical_json, digest
from .errors import DataError
from .prediction_file import predictions_in, write_predictions
from .provenance import releases
from .results import CHOICE_HEAD, TRIAL_HEAD, Choice, Components, Estimate, Predictions, RunSpec
from .storage import local
from .types import ModelCard, Task
from .writing import forget_deaths, has_died, read, running, sweep, write_folder

SCHEMA = 3
"""From 2 on a record has the digest of its content; earlier code cannot read 3. All of them can be read for ever."""
Status = Literal["done", "failed", "not_applicable"]
SKIPPED = "skipped"
"""The start of the flag of a record that does not score every example, as in 'skipped 12 of 300'."""
_COPIES = ("mlartifacts", "mlruns")
"""Folders in which MLflow has copies of records."""
_RECORD = re.compile(r".+\.[0-9a-f]{8}")
"""The name of a record's folder."""
_NAME = 255
"""The most bytes of a file's name that all common file systems take."""


class CannotWrite(DataError):
    """Results cannot be written at all: no cell of a grid can leave a record."""


@dataclass(frozen=True)
class Record:
    """What a run was and what came of it.

    `task` and `model` are snapshots of the cards; `flags` are warnings such as 'collapsed'; `parameter_hash` proves
    which weights were loaded; `environment` has the git commit, package versions and device; `seconds` covers the cell,
    `peak_memory_mb` the process until then; `grid` names the suite; `path` is the folder that the record was read from.
    `digest` is that of the record's content where it was read from disk, which a copy by `replace` lacks; `in_memory`
    are the predictions of a record that is not on disk. `audit` has the verdict on the task's data, 'PASS', 'WARN' or
    'FAIL', and the reasons; `exposure` says whether the model saw test examples in pretraining, 'clean', 'exposed' or
    'unknown', and why. Both are empty where they were not asked for. `scaled` is whether the scores are on the scale of
    the targets, which those of a zero-shot rule are not; None for a cell without scores, and in records from before
    this was stored. `choices` are what each seed chose on valid, `searched` is where a budget draws the settings that
    it tunes, in words, and `test_looks` counts the models that were scored on the test examples; None in records from
    before these were stored. `components` says where the noise of the score comes from, and `strand` how much
    predictions change on the other strand, where these were asked for; `baseline` is the baseline over which the suite
    declares gains on the task, if it does. `earlier_looks` counts the evaluations of the same test part by the same
    network that were in the folder of results before, whatever their settings, and `look_reason` is why this one was
    taken all the same, where that was stated; None in records from before they were counted, and outside a folder.
    """

    spec: RunSpec
    status: Status
    task: Mapping[str, Any]
    model: Mapping[str, Any]
    estimates: tuple[Estimate, ...] = ()
    error: str = ""
    flags: tuple[str, ...] = ()
    parameter_hash: str = ""
    predictions_digest: str = ""
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    environment: Mapping[str, Any] = field(default_factory=dict)
    grid: str = "run"
    audit: Mapping[str, Any] = field(default_factory=dict)
    exposure: Mapping[str, Any] = field(default_factory=dict)
    scaled: bool | None = None
    choices: tuple[Choice, ...] | None = None
    searched: Mapping[str, str] | None = None
    test_looks: int | None = None
    components: Components | None = None
    baseline: str = ""
    strand: Estimate | None = None
    earlier_looks: int | None = None
    look_reason: str = ""
    schema: int = SCHEMA
    digest: str = field(default="", compare=False, init=False)
    path: Path | None = None
    in_memory: Predictions | None = field(default=None, compare=False, repr=False)

    @property
    def predictions(self) -> Predictions:
        """The predictions of a record that is done. Raises DataError where they are missing or altered."""
        return read_predictions(self) if self.in_memory is None else self.in_memory

    def _repr_html_(self) -> str:
        """Return the record as tables for a notebook: metrics or the error, choices on valid, and trials."""
        rows = [
            (e.metric, e.reason or "undefined" if e.value is None else f"{e.value:.3f}", _interval(e))
            for e in self.estimates
        ] or [("", self.error.splitlines()[-1] if self.error else self.status, "")]
        flags = "; ".join(self.flags)
        head = ("task", "model", "mode", "metric", "value", "interval", "flags")
        cells = [(self.spec.task, self.spec.model, self.spec.mode, *row, flags) for row in rows]
        choices = self.choices or ()
        tables: list[tuple[Sequence[str], Sequence[Sequence[str]]]] = [(head, cells)]
        if any(choice.chosen for choice in choices):
            tables.append((CHOICE_HEAD, [choice.row for choice in choices]))
        tables += [(TRIAL_HEAD, choice.trial_rows) for choice in choices if choice.trials]
        return "\n".join(_html_table(*table) for table in tables)

    @property
    def skips(self) -> bool:
        """Whether there are examples that the model could not score by its rule."""
        return any(flag.startswith(SKIPPED) for flag in self.flags)

    @property
    def made_with(self) -> dict[str, str]:
        """The releases of the packages by which the numbers may differ; empty where the record does not say."""
        packages = self.environment.get("packages") or {}
        return releases(packages, baseline=bool(self.model.get("baseline")))

    @property
    def hash(self) -> str:
        """The run's identity."""
        return self.spec.hash

    def estimate(self, metric: str) -> Estimate | None:
        """Return the estimate of `metric`, or None where the record has none."""
        return next((e for e in self.estimates if e.metric == metric), None)


def task_snapshot(task: Task) -> dict[str, Any]:
    """Return what a record stores of a task: enough to print a table and to recompute its metrics."""
    keys: tuple[str, ...] = ("name", "version", "kind", "metrics", "classes", "variants", "description", "split_rule")
    keys += ("citation", "licence", "species", "assembly", "superseded_by", "sizes")
    keys += ("per_base", "published", "origin", "transform") + (("deleterious",) if task.variants else ())
    stated = ("shots", "whole", "window", "batch", "unit", "coarser", "fixed", "margin")
    keys += tuple(key for key in stated if getattr(task, key))
    return _plain_dict({"id": task.id} | {key: getattr(task, key) for key in keys})


def model_snapshot(card: ModelCard) -> dict[str, Any]:
    """Return what a record stores of a model's card."""
    keys: tuple[str, ...] = ("name", "description", "parameters", "context", "tokenizer", "licence", "citation")
    keys += ("twin_of", "baseline", "place")
    about: dict[str, Any] = {"training": asdict(card.training)} if card.training else {}
    about |= {"pretraining": [asdict(e) for e in card.pretraining]}
    return _plain_dict({key: getattr(card, key) for key in keys} | about)


def record_folder(results: Path, spec: RunSpec) -> Path:
    """Return the folder of the run's record, whether or not it is written yet."""
    task, run = _names(spec)
    return results / task / run


def _names(spec: RunSpec) -> tuple[str, str]:
    """Return the names of the run's two folders, the task's and its own."""
    end = f".{spec.mode}.{spec.hash[:8]}"
    return _shortened(spec.task, _NAME), f"{_shortened(folder_name(spec.model), _NAME - len(end))}{end}"


def folder_name(model: str) -> str:
    """Return the start of the names of the folders of a model's records."""
    return re.sub(r"[^\w.=+-]+", "_", model).lstrip("._")  # a leading dot would hide the folder


def _shortened(name: str, size: int) -> str:
    """Return the name, or its start and a digest where it takes more than `size` bytes."""
    content = os.fsencode(name)
    if len(content) <= size:
        return name
    return content[: size - 17].decode("utf-8", "ignore") + "." + digest(content)


def write_record(results: Path, record: Record, predictions: Predictions | None) -> Path:
    """Return the folder of the record, written whole or not at all; an earlier record of the run is replaced.

    Raises CannotWrite where `results` cannot be written, DataError for an estimate that is not finite, and ValueError
    or TypeError for anything else in the record that JSON or parquet cannot represent.
    """
    _check_finite(record)
    folder = record_folder(results, record.spec)

    def write(beside: Path) -> None:
        stated = record
        if predictions is not None:
            write_predictions(beside / "predictions.parquet", predictions)
            content = (beside / "predictions.parquet").read_bytes()
            stated = replace(record, predictions_digest=digest(content))
        value = _to_json(stated)
        value["digest"] = digest(canonical_json(value))
        text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
        (beside / "record.json").write_text(text + "\n")

    try:
        write_folder(folder, write)
    except OSError as error:
        raise cannot_write(results, error) from error
    return folder


@contextmanager
def being_run(results: Path, spec: RunSpec) -> Iterator[None]:
    """Mark that this process runs a cell, until the block ends or the process dies.

    Raises CannotWrite where `results` cannot be written.
    """
    with ExitStack() as stack:
        try:
            about = json.dumps({"task": spec.task, "model": spec.model, "mode": spec.mode, "began": time.time()})
            stack.enter_context(running(record_folder(results, spec).parent, spec.hash, about))
        except OSError as error:
            raise cannot_write(results, error) from error
        yield


def has_killed(results: Path, spec: RunSpec) -> bool:
    """Return whether the last process of this machine that ran the cell died, of it or of a signal."""
    return has_died(record_folder(results, spec).parent, spec.hash)


def tidy(results: Path, spec: RunSpec) -> None:
    """Remove what dead processes left of a run that is done."""
    folder = record_folder(results, spec).parent
    sweep(folder)
    forget_deaths(folder, spec.hash)


def cannot_write(results: Path, error: OSError) -> CannotWrite:
    """Return the error, in one line, for results that cannot be written."""
    return CannotWrite(f"cannot write results in {results}: {error.strerror}; choose another folder")


def _check_finite(record: Record) -> None:
    for e in record.estimates:
        for name, value in (
            ("value", e.value),
            ("low", e.low),
            ("high", e.high),
            *(("per_seed", v) for v in e.per_seed),
        ):
            if value is not None and not math.isfinite(value):
                raise DataError(f"the estimate of {e.metric} has {name} {value}; expected a finite number or None")


def read_record(folder: Path) -> Record:
    """Return the record in `folder`.

    Raises DataError, in one line, where it is corrupt, of an unknown schema, or edited since it was written.
    """
    file = folder / "record.json"
    try:
        value = json.loads(read(file))
        schema = value["schema"]
        if schema > SCHEMA:
            raise DataError(f"{file}: schema {schema} is newer than {SCHEMA}; update baserate")
        stated = value.pop("digest", "")
        if (schema > 1 or stated) and stated != digest(canonical_json(value)):
            raise DataError(f"{file}: edited since it was written; delete {folder} and run again")
        value["spec"] = RunSpec.from_json(value["spec"])
        estimates = tuple(Estimate.from_json(e) for e in value["estimates"])
        fields = {**value, "estimates": estimates, "flags": tuple(value["flags"]), "path": folder}
        if fields.get("choices") is not None:
            fields["choices"] = tuple(Choice.from_json(choice) for choice in fields["choices"])
        if fields.get("components") is not None:
            fields["components"] = Components.from_json(fields["components"])
        if fields.get("strand") is not None:
            fields["strand"] = Estimate.from_json(fields["strand"])
        record = Record(**fields)
        object.__setattr__(record, "digest", stated)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not a readable record ({error}); delete {folder} and run again") from error
    if (folder.parent.name, folder.name) != _names(record.spec):
        raise DataError(f"{file}: its content does not belong to this folder; delete {folder} and run again")
    return record


def read_records(results: str | Path, *, below: bool = True) -> list[Record]:
    """Return all records under `results`, by their folders; not `below`: only those that a run of it writes.

    `results` is a folder, or the URL of one in a store, whose records are then copied into the cache. Raises DataError
    for one that is corrupt.
    """
    return [read_record(folder) for folder in record_folders(local(results), below=below)]


def record_folders(results: Path, *, below: bool = True) -> list[Path]:
    """Return the folders of records in `results`, or else anywhere below, sorted; not what is hidden, or MLflow's.

    Raises DataError where there is no such folder.
    """
    if not results.is_dir():
        raise DataError(f"{results}: no such folder; `baserate run` makes it")
    own = sorted(file.parent for file in results.glob("[!.]*/[!.]*/record.json"))
    if own or not below:
        return own
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for folder, names, files in os.walk(results, followlinks=True):
        here, of = Path(folder), Path(folder).stat()
        names[:] = [name for name in names if not name.startswith(".") and name not in _COPIES]
        if (of.st_dev, of.st_ino) in seen:  # a link to a folder above would have no end
            names.clear()
            continue
        seen.add((of.st_dev, of.st_ino))
        # Elsewhere a file of this name may be of something else.
        if "record.json" in files and (here.parent.parent == results or _RECORD.fullmatch(here.absolute().name)):
            found.append(here if len(here.parts) > 1 else here.absolute())  # the parents of '.' are '.'
            names.clear()
    return sorted(found)


def read_predictions(record: Record) -> Predictions:
    """Return the stored predictions of a record that is done. Raises DataError where the file is missing or altered."""
    if record.path is None or not record.predictions_digest:
        raise DataError(f"run {record.hash} of {record.spec.model} on {record.spec.task} has no predictions")
    file, again = record.path / "predictions.parquet", f"delete {record.path} and run again"
    try:
        content = read(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error}); {again}") from error
    if digest(content) != record.predictions_digest:
        raise DataError(f"{file}: altered since it was written; {again}")
    try:
        return predictions_in(content, record.spec.seeds, one_set=record.spec.one_set)
    except DataError as error:
        raise DataError(f"{file}: {error}; {again}") from error


def _to_json(record: Record) -> dict[str, Any]:
    """Return what is written of a record, in the newest schema: all but its digest."""
    elsewhere = ("path", "in_memory", "digest", "spec", "estimates", "choices", "components", "strand")
    value = {k: v for k, v in record.__dict__.items() if k not in elsewhere}
    value["components"] = None if record.components is None else asdict(record.components)
    value["strand"] = None if record.strand is None else asdict(record.strand)
    value["choices"] = None if record.choices is None else [asdict(choice) for choice in record.choices]
    estimates = [asdict(e) for e in record.estimates]
    return _plain_dict(value | {"schema": SCHEMA, "spec": record.spec.to_json(), "estimates": estimates})


def _interval(e: Estimate) -> str:
    return "" if e.low is None or e.high is None else f"[{e.low:.3f}, {e.high:.3f}]"


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_html_row("th", head), *(_html_row("td", row) for row in rows)]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _html_row(tag: str, values: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(value)}</{tag}>" for value in values) + "</tr>"


def _plain_dict(value: Mapping[str, Any]) -> dict[str, Any]:
    return {str(k): _plain(v) for k, v in value.items()}


def _plain(value: Any) -> Any:
    """Return the value in JSON's types: numpy scalars, tuples and mapping proxies become plain ones."""
    if isinstance(value, Mapping):
        return _plain_dict(value)
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value
