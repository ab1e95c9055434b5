"""Commands that say what a grid will take, and fetch what it needs, before it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from .options import as_several_results, json_option, quiet_option
from .run import run
from .selected import selection_of, show

_OTHER = {"executor", "workers", "cells_file", "index", "slurm_file", "print_only", "dry_run", "tracking_uri"}
_OTHER |= {"quiet", "as_json", "wait", "ray_address", "isolate", "progress"}
_SELECTING = [parameter for parameter in run.params if parameter.name not in _OTHER]
"""The options of `run` that say which cells there are, and where their records lie."""


def _prices(context: click.Context, parameter: click.Parameter, text: str) -> dict[str, float]:
    """Return prices per hour from text such as cpu=0.05,gpu=2."""
    prices = {}
    for part in filter(None, text.split(",")):
        kind, _, price = part.partition("=")
        try:
            prices[kind.strip()] = float(price)
        except ValueError:
            raise ConfigError(f"--price {text!r}: expected prices per hour such as cpu=0.05,gpu=2") from None
        if kind.strip() not in ("cpu", "gpu") or not 0 <= prices[kind.strip()] < float("inf"):
            raise ConfigError(f"--price {text!r}: expected prices per hour such as cpu=0.05,gpu=2")
    return prices


@click.command(params=list(_SELECTING))
@click.option("--gpus", type=click.IntRange(min=0), default=None, help="GPUs to plan for.  [default: those here]")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Cells on CPUs at once.")
@click.option(
    "--memory",
    type=click.FloatRange(min=0),
    default=None,
    metavar="GIB",
    help="Memory of a machine.  [default: that here]",
)
@click.option("--gpu-memory", type=click.FloatRange(min=0), default=0.0, metavar="GIB", help="Memory of a GPU.")
@click.option("--price", "prices", default="", callback=_prices, metavar="cpu=X,gpu=Y", help="What an hour costs.")
@click.option(
    "--history",
    "histories",
    multiple=True,
    type=click.Path(),
    callback=as_several_results,
    metavar="DIR",
    help="Other results, whose records tell what cells take; repeatable.",
)
@click.option("--read-data", is_flag=True, help="Read the data, to count the tokens of networks.")
@click.option("--measure", is_flag=True, help="Also time one batch per length of each network without a record, here.")
@click.option(
    "--cells",
    "cells_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the missing cells here in bundles, for `run --cells FILE --index N` on any machines.",
)
@click.option("--bundle", type=float, default=60.0, show_default=True, metavar="MINUTES", help="Minutes of a bundle.")
@quiet_option
@json_option
def plan(
    results: Path,
    gpus: int | None,
    workers: int,
    memory: float | None,
    gpu_memory: float,
    prices: dict[str, float],
    histories: tuple[Path, ...],
    read_data: bool,
    measure: bool,
    cells_file: Path | None,
    bundle: float,
    quiet: bool,
    as_json: bool,
    **selected: Any,
) -> int:
    """Show what a run will take: the cells that are missing, each with its time, memory, tokens and price.

    Estimates come from records of the same cells or like ones, where there are any. Nothing is run, and no data or
    weights are read unless you ask for it. Exits with 1 where a cell cannot fit.

    \b
    Examples:
      baserate plan --suite quickstart
      baserate plan --suite fair --results results --history other_results --price cpu=0.05,gpu=2 --gpus 8
      baserate plan --suite quickstart --cells cells.json --bundle 30
    """
    from ..cluster.cells_file import CellsFile, in_bundles, variables
    from ..cluster.forecast import Machines, forecast

    here = Machines.here()
    where = Machines(
        workers,
        here.gpus if gpus is None else gpus,
        here.memory_mb if memory is None else 1024 * memory,
        1024 * gpu_memory,
        prices,
    )
    if bundle <= 0:
        raise ConfigError(f"--bundle {bundle}: expected minutes above 0")
    selection = selection_of(selected)
    found = forecast(selection, results, machines=where, histories=histories, read_data=read_data, measure=measure)
    shown = found.to_json()
    if cells_file is not None:
        bundles = in_bundles(found.cells, seconds=60 * bundle, gpus=where.gpus > 0)
        CellsFile(selection, bundles, results.absolute(), Path.cwd(), variables()).write(cells_file)
        shown |= {"cells_file": str(cells_file), "bundles": len(bundles)}
    return show(found, shown, quiet=quiet, as_json=as_json)


@click.command(params=[parameter for parameter in _SELECTING if parameter.name != "results"])
@quiet_option
@json_option
def prefetch(quiet: bool, as_json: bool, **selected: Any) -> int:
    """Fetch the data, genomes and weights of a run into the caches, once, before jobs without a network run it.

    The caches are those of HF_HOME, BASERATE_CACHE and BASERATE_GENOMES, in folders that all machines share. Exits with
    1 where something cannot be fetched; the rest is.

    \b
    Examples:
      baserate prefetch --suite quickstart
      baserate prefetch --task 'gue.*' --model InstaDeepAI/nucleotide-transformer-500m-human-ref
    """
    from ..cluster.prefetch import Fetched
    from ..cluster.prefetch import prefetch as fetch_all

    def say(one: Fetched) -> None:
        if one.error:
            click.echo(f"not fetched: {one.what} of {one.name}: {one.error}", err=True)
        elif not quiet and not as_json:
            click.echo(f"{one.what} of {one.name}: {one.seconds:.1f} s")

    found = fetch_all(selection_of(selected), say)
    if as_json:
        click.echo(json.dumps([vars(one) for one in found], indent=1))
    return 1 if any(one.error for one in found) else 0
