"""A copy of every record in MLflow: a parent run per grid, a child per cell. Results are never read back from it.

Syncing twice adds nothing: the tag `baserate.hash` of a run identifies its record's content.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    marked = _read_marks(results).get(uri, [])
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return list(records)
    return [r for r in records if _identity(r) not in marked]


def sync(records: Sequence[Record], results: Path, uri: str) -> Mirrored:
    """Return how many records were copied to MLflow at `uri`; those that it already has are left alone.

    Raises TrackingError, in one line, where the store or server cannot be used.
    """
    with quiet_mlflow():
        try:
            return _sync(records, results, uri)
        except BaserateError:
            raise
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TrackingError(f"MLflow at {uri} cannot be used ({reason[:200]})") from error


def _sync(records: Sequence[Record], results: Path, uri: str) -> Mirrored:
    import mlflow
    from mlflow.tracking import MlflowClient

    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    local = uri.startswith("sqlite:///")
    artifacts = (results / "mlartifacts").resolve().as_uri() if local else None
    where = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT, artifacts)
    if local:
        _write_ahead(Path(uri.removeprefix("sqlite:///")))
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

    tags = {
        "mlflow.runName": f"{record.spec.task} · {record.spec.model} · {record.spec.mode}",
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
    params = {k: json.dumps(v) if isinstance(v, (dict, list)) else str(v) for k, v in record.spec.to_json().items()}
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(k, v, run.info.start_time, 0) for k, v in metrics.items() if v is not None],
        params=[Param(k, writable(v[:6000])) for k, v in params.items()],
    )
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


def _identity(record: Record) -> str:
    """Return what identifies a copy: a run that was made again after a failure is copied again."""
    return f"{record.hash}.{digest(record.status, record.predictions_digest, record.error)}"


def _metric_name(metric: str) -> str:
    """Return the metric's name in the letters that MLflow allows."""
    return "".join(c if c.isalnum() or c in "_-./: " else "_" for c in metric.replace("*", "each").replace("=", " "))


def _all_runs(client: Any, experiment: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _write_ahead(file: Path) -> None:
    """Switch the sqlite store to write-ahead logging: faster, and readers (the MLflow page) never block a run."""
    import sqlite3

    connection = sqlite3.connect(file)
    try:
        connection.execute("pragma journal_mode=wal")
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
    before = {key: os.environ.get(key) for key in settings}
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
    marks = _read_marks(results) | {uri: sorted(identities)}
    write_whole(results / _MARK, json.dumps(marks, indent=0))
