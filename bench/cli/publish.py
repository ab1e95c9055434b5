"""The command that makes a site of records, or files for other boards."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from .options import RESULTS, as_folder, as_results, baseline_option, json_option, quiet_option, strata_option


@click.command()
@click.argument("results", type=click.Path(), callback=as_results, default=RESULTS)
@click.option("--out", type=click.Path(), callback=as_folder, help="The folder to write.  [default: site, or hub]")
@click.option(
    "--for",
    "place",
    type=click.Choice(["site", "hub"]),
    default="site",
    show_default=True,
    help="A site, or files for the Hugging Face Hub and catalogues of data.",
)
@click.option("--title", default="", metavar="TEXT", help="What the site or the set of results is called.")
@baseline_option
@strata_option
@click.option(
    "--dataset", default="", metavar="OWNER/NAME", help="With --for hub: the data set on the Hub that has the tasks."
)
@click.option("--url", default="", metavar="URL", help="With --for hub: where the results are shown.")
@json_option
@quiet_option
def publish(
    results: Path,
    out: Path | None,
    place: str,
    title: str,
    baseline: str,
    strata: tuple[str, ...],
    dataset: str,
    url: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make a site of records: static pages that open from a file and from any web host, without a network.

    With --for hub, make the files by which the Hugging Face Hub and catalogues of data show scores; none is uploaded.

    \b
    Examples:
      baserate publish results/
      baserate publish results/ --out site/ --title "Plant models, 2026"
      baserate publish results/ --for hub --dataset my-lab/genomics-tasks --url https://my-lab.org/results
    """
    from ..publish import publish as publish_
    from .display import activity_display

    if place == "hub":
        options = {"title": title, "baseline": baseline, "strata": strata, "dataset": dataset, "url": url}
        _for_hub(results, out or Path("hub"), options, as_json=as_json, quiet=quiet)
        return
    if dataset or url:
        raise ConfigError(f"{'--dataset' if dataset else '--url'} is of --for hub; add that, or leave it out")
    with activity_display(quiet=quiet or as_json):
        site = publish_(results, out or Path("site"), baseline=baseline, strata=strata, title=title)
    index = site.folder / "index.html"
    if as_json:
        click.echo(json.dumps({"index": str(index), "pages": site.pages, "bytes": site.size}))
    elif not quiet:
        click.echo(f"wrote {site.pages} pages, {site.size / 1e6:.1f} MB; open {index}")


def _for_hub(results: Path, out: Path, options: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    from ..publish import publish_hub
    from .display import activity_display

    if not options["dataset"]:
        raise ConfigError(
            "--for hub needs --dataset OWNER/NAME: the data set on the Hub that has, or will have, the tasks"
        )
    with activity_display(quiet=quiet or as_json):
        hub = publish_hub(results, out, **options)
    if as_json:
        scores = [{"model": e.row.model, "task_id": e.task_id, "run": e.cell.hash} for e in hub.entries]
        left_out = [asdict(each) for each in hub.left_out]
        click.echo(json.dumps({"folder": str(hub.folder), "scores": scores, "left_out": left_out}))
    elif not quiet:
        n, models = len(hub.entries), len({entry.row.model for entry in hub.entries})
        click.echo(f"wrote scores to {hub.folder}: {n} of {models} {'model' if models == 1 else 'models'}")
        for reason, n in Counter(each.reason for each in hub.left_out).items():
            click.echo(f"left out {n}: {reason}")
