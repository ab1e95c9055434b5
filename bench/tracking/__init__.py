"""A copy of every record in MLflow: a parent run per suite, a child per cell. Results are never read back from it.

Copying twice adds nothing, at the same time neither: the tag `baserate.hash` of a run identifies its record's content,
and one process copies at a time.
"""

from __future__ import annotations

from .connection import EXPERIMENT, TrackingError, experiment_id, quiet_mlflow, refusal
from .copying import Job, Mirrored, copy
from .process import sync
from .store import check_store, default_uri
from .view import address
from .waiting import uncopied

__all__ = [
    "EXPERIMENT",
    "Job",
    "Mirrored",
    "TrackingError",
    "address",
    "check_store",
    "copy",
    "default_uri",
    "experiment_id",
    "quiet_mlflow",
    "refusal",
    "sync",
    "uncopied",
]
