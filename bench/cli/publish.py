"""The command that makes a site of records."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import as_folder, json_option, quiet_option
from .run import RESULTS


@click.command()
@click.argument("results", type=click.Path(), callback=as_folder, default=RESULTS)
@click.option(
    "--out", type=click.Path(), callback=as_folder, default=Path("site"), show_default=True, help="Folder of the site."
)
@click.option("--title", default="", metavar="TEXT", help="What the site is called.  [default: baserate]")
@click.option(
    "--baseline",
    default="",
    metavar="NAME",
    help="Take gains over this baseline, a model or MODEL:MODE, wherever it has a score. Name it before you look.",
)
@json_option
@quiet_option
def publish(results: Path, out: Path, title: str, baseline: str, as_json: bool, quiet: bool) -> None:
    """Make a site of records: static pages that open from a file and from any web host, without a network.

    \b
    Examples:
      baserate publish results/
      baserate publish results/ --out site/ --title "Plant models, 2026"
    """
    from ..publish import publish as publish_
    from .display import activity_display

    with activity_display(quiet=quiet or as_json):
        site = publish_(results, out, baseline=baseline, title=title)
    index = site.folder / "index.html"
    if as_json:
        click.echo(json.dumps({"index": str(index), "pages": site.pages, "bytes": site.size}))
    elif not quiet:
        click.echo(f"wrote {site.pages} pages, {site.size / 1e6:.1f} MB; open {index}")
