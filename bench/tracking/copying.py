"""Copying the records of a folder to MLflow, in this process and for as long as it takes."""

from __future__ import annotations

import functools
import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..leaderboard import Leaderboard, build_leaderboard
from ..records import Record, record_folder
from .cells import log_metrics, write_cell
from .connection import EXPERIMENT, TrackingError, experiment_id, quiet_mlflow, refusal
from .models import register
from .store import alone, artifacts_of, check_store, follow_artifacts, sqlite_file
from .suites import GAIN, describe_suite, draw, gains_of, suite_key, write_suite
from .view import save_view
from .waiting import identity, is_copied_alone

Report = Callable[[str, int], object]
"""Is called with 'started' and the number of records to copy, with 'copied' and how many more are, with 'waiting' while
another process copies, and with 'alive' and the seconds for which nothing may be heard, beyond a server's patience."""
_DRAWING = 120
"""Seconds in which the plots of a leaderboard are drawn."""
_SPEED = 2_000_000
"""Bytes a second that a connection has at least."""
_OF = "baserate.of"
"""The tag of a run that says whose copy it is before it is whole."""


@dataclass(frozen=True)
class Job:
    """What is copied where: the records of a folder with their leaderboard, and the folder of saved models, if any."""

    records: tuple[Record, ...]
    results: Path
    uri: str
    table: Leaderboard | None = None
    models: Path | None = None


@dataclass(frozen=True)
class Mirrored:
    """How many records were copied now, how many were there already, and how many models were registered now.

    `experiment` is the id of the experiment in which they are.
    """

    copied: int
    known: int
    registered: int
    experiment: str


def copy(job: Job, report: Report = lambda what, n: None) -> Mirrored:
    """Return how many records were copied to MLflow; those that it already has are left alone, but for their gains.

    Where another process copies, this one waits. Raises TrackingError, in one line, where the store or server cannot
    be used.
    """
    with quiet_mlflow():
        try:
            with alone(job.results, job.uri, lambda: report("waiting", 0)):
                check_store(job.uri)
                return _copy(job, report)
        except Exception as error:
            raise TrackingError(refusal(error, job.uri)) from error


def _copy(job: Job, report: Report) -> Mirrored:
    import mlflow
    from mlflow.tracking import MlflowClient

    store = sqlite_file(job.uri)
    if store is not None:
        follow_artifacts(store)
    mlflow.set_tracking_uri(job.uri)
    client = MlflowClient(job.uri)
    where = experiment_id(client, job.uri, EXPERIMENT, artifacts=artifacts_of(store) if store else None)
    save_view(client, where)
    known: dict[str, Any] = {}
    for run in _all_runs(client, where, report):
        if key := run.data.tags.get("baserate.hash"):
            known[key] = run
        elif run.data.tags.get(_OF) == _owner(job) and run.info.lifecycle_stage == "active":
            client.delete_run(run.info.run_id)  # a copy that was cut short; it is made again
    cells = [r for r in job.records if is_copied_alone(r)]
    fresh = [r for r in cells if identity(r) not in known]
    report("started", len(fresh))
    table = build_leaderboard(job.records) if job.table is None else job.table
    report("alive", 0)
    gains, suites = gains_of(table), _suites(client, where, job, known)
    runs = {r.hash: known[identity(r)] for r in cells if identity(r) in known}
    _log_gains(client, runs, gains, report)
    made = {}
    for record in fresh:
        if more := _seconds(record.path):
            report("alive", more)
        made[record.hash] = write_cell(
            client, where, record, parent=suites[record.grid], gain=gains.get(record.hash, {}), more={_OF: _owner(job)}
        )
        report("copied", 1)
    with tempfile.TemporaryDirectory() as folder:

        @functools.cache
        def drawn() -> Path:
            report("alive", _DRAWING)
            draw(table, job.results, Path(folder))
            report("alive", 0)
            return Path(folder)

        for grid, suite in suites.items():
            describe_suite(client, suite, [r for r in job.records if r.grid == grid], table, drawn)
            report("alive", 0)
    registered = 0
    for record in cells if job.models else ():
        run = made.get(record.hash) or _active(runs[record.hash])
        assert job.models is not None
        report("alive", _seconds(record_folder(job.models, record.spec)))
        registered += run is not None and register(client, run, record, job.models)
    return Mirrored(len(fresh), len(cells) - len(fresh), registered, where)


def _seconds(folder: Path | None) -> int:
    """Return how long it may take to send the files of a folder, beyond what small ones take."""
    return 0 if folder is None else sum(file.stat().st_size for file in folder.rglob("*")) // _SPEED


def _owner(job: Job) -> str:
    """Return whose copies are cut short where they are not whole while this process has the lock."""
    return f"{platform.node()}:{job.results.resolve()}"


def _suites(client: Any, experiment: str, job: Job, known: Mapping[str, Any]) -> dict[str, str]:
    """Return the runs of the suites that the records are of, made where there is none.

    That of a folder that was moved is known by its cells.
    """
    out = {}
    for grid in dict.fromkeys(r.grid for r in job.records):
        members = [r for r in job.records if r.grid == grid]
        key = suite_key(members[0], job.results)
        there = [known[identity(r)] for r in members if identity(r) in known]
        if key in known:
            out[grid] = str(known[key].info.run_id)
        elif (moved := _moved(client, there)) is not None:
            client.set_tag(moved, "baserate.hash", key)
            out[grid] = moved
        elif len(there) < len(members):
            out[grid] = write_suite(client, experiment, key, members)
    return out


def _moved(client: Any, cells: Sequence[Any]) -> str | None:
    """Return the run of a suite of which all these cells are, if its folder is not there any more."""
    parents = {str(run.data.tags["mlflow.parentRunId"]) for run in cells if "mlflow.parentRunId" in run.data.tags}
    if len(parents) != 1:
        return None
    suite = client.get_run(parents.pop())
    folder = suite.data.tags.get("baserate.hash", "").partition(" in ")[2]
    is_gone = bool(folder) and not Path(folder).exists()
    return str(suite.info.run_id) if is_gone and suite.info.lifecycle_stage == "active" else None


def _log_gains(client: Any, runs: Mapping[str, Any], gains: Mapping[str, Mapping[str, float]], report: Report) -> None:
    """Bring the gains of runs up to date: another baseline may have become the best of a task since."""
    now = int(1000 * time.time())
    for record, run in runs.items():
        found, logged = gains.get(record, {}), run.data.metrics
        changed = [
            (name, found.get(name, math.nan), 0)
            for name in GAIN
            if found.get(name) != logged.get(name) and not (name not in found and math.isnan(logged[name]))
        ]
        if changed and _active(run):
            log_metrics(client, str(run.info.run_id), changed, now)
            report("copied", 0)


def _active(run: Any) -> str | None:
    return str(run.info.run_id) if run.info.lifecycle_stage == "active" else None


def _all_runs(client: Any, experiment: str, report: Report) -> Iterator[Any]:
    """Yield the runs, those too that a user has deleted: they do not come back. A suite that was deleted does."""
    from mlflow.entities import ViewType

    token = None
    while True:
        page = client.search_runs([experiment], run_view_type=ViewType.ALL, max_results=1000, page_token=token)
        report("alive", 0)
        yield from (r for r in page if r.info.lifecycle_stage == "active" or "mlflow.parentRunId" in r.data.tags)
        token = page.token
        if not token:
            return
