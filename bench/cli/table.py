"""The command that makes tables of results, and how a run prints its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, DataError
from .options import RESULTS, as_folder, as_several_results, baseline_option, json_option, quiet_option, strata_option

if TYPE_CHECKING:
    from ..leaderboard import Leaderboard
    from ..records import Record


def make_table(
    records: list[Record],
    out: Path | None,
    *,
    quiet: bool,
    baseline: str = "",
    strata: tuple[str, ...] = (),
    plots: str = "png",
) -> tuple[Leaderboard, list[Path]]:
    """Return the leaderboard of records, and its files, which are written to `out`, if that is given."""
    from ..leaderboard import build_leaderboard, write_leaderboard
    from .display import activity_display

    with activity_display(quiet=quiet):
        table = build_leaderboard(records, baseline=baseline, strata=strata)
        return table, [] if out is None else write_leaderboard(table, out, plots=plots)


def show_table(table: Leaderboard, files: list[Path]) -> None:
    """Print the leaderboard, and where it was written."""
    from ..leaderboard import print_leaderboard

    print_leaderboard(table)
    wrote = "wrote " + ", ".join(str(file) for file in files)
    click.echo(wrote if files else "wrote nothing: several folders need --out FOLDER")


@click.command()
@click.argument("results", type=click.Path(), callback=as_several_results, nargs=-1, metavar="[RESULTS]...")
@click.option(
    "--out",
    type=click.Path(),
    callback=as_folder,
    help="The folder to write to [default: RESULTS, or none for several]; with --format the file [default: print].",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["markdown", "latex", "csv", "json", "html", "xlsx"]),
    help="Only the table, in one format: markdown and latex have blocks of five tasks, the winner first, and p-values.",
)
@click.option(
    "--plots",
    type=click.Choice(["png", "svg", "pdf"]),
    default="png",
    show_default=True,
    help="The format of the pictures.",
)
@baseline_option
@strata_option
@click.option(
    "--check-intervals", is_flag=True, help="Set each interval beside that of 10,000 draws of clusters: intervals.csv."
)
@json_option
@quiet_option
def leaderboard(
    results: tuple[Path, ...],
    out: Path | None,
    baseline: str,
    strata: tuple[str, ...],
    format_: str | None,
    plots: str,
    check_intervals: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Tabulate records: to the terminal, and as leaderboard.md, .csv, .json and plots.

    Records are found in RESULTS or, where it has none of its own, anywhere below. Of several folders a run that is
    in more than one counts once; where its results differ, it is named and there is no table.

    \b
    Examples:
      baserate leaderboard results/
      baserate leaderboard mine/ theirs/ --out both/
      baserate leaderboard results/ --out published/ --baseline kmer_logreg
      baserate leaderboard results/ --strata gc --strata species
      baserate leaderboard results/ --format latex --out table.tex
      baserate leaderboard results/ --plots pdf --out figures/
      baserate leaderboard results/ --check-intervals
    """
    from ..bundle import read_several
    from ..leaderboard import to_json

    folders = results or (RESULTS,)
    records = read_several(folders)
    if format_ is not None:
        if check_intervals or as_json:
            raise ConfigError("--format is for the table alone: leave out --json and --check-intervals")
        _print_formatted(records, format_, out, quiet=quiet, baseline=baseline, strata=strata)
        return
    to = out or (folders[0] if len(folders) == 1 else None)
    table, files = make_table(records, to, quiet=quiet or as_json, baseline=baseline, strata=strata, plots=plots)
    if as_json:
        click.echo(to_json(table), nl=False)
    elif not quiet:
        show_table(table, files)
    if check_intervals:
        _check_intervals(records, to, quiet=as_json or quiet)


def _print_formatted(
    records: list[Record], format: str, out: Path | None, *, quiet: bool, baseline: str, strata: tuple[str, ...]
) -> None:
    from ..leaderboard import FORMATS, build_leaderboard, write_formatted
    from .display import activity_display

    if out is None and format == "xlsx":
        raise ConfigError("--format xlsx is not text: name the file, as in --out table.xlsx")
    if out is not None and out.is_dir():
        raise ConfigError(f"--out {out}: a folder; with --format it is the file to write, such as {out / 'table'}")
    with activity_display(quiet=quiet or out is None):
        table = build_leaderboard(records, baseline=baseline, strata=strata)
    if out is None:
        click.echo(FORMATS[format](table), nl=False)
        return
    write_formatted(table, format, out)
    if not quiet:
        click.echo(f"wrote {out}")


def _check_intervals(records: list[Record], out: Path | None, *, quiet: bool) -> None:
    from ..files import write_whole
    from ..leaderboard.cross_check import check_intervals, to_csv
    from .display import activity_display
    from .proof import print_checked

    with activity_display(quiet=quiet):
        checked = check_intervals(records)
    file = None if out is None else out / "intervals.csv"
    try:
        if file is not None:
            write_whole(file, to_csv(checked))
    except OSError as error:
        raise DataError(f"cannot write {file}: {error.strerror}; choose another folder") from error
    if not quiet:
        print_checked(checked)
        if file is not None:
            click.echo(f"wrote {file}")
