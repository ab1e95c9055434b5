"""Commands that report what is wrong with a task, and write a cleaned version of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, DataError
from ..files import write_whole
from .options import as_folder, data_dir_option, json_option, quiet_option

if TYPE_CHECKING:
    from ..audit import Audit

_STYLES = {"PASS": "green", "WARN": "yellow", "FAIL": "bold red", "NOTE": "dim"}
_SHOWN = 3


@click.command()
@click.argument("tasks", nargs=-1, required=True)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write all audits as one page.")
@click.option("--out", type=click.Path(), callback=as_folder, help="Write a .json and a .html per task here.")
@click.option("--fail-on-leak", is_flag=True, help="Exit with 1, and say why, where leakage is a FAIL.")
@click.option(
    "--cache/--no-cache", default=True, help="Cache audits on disk; one is made again when data or code change."
)
@data_dir_option
@quiet_option
@json_option
def audit(
    tasks: tuple[str, ...],
    html: Path | None,
    out: Path | None,
    fail_on_leak: bool,
    cache: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Look for leaks, conflicting labels, shortcuts and imbalance in tasks, yours or built in.

    \b
    Examples:
      baserate audit human_splice_sites
      baserate audit ./mine.toml --html audit.html --fail-on-leak
      baserate audit 'arabidopsis_*' yeast_coding --out audits
      baserate audit yeast_coding --json
    """
    from ..audit import audit as audit_
    from ..audit.page import to_html
    from ..cache.folder import cache_dir
    from ..cards.find import find_tasks
    from ..splits import load_split
    from .display import activity_display

    audits: list[Audit] = []
    not_audited: dict[str, str] = {}
    cards = find_tasks(tasks)
    for card in cards:
        with activity_display(quiet=quiet or as_json):
            try:
                audits.append(audit_(card, load_split(card, check=False), cache=cache_dir() if cache else None))
            except DataError as error:
                if len(cards) == 1:
                    raise
                not_audited[card.id] = str(error)
                continue
        if not (quiet or as_json):
            _print(audits[-1])
    if html:
        _write(html, to_html(audits))
    for one in audits if out else ():
        assert out is not None
        _write(out / f"{one.task}.json", json.dumps(one.to_json(), indent=1, allow_nan=False) + "\n")
        _write(out / f"{one.task}.html", to_html([one]))
    if as_json:
        click.echo(json.dumps([a.to_json() for a in audits], indent=1, allow_nan=False))
    elif len(audits) > 1 and not quiet:
        _print_all(audits)
    for name, reason in not_audited.items():
        click.echo(f"baserate: not audited: {name}: {reason}", err=True)
    failing = {a.task: [leak for leak in a.leaks if leak.startswith("FAIL")] for a in audits if fail_on_leak}
    leaking = {name: leaks for name, leaks in failing.items() if leaks}
    for name, leaks in leaking.items():
        click.echo(f"baserate: {name} leaks: {'; '.join(leaks)}", err=True)
    return 1 if leaking or not_audited else 0


@click.command()
@click.argument("task")
@click.option(
    "--out", type=click.Path(), callback=as_folder, required=True, help="A new folder for the card and its table."
)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    type=click.Choice(["identical", "conflicts", "groups", "overlaps", "relatives"]),
    help="What to remove from train and valid; repeatable.  [default: all]",
)
@click.option(
    "--split", type=click.Choice(["by_homology"]), help="Make a new split, by clusters of relatives, instead."
)
@data_dir_option
@json_option
def resplit(task: str, out: Path, rules: tuple[str, ...], split: str | None, as_json: bool) -> None:
    """Write a cleaned version of a task: a card and one table, as the next version, with a list of what was removed.

    \b
    Examples:
      baserate resplit ./mine.toml --out mine_v2
      baserate resplit ./mine.toml --out mine_v2 --rule identical --rule conflicts
      baserate resplit ./mine.toml --out mine_v2 --split by_homology
    """
    from ..audit.resplit import RULES
    from ..audit.resplit import resplit as resplit_
    from ..cards.find import find_tasks
    from ..splits import load_split

    cards = find_tasks([task])
    if len(cards) != 1:
        raise ConfigError(f"{task!r} names {len(cards)} tasks; resplit takes one")
    card = cards[0]
    cleaned = resplit_(card, load_split(card, check=False), out, rules=rules or RULES, anew=split == "by_homology")
    if as_json:
        click.echo(json.dumps(cleaned.to_json(), indent=1))
        return
    for line in cleaned.summary:
        click.echo(line)
    click.echo(f"wrote {cleaned.card}; next: baserate audit {cleaned.card}")


def _print(audit: Audit) -> None:
    """Print an audit, one finding per line, with some of the offending rows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..audit.finding import TOPICS

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    sizes = ", ".join(f"{n:,} {part}" for part, n in audit.sizes.items())
    console.print(Text.assemble((audit.verdict, _STYLES[audit.verdict]), "  ", (audit.task, "bold"), f"  {sizes}"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for topic, title in TOPICS.items():
        table.add_row("", Text(title, "bold"))
        for f in (f for f in audit.findings if f.topic == topic):
            line = Text(f.summary, "dim" if f.status == "NOTE" else "")
            if f.sampled:
                line.append(f"  ({f.sampled})", "dim")
            if f.status in ("WARN", "FAIL"):
                line.append(f"  [{f.threshold}]", "dim")
                for row in f.rows[:_SHOWN]:
                    other = f" = {row.other_part} {row.other}" if row.other else ""
                    line.append(f"\n  {row.part} {row.id}{other}  {row.note}", "dim")
                if f.n_rows > _SHOWN and f.rows:
                    line.append(f"\n  and {f.n_rows - _SHOWN:,} more: --json, --html", "dim")
            table.add_row(Text(f.status, _STYLES[f.status]), line)
    console.print(table, "")


def _print_all(audits: list[Any]) -> None:
    """Print the verdict of every task."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("task", "verdict", "worst reason"):
        table.add_column(name)
    for one in audits:
        reason = one.reasons[0] if one.reasons else "nothing found"
        table.add_row(one.task, Text(one.verdict, _STYLES[one.verdict]), Text(reason))
    console.print(table)


def _write(path: Path, text: str) -> None:
    """Write the file whole or not at all. Raises ConfigError where it cannot be written."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
