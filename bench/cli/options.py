"""Options that several commands share."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
trust_option = click.option(
    "--trust-remote-code",
    "trusted",
    multiple=True,
    metavar="MODEL@REVISION",
    help="Run the model's own code, which you have read at that revision; repeatable.",
)
pickle_option = click.option("--allow-pickle", is_flag=True, help="Read pickled weights where nothing else is there.")
uri_option = click.option(
    "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow server or store; 'none' for no copy. [default: sqlite]"
)
