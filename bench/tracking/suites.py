"""The run of a suite: its name, the leaderboard with its plots, and what did not apply."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..digests import digest
from ..files import writable
from ..leaderboard import FORMATS, Leaderboard, to_json, write_leaderboard
from ..leaderboard.compact import to_compact
from ..records import Record
from .cells import log_metrics, short_task, times

GAIN = ("gain", "gain_low", "gain_high")
"""The metrics of a run that change when other rows are added to its table."""
_NOTE = 7500
"""The most letters of a run's description; MLflow takes 8,000."""
_PLOTS = ("leaderboard", "ranks", "curves", "strata")
_ABSENT = "not_applicable.json"


def suite_key(record: Record, results: Path) -> str:
    """Return what identifies the run of the suite that a record is of."""
    return f"{record.grid} in {results.resolve()}"


def suite_name(records: Sequence[Record]) -> str:
    """Return the name of the suite of records; of runs outside a suite their task, or how much there is of what."""
    if records[0].grid != "run":
        return records[0].grid
    tasks, models = {short_task(r): None for r in records}, {r.spec.model for r in records}
    return next(iter(tasks)) if len(tasks) == 1 else f"{len(tasks)} tasks, {len(models)} models"


def write_suite(client: Any, experiment: str, key: str, records: Sequence[Record]) -> str:
    """Return the id of a new run for the suite of these records."""
    tags = {
        "mlflow.runName": writable(suite_name(records)),
        "mlflow.source.name": "baserate run",
        "mlflow.source.type": "LOCAL",
        "kind": "suite",
        "baserate.hash": writable(key),
    }
    start = min(times(r)[0] for r in records)
    return str(client.create_run(experiment, start_time=start, tags=tags).info.run_id)


def describe_suite(
    client: Any, suite: str, records: Sequence[Record], table: Leaderboard, drawn: Callable[[], Path]
) -> None:
    """Bring the run of a suite up to date: its name, end, metrics, and the leaderboard where it has changed.

    `drawn()` is the folder of the leaderboard's files.
    """
    run = client.get_run(suite)
    name, end = writable(suite_name(records)), max(times(r)[1] for r in records)
    if run.info.run_name != name:
        client.set_tag(suite, "mlflow.runName", name)
    if run.info.end_time != end:
        client.set_terminated(suite, "FINISHED", end)
    now = _counts(records, table)
    changed = [(key, value, 0) for key, value in now.items() if run.data.metrics.get(key) != value]
    log_metrics(client, suite, changed, int(1000 * time.time()))
    absent = [r for r in records if r.status == "not_applicable"]
    version = digest(to_json(table), *sorted(r.hash for r in absent))
    if run.data.tags.get("baserate.table") == version:
        return
    client.log_artifacts(suite, str(drawn()))
    shown = []
    if absent:
        rows = [[r.spec.task, r.spec.model, r.spec.mode, writable(r.error)] for r in absent]
        content = {"columns": ["task", "model", "mode", "why it does not apply"], "data": rows}
        client.log_dict(suite, content, _ABSENT)
        shown = [{"path": _ABSENT, "type": "table"}]
    client.set_tag(suite, "mlflow.loggedArtifacts", json.dumps(shown))
    client.set_tag(suite, "mlflow.note.content", writable(_note(table, now)))
    client.set_tag(suite, "baserate.table", version)


def draw(table: Leaderboard, results: Path, out: Path) -> None:
    """Write the leaderboard's files to `out`; plots are taken from `results` where they are of this table."""
    own = results / "leaderboard.json"
    if own.is_file() and own.read_text(encoding="utf-8") == to_json(table):
        for file in (own, *(results / f"{name}.png" for name in _PLOTS)):
            if file.is_file():
                shutil.copy(file, out)
    write_leaderboard(table, out)
    (out / "leaderboard.html").write_text(str(FORMATS["html"](table)), encoding="utf-8")


def gains_of(table: Leaderboard) -> dict[str, dict[str, float]]:
    """Return, by the hash of a record, its gain over the best baseline with its limits; what is undefined is absent."""
    found = {}
    for cell in table.cells:
        if cell.gain is not None:
            values = zip(GAIN, (cell.gain.value, cell.gain.low, cell.gain.high), strict=True)
            found[cell.hash] = {name: v for name, v in values if v is not None and math.isfinite(v)}
    return found


def _counts(records: Sequence[Record], table: Leaderboard) -> dict[str, float]:
    """Return the metrics of a suite: how many cells there are, and how many of pretrained models gain, tie or lose."""
    status = Counter(r.status for r in records)
    models = {row.name for row in table.rows if row.kind == "model"}
    mine = {r.hash for r in records}
    gains = [c.gain for c in table.cells if c.row in models and c.hash in mine and c.gain is not None]
    verdicts = Counter(gain.verdict for gain in gains)
    counts = {
        "cells done": status["done"],
        "cells failed": status["failed"],
        "cells that do not apply": status["not_applicable"],
        "model cells better than the best baseline": verdicts["better"],
        "model cells tied with the best baseline": verdicts["tie"],
        "model cells worse than the best baseline": verdicts["worse"],
    }
    seconds = round(sum(r.seconds for r in records), 1)
    return {**{name: float(n) for name, n in counts.items()}, "system/seconds": seconds}


def _note(table: Leaderboard, counts: Mapping[str, float]) -> str:
    """Return the leaderboard as the run's description, without what does not fit in one."""
    text = ", ".join(f"{n:,.0f} {name}" for name, n in counts.items() if "/" not in name)
    text += f".\n\n{to_compact(table)}"
    if len(text) <= _NOTE:
        return text
    whole = text[:_NOTE].rpartition("\n")[0].partition("<details>")[0].rstrip()
    return f"{whole}\n\nThe rest is in `leaderboard.html` among the artifacts."
