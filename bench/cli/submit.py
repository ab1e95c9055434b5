"""Commands that hand results on: a bundle, several folders as one, and whether what they state is so."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import (
    RESULTS,
    as_file,
    as_folder,
    as_results,
    as_several_results,
    data_dir_option,
    json_option,
    quiet_option,
)

if TYPE_CHECKING:
    from ..bundle import Report


@click.command()
@click.argument("results", type=click.Path(), callback=as_results, default=RESULTS)
@click.option("--out", type=click.Path(), callback=as_file, required=True, help="The file or URL to write, x.tar.zst.")
@click.option("--author", default="", metavar="NAME", help="Who made the results; the manifest says it.")
@json_option
@quiet_option
def bundle(results: Path, out: Path | str, author: str, as_json: bool, quiet: bool) -> None:
    """Write all records below a folder, their predictions and leaderboard to one file, with a manifest.

    Records are checked by their digests first. The manifest has the hash of each file, the audits, and the machines
    on which the runs were made. The same results give the same bytes.

    \b
    Examples:
      baserate bundle results/ --out results.tar.zst
      baserate bundle results/ --out results.tar.zst --author 'Ada Lovelace'
      baserate bundle s3://bucket/results --out s3://bucket/results.tar.zst
    """
    from ..bundle import bundle as written
    from ..storage import writing_file
    from .display import activity_display

    with activity_display(quiet=quiet or as_json), writing_file(out) as file:
        manifest = written(results, file, author=author)
        size = file.stat().st_size / 1e6
    if as_json:
        click.echo(json.dumps(manifest, indent=1, sort_keys=True))
    elif not quiet:
        n, machines = len(manifest["records"]), len(manifest["environments"])
        made_in = "1 environment" if machines == 1 else f"{machines} environments"
        click.echo(f"wrote {out}: {n} records made in {made_in}, {size:.1f} MB")
        click.echo(f"check it: baserate verify {out}")


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(), callback=as_several_results, metavar="SOURCE...")
@click.option("--out", type=click.Path(), callback=as_folder, required=True, help="The new folder to write.")
@click.option(
    "--prefer",
    type=click.Path(),
    callback=as_results,
    metavar="SOURCE",
    help="Take the results of this source where those of a run differ.",
)
@json_option
@quiet_option
def merge(sources: tuple[Path, ...], out: Path, prefer: Path | None, as_json: bool, quiet: bool) -> int:
    """Put the records of several folders and bundles into one folder.

    A run that several have counts once. Where its results differ, all such runs are named, nothing is written and the
    command exits with 1, unless --prefer says whose to take. OUT/sources.json keeps who ran what on which machine.

    \b
    Examples:
      baserate merge mine/ theirs.tar.zst --out merged/
      baserate merge mine/ theirs/ --out merged/ --prefer mine/
    """
    from ..bundle import merge as merged
    from .display import activity_display

    with activity_display(quiet=quiet or as_json):
        made = merged(sources, out, prefer=prefer)
    if as_json:
        value = {"runs": made.runs, "records": made.records, "conflicts": [str(c) for c in made.conflicts]}
        click.echo(json.dumps({**value, "written": made.written}, indent=1))
    else:
        for conflict in made.conflicts:
            click.echo(f"conflict: {conflict}", err=True)
        if made.written and not quiet:
            decided = f"; {len(made.conflicts)} conflicts decided by {prefer}" if made.conflicts else ""
            click.echo(f"wrote {made.runs} runs from {made.records} records to {out}{decided}")
        elif not made.written:
            click.echo("nothing is written: results of these runs differ; --prefer SOURCE says whose to take", err=True)
    return 0 if made.written else 1


@click.command()
@click.argument("results", type=click.Path(), callback=as_results, default=RESULTS)
@click.option("--data/--no-data", default=True, help="Compare examples with the data, where these are here.")
@click.option("--rerun", type=click.IntRange(min=0), default=0, metavar="N", help="Run N cells again and compare.")
@click.option("--seed", type=click.IntRange(min=0), help="Which cells are run again.  [default: drawn, and printed]")
@data_dir_option
@json_option
@quiet_option
def verify(results: Path, data: bool, rerun: int, seed: int | None, as_json: bool, quiet: bool) -> int:
    """Compute again what a folder or a bundle of results states; exit with 1 where a statement is not so.

    Digests, metrics, intervals, and the table's gains and ranks follow from predictions; tasks, models and data are
    compared with those that are here. What cannot be known from a record is listed in docs/submit.md.

    \b
    Examples:
      baserate verify results/
      baserate verify results.tar.zst --rerun 3
      baserate verify results.tar.zst --no-data --json
    """
    from ..bundle import verify as verified
    from .display import activity_display

    drawn = secrets.randbelow(1_000_000) if seed is None else seed
    with activity_display(quiet=quiet or as_json):
        report = verified(results, data=data, rerun=rerun, seed=drawn)
    if as_json:
        click.echo(json.dumps({**report.to_json(), "seed": drawn if rerun else None}, indent=1))
    else:
        _print_report(report, drawn if rerun else None, quiet=quiet)
    return 0 if report.ok else 1


def _print_report(report: Report, seed: int | None, *, quiet: bool) -> None:
    """Print every fault, each other finding once with the number of records that it is of, and the sum."""
    from ..bundle import LEVELS

    others: dict[tuple[str, str], int] = {}
    for record in report.records:
        for finding in record.findings:
            if finding.level == "fault":
                click.echo(f"FAULT {record.folder}: {finding.text}", err=True)
            else:
                others[finding.level, finding.text] = others.get((finding.level, finding.text), 0) + 1
    for finding in report.beside:
        if finding.level == "fault":
            click.echo(f"FAULT {finding.text}", err=True)
        else:
            others[finding.level, finding.text] = 1
    if quiet:
        return
    for level in ("changed", "unknown"):
        lines = {text: n for (of, text), n in others.items() if of == level}
        if lines:
            click.echo(f"{level}: {LEVELS[level]}")
            for text, n in lines.items():
                click.echo(f"  {text}" + (f" ({n} records)" if n > 1 else ""))
    if seed is not None:
        click.echo(f"run again: {', '.join(report.rerun) or 'none'} (--seed {seed})")
    counts = [f"{report.count(level)} {level}" for level in ("changed", "unknown")]
    n, faults = len(report.records), report.count("fault")
    bad = sum(any(f.level == "fault" for f in record.findings) for record in report.records)
    head = f"{n} records verified, no faults" if report.ok else f"{faults} faults, in {bad} of {n} records"
    click.echo(f"{head}; {', '.join(counts)}")
