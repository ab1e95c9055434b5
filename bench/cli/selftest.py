"""The command that shows whether intervals and verdicts hold what they say."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from .options import json_option


@click.command()
@click.option("--full", is_flag=True, help="Simulate each rate 2,000 times, not 200: ten times as long.")
@json_option
def selftest(full: bool, as_json: bool) -> int:
    """Show by simulation whether intervals cover and verdicts err as often as they say; exit with 1 if not.

    Test sets and trainings are drawn whose truth is known, with few and uneven clusters, a rare class, near perfect
    scores, and methods of equal skill whose trainings vary. A rate may miss its bounds by 2.6 standard errors.

    \b
    Examples:
      baserate selftest                  half a minute
      baserate selftest --full --json    the figures of docs/statistics.md
    """
    from ..selftest import every_claim
    from .display import activity_display, print_claims

    with activity_display(quiet=as_json):
        claims = list(every_claim(full=full))
    if as_json:
        click.echo(json.dumps([asdict(claim) | {"holds": claim.holds} for claim in claims], indent=1))
    else:
        print_claims(claims)
    return 0 if all(claim.holds for claim in claims) else 1
