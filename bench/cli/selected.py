"""What the options of `run` select, for the commands that share them, and the worker that runs a part of it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import ConfigError
from .options import settings_from

if TYPE_CHECKING:
    from ..cluster.selection import Selection

_OF_A_WORKER = {"cells_file", "index", "executor", "workers", "quiet", "as_json", "tracking_uri"}


def selection_of(options: Mapping[str, Any]) -> Selection:
    """Return what the options of the command line select. Raises ConfigError for values that are none."""
    from ..cluster.selection import Selection

    if options["fail_on_leak"] and not options["audited"]:
        raise ConfigError("--fail-on-leak needs the audit that --no-audit leaves out")
    renamed = {
        "settings": settings_from(options["settings"]),
        "seeds": _seeds(options["seeds"]),
        "refuse_leaks": options["fail_on_leak"],
        "save_models": str(options["models_folder"] or ""),
        "reason": options["reason"].strip(),
    }
    same = {name: options[name] or default for name, default in _DEFAULTS.items()}
    return Selection(**same, **renamed, audited=options["audited"], cache=options["cache"])


_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("suite", "budget", "shots", "resample"), ""),
    **dict.fromkeys(("tasks", "models", "modes", "trusted"), ()),
    **dict.fromkeys(("limit", "replicates"), 0),
    **dict.fromkeys(("random_weights", "allow_pickle", "check_strand", "fresh_versions", "lock"), False),
}


def _seeds(text: str | None) -> tuple[int, ...]:
    try:
        seeds = tuple(int(s) for s in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(f"--seeds {text!r}: expected whole numbers such as 0,1,2") from None
    if len(set(seeds)) != len(seeds) or any(s < 0 for s in seeds):
        raise ConfigError(f"--seeds {text!r}: seeds must differ and not be negative")
    return seeds


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
    return 1 if outcome.failed or outcome.no_data or outcome.leaky else 0
