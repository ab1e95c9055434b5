"""Copying to MLflow by another process, which is ended where MLflow does not answer: a run never waits for it long."""

from __future__ import annotations

import json
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..leaderboard import Leaderboard, build_leaderboard
from ..progress import activity
from ..records import Record
from .connection import TrackingError
from .copying import Job, Mirrored
from .store import sqlite_file

PATIENCE = 10.0
"""Seconds that a server may take for nothing; a record more gives it `_PACE` seconds more, up to as many again."""
_PACE = 3.0
_STORE = 60.0
"""Seconds that a sqlite store may take, which `check_store` has opened: a disk may be slow, and is not dead."""
_START = 120.0
"""Seconds in which Python and MLflow must have started."""
_CHILD = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from baserate.tracking.child import main; main()"
)


def sync(
    records: list[Record], results: Path, uri: str, *, table: Leaderboard | None = None, models: Path | None = None
) -> Mirrored:
    """Return how many records were copied to MLflow at `uri`; those that it already has are left alone.

    `table` is the leaderboard of the records, if it is made already, and `models` the folder of saved models, which are
    registered. Raises TrackingError, in one line, where the store or server cannot be used, and where it does not
    answer within `PATIENCE` seconds; what is copied until then stays, and the next call goes on from there. Raises
    DataError where there is no leaderboard of the records.
    """
    # Here, since it may take longer than a server's patience, and shows how far it is.
    job = Job(tuple(records), results, uri, table or build_leaderboard(records), models)
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        return _followed(child, job)
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stderr):
            with suppress(OSError):  # what it did not read
                assert pipe is not None
                pipe.close()


def _followed(child: subprocess.Popen[bytes], job: Job) -> Mirrored:
    """Return what the child has done, by its own account."""
    assert child.stdin is not None
    try:
        child.stdin.write(pickle.dumps(sys.path) + pickle.dumps(job))
        child.stdin.flush()
    except BrokenPipeError:
        raise TrackingError(f"MLflow at {job.uri} cannot be used ({_last_words(child)})") from None
    patience = PATIENCE if sqlite_file(job.uri) is None else _STORE
    advance, is_waiting = activity("copying to MLflow", 0), False
    for what, n in _lines(child, job.uri, patience):
        if what == "started":
            advance = activity("copying to MLflow", n)
        elif what == "copied":
            advance(n)
        elif what == "waiting" and not is_waiting:
            is_waiting, advance = True, activity("waiting while another run copies to MLflow", 0)
        elif what == "refused":
            raise TrackingError(n)
        elif what == "ended":
            return Mirrored(*n)
    raise TrackingError(f"MLflow at {job.uri} cannot be used ({_last_words(child)})")


def _lines(child: subprocess.Popen[bytes], uri: str, patience: float) -> Iterator[tuple[str, Any]]:
    """Yield what the child reports. Raises TrackingError where it is silent or slow for too long."""
    found: queue.Queue[bytes] = queue.Queue()
    assert child.stdout is not None
    threading.Thread(target=_read, args=(child.stdout, found), daemon=True).start()
    end = time.monotonic() + _START
    while True:
        try:
            line = found.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise TrackingError(
                f"MLflow at {uri} cannot be used (it did not answer within {patience:.0f} seconds)"
            ) from None
        if not line:
            return
        what, n = json.loads(line)
        now = time.monotonic()
        # One that is slow at every record would otherwise take any time.
        end = min(now + patience, end + _PACE) if what == "copied" else now + patience + (n if what == "alive" else 0)
        yield what, n


def _read(lines: IO[bytes], to: queue.Queue[bytes]) -> None:
    with lines:
        for line in lines:
            to.put(line)
    to.put(b"")


def _last_words(child: subprocess.Popen[bytes]) -> str:
    """Return the last line of what a child that ended by itself had to say."""
    assert child.stderr is not None
    lines = child.stderr.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "the process that copies has died"
