"""Commands that compare: two rows of a leaderboard, and a candidate with what it would replace."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from .options import as_results, json_option, results_option


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--task", "tasks", multiple=True, help="Only this task, or those that a pattern matches; repeatable.")
@results_option
@click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    help="What counts as no difference, on the metric's scale; by default what the task's card says.",
)
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw it: .png, .svg or .pdf.")
@json_option
def compare(
    first: str,
    second: str,
    tasks: tuple[str, ...],
    results: Path,
    margin: float | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Compare two rows of a leaderboard on every task that both have, and over these tasks.

    A row is a model, MODEL:MODE, or the full name on the leaderboard, such as 'cnn · from_scratch'. Gains are paired on
    the same test examples, have the noise of the test set and of training, and are corrected by Holm's method for the
    number of tasks. With a margin, here or on the task's card, "as good as" is a claim with a test of its own.

    \b
    Examples:
      baserate compare baserate_mlm:fine_tune cnn
      baserate compare kmer_logreg kmer_xgboost --task 'gue.*' --margin 0.02 --plot forest.png
    """
    from ..leaderboard.compare import compare as compared
    from ..leaderboard.forest import plot_forest
    from .display import print_comparison

    found = compared(results, first, second, tasks=tasks, margin=margin)
    if plot is not None:
        plot_forest(found, plot)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
    else:
        print_comparison(found)


@click.command()
@click.option("--baseline", type=click.Path(), callback=as_results, required=True, help="Records of what is in use.")
@click.option("--candidate", type=click.Path(), callback=as_results, required=True, help="Records of what is to be.")
@click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    help="By how much less the candidate may be worse, on the metric's scale; by default what the task's card says.",
)
@click.option("--model", default="", help="The model, where the folders have several.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML for a CI service.")
@click.option(
    "--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write a table, such as for a summary."
)
@json_option
def gate(
    baseline: Path,
    candidate: Path,
    margin: float | None,
    model: str,
    junit: Path | None,
    markdown: Path | None,
    as_json: bool,
) -> int:
    """Exit with 1 unless a candidate is shown to be worse by less than a margin, or better, on every task.

    Both folders have records of one model, or of the one named, which `baserate run` wrote; baselines are left out. A
    task that the candidate was not run on does not pass, nor does one whose interval is too wide to tell.

    \b
    Examples:
      baserate gate --baseline results/v1 --candidate results/v2 --margin 0.01
      baserate gate --baseline main/ --candidate branch/ --margin 0.02 --junit gate.xml
    """
    from ..files import write_whole
    from ..leaderboard.gate import gate as gated
    from ..leaderboard.gate import to_junit, to_markdown
    from ..records import read_records
    from .display import print_gate

    entries = gated(read_records(baseline), read_records(candidate), margin=margin, model=model)
    if junit is not None:
        write_whole(junit, to_junit(entries))
    if markdown is not None:
        write_whole(markdown, to_markdown(entries, margin))
    if as_json:
        click.echo(json.dumps([asdict(e) for e in entries], indent=1))
    else:
        print_gate(entries, margin)
    return 0 if all(e.status == "passed" for e in entries) else 1
