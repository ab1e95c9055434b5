"""The command that pretrains a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError
from .options import as_folder, quiet_option, uri_option

if TYPE_CHECKING:
    from ..cards.suite import Suite


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
@click.option(
    "--evaluate",
    "suite",
    help="Then run what this suite asks of a language model with each checkpoint, into OUT/results.",
)
@uri_option
@quiet_option
def pretrain(
    config: Path,
    out: Path,
    device: str,
    max_minutes: float | None,
    suite: str | None,
    tracking_uri: str | None,
    quiet: bool,
) -> None:
    """Pretrain a language model on FASTA, masked or causal: from a TOML file to a checkpoint in Hugging Face layout.

    \b
    Examples:
      baserate pretrain my_model.toml --out checkpoints/my_model
      baserate run --task human_splice_sites --model checkpoints/my_model
      baserate pretrain my_model.toml --out checkpoints/my_model --evaluate quickstart
      torchrun --nproc-per-node 4 --no-python baserate pretrain my_model.toml --out checkpoints/my_model
    """
    from ..cards.suite import load_suite
    from ..pretraining.processes import is_first
    from ..pretraining.train import checkpoints
    from ..pretraining.train import pretrain as pretrain_model
    from .display import activity_display

    asked = load_suite(suite) if suite else None
    quiet = quiet or not is_first()
    with activity_display(quiet=quiet):
        folder = pretrain_model(config, out, tracking_uri=tracking_uri, device=device, max_minutes=max_minutes)
    if asked is not None and is_first():
        _evaluate(checkpoints(config, folder), asked, folder / "results", quiet=quiet)
    if not quiet:
        click.echo(f"wrote {folder}; try it: baserate run --task human_splice_sites.small --model {folder}")


def _evaluate(folders: list[Path], suite: Suite, results: Path, *, quiet: bool) -> None:
    """Run the suite's cells of pretrained models with each checkpoint in their place."""
    from ..api import run
    from ..cards.model_file import MODEL_FILE
    from ..digests import canonical_json
    from ..new_model import new_model

    for folder in folders:
        if not (folder / MODEL_FILE).exists():  # its card says which DNA it saw
            new_model(str(folder))
    cells = [cell for cell in suite.cells if not cell.card.baseline and not cell.card.twin_of]
    if not cells:
        raise ConfigError(f"suite {suite.name!r} has no pretrained model whose place a checkpoint could take")
    alike = {canonical_json([cell.mode, dict(cell.settings)]): cell for cell in cells}
    for key, first in alike.items():
        tasks = {c.task.id: c.task for c in cells if canonical_json([c.mode, dict(c.settings)]) == key}
        run(
            list(tasks.values()),
            [str(folder) for folder in folders],
            first.mode,
            settings=first.settings,
            seeds=suite.seeds,
            results=results,
            progress=not quiet,
        )
    if not quiet:
        click.echo(f"records of {len(folders)} checkpoints: baserate leaderboard --results {results}")
