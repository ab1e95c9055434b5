"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from ..storage import is_url

RESULTS = Path("results")
"""Where records are unless a command is given another place."""
_DATA_DIR = "BASERATE_DATA_DIR"
_RAY = "RAY_ADDRESS"


def as_folder(context: click.Context, parameter: click.Parameter, value: str | Path | None) -> Path | None:
    """Return the folder to write to, where ~ at its start is your home. Raises ConfigError for what cannot be one.

    These are a URI, a home that is not there and a name that no file system takes. The shell leaves the ~ of
    --results=~/x as it is.
    """
    if value is None:
        return None
    if not str(value):
        raise ConfigError(f"{(parameter.opts or ['folder'])[0]} is empty; expected a folder, such as '.' for this one")
    if is_url(value):
        raise ConfigError(f"{value}: expected a folder of this machine; write to one, then copy it")
    try:
        folder = Path(value).expanduser()
        folder.exists()  # which raises for a name that is too long
    except RuntimeError:
        raise ConfigError(f"{value}: there is no such home; write ./{value} for a folder of that name") from None
    except OSError as error:
        raise ConfigError(f"{value}: cannot be a folder ({error.strerror})") from None
    return folder


def as_results(context: click.Context, parameter: click.Parameter, value: str | Path | None) -> Path | None:
    """Return the folder of results, or the bundle, as `as_folder` does; for a URL the copy of what is there.

    That is drawn as it is fetched, unless --quiet or --json was given.
    """
    if not is_url(value):
        return as_folder(context, parameter, value)
    from ..storage import local
    from .display import activity_display

    quiet = any(context.params.get(name) for name in ("quiet", "as_json"))
    with activity_display(quiet=quiet):
        return local(str(value))


def as_several_results(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the folders of results or bundles to read, as `as_results` does one."""
    found = [as_results(context, parameter, value) for value in values]
    return tuple(path for path in found if path is not None)


def as_file(context: click.Context, parameter: click.Parameter, value: str | Path) -> str | Path | None:
    """Return the file to write, or its URL."""
    return value if is_url(value) else as_folder(context, parameter, value)


def _search_first(context: click.Context, parameter: click.Parameter, folders: tuple[Path, ...]) -> None:
    """Put the folders before those of BASERATE_DATA_DIR, for this command and the processes that it starts."""
    if folders:
        before = os.environ.get(_DATA_DIR, "")
        paths = [str(folder.resolve()) for folder in folders]
        os.environ[_DATA_DIR] = os.pathsep.join([*paths, *filter(None, [before])])
        context.call_on_close(lambda: os.environ.update({_DATA_DIR: before}))


baseline_option = click.option(
    "--baseline",
    default="",
    metavar="NAME",
    help="Take gains over this baseline, a model or MODEL:MODE, wherever it has a score. Name it before you look.",
)
strata_option = click.option(
    "--strata",
    multiple=True,
    metavar="COLUMN",
    help="Add the primary score in each stratum of a column: gc, length, or one of the task's; repeatable.",
)
data_dir_option = click.option(
    "--data-dir",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    callback=_search_first,
    expose_value=False,
    help="Look here for copies of data before fetching them (BASERATE_DATA_DIR); repeatable.",
)


def _use_device(context: click.Context, parameter: click.Parameter, name: str | None) -> None:
    """Let networks run on the device, for this command and the processes that it starts."""
    if name is None:
        return
    from ..networks.training import pick_device
    from ..provenance import DEVICE

    pick_device(name)
    before = os.environ.get(DEVICE, "")
    os.environ[DEVICE] = name
    context.call_on_close(lambda: os.environ.update({DEVICE: before}))


device_option = click.option(
    "--device",
    callback=_use_device,
    expose_value=False,
    help="Where networks run: cpu, cuda or cuda:1 (BASERATE_DEVICE).  [default: a GPU if there is one]",
)


def _use_ray(context: click.Context, parameter: click.Parameter, address: str | None) -> None:
    """Let the executor 'ray' join the cluster at the address, for this command."""
    if address is not None:
        before = os.environ.get(_RAY, "")
        os.environ[_RAY] = address
        context.call_on_close(lambda: os.environ.update({_RAY: before}))


ray_option = click.option(
    "--ray-address",
    callback=_use_ray,
    expose_value=False,
    help="Join this cluster with --executor ray, such as auto or ray://HOST:10001 (RAY_ADDRESS).  [default: one here]",
)
results_option = click.option(
    "--results",
    type=click.Path(),
    callback=as_results,
    default=RESULTS,
    show_default=True,
    help="Where records are: a folder, or the URL of one in a store, such as s3://bucket/results.",
)
# Eager: what reads results from a store has to know of them.
json_option = click.option("--json", "as_json", is_flag=True, is_eager=True, help="Print JSON instead of text.")
quiet_option = click.option("--quiet", "-q", is_flag=True, is_eager=True, help="Print errors only.")
trust_option = click.option(
    "--trust-remote-code",
    "trusted",
    multiple=True,
    metavar="MODEL@REVISION",
    help="Run the model's own code, which you have read at that revision; repeatable.",
)
pickle_option = click.option("--allow-pickle", is_flag=True, help="Read pickled weights where there are no others.")
uri_option = click.option(
    "--tracking-uri",
    "--server",
    "tracking_uri",
    envvar="MLFLOW_TRACKING_URI",
    help="MLflow server or store; 'none' for no copy. [default: sqlite]",
)


def settings_from(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings of --set: a value is true, false or a Python literal where it reads as one, else text."""
    import ast

    out: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigError(f"--set {pair!r}: expected NAME=VALUE, such as layer=3")
        if name in out:
            raise ConfigError(f"--set {pair!r}: {name} is set already, to {out[name]!r}")
        try:
            out[name] = ast.literal_eval({"true": "True", "false": "False"}.get(value, value))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            out[name] = value
    return out
