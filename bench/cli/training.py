"""The command that pretrains a model."""

from __future__ import annotations

from pathlib import Path

import click

from .options import as_folder, quiet_option, uri_option


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(), callback=as_folder, required=True, help="The checkpoint folder; a run in it is resumed."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:<index>.")
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after this time; the same command continues.",
)
@uri_option
@quiet_option
def pretrain(
    config: Path, out: Path, device: str, max_minutes: float | None, tracking_uri: str | None, quiet: bool
) -> None:
    """Pretrain a language model on FASTA, masked or causal: from a TOML file to a checkpoint in Hugging Face layout.

    \b
    Examples:
      baserate pretrain my_model.toml --out checkpoints/my_model
      baserate run --task human_splice_sites --model checkpoints/my_model
    """
    from ..pretraining.train import pretrain as pretrain_model
    from .display import activity_display

    with activity_display(quiet=quiet):
        folder = pretrain_model(config, out, tracking_uri=tracking_uri, device=device, max_minutes=max_minutes)
    if not quiet:
        click.echo(f"wrote {folder}; try it: baserate run --task human_splice_sites.small --model {folder}")
