"""What the options of `run` select, for the commands that share them, and a plan of it on the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError
from .options import settings_from

if TYPE_CHECKING:
    from ..cluster.forecast import Forecast, Machines
    from ..cluster.selection import Selection


def selection_of(options: Mapping[str, Any]) -> Selection:
    """Return what the options of the command line select. Raises ConfigError for values that are none."""
    from ..cluster.selection import Selection

    if options["fail_on_leak"] and not options["audited"]:
        raise ConfigError("--fail-on-leak needs the audit that --no-audit leaves out")
    renamed = {
        "settings": settings_from(options["settings"]),
        "seeds": _seeds(options["seeds"]),
        "refuse_leaks": options["fail_on_leak"],
        "save_models": str(options["models_folder"] or ""),
        "reason": options["reason"].strip(),
    }
    same = {name: options[name] or default for name, default in _DEFAULTS.items()}
    return Selection(**same, **renamed, audited=options["audited"], cache=options["cache"])


_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("suite", "budget", "shots", "resample"), ""),
    **dict.fromkeys(("tasks", "models", "modes", "trusted"), ()),
    **dict.fromkeys(("limit", "replicates"), 0),
    **dict.fromkeys(
        ("random_weights", "allow_pickle", "check_strand", "check_reference", "fresh_versions", "lock"), False
    ),
}


def _seeds(text: str | None) -> tuple[int, ...]:
    try:
        seeds = tuple(int(s) for s in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(f"--seeds {text!r}: expected whole numbers such as 0,1,2") from None
    if len(set(seeds)) != len(seeds) or any(s < 0 for s in seeds):
        raise ConfigError(f"--seeds {text!r}: seeds must differ and not be negative")
    return seeds


def show_plan(selected: dict[str, Any], results: Path, *, workers: int, quiet: bool, as_json: bool) -> int:
    """Return the exit code of `run --dry-run`, which shows what `plan` does."""
    from ..cluster.forecast import Machines, forecast

    here = Machines.here()
    where = Machines(workers, here.gpus, here.memory_mb)
    found = forecast(selection_of(selected), results, machines=where)
    return show(found, found.to_json(), quiet=quiet, as_json=as_json)


def show(found: Forecast, shown: dict[str, Any], *, quiet: bool, as_json: bool) -> int:
    """Print a plan, and return the exit code: 1 where a cell cannot fit."""
    misfits = [row for row in shown["cells"] if row["misfit"]]
    if as_json:
        click.echo(json.dumps(shown, indent=1))
        return 1 if misfits else 0
    if not quiet:
        _print(shown, _totals(found, found.machines))
    for row in misfits:
        click.echo(f"cannot fit: {row['task']} · {row['model']} · {row['mode']}: {row['misfit']}", err=True)
    return 1 if misfits else 0


def _totals(found: Forecast, where: Machines) -> list[str]:
    lines = [f"{len(found.cells)} cells are missing, {found.done} are done before"]
    for kind, workers in (("cpu", where.cpus), ("gpu", where.gpus)):
        mine = [cell for cell in found.cells if where.kind(cell) == kind]
        if mine:
            price = sum(found.price(cell) or 0.0 for cell in mine)
            paid = f", price {price:,.2f}" if kind in where.prices else ""
            hours, until = found.seconds(kind) / 3600, found.hours(kind, workers)
            lines.append(f"{kind}: {len(mine)} cells, {hours:,.2f} h, {until:,.2f} h on {workers} at once{paid}")
    return lines


def _print(shown: Mapping[str, Any], totals: Sequence[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # piped output has no right edge
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("task", "model", "mode", "device", "seconds", "memory MiB", "tokens", "estimated from"):
        table.add_column(name, justify="right" if name in ("seconds", "memory MiB", "tokens") else "left")
    for row in shown["cells"]:
        mode = f"{row['mode']} (budget {row['budget']})" if "budget" in row else row["mode"]
        numbers = (f"{row['seconds']:,.1f}", f"{row['memory_mb']:,.0f}", f"{row['tokens'] or '–':}")
        table.add_row(*map(escape, (row["task"], row["model"], mode, row["device"], *numbers, row["source"])))
    if shown["cells"]:
        console.print(table, "")
    for line in totals:
        console.print(line)
    if "cells_file" in shown:
        console.print(f"wrote {shown['bundles']} bundles: baserate run --cells {shown['cells_file']} --index N, from 0")
