"""The command that shows whether intervals and verdicts hold what they say."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..errors import ConfigError
from .options import as_folder, json_option


@click.command()
@click.option("--chaos", is_flag=True, help="Instead kill runs 200 times, and fill, lock and corrupt their disk.")
@click.option("--full", is_flag=True, help="Simulate each rate 1,000 times, not 200: six times as long.")
@click.option("--out", type=click.Path(), callback=as_folder, help="Write report.html, report.json and pictures here.")
@click.option("--workers", type=click.IntRange(min=1), help="Simulate in N processes.  [default: a core each]")
@json_option
def selftest(chaos: bool, full: bool, out: Path | None, workers: int | None, as_json: bool) -> int:
    """Show by simulation whether intervals cover and verdicts err as often as they say; exit with 1 if not.

    Test sets and trainings are drawn whose truth is known, with few and uneven clusters, a rare class, near perfect
    scores, and methods of equal skill whose trainings vary. True gains must be found as often as by a paired bootstrap,
    and leaks and shortcuts planted in data by the audit. A rate may miss its bounds by 2.6 standard errors.

    With --chaos runs are killed at random points, ended by signals, run by several processes in one folder, and refused
    disk and memory; records, predictions and caches are corrupted. Nothing that was done may be lost.

    \b
    Examples:
      baserate selftest                     a minute
      baserate selftest --full --out proof  the figures of docs/statistics.md
      baserate selftest --chaos             half an hour of two cores
    """
    from ..selftest import every_claim, write_report
    from ..selftest.chaos import chaos_jobs, pooled
    from ..selftest.page import to_json
    from .display import activity_display
    from .proof import print_claims

    if chaos and full:
        raise ConfigError("--chaos has one size; expected it without --full")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with activity_display(quiet=as_json):
        if chaos:  # cells sleep
            claims = pooled(every_claim(work=chaos_jobs(), workers=workers or 2 * cores))
        else:
            claims = every_claim(full=full, workers=workers or cores)
    files = [] if out is None else write_report(claims, out)
    if as_json:
        click.echo(to_json(claims), nl=False)
    else:
        print_claims(claims)
        for file in files[:1]:
            click.echo(f"written: {file}")
    return 0 if all(claim.holds for claim in claims) else 1
