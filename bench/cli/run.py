"""The command that makes results."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from .jobs import run_bundle, submit_to_slurm
from .options import (
    as_folder,
    data_dir_option,
    device_option,
    json_option,
    pickle_option,
    quiet_option,
    ray_option,
    results_option,
    trust_option,
    uri_option,
)
from .selected import selection_of, show_plan
from .table import make_table, show_table
from .track import mirror

SLURM = "slurm"
"""Not an executor of one process: its jobs outlive the command."""


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
@click.option("--check-reference", is_flag=True, help="Also score variants by how likely a model finds the reference.")
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
@results_option
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
@click.option("--isolate", is_flag=True, help="Run each model in a process of its own: one that dies ends no other.")
@click.option(
    "--executor", default="", help="Where cells run: serial, processes, isolated, ray, slurm, or a package's own."
)
@ray_option
@click.option(
    "--cells",
    "cells_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Run a bundle of a file of cells, beside others that run the rest; no table, no MLflow.",
)
@click.option(
    "--index",
    type=int,
    envvar="SLURM_ARRAY_TASK_ID",
    metavar="N",
    help="Which bundle of --cells, from 0 (SLURM_ARRAY_TASK_ID).",
)
@click.option(
    "--slurm",
    "slurm_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With --executor slurm: a TOML file with partition, account and limits of jobs; docs/scale.md has its keys.",
)
@click.option("--print", "print_only", is_flag=True, help="Print the scripts for sbatch and submit nothing.")
@click.option("--wait", is_flag=True, help="Wait until the submitted jobs have ended.")
@click.option("--dry-run", is_flag=True, help="Show what is missing and what it will take, as `baserate plan` does.")
@trust_option
@pickle_option
@uri_option
@click.option(
    "--progress",
    type=click.Choice(["auto", "json"]),
    default="auto",
    show_default=True,
    help="Show bars, or a line a cell where there is no terminal; json prints a line of JSON a cell on standard error.",
)
@quiet_option
@json_option
def run(
    results: Path,
    workers: int,
    isolate: bool,
    executor: str,
    cells_file: Path | None,
    index: int | None,
    slurm_file: Path | None,
    print_only: bool,
    wait: bool,
    dry_run: bool,
    tracking_uri: str | None,
    progress: str,
    quiet: bool,
    as_json: bool,
    **selected: Any,
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
    from ..executors import EXECUTORS
    from .display import GridDisplay, print_outcome
    from .lines import ProgressLines

    if isolate and executor not in ("", "isolated"):
        raise ConfigError(f"--isolate is the executor 'isolated', not {executor!r}; name one of them")
    executor = "isolated" if isolate else executor
    if executor and executor != SLURM:
        EXECUTORS.get(executor)
    if cells_file is not None and executor == SLURM:
        raise ConfigError("--cells is what a job of Slurm's runs; expected it without --executor slurm")
    if progress == "json" and (cells_file is not None or executor == SLURM):
        raise ConfigError("--progress json is of runs in this process; expected it without --cells or --executor slurm")
    if cells_file is not None:
        return run_bundle(cells_file, index, executor=executor, workers=workers, quiet=quiet, as_json=as_json)
    if dry_run:
        return show_plan(selected, results, workers=workers, quiet=quiet, as_json=as_json)
    if executor == SLURM:
        how = {"print_only": print_only, "wait": wait, "quiet": quiet, "as_json": as_json}
        left = submit_to_slurm(selected, results, slurm_file, **how)
        if left is not None:
            _closed(results, tracking_uri, quiet=quiet, as_json=as_json)
        return 1 if left else 0
    if slurm_file is not None or print_only or wait:
        raise ConfigError("--slurm, --print and --wait go with --executor slurm")
    selection = selection_of(selected)
    planned = selection.planned()
    cells = planned.cells
    # What a model prints must not end up in the JSON.
    printed = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    shown = (
        ProgressLines(cells, results, workers)
        if progress == "json"
        else GridDisplay(len(cells), quiet=quiet or as_json)
    )
    with printed, shown as display:
        for task, newer in {cell.task.id: cell.task.superseded_by for cell in cells}.items():
            if newer:
                display.note(f"{task} is superseded by {newer}")
        grid = selection.grid(
            planned,
            results,
            executor=executor,
            workers=workers,
            started=display.started,
            finished=display.finished,
        )
        outcome = grid.run(cells)
    if not as_json:
        print_outcome(outcome, results, quiet=quiet)
    tracking = _closed(results, tracking_uri, quiet=quiet, as_json=as_json)
    if as_json:
        click.echo(json.dumps({**outcome.to_json(), "tracking": tracking}, indent=1))
    return 1 if outcome.failed or outcome.no_data or outcome.leaky else 0


def _closed(results: Path, uri: str | None, *, quiet: bool, as_json: bool) -> str:
    """Return what was copied to MLflow, in words, after the table of all records was written and both were shown."""
    from ..records import read_records

    tracking, is_copied = "no records", True
    if results.is_dir():
        records = read_records(results, below=False)
        table, files = make_table(records, results, quiet=quiet or as_json)
        tracking, is_copied = mirror(records, results, uri, table, quiet=quiet or as_json)
        if not (quiet or as_json):
            show_table(table, files)
    if not as_json and not (is_copied and quiet):
        click.echo(tracking if is_copied else click.style(tracking, "yellow"), err=not is_copied)
    return tracking
