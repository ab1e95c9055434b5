"""Commands that show cards, checks, the installation and the cache."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import click

from ..errors import ConfigError
from .options import data_dir_option, json_option, pickle_option, quiet_option, results_option, trust_option


@click.command("list")
@click.argument(
    "what", type=click.Choice(["all", "tasks", "models", "checkpoints", "baselines", "suites"]), default="all"
)
@json_option
def list_(what: str, as_json: bool) -> None:
    """List tasks, models, published checkpoints, baselines and suites, and plugins that failed to load.

    \b
    Examples:
      baserate list
      baserate list tasks --json
      baserate list checkpoints
    """
    from ..cards.listing import listing, shortened
    from .display import print_listing

    chosen = listing(() if what == "all" else (what,))
    if as_json:
        click.echo(json.dumps(chosen, indent=1))
        return
    n = len(chosen.pop("checkpoints")) if what == "all" else 0
    if what == "all":
        chosen["tasks"] = shortened(chosen["tasks"])
    print_listing(chosen)
    if n:
        click.echo(f"{n} published checkpoints can be run by their id as well: baserate list checkpoints")


@click.command()
@click.argument("name")
@results_option
@data_dir_option
@json_option
def show(name: str, results: Path, as_json: bool) -> None:
    """Show the card of a task, model or suite, or the record of a run: its folder, or its hash.

    A record shows every setting, what was chosen on valid, each trial, the course of training and what it cost.

    \b
    Examples:
      baserate show human_splice_sites
      baserate show kmer_logreg --json
      baserate show results/yeast_coding@2/cnn.from_scratch.0a1b2c3d
    """
    from ..cards.listing import describe
    from .display import print_card
    from .record import find_record, print_record

    if (record := find_record(name, results)) is not None and record.path:
        click.echo((record.path / "record.json").read_text(), nl=False) if as_json else print_record(record)
        return
    card = describe(name)
    click.echo(json.dumps(card, indent=1)) if as_json else print_card(card)


@click.command()
@click.argument("names", nargs=-1, required=True)
@data_dir_option
@trust_option
@pickle_option
@json_option
@quiet_option
def check(names: tuple[str, ...], trusted: tuple[str, ...], allow_pickle: bool, as_json: bool, quiet: bool) -> int:
    """Check tasks and models, yours or built in, for what every table takes for granted.

    \b
    Examples:
      baserate check yeast_coding
      baserate check ./mine.toml ./my_checkpoint
    """
    from ..cache.folder import cache_dir
    from ..cards.find import find
    from ..checks import run_checks
    from ..networks.hub import Access
    from ..splits import load_split
    from ..types import Task
    from .display import print_check

    results = []
    access = Access(trusted, allow_pickle)
    # What a model prints must not end up in the JSON.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        for subject in [find(name, access) for name in names]:
            if isinstance(subject, Task):
                load_split(subject)  # so that what cannot be read is reported once, not by every check
            for result in run_checks(subject, cache=cache_dir()):
                results.append(result)
                if not as_json:
                    print_check(result, quiet=quiet)
    if as_json:
        click.echo(json.dumps([r.to_json() for r in results], indent=1))
    return 1 if any(r.status == "failed" for r in results) else 0


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Show versions, devices, caches and plugins, what is missing, and the command that fixes it.

    \b
    Example:
      baserate doctor --json
    """
    from ..doctor import examine
    from .display import print_findings

    findings = examine()
    click.echo(json.dumps([vars(f) for f in findings], indent=1)) if as_json else print_findings(findings)
    return 1 if any(f.status == "broken" for f in findings) else 0


@click.command()
@click.option("--clear", is_flag=True, help="Remove what the other options choose: all, if none is given.")
@click.option("--kind", help="Only this kind, such as outputs.")
@click.option("--model", help="Only the outputs of this model.")
@click.option(
    "--older-than", "days", type=click.FloatRange(min=0), help="Only what has not been used for this many days."
)
@json_option
def cache(clear: bool, kind: str | None, model: str | None, days: float | None, as_json: bool) -> None:
    """Show what is cached and how large it is, or remove it; what is removed is computed again when needed.

    \b
    Outputs of models take at most 20 GB, the least recently used are removed first; BASERATE_CACHE_GB sets the limit.

    \b
    Examples:
      baserate cache
      baserate cache --clear --kind outputs --older-than 30
      baserate cache --clear --model baserate_mlm
    """
    from ..cache import contents
    from ..cache.folder import cache_dir
    from .display import print_cache

    folder = cache_dir()
    if clear:
        freed = contents.clear(folder, kind=kind, model=model, older_than_days=days)
        click.echo(json.dumps({"freed": freed}) if as_json else f"freed {freed / 1e6:,.1f} MB of {folder}")
        return
    if kind or model or days is not None:
        raise ConfigError("--kind, --model and --older-than choose what --clear removes")
    kinds, entries = contents.kinds(folder), contents.entries(folder)
    if as_json:
        content = {"folder": str(folder), "kinds": [vars(k) for k in kinds], "outputs": [vars(e) for e in entries]}
        click.echo(json.dumps(content, indent=1))
    else:
        print_cache(folder, kinds, entries)
