"""The command that copies results to MLflow, and the copy that a run makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError
from ..storage import named
from .options import RESULTS, as_folder, as_results, quiet_option, uri_option

if TYPE_CHECKING:
    from ..leaderboard import Leaderboard
    from ..records import Record


def mirror(
    records: list[Record], results: Path, uri: str | None, table: Leaderboard, *, quiet: bool
) -> tuple[str, bool]:
    """Return what was copied to MLflow, in words, and whether that could be used; a dead server loses nothing."""
    from ..tracking import TrackingError, default_uri, sync, uncopied
    from .display import activity_display

    if uri == "none":
        return "not copied to MLflow (--tracking-uri none)", True
    uri = uri or default_uri(results)
    has_all = f"MLflow at {uri} has all {sum(r.status != 'not_applicable' for r in records)} records"
    if not uncopied(records, uri):
        return has_all, True
    try:
        with activity_display(quiet=quiet):
            mirrored = sync(records, results, uri, table=table)
    except TrackingError as error:
        return f"{error}; `baserate track {named(str(results))}` copies later what is not copied yet", False
    return f"copied {mirrored.copied} records to MLflow at {uri}" if mirrored.copied else has_all, True


@click.command()
@click.argument("results", type=click.Path(), callback=as_results, default=RESULTS)
@uri_option
@click.option(
    "--models",
    metavar="DIR",
    type=click.Path(),
    callback=as_folder,
    help="Register the fine-tuned networks that `baserate run --save-models DIR` saved here.",
)
@quiet_option
def track(results: Path, tracking_uri: str | None, models: Path | None, quiet: bool) -> None:
    """Copy records to MLflow; those that it already has are left alone.

    \b
    Examples:
      baserate track results/
      baserate track results/ --server http://127.0.0.1:5000
      baserate track results/ --server http://127.0.0.1:5000 --models saved/
    """
    from ..records import read_records
    from ..tracking import address, default_uri, sync
    from .display import activity_display

    if models is not None and not models.is_dir():
        raise ConfigError(f"--models {models}: no such folder; `baserate run --save-models {models}` makes it")
    uri = tracking_uri or default_uri(results)
    if uri == "none":
        raise ConfigError("--tracking-uri none: nothing to copy to; name a server, or leave it out for a sqlite store")
    records = read_records(results)
    with activity_display(quiet=quiet):
        mirrored = sync(records, results, uri, models=models)
    if quiet:
        return
    click.echo(f"copied {mirrored.copied} records to MLflow at {uri}; it had {mirrored.known} already")
    if models is not None:
        click.echo(f"registered {mirrored.registered} models of {models}")
    if uri.startswith("sqlite"):
        click.echo(f"look at them: mlflow ui --workers 1 --backend-store-uri {uri}")
        click.echo(f"and open {address('http://127.0.0.1:5000', mirrored.experiment)}")
    elif uri.startswith("http"):
        click.echo(f"look at them: {address(uri, mirrored.experiment)}")
