"""The run of one cell: names, tags, settings, scores, costs, the course of training, and files."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import writable
from ..leaderboard.rows import kind_of
from ..leaderboard.table import KINDS, REGIMES
from ..publish.families import family_named
from ..records import Record
from ..results import in_words
from .waiting import identity

MODES = {
    "zero_shot": "zero-shot",
    "linear_probe": "probe",
    "fine_tune": "fine-tune",
    "from_scratch": "from scratch",
    "as_is": "as is",
}
"""The modes as names of runs have them; a mode of a package has its own name."""
_METRICS, _PARAMS = 1000, 100
"""The most of each that MLflow takes at once."""
_TAG, _PARAM = 4000, 6000
"""The most letters of a tag, of which MLflow would take 8,000, and of a parameter."""


def write_cell(
    client: Any, experiment: str, record: Record, *, parent: str, gain: Mapping[str, float], more: Mapping[str, str]
) -> str:
    """Return the id of the new run of a record, under the run `parent` and with `more` tags.

    `gain` are the metrics of its gain. Raises whatever MLflow raises. The tag that identifies the record comes last: an
    unfinished copy has none, and is made again.
    """
    start, end = times(record)
    tags = {key: writable(value)[:_TAG] for key, value in {**_tags(record, parent), **more}.items()}
    run = str(client.create_run(experiment, start_time=start, tags=tags).info.run_id)
    params = list(_params(record).items())
    for at in range(0, len(params), _PARAMS):
        client.log_batch(run, params=_entities("Param", params[at : at + _PARAMS]))
    scores = [(name, value, 0) for name, value in {**_scores(record), **gain}.items()]
    # Of a metric that is logged again MLflow shows the later time: a file from a clock ahead must not hide it.
    log_metrics(client, run, [*scores, *_courses(record)], min(end, int(1000 * time.time())))
    client.log_inputs(run, [_data(record)])
    _log_files(client, run, record)
    client.log_batch(run, tags=_entities("RunTag", [("baserate.hash", identity(record))]))
    client.set_terminated(run, "FAILED" if record.status == "failed" else "FINISHED", end)
    return run


def times(record: Record) -> tuple[int, int]:
    """Return when the cell began and ended, in milliseconds since 1970: its file was written at the end."""
    try:
        end = time.time() if record.path is None else (record.path / "record.json").stat().st_mtime
    except OSError:
        end = time.time()
    return int(1000 * (end - record.seconds)), int(1000 * end)


def run_name(record: Record) -> str:
    """Return the name of a record's run, such as 'esm1 · probe · promoters'."""
    spec = record.spec
    budget = [f"budget {spec.budget}"] if spec.budget > 1 else []
    return " · ".join([spec.model, MODES.get(spec.mode, spec.mode), short_task(record), *budget])


def short_task(record: Record) -> str:
    """Return the task's name without its version."""
    return record.spec.task.rpartition("@")[0] or record.spec.task


def log_metrics(client: Any, run: str, values: Sequence[tuple[str, float, int]], time_ms: int) -> None:
    """Log metrics, each a name, a value and a step, as so many batches as MLflow needs."""
    from mlflow.entities import Metric

    metrics = [Metric(name, value, time_ms, step) for name, value, step in values]
    for at in range(0, len(metrics), _METRICS):
        client.log_batch(run, metrics=metrics[at : at + _METRICS])


def metric_name(metric: str) -> str:
    """Return the metric's name in the letters that MLflow allows."""
    return "".join(c if c.isalnum() or c in "_-./: " else "_" for c in metric.replace("*", "each").replace("=", " "))


def _tags(record: Record, parent: str) -> dict[str, str]:
    spec, card = record.spec, record.task
    tags = {
        "mlflow.runName": run_name(record),
        "mlflow.parentRunId": parent,
        "mlflow.source.name": "baserate run",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": str(record.environment.get("git_commit") or ""),
        "kind": KINDS[kind_of(record)],
        "regime": REGIMES.get(spec.mode, spec.mode),
        "family": family_named(str(card.get("whole") or spec.task)),
        "budget": str(spec.budget),
        "exposure": str(record.exposure.get("status") or "unknown"),
        "exposure_reason": str(record.exposure.get("reason", "")),
        "audit": str(record.audit.get("verdict") or "not audited"),
        "audit_reasons": "; ".join(record.audit.get("reasons", ())),
        "status": record.status,
        "flags": "; ".join(record.flags),
        "primary_metric": str(next(iter(card.get("metrics", ())), "")),
        "baserate.run": record.hash,
    }
    if record.error:
        tags |= {"error": record.error[-_TAG:], "mlflow.note.content": f"```\n{record.error[-3900:]}\n```"}
    return {name: value for name, value in tags.items() if value}


def _params(record: Record) -> dict[str, str]:
    """Return what decides the result, each setting by its own name: the value that valid chose, if trials were made."""
    spec, choice = record.spec, record.choices[0] if record.choices else None
    tuned = choice.trials[choice.trial].changed if choice and choice.trials else {}
    apart = ("params", "settings", "versions")
    flat: dict[str, Any] = {k: v for k, v in spec.to_json().items() if k not in apart}
    for values, prefix in ((spec.settings, "setting."), (spec.params, "model."), (tuned, "")):
        for name, value in values.items():
            flat[prefix + name if name in flat and prefix else name] = value
    flat |= {"versions": in_words(spec.versions)} if spec.versions else {}
    if choice and choice.chosen:
        flat["chosen on valid"] = in_words(choice.chosen)
    return {
        metric_name(name): writable(json.dumps(v) if isinstance(v, (dict, list)) else str(v))[:_PARAM]
        for name, v in flat.items()
    }


def _scores(record: Record) -> dict[str, float]:
    """Return the scores with their limits, and the costs; what is undefined is absent, never 0."""
    values: dict[str, float | None] = {}
    first = record.estimates[:1]
    for name, e in [*(("primary", e) for e in first), *((metric_name(e.metric), e) for e in record.estimates)]:
        values |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
    values |= {"system/seconds": record.seconds, "system/peak_memory_mb": record.peak_memory_mb}
    values["system/parameters"] = record.model.get("parameters")
    return {name: float(v) for name, v in values.items() if v is not None and math.isfinite(v)}


def _courses(record: Record) -> list[tuple[str, float, int]]:
    """Return the primary score of each seed, by seed, and the course of each seed's training, by epoch."""
    choices = record.choices or ()
    found: list[tuple[str, Any, int]] = []
    for e in record.estimates[:1]:
        found += [("seeds/primary", v, seed) for seed, v in zip(record.spec.seeds, e.per_seed, strict=False)]
    found += [("seeds/valid", choice.valid, choice.seed) for choice in choices]
    for choice in choices:
        for i, row in enumerate(choice.history, 1):
            epoch = int(row.get("epoch", i))
            names = (name for name in row if name != "epoch")
            found += [(f"{metric_name(name)}/seed {choice.seed}", row[name], epoch) for name in names]
    return [(n, float(v), step) for n, v, step in found if isinstance(v, (int, float)) and math.isfinite(v)]


def _data(record: Record) -> Any:
    """Return the task's data as MLflow's input of a run: what was trained on and tested, by its fingerprint."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    card, spec = record.task, record.spec
    source = {"task": spec.task, "split": spec.split, "from": card.get("origin") or card.get("description", "")}
    first = next(iter(record.estimates), None)
    profile = {"sizes": card.get("sizes"), "test examples": first.n if first else None}
    data = Dataset(spec.task[:500], spec.data[:36], "baserate", writable(json.dumps(source)), None, json.dumps(profile))
    return DatasetInput(data, [InputTag("mlflow.data.context", "train, valid and test")])


def _log_files(client: Any, run: str, record: Record) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = json.dumps(dict(record.environment), indent=1, sort_keys=True)
        (folder / "environment.json").write_text(text, encoding="utf-8")
        client.log_artifacts(run, str(folder))
    if record.path is not None:
        client.log_artifacts(run, str(record.path))
    if trials := _trials(record):
        client.log_table(run, trials, "trials.json")


def _trials(record: Record) -> dict[str, list[Any]]:
    """Return the trials as columns of a table that MLflow shows."""
    tried = [(choice, i, trial) for choice in record.choices or () for i, trial in enumerate(choice.trials)]
    if not tried:
        return {}
    names = dict.fromkeys(name for _, _, trial in tried for name in trial.changed)
    first: Mapping[str, Any] = {**record.spec.params, **record.spec.settings}
    return {
        "trial": [i for _, i, _ in tried],
        "chosen": [i == choice.trial for choice, i, _ in tried],
        f"{tried[0][0].metric} on valid": [trial.valid for _, _, trial in tried],
        "seconds": [trial.seconds for _, _, trial in tried],
        **{name: [trial.changed.get(name, first.get(name)) for _, _, trial in tried] for name in names},
        "error": [writable(trial.error) for _, _, trial in tried],
    }


def _entities(kind: str, pairs: Iterable[tuple[str, str]]) -> list[Any]:
    import mlflow.entities

    return [getattr(mlflow.entities, kind)(name, value) for name, value in pairs]
