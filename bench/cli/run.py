"""The command that makes results."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from .options import (
    as_folder,
    data_dir_option,
    device_option,
    json_option,
    pickle_option,
    quiet_option,
    settings_from,
    trust_option,
    uri_option,
)
from .table import make_table, show_table
from .track import mirror

RESULTS = Path("results")


@click.command()
@click.option("--suite", help="A built-in suite or a TOML file; `baserate list suites` shows them.")
@click.option("--task", "tasks", multiple=True, help="A task, a glob, or a .toml or .py file; repeatable.")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="A model or baseline (all baselines if none), a glob, a folder, a hub id[@revision], a .py file; beside its "
    "own with a suite.",
)
@click.option(
    "--mode",
    "modes",
    multiple=True,
    help="zero_shot, linear_probe, fine_tune, from_scratch, as_is; all modes of a model if none.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a setting of the modes that have it, such as rule=pll, layer=3 or layer=[0,3,6]; repeatable.",
)
@click.option(
    "--budget",
    default="",
    metavar="N",
    help="Trials of settings for every cell, one of which is chosen on valid: a number, quick (1), standard (8) or "
    "thorough (32), or several with commas.  [default: quick]",
)
@click.option(
    "--shots",
    default="",
    metavar="N,...",
    help="Train on N examples of each class, such as 1,5,10,50,100,full: a task each, and a learning curve.",
)
@click.option(
    "--replicates",
    type=click.IntRange(min=2),
    default=None,
    metavar="R",
    help="Also train on R training samples with R seeds each, to tell apart the noise of samples, seeds and test.",
)
@click.option(
    "--resample",
    type=click.Choice(["train", "train=disjoint"]),
    default=None,
    help="Train each seed on another training set, a bootstrap sample of clusters or disjoint parts of them.",
)
@click.option("--check-strand", is_flag=True, help="Also score the other strand: how many predictions change?")
@click.option("--random-weights", is_flag=True, help="Add the twin with random weights of every model named.")
@click.option("--seeds", help="Comma-separated, such as 0,1,2.  [default: 0,...,4; below 100 shots 0,...,9]")
@click.option(
    "--limit", type=click.IntRange(min=1), help="Cut each part to N examples: a trial, never on a leaderboard."
)
@click.option("--audit/--no-audit", "audited", default=True, help="Audit each task once, and record the findings.")
@click.option("--fail-on-leak", is_flag=True, help="Do not run tasks whose training data leak into test data.")
@click.option(
    "--fresh-versions",
    is_flag=True,
    help="Run again what was made under other versions of baserate, torch or transformers than those installed.",
)
@data_dir_option
@click.option("--results", type=click.Path(), callback=as_folder, default=RESULTS, show_default=True)
@click.option("--lock", is_flag=True, help="Lock the results: each model scores a task's test part once, then no more.")
@click.option("--reason", default="", metavar="TEXT", help="Why a lock may be passed: recorded with the second look.")
@click.option("--cache/--no-cache", default=True, help="Cache embeddings and likelihoods on disk across runs.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many cells run at once, each in a process with its share of the cores.",
)
@device_option
@click.option(
    "--save-models",
    "models_folder",
    metavar="DIR",
    type=click.Path(),
    callback=as_folder,
    help="Save fine-tuned networks here, each in a folder of its own that --model takes.",
)
@click.option("--executor", default="", help="Where cells run: serial, processes, or one that a package adds.")
@trust_option
@pickle_option
@uri_option
@quiet_option
@json_option
def run(
    suite: str | None,
    tasks: tuple[str, ...],
    models: tuple[str, ...],
    modes: tuple[Any, ...],
    settings: tuple[str, ...],
    budget: str,
    shots: str,
    replicates: int | None,
    resample: str | None,
    check_strand: bool,
    random_weights: bool,
    seeds: str | None,
    limit: int | None,
    audited: bool,
    fail_on_leak: bool,
    fresh_versions: bool,
    results: Path,
    lock: bool,
    reason: str,
    cache: bool,
    workers: int,
    models_folder: Path | None,
    executor: str,
    trusted: tuple[str, ...],
    allow_pickle: bool,
    tracking_uri: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run models on tasks, write a record per cell, print the leaderboard. The same command again resumes.

    \b
    Examples:
      baserate run --suite quickstart --workers 2
      baserate run --task yeast_coding --task 'arabidopsis_*' --model cnn --seeds 0,1
      baserate run --task wt1_exon5_splicing --model baserate_mlm --mode zero_shot --random-weights
      baserate run --task yeast_coding --model InstaDeepAI/nucleotide-transformer-500m-human-ref
      baserate run --task yeast_coding --model ./my_checkpoint --mode linear_probe --set 'layer=[1,2,-1]'
      baserate run --task human_splice_sites --model cnn --model baserate_mlm --budget standard
      baserate run --task yeast_coding --model kmer_logreg --model cnn --shots 1,5,10,50,100,full
      baserate run --task human_splice_sites --model 'cnn(strand_augmentation=True)' --limit 200
    """
    from ..api import cells_of
    from ..cache.folder import cache_dir
    from ..executors import EXECUTORS
    from ..networks.hub import Access
    from ..plan import Protocol
    from ..records import read_records
    from ..run import Grid
    from .display import GridDisplay, print_outcome

    if fail_on_leak and not audited:
        raise ConfigError("--fail-on-leak needs the audit that --no-audit leaves out")
    if executor:
        EXECUTORS.get(executor)
    chosen = _seeds(seeds)
    planned = cells_of(
        suite=suite or "",
        tasks=tasks,
        models=models,
        modes=modes,
        settings=settings_from(settings),
        budget=budget,
        shots=shots,
        random_weights=random_weights,
        access=Access(trusted, allow_pickle),
    )
    cells = planned.cells
    protocol = Protocol(
        chosen or planned.seeds,
        limit=limit or 0,
        grid=planned.grid,
        replicates=replicates or 0,
        resample=resample or "",
        check_strand=check_strand,
    )
    # What a model prints must not end up in the JSON.
    printed = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    with printed, GridDisplay(len(cells), quiet=quiet or as_json) as display:
        for task, newer in {cell.task.id: cell.task.superseded_by for cell in cells}.items():
            if newer:
                display.note(f"{task} is superseded by {newer}")
        grid = Grid(
            results,
            protocol,
            cache_dir() if cache else None,
            audited=audited,
            refuse_leaks=fail_on_leak,
            models=models_folder,
            fresh_versions=fresh_versions,
            executor=executor,
            workers=workers,
            lock=lock or planned.lock,
            reason=reason.strip(),
            started=display.started,
            finished=display.finished,
        )
        outcome = grid.run(cells)
    if not as_json:
        print_outcome(outcome, results, quiet=quiet)
    tracking, is_copied = "no records", True
    if results.is_dir():
        records = read_records(results, below=False)
        table, files = make_table(records, results, quiet=quiet or as_json)
        tracking, is_copied = mirror(records, results, tracking_uri, table, quiet=quiet or as_json)
        if not (quiet or as_json):
            show_table(table, files)
    if as_json:
        click.echo(json.dumps({**outcome.to_json(), "tracking": tracking}, indent=1))
    elif not (is_copied and quiet):
        click.echo(tracking if is_copied else click.style(tracking, "yellow"), err=not is_copied)
    return 1 if outcome.failed or outcome.no_data or outcome.leaky else 0


def _seeds(text: str | None) -> tuple[int, ...]:
    try:
        seeds = tuple(int(s) for s in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(f"--seeds {text!r}: expected whole numbers such as 0,1,2") from None
    if len(set(seeds)) != len(seeds) or any(s < 0 for s in seeds):
        raise ConfigError(f"--seeds {text!r}: seeds must differ and not be negative")
    return seeds
