"""The command line: it parses, resolves names to cards, calls the library and prints. It imports late."""

from __future__ import annotations

import io
import logging
import signal
import sys
from pathlib import Path
from typing import NoReturn

import click

from .. import __version__
from ..errors import BaserateError, NoRecords, nearest
from ..storage import named
from ..threads import sleep_if_busy
from .audit import audit, resplit
from .cluster import plan, prefetch
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
from .watch import status


class _Group(click.Group):
    """A group that answers an unknown command with the nearest one."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command = super().get_command(ctx, name)
        if command is None and (near := nearest(name, self.commands)):
            raise click.UsageError(f"no such command {name!r}; did you mean {near[0]!r}?")
        return command


_WORD = 400
"""Letters of a word, such as a path, from which a message shows its start and its end."""


class _Terminated(KeyboardInterrupt):
    """The process was asked to end, as by a scheduler; it ends as after Ctrl-C."""


def _terminate(number: int, frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not end what puts things in order
    raise _Terminated


def main() -> None:
    """Run the command line and exit.

    The exit code is 0 for success, 1 for failed cells or checks, 2 for a mistake of the caller, 130 after Ctrl-C
    (SIGINT) and 143 after SIGTERM.
    """
    signal.signal(signal.SIGTERM, _terminate)
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
    except (click.Abort, KeyboardInterrupt) as error:
        terminated = isinstance(error, _Terminated) or isinstance(error.__cause__, _Terminated)
        how = "terminated" if terminated else "interrupted"
        click.echo(f"{how}; the same command continues where it stopped", err=True)
        sys.exit(143 if terminated else 130)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int = 2) -> None:
    message = named(message)
    line = " ".join(f"{w[:_WORD]}…{w[-40:]}" if len(w) > 2 * _WORD else w for w in message.split())
    click.echo(f"baserate: {line}", err=True)
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
    plan,
    prefetch,
    status,
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
