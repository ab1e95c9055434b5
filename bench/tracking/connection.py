"""MLflow without its noise: what it may print, how long it may try, why it refuses, and the experiment."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import BaserateError

EXPERIMENT = "baserate"


class TrackingError(BaserateError):
    """MLflow could not be reached, or refused; the records themselves are complete."""


def refusal(error: Exception, uri: str) -> str:
    """Return why MLflow cannot be used, on one line and with MLflow's own advice, which comes last in its messages."""
    if isinstance(error, BaserateError):
        return str(error)
    # Of a database's error the statement that failed, and a link to a page about its class, help nobody.
    lines = [line.strip() for line in str(error).splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith(("[SQL:", "[parameters:", "(Background on")))
    reason = text if len(text) <= 1500 else f"{text[:300]} ... {text[-1000:]}"
    return f"MLflow at {uri} cannot be used ({reason or type(error).__name__})"


def experiment_name(default: str = EXPERIMENT) -> str:
    """Return the name that MLFLOW_EXPERIMENT_NAME has, else `default`."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or default


def experiment_id(client: Any, uri: str, default: str = EXPERIMENT, *, artifacts: str | None = None) -> str:
    """Return the id of the experiment that MLFLOW_EXPERIMENT_NAME names, else of `default`, made where there is none.

    Raises TrackingError where it was deleted: MLflow keeps its name.
    """
    name = experiment_name(default)
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


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Keep MLflow from phoning home, from retrying for minutes, and from printing to the terminal."""
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
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
