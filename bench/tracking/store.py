"""Where MLflow's runs lie, and what is asked of a sqlite store without MLflow."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from .connection import TrackingError, experiment_name, refusal

_SQLITE = "sqlite:///"
OPENING = 10.0
"""Seconds in which a store must open: MLflow itself would try for two minutes."""
_PATIENCE = 600.0
"""Seconds for which a process waits while another one copies."""


def default_uri(results: Path) -> str:
    """Return the tracking URI: MLFLOW_TRACKING_URI, or a sqlite store beside the records."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(results / 'mlflow.db').resolve()}"


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a sqlite store, None where the URI is of another kind."""
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else None


def check_store(uri: str) -> None:
    """Raise TrackingError, within `OPENING` seconds, where a sqlite store is there and cannot be opened and written."""
    store = sqlite_file(uri)
    if store is None or not store.exists():
        return
    try:
        if not os.access(store, os.W_OK):
            raise PermissionError("it may not be written")
        with closing(sqlite3.connect(store, timeout=OPENING, isolation_level=None)) as connection:
            connection.execute("select count(*) from sqlite_master").fetchone()  # which a damaged file does not answer
            connection.execute("begin immediate")
            connection.execute("rollback")
            # In write-ahead logging machines that share a store would damage it.
            with suppress(sqlite3.OperationalError):  # somebody reads it; next time, then
                connection.execute("pragma busy_timeout=1000")
                connection.execute("pragma journal_mode=delete")
    except (sqlite3.Error, OSError) as error:
        advice = f"; free it, or move {store} away, and it is made anew"
        raise TrackingError(refusal(error, uri).removesuffix(")") + advice + ")") from error


def copied_to(store: Path) -> set[str]:
    """Return the identities of the records in a sqlite store's experiment, without MLflow; none where it is unknown."""
    query = (
        "select t.value from tags t join runs r on r.run_uuid = t.run_uuid "
        "join experiments e on e.experiment_id = r.experiment_id "
        "where e.name = ? and e.lifecycle_stage = 'active' and t.key = 'baserate.hash'"
    )
    if not store.exists():
        return set()
    try:
        with closing(sqlite3.connect(store, timeout=1)) as connection:
            return {str(value) for (value,) in connection.execute(query, (experiment_name(),))}
    except sqlite3.Error:
        return set()


def artifacts_of(store: Path) -> str:
    """Return the URI of the folder beside a sqlite store in which its artifacts lie."""
    return (store.parent / "mlartifacts").resolve().as_uri()


def follow_artifacts(store: Path) -> None:
    """Have the runs of a store that was moved with its artifacts find them: MLflow stores where they were."""
    location = artifacts_of(store)
    if not store.exists() or not (store.parent / "mlartifacts").is_dir():
        return
    query = "select experiment_id, artifact_location from experiments"
    with closing(sqlite3.connect(store, timeout=OPENING)) as connection, connection:
        try:
            found = connection.execute(query).fetchall()
        except sqlite3.OperationalError:  # no such table: MLflow has not been here yet
            return
        for experiment, before in found:
            if before == location or not str(before).endswith("/mlartifacts"):
                continue
            connection.execute(
                "update experiments set artifact_location = ? where experiment_id = ?", (location, experiment)
            )
            for table, column in (("runs", "artifact_uri"), ("model_versions", "source")):
                connection.execute(
                    f"update {table} set {column} = ? || substr({column}, ?) where substr({column}, 1, ?) = ?",
                    (location, len(before) + 1, len(before) + 1, f"{before}/"),
                )


@contextmanager
def alone(results: Path, uri: str, waiting: Callable[[], object]) -> Iterator[None]:
    """Wait until no other process is in this block for the same store or results, on this machine or another.

    The lock is that of an empty sqlite database: it works wherever MLflow's own store can be shared, and ends with its
    process. `waiting` is called each second. Raises TrackingError where another process takes too long.
    """
    store = sqlite_file(uri)
    lock = results / ".mlflow.lock" if store is None else store.with_name(f"{store.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + _PATIENCE
    with closing(sqlite3.connect(lock, timeout=1, isolation_level=None)) as connection:
        while True:
            try:
                connection.execute("begin exclusive")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                waiting()
                if time.monotonic() > end:
                    raise TrackingError(
                        f"MLflow at {uri}: another run has been copying for {_PATIENCE / 60:.0f} minutes"
                    ) from error
        yield
