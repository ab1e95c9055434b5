"""The process that copies to MLflow: it reads a job from its input, and writes to its output how far it is."""

from __future__ import annotations

import json
import os
import pickle
import sys
from typing import Any

from .connection import TrackingError
from .copying import Job, copy


def main() -> None:
    """Copy the job that is pickled on standard input; each line of the output is JSON of what happened and a number.

    The last line is 'ended' with what was copied, or 'refused' with the reason.
    """
    job: Job = pickle.load(sys.stdin.buffer)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever MLflow, or a plugin of it, prints would be in the way of the lines.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def report(what: str, n: Any) -> None:
        out.write(json.dumps([what, n]) + "\n")
        out.flush()

    import mlflow  # noqa: F401 - the slowest of what is not MLflow's own waiting

    report("alive", 0)
    try:
        done = copy(job, report)
    except TrackingError as error:
        report("refused", str(error))
    else:
        report("ended", [done.copied, done.known, done.registered, done.experiment])
