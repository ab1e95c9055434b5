"""The command that describes embeddings."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError
from .options import as_folder, data_dir_option, device_option, json_option, pickle_option, settings_from, trust_option

if TYPE_CHECKING:
    from ..describe import Description
    from ..results import Estimate


@click.command()
@click.option("--task", required=True, help="A task on whole sequences or variants, or a card.")
@click.option("--model", "models", multiple=True, help="A model that embeds, as for `run`; repeatable.")
@click.option("--random-weights", is_flag=True, help="Add the twin with random weights of every model named.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a setting of linear_probe, such as layer=[0,3,6] or pooling=max; repeatable.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=2000,
    show_default=True,
    help="Take so many test examples, 0 for all; the work grows with the square.",
)
@click.option(
    "--out",
    type=click.Path(),
    callback=as_folder,
    help="Also write description.json and a picture of two principal components, embeddings.png, here.",
)
@click.option("--cache/--no-cache", default=True, help="Take embeddings from the cache, and put them there.")
@data_dir_option
@device_option
@trust_option
@pickle_option
@json_option
def describe(
    task: str,
    models: tuple[str, ...],
    random_weights: bool,
    settings: tuple[str, ...],
    limit: int,
    out: Path | None,
    cache: bool,
    trusted: tuple[str, ...],
    allow_pickle: bool,
    as_json: bool,
) -> None:
    """Say what embeddings hold, without training on labels: rank, isotropy, classes, likeness to k-mers, strands.

    4-mer frequencies stand beside as the floor. Embeddings that a linear probe has computed are taken from the cache.

    \b
    Examples:
      baserate describe --task yeast_coding.small --model baserate_mlm --random-weights
      baserate describe --task human_splice_sites.small --model ./my_checkpoint --set 'layer=[1,3,6]' --out described
    """
    from ..describe import describe as described
    from ..describe.plot import plot_descriptions
    from ..files import write_whole
    from ..networks.hub import Access

    # What a model prints must not end up in the JSON.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        found = described(
            task,
            models,
            settings=settings_from(settings),
            random_weights=random_weights,
            limit=limit,
            cache=cache,
            access=Access(trusted, allow_pickle),
        )
    text = json.dumps([d.to_json() for d in found], indent=1, allow_nan=False)
    if out is not None:
        try:
            write_whole(out / "description.json", text + "\n")
            write_whole(out / "embeddings.png", lambda beside: plot_descriptions(found, beside, format="png"))
        except OSError as error:
            raise DataError(f"cannot write in {out}: {error.strerror}; choose another folder") from error
    if as_json:
        click.echo(text)
    else:
        print_descriptions(found)


def print_descriptions(found: list[Description]) -> None:
    """Print the measures, a column for each description, and why some have no value."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..describe import MEASURES

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # piped output has no right edge
    console.print(Text(f"{found[0].task}: embeddings of {found[0].n:,} test examples", "bold"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for each in found:
        about = "\n".join(f"{k} {each.settings[k]}" for k in ("layer", "pooling") if k in each.settings)
        table.add_column(Text("\n".join(filter(None, (each.model, about)))), justify="right")
    table.add_row("dimensions", *(str(d.dimensions) for d in found))
    for name, shown in MEASURES.items():
        table.add_row(shown, *(_text(d.measure(name)) for d in found))
    console.print(table)
    reasons = {f"{MEASURES[e.metric]}: {e.reason}" for d in found for e in d.measures if e.reason}
    for reason in sorted(reasons):
        console.print(Text(reason, "dim"))


def _text(e: Estimate) -> Any:
    if e.value is None:
        return "–"
    digits = ".1f" if e.metric == "rankme" else ".3f"
    interval = f" [{e.low:.3f}, {e.high:.3f}]" if e.low is not None and e.high is not None else ""
    return f"{e.value + 0.0:{digits}}{interval}"
