"""Commands that write a first version for the user to edit."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from .options import data_dir_option, quiet_option


def _names(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    """Return names that commas separate."""
    return [name.strip() for name in value.split(",")] if value else []


@click.group()
def new() -> None:
    """Write a card for your own data, or for a checkpoint of your own.

    \b
    Examples:
      baserate new task ./promoters.csv
      baserate new model ./my_checkpoint
    """


@new.command("task")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--genome", default="", help="FASTA file or registered genome, for intervals and variants.")
@click.option("--name", default="", help="The task's name.  [default: that of --out, else of FILE]")
@click.option("--out", type=click.Path(path_type=Path), help="The card to write.  [default: NAME.toml]")
@click.option("--target", "targets", multiple=True, help="The column of the label or measurement; repeatable.")
@click.option("--sequence", default="", help="The column of the DNA.")
@click.option("--reference", default="", help="The column of REF sequences, where each row has two sequences.")
@click.option("--alternate", default="", help="The column of ALT sequences.")
@click.option("--positive", default="", help="The positive one of two classes, where the names do not tell.")
@click.option("--drop-missing", is_flag=True, help="Leave out rows whose target is empty, NA or infinite.")
@click.option(
    "--replicates",
    default="",
    metavar="mean|grouped|columns",
    help="Rows of one input: their mean, or one group; several --target columns: their mean.",
)
@click.option(
    "--columns",
    default="",
    callback=_names,
    help="Names, separated by commas, of the columns of files without a header line.",
)
@click.option("--sheet", default="", help="The sheet of an .xlsx file, where several have tables.")
@click.option("--config", default="", help="The configuration of a data set on the hub.")
@click.option(
    "--deleterious/--not-deleterious",
    default=None,
    help="Whether the last class, or a higher value, is the more harmful variant, where the names do not tell.",
)
@click.option(
    "--negatives",
    default="",
    metavar="gc_matched|shuffled|flanking|random",
    help="Peaks alone: how to make negatives of them and --genome.",
)
@data_dir_option
@click.option("--force", is_flag=True, help="Overwrite an existing card.")
@quiet_option
def task(files: tuple[str, ...], name: str, out: Path | None, force: bool, quiet: bool, **choices: Any) -> None:
    """Write a commented task card for FILE: a table, FASTA, BED, GFF or VCF, several of them, a folder, a hub id.

    \b
    Columns are judged by a sample; then all rows are read and split, and the card is written if that works. No
    questions are asked: where the file leaves something open, one line names the option to give.

    \b
    Examples:
      baserate new task ./promoters.csv
      baserate new task ./pos.fa ./neg.fa
      baserate new task ./train.csv ./valid.csv ./test.csv
      baserate new task ./labelled.bed --genome hg38
      baserate new task ./peaks.bed --genome hg38.fa --negatives gc_matched
      baserate new task ./folder_of_train_dev_test
      baserate new task ./headerless.tsv --columns sequence,label
      baserate new task ./clinvar.vcf --genome hg38.fa --target significance --out clinvar.toml
    """
    from ..new_task import Choices, new_task
    from ..new_task.show import report
    from .display import activity_display

    with activity_display(quiet=quiet):
        card = new_task(files, Choices(**choices), name=name, out=out, force=force)
    if not quiet:
        click.echo(report(card) + "\n")
    path = shlex.quote(str(card.path) if card.path.is_absolute() else f"./{card.path}")
    click.echo(f"baserate check {path}\nbaserate run --task {path}")


@new.command("model")
@click.argument("folder")
@click.option("--force", is_flag=True, help="Overwrite an existing card.")
@quiet_option
def model(folder: str, force: bool, quiet: bool) -> None:
    """Write baserate.toml beside the config.json of a checkpoint FOLDER.

    \b
    It has what can be counted: parameters, tokenizer, context. What no file tells, above all what the model saw in
    pretraining, is left as comments to fill in. `baserate run` reads the file, so that the exposure of a model of
    your own is known. No weights are loaded, no code of the folder runs, and no pickle is read.

    \b
    Examples:
      baserate new model ./my_checkpoint
      baserate new model ./my_checkpoint --force
      baserate show ./my_checkpoint
    """
    from ..new_model import new_model

    card = new_model(folder, force=force)
    if not quiet:
        width = max((len(key) for key, _ in card.counted), default=0)
        lines = [f"{card.path}: counted in the folder's files", *(f"  {k.ljust(width)}  {v}" for k, v in card.counted)]
        click.echo("\n".join([*lines, "", f"To fill in: {', '.join(card.fill_in)}.", ""]))
    where = card.path.parent
    path = shlex.quote(str(where) if where.is_absolute() else f"./{where}")
    click.echo(f"baserate show {path}\nbaserate check {path}")
