"""The command that says what becomes of a folder's runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..storage import named
from .options import RESULTS, as_results, json_option

if TYPE_CHECKING:
    from ..status import Status


@click.command()
@click.argument("results", type=click.Path(), callback=as_results, default=RESULTS)
@json_option
def status(results: Path, as_json: bool) -> int:
    """Say what is done, what runs where and for how much longer, and what failed and why; exit with 1 if any did.

    The time left is told from the records of cells of the same task, model and mode, else of the same model and mode.

    \b
    Examples:
      baserate status results/
      baserate status results/ --json
    """
    from ..status import status as status_of

    found = status_of(results)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
    else:
        for line in _lines(found, results):
            click.echo(line)
    return 1 if found.failed else 0


def _lines(found: Status, results: Path) -> list[str]:
    counts = ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in found.counts.items()) or "no records"
    lines = [f"{named(str(results))}: {counts}"]
    for run in found.runs:
        where, ended = f"process {run.process} on {run.machine}", sum(run.ended.values())
        if run.dead:
            lines.append(f"died: {where}, with {ended} of {run.cells} cells ended; the same command goes on")
        else:
            left = "time left not known yet" if run.left is None else f"about {duration(run.left)} left"
            lines.append(f"runs: {where}, for {duration(run.seconds)}: {ended} of {run.cells} cells ended, {left}")
    for cell in found.going:
        where = f"process {cell.process} on {cell.machine}"
        how = f"died with {where}" if cell.dead else f"{where}, for {duration(cell.seconds)}"
        lines.append(f"  {cell.task} · {cell.model} · {cell.mode}: {how}")
    return lines + [f"failed: {' · '.join(filter(None, each.key))}: {each.error}" for each in found.failed]


def duration(seconds: float) -> str:
    """Return a time in words, such as '45 s', '12 min' or '3 h 20 min'."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"
