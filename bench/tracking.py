"""A copy of every record in MLflow: a parent run per grid, a child per cell. Results are never read back from it.

Syncing twice adds nothing, at the same time neither: the tag `baserate.hash` of a run identifies its record's content,
and one process copies at a time.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .digests import digest
from .errors import BaserateError
from .files import writable, write_whole
from .progress import activity
from .records import Record

EXPERIMENT = "baserate"
_MARK = ".mirrored.json"
_SQLITE = "sqlite:///"
_BATCH = 1000
"""The most metrics that MLflow takes at once."""
_PATIENCE = 600.0
"""Seconds for which a process waits while another one copies."""


class TrackingError(BaserateError):
    """MLflow could not be reached, or refused; the records themselves are complete."""


@dataclass(frozen=True)
class Mirrored:
    """How many records were copied now, and how many were there already."""

    copied: int
    known: int


def default_uri(results: Path) -> str:
    """Return the tracking URI: MLFLOW_TRACKING_URI, or a sqlite store beside the records."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(results / 'mlflow.db').resolve()}"


def unmirrored(records: Sequence[Record], results: Path, uri: str) -> list[Record]:
    """Return the records not yet copied to `uri` from here, without importing MLflow or asking it."""
    marked = _read_marks(results).get(_place(uri), [])
    store = _sqlite_file(uri)
    if store is not None and not store.exists():
        return list(records)
    return [r for r in records if _identity(r) not in marked]


def sync(records: Sequence[Record], results: Path, uri: str) -> Mirrored:
    """Return how many records were copied to MLflow at `uri`; those that it already has are left alone.

    Where another process copies, this one waits. Raises TrackingError, in one line, where the store or server cannot
    be used.
    """
    with quiet_mlflow():
        try:
            store = _sqlite_file(uri)
            with _alone(results / ".mlflow.lock" if store is None else store.with_name(f"{store.name}.lock"), uri):
                return _sync(records, results, uri)
        except Exception as error:
            raise TrackingError(refusal(error, uri)) from error


def refusal(error: Exception, uri: str) -> str:
    """Return why MLflow cannot be used, on one line and with MLflow's own advice, which comes last in its messages."""
    if isinstance(error, BaserateError):
        return str(error)
    # Of a database's error the statement that failed, and a link to a page about its class, tell nobody anything.
    lines = [line.strip() for line in str(error).splitlines()]
    told = " ".join(line for line in lines if line and not line.startswith(("[SQL:", "[parameters:", "(Background on")))
    reason = told if len(told) <= 1500 else f"{told[:300]} ... {told[-1000:]}"
    return f"MLflow at {uri} cannot be used ({reason or type(error).__name__})"


def experiment_id(client: Any, uri: str, default: str, *, artifacts: str | None = None) -> str:
    """Return the id of the experiment that MLFLOW_EXPERIMENT_NAME names, else of `default`, made where there is none.

    Raises TrackingError where it was deleted: MLflow keeps its name.
    """
    name = _experiment(default)
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifacts))
        except Exception:
            found = client.get_experiment_by_name(name)  # somebody else has just made it
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"MLflow at {uri}: the experiment {name!r} was deleted; bring it back with `MLFLOW_TRACKING_URI='{uri}' "
            f"mlflow experiments restore -x {found.experiment_id}`, or set MLFLOW_EXPERIMENT_NAME to another name"
        )
    return str(found.experiment_id)


def _experiment(default: str) -> str:
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or default


def _place(uri: str) -> str:
    """Return what the marks of copied records are kept under."""
    name = _experiment(EXPERIMENT)
    return uri if name == EXPERIMENT else f"{uri} {name}"


def _sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else None


@contextmanager
def _alone(lock: Path, uri: str) -> Iterator[None]:
    """Wait until no other process is in this block with the same lock, on this machine or another.

    The lock is that of an empty sqlite database: it holds wherever MLflow's own store can be shared, and ends with its
    process. Raises TrackingError where another process takes too long.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(lock, timeout=1, isolation_level=None)
    waiting = None
    end = time.monotonic() + _PATIENCE
    try:
        while True:
            try:
                connection.execute("begin exclusive")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                waiting = waiting or activity("waiting while another run copies to MLflow", 0)
                if time.monotonic() > end:
                    raise TrackingError(
                        f"MLflow at {uri}: another run has been copying for {_PATIENCE / 60:.0f} minutes"
                    ) from error
        yield
    finally:
        connection.close()


def _sync(records: Sequence[Record], results: Path, uri: str) -> Mirrored:
    import mlflow
    from mlflow.tracking import MlflowClient

    store = _sqlite_file(uri)
    if store is not None and store.exists():
        _without_write_ahead(store)
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    artifacts = (results / "mlartifacts").resolve().as_uri() if store else None
    where = experiment_id(client, uri, EXPERIMENT, artifacts=artifacts)
    known = {run.data.tags.get("baserate.hash"): run.info.run_id for run in _all_runs(client, where)}
    fresh = [r for r in records if _identity(r) not in known]
    advance = activity("copying to MLflow", len(fresh))
    for record in fresh:
        grid = f"{record.grid} in {results.resolve()}"
        if grid not in known:
            tags = {"mlflow.runName": record.grid, "baserate.hash": grid}
            known[grid] = client.create_run(where, tags=tags).info.run_id
            client.set_terminated(known[grid])
        _copy(client, where, record, parent=known[grid])
        advance(1)
    _write_marks(results, uri, [_identity(r) for r in records])
    return Mirrored(len(fresh), len(records) - len(fresh))


def _copy(client: Any, experiment: str, record: Record, *, parent: str) -> None:
    from mlflow.entities import Metric, Param, RunTag

    budget = f" · budget {record.spec.budget}" if record.spec.budget > 1 else ""
    tags = {
        "mlflow.runName": f"{record.spec.task} · {record.spec.model} · {record.spec.mode}{budget}",
        "mlflow.parentRunId": parent,
        "baserate.status": record.status,
        "baserate.run": record.hash,
        "baserate.flags": "; ".join(record.flags),
        "baserate.audit": str(record.audit.get("verdict") or "not audited"),
        "baserate.audit_reasons": "; ".join(record.audit.get("reasons", ()))[:4000],
        "baserate.exposure": str(record.exposure.get("status") or "unknown"),
        "baserate.exposure_reason": str(record.exposure.get("reason", ""))[:4000],
        "mlflow.source.git.commit": str(record.environment.get("git_commit")),
    }
    if record.error:
        tags["baserate.error"] = record.error[-4000:]
    run = client.create_run(experiment, tags={key: writable(value) for key, value in tags.items()})
    metrics: dict[str, float | None] = {"seconds": record.seconds, "peak_memory_mb": record.peak_memory_mb}
    for e in record.estimates:
        name = _metric_name(e.metric)
        metrics |= {name: e.value, f"{name}.low": e.low, f"{name}.high": e.high}
    for choice in record.choices or ():
        metrics[f"valid.{_metric_name(choice.metric)}/seed {choice.seed}"] = choice.valid
    params = {k: json.dumps(v) if isinstance(v, (dict, list)) else str(v) for k, v in record.spec.to_json().items()}
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(k, v, run.info.start_time, 0) for k, v in metrics.items() if v is not None],
        params=[Param(k, writable(v[:6000])) for k, v in params.items()],
    )
    _copy_training(client, run.info.run_id, record, run.info.start_time)
    if record.path is not None:
        for file in sorted(record.path.iterdir()):
            client.log_artifact(run.info.run_id, str(file))
        with tempfile.TemporaryDirectory() as folder:
            environment = Path(folder) / "environment.json"
            environment.write_text(json.dumps(dict(record.environment), indent=1, sort_keys=True))
            client.log_artifact(run.info.run_id, str(environment))
    # The tag comes last: an unfinished copy has none, and is made again.
    client.log_batch(run.info.run_id, tags=[RunTag("baserate.hash", _identity(record))])
    client.set_terminated(run.info.run_id, "FAILED" if record.status == "failed" else "FINISHED")


def _copy_training(client: Any, run: str, record: Record, time_ms: int) -> None:
    """Copy the course of each seed's training as metrics by epoch, and the trials as a table that MLflow shows."""
    from mlflow.entities import Metric

    choices = record.choices or ()
    metrics = [
        Metric(f"{_metric_name(name)}/seed {choice.seed}", float(value), time_ms, int(row.get("epoch", i)))
        for choice in choices
        for i, row in enumerate(choice.history, 1)
        for name, value in row.items()
        if name != "epoch" and isinstance(value, (int, float)) and math.isfinite(value)
    ]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run, metrics=metrics[start : start + _BATCH])
    tried = [(choice, i, trial) for choice in choices for i, trial in enumerate(choice.trials)]
    if tried:
        names = dict.fromkeys(name for _, _, trial in tried for name in trial.changed)
        first = {**record.spec.params, **record.spec.settings}
        table: dict[str, list[Any]] = {
            "trial": [i for _, i, _ in tried],
            "chosen": [i == choice.trial for choice, i, _ in tried],
            f"{tried[0][0].metric} on valid": [trial.valid for _, _, trial in tried],
            "seconds": [trial.seconds for _, _, trial in tried],
            **{name: [trial.changed.get(name, first.get(name)) for _, _, trial in tried] for name in names},
            "error": [writable(trial.error) for _, _, trial in tried],
        }
        client.log_table(run, table, "trials.json")


def _identity(record: Record) -> str:
    """Return what identifies a copy: a run that was made again after a failure is copied again."""
    return f"{record.hash}.{digest(record.status, record.predictions_digest, record.error)}"


def _metric_name(metric: str) -> str:
    """Return the metric's name in the letters that MLflow allows."""
    return "".join(c if c.isalnum() or c in "_-./: " else "_" for c in metric.replace("*", "each").replace("=", " "))


def _all_runs(client: Any, experiment: str) -> Iterator[Any]:
    """Yield the runs, those too that a user has deleted: they do not come back. A grid that was deleted does."""
    from mlflow.entities import ViewType

    token = None
    while True:
        page = client.search_runs([experiment], run_view_type=ViewType.ALL, max_results=1000, page_token=token)
        yield from (r for r in page if r.info.lifecycle_stage == "active" or "mlflow.parentRunId" in r.data.tags)
        token = page.token
        if not token:
            return


def _without_write_ahead(file: Path) -> None:
    """Take the store out of write-ahead logging, in which machines that share it would damage it."""
    connection = sqlite3.connect(file, timeout=1)
    try:
        with suppress(sqlite3.OperationalError):  # somebody reads it; next time, then
            connection.execute("pragma journal_mode=delete")
    finally:
        connection.close()


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Keep MLflow from phoning home, from retrying for minutes, and from chattering on the terminal at its start."""
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    before = {key: os.environ.get(key) for key in (*settings, "MLFLOW_TRACKING_URI")}  # MLflow sets the last one
    os.environ.update({key: value for key, value in settings.items() if before[key] is None})
    import mlflow  # noqa: F401 - it sets its own levels when it is imported

    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)


def _read_marks(results: Path) -> dict[str, list[str]]:
    try:
        marks = json.loads((results / _MARK).read_text())
    except (OSError, ValueError):
        return {}
    return marks if isinstance(marks, dict) else {}


def _write_marks(results: Path, uri: str, identities: list[str]) -> None:
    marks = _read_marks(results) | {_place(uri): sorted(identities)}
    write_whole(results / _MARK, json.dumps(marks, indent=0))
