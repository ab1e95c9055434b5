"""Jobs of a grid: their submission to Slurm, and the worker that runs one."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..errors import ConfigError
from ..files import write_whole
from ..storage import local, named, url_of
from .selected import selection_of

_OF_A_WORKER = {"cells_file", "index", "executor", "isolate", "workers", "quiet", "as_json", "tracking_uri"}


def run_bundle(path: Path, index: int | None, *, executor: str, workers: int, quiet: bool, as_json: bool) -> int:
    """Return the exit code of a worker: 1 where a cell of its bundle failed or has no data."""
    from ..cluster.cells_file import read_cells_file
    from ..cluster.work import work
    from .display import GridDisplay

    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if given and parameter.expose_value and name not in _OF_A_WORKER:
            raise ConfigError(f"{parameter.opts[0]}: --cells names a file that says this; expected it without")
    if index is None:
        raise ConfigError("--cells needs --index N, or a job of a Slurm array, which sets SLURM_ARRAY_TASK_ID")
    file = read_cells_file(path)
    printed = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    with printed, GridDisplay(len(file.bundle(index).cells), quiet=quiet or as_json) as display:
        outcome = work(
            file, index, executor=executor, workers=workers, started=display.started, finished=display.finished
        )
    if as_json:
        click.echo(json.dumps(outcome.to_json(), indent=1))
    elif not quiet:
        elsewhere = f", {outcome.elsewhere} run by others" if outcome.elsewhere else ""
        click.echo(
            f"bundle {index}: {outcome.done} cells done, {outcome.skipped} done before, {outcome.not_applicable} not "
            f"applicable, {len(outcome.failed)} failed{elsewhere}; records in {file.results}"
        )
    lines = [f"not run: {task}: {reason}" for task, reason in outcome.no_data.items()]
    lines += [f"refused: {task} leaks: {leak}" for task, leak in outcome.leaky.items()]
    lines += [f"failed: {result.cell}: {result.reason.splitlines()[-1]}" for result in outcome.failed]
    for line in lines:
        click.echo(line, err=True)
    return 1 if lines else 0


def submit_to_slurm(
    selected: dict[str, Any],
    results: Path,
    limits_file: Path | None,
    *,
    print_only: bool,
    wait: bool,
    quiet: bool,
    as_json: bool,
) -> int | None:
    """Return how many cells are missing when the jobs have ended, None where nobody waits for them.

    Those of processes of this machine are waited for.
    """
    from ..cluster.forecast import Machines, forecast, left_of
    from ..cluster.slurm import arrays, read_limits, submit

    limits = read_limits(limits_file)
    selection = selection_of(selected)
    machines = Machines(gpus=limits["gpu"].gpus)
    found = forecast(selection, results, machines=machines)
    shown: list[dict[str, Any]] = []
    jobs: list[Any] = []
    for array in arrays(found.cells, selection, results, limits):
        script = array.file.with_suffix(".sh")
        write_whole(script, array.script())
        about = array.about() | {"script": str(script)}
        in_words = f"{about['jobs']} jobs for {about['cells']} cells, some {about['hours']:.2f} h"
        if print_only and not as_json:
            click.echo(f"# {in_words}: sbatch {script}\n{script.read_text()}")
        elif not print_only:
            new = submit(array)
            jobs += new
            about["job_ids"] = [str(job.job_id) for job in new]
            if not quiet and not as_json:
                ids = dict.fromkeys(job_id.partition("_")[0] for job_id in about["job_ids"])
                click.echo(f"{array.kind}: {in_words}: {', '.join(ids)}")
        shown.append(about)
    wait = (wait or any(each.cluster == "local" for each in limits.values())) and not print_only
    if wait:
        for job in jobs:
            job.wait()
    if wait and (url := url_of(results)):
        local(url)  # the jobs may have copies of their own
    left = left_of(selection, results) if wait else None
    if as_json:
        counts = {"missing": len(found.cells), "done_before": found.done, "left": left}
        click.echo(json.dumps({**counts, "arrays": shown}, indent=1))
    elif not shown and not quiet:
        click.echo(f"nothing is missing: {found.done} cells are done")
    elif left is None and not print_only and not quiet:
        shown_by = f"`baserate leaderboard {named(str(results))}`"
        click.echo(f"the same command again submits what is missing then; {shown_by} shows it")
    return left
