"""The command line: it parses, resolves names to cards, calls the library and prints. It imports late."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import click

from .. import __version__
from ..errors import BaserateError, NoRecords, nearest
from ..threads import sleep_if_busy
from .audit import audit, resplit
from .compare import compare, gate
from .describe import describe
from .genome import genome
from .look import cache, check, doctor, list_, show
from .new import new
from .publish import publish
from .run import run
from .selftest import selftest
from .submit import bundle, merge, verify
from .table import leaderboard
from .track import track
from .training import pretrain


class _Group(click.Group):
    """A group that answers an unknown command with the nearest one."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command = super().get_command(ctx, name)
        if command is None and (near := nearest(name, self.commands)):
            raise click.UsageError(f"no such command {name!r}; did you mean {near[0]!r}?")
        return command


def main() -> None:
    """Run the command line; exit with 0 for success, 1 for failed cells or checks, 2 for a mistake of the caller."""
    sleep_if_busy()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # such as for a file name that is not UTF-8
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message())
    except BaserateError as error:
        _fail(str(error), 1 if isinstance(error, NoRecords) else 2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the same command continues where it stopped", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int = 2) -> None:
    click.echo(f"baserate: {' '.join(message.split())}", err=True)
    sys.exit(code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="baserate")
@click.option("--verbose", "-v", is_flag=True, help="Show the log on standard error.")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE.py",
    type=click.Path(path_type=Path),
    envvar="BASERATE_PLUGINS",
    help="First run a file of yours that registers a metric, a rule, a task... (BASERATE_PLUGINS); repeatable.",
)
@click.pass_context
def cli(context: click.Context, verbose: bool, plugins: tuple[Path, ...]) -> None:
    """What does a genomics foundation model add over the base rate?

    \b
    Examples:
      baserate run --suite quickstart          run a suite, resume it, print its leaderboard
      baserate run --task yeast_coding --model kmer_logreg --model cnn
      baserate run --task './mine.toml' --model './my_checkpoint'
      baserate list tasks                      list what there is
      baserate --plugin ./mine.py list         the same with your own file
      baserate doctor                          show what is missing, and how to fix it
    """
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, format="%(message)s")
    for noisy in ("matplotlib", "numba", "h5py", "urllib3", "git"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if plugins:
        from ..cards.own_files import plugins_run

        context.with_resource(plugins_run(plugins))


for command in (
    list_,
    show,
    check,
    audit,
    resplit,
    run,
    leaderboard,
    publish,
    track,
    pretrain,
    new,
    genome,
    cache,
    doctor,
    selftest,
    compare,
    gate,
    describe,
    bundle,
    merge,
    verify,
):
    cli.add_command(command)
