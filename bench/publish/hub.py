"""Results as the Hugging Face Hub and other catalogues take them: a folder for each place to which it is copied."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError
from ..leaderboard import build_leaderboard
from ..leaderboard.over_tasks import one_a_task
from ..leaderboard.table import Row, Table
from ..leaderboard.wording import sign_of
from .badge import badge, board_badge, won
from .croissant import described
from .folder import check_place, write_folder
from .hub_entries import Entry, LeftOut, entries_of, interval_of, metric_of, notes_of, rounded
from .methods import methods_of
from .names import mode_name, page_of
from .site import records_in

MARK, _WHAT = "baserate-hub.txt", "hub folder"
_FRAMEWORK = "baserate"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_LOWER = "lower is better, which .eval_results cannot say, so that the worst may lead: in model-index.yaml alone"
_ABOUT = """Made by `baserate publish --for hub`, which replaces this folder as a whole.

models/NAME/.eval_results/  copy into the repository of that model: a file for each score
models/NAME/model-index.yaml  the older form, all metrics: for huggingface_hub.metadata_update(repository, content)
models/NAME/badge-*.svg  a picture for the README of the model, one for each of its modes
tasks/eval.yaml  copy into the repository of the data set {dataset}
results/  all scores with their description in Croissant, for a repository or a web host of their own
left-out.txt  the scores that are not in models/, and why
"""


@dataclass(frozen=True)
class Hub:
    """What was written: the folder, the scores of models that may stand alone, and what was left out and why."""

    folder: Path
    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]


def publish_hub(
    results: str | Path,
    out: str | Path,
    *,
    dataset: str,
    url: str = "",
    baseline: str = "",
    strata: Sequence[str] = (),
    title: str = "",
) -> Hub:
    """Return the scores of models as the Hub takes them, written to the folder `out`, by model.

    `dataset` is the repository on the Hub that states the tasks, as owner/name, and `url` where the results are shown.
    Gains are over the `baseline` named, or else each task's best; `strata` are in the table of all scores alone.
    Raises ConfigError for a `dataset` or `url` that is none, and DataError where there are no records, no score may be
    published, or `out` has files of another kind or cannot be written; what was there before then stays as it was.
    """
    if not _REPOSITORY.fullmatch(dataset):
        raise ConfigError(f"--dataset {dataset!r}: expected a repository on the Hub, as OWNER/NAME")
    if url and not re.match(r"https?://\S+$", url):
        raise ConfigError(f"--url {url!r}: expected where the results are shown, as https://...")
    check_place(Path(out), MARK, _WHAT)
    records = {r.hash: r for r in records_in(results)}
    table = build_leaderboard(list(records.values()), baseline=baseline, strata=strata)
    entries, left_out = entries_of(table, records)
    if not entries:
        why = f"; the first of {len(left_out)}: {_line(left_out[0])}" if left_out else ": there is no model in them"
        raise DataError(f"{results}: no score of a model that may be published{why}")
    left_out += [LeftOut(e.row.name, e.column.name, _LOWER) for e in entries if _is_lower(e)]
    content: dict[str, str | bytes] = {}
    for model in dict.fromkeys(entry.row.model for entry in entries):
        own = [entry for entry in entries if entry.row.model == model]
        content |= {f"models/{_folder(model)}/{name}": text for name, text in _of_model(own, dataset, url).items()}
    for row in dict.fromkeys(entry.row for entry in entries):
        name = re.sub(r"[^a-z0-9]+", "-", f"{row.mode} {row.detail}".lower()).strip("-")
        content[f"models/{_folder(row.model)}/badge-{name}.svg"] = _badge(row, table, entries)
    content["tasks/eval.yaml"] = _yaml(_benchmark(entries, title))
    methods = methods_of(table, [records[c.hash] for c in table.cells if c.hash in records])
    described_ = described(table, title=title or "baserate results", url=url, methods=methods)
    content |= {f"results/{name}": text for name, text in described_.items()}
    content["results/badge.svg"] = board_badge(table)
    content |= {"left-out.txt": "".join(f"{_line(each)}\n" for each in left_out)} if left_out else {}
    content[MARK] = _ABOUT.format(dataset=dataset)
    write_folder(content, Path(out), _WHAT)
    return Hub(Path(out), tuple(entries), tuple(left_out))


def _is_lower(entry: Entry) -> bool:
    return sign_of(entry.column) < 0


def _line(left: LeftOut) -> str:
    return f"{left.row} on {left.column}: {left.reason}"


def _folder(model: str) -> str:
    return page_of("", model).strip("/").removesuffix(".html")


def _of_model(entries: Sequence[Entry], dataset: str, url: str) -> dict[str, str]:
    """Return the files of a model's repository: a score each, where higher is better, and the index of all metrics."""
    make, to_yaml, index = _formats()
    source: dict[str, Any] = {"source_url": url, "source_name": "baserate"} if url else {}
    out = {}
    for entry in entries:
        if _is_lower(entry):
            continue
        score = make(dataset, entry.task_id, rounded(entry.estimate.value or 0.0), notes=notes_of(entry), **source)
        out[f".eval_results/{entry.task_id}.yaml"] = _yaml(to_yaml([score]))
    out["model-index.yaml"] = _yaml({"model-index": index(entries[0].row.model, _indexed(entries, dataset, source))})
    return out


def _formats() -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    try:
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
        from huggingface_hub.repocard_data import eval_results_to_model_index
    except ImportError as error:
        raise ConfigError(
            f"this huggingface_hub cannot write evaluation results ({error}); `pip install -U huggingface_hub`"
        ) from error
    return EvalResultEntry, eval_result_entries_to_yaml, eval_results_to_model_index


def _indexed(entries: Sequence[Entry], dataset: str, source: Mapping[str, Any]) -> list[Any]:
    """Return every metric with an interval of the scores, for the index in a model's card."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=str(entry.record.task.get("kind") or "other"),
            task_name=f"{entry.column.name}, {mode_name(entry.row.mode)}",
            dataset_type=dataset,
            dataset_name=entry.column.task,
            dataset_config=entry.task_id,
            dataset_split="test",
            metric_type=e.metric,
            metric_value=rounded(e.value),
            metric_name=f"{metric_of(e, entry.column)}, {interval_of(e)}, n = {e.n:,}, {e.n_clusters:,} clusters",
            dataset_args={"notes": notes_of(entry)},
            **source,
        )
        for entry in entries
        for e in entry.cell.estimates
        if e.value is not None and e.low is not None and e.high is not None
    ]


def _badge(row: Row, table: Table, entries: Sequence[Entry]) -> str:
    cells = {entry.column.name: entry.cell for entry in entries if entry.row == row}
    ran = [c for c in table.columns if table.cell(row, c).status not in ("missing", "not_applicable")]
    tried = one_a_task([column for column in ran if column.best_baseline])  # a task of two budgets counts once
    text, any_won = won([cells.get(column.name) for column in tried])
    return badge(f"baserate · {mode_name(row.mode)}", text, won=any_won)


def _benchmark(entries: Sequence[Entry], title: str) -> dict[str, Any]:
    """Return the tasks of the scores as the repository of their data set states them."""
    ids = dict.fromkeys((entry.task_id, entry.column.task) for entry in entries)
    return {
        "name": title or "baserate",
        "description": "Genomics models against baselines: an id names a task, how models were used, and the metric.",
        "evaluation_framework": _FRAMEWORK,
        "tasks": [{"id": task_id, "config": task.replace("@", "_"), "split": "test"} for task_id, task in ids],
    }


def _yaml(value: Any) -> str:
    from huggingface_hub.utils import yaml_dump  # type: ignore[attr-defined]

    return str(yaml_dump(value, sort_keys=False, width=100_000))  # a score's notes on one line
