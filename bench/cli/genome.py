"""Commands for reference genomes."""

from __future__ import annotations

import json

import click

from .options import json_option, quiet_option


@click.group()
def genome() -> None:
    """Register reference genomes, so that tasks can name them.

    \b
    Examples:
      baserate genome add hg38 https://hgdownload.soe.ucsc.edu/goldenPath/hg38/bigZips/hg38.fa.gz
      baserate genome list
    """


@genome.command("add")
@click.argument("name")
@click.argument("source", metavar="PATH|URL")
@click.option("--sha256", default="", help="Refuse a file with another SHA-256, packed or unpacked.")
@click.option("--truncated", is_flag=True, help="Accept chromosomes that are cut off at the end.")
@quiet_option
def add(name: str, source: str, sha256: str, truncated: bool, quiet: bool) -> None:
    """Register a FASTA file (.fa, .fa.gz, .fa.xz) as NAME: check it, index it, and unpack it if need be.

    \b
    Examples:
      baserate genome add hg38 https://hgdownload.soe.ucsc.edu/goldenPath/hg38/bigZips/hg38.fa.gz
      baserate genome add mine ./assembly.fa
    """
    from ..dna.genomes import add_genome
    from .display import activity_display

    with activity_display(quiet=quiet):
        known = add_genome(name, source, sha256=sha256, truncated=truncated)
    if known.note:
        click.echo(f"baserate: {known.note}", err=True)
    total = sum(known.contigs.values())
    click.echo(f"{known.name}: {len(known.contigs):,} contigs, {total:,} bp, sha256 {known.sha256}, in {known.path}")


@genome.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the registered genomes.

    \b
    Example:
      baserate genome list --json
    """
    from ..dna.genomes import genomes_dir, registered

    genomes = registered()
    if as_json:
        click.echo(json.dumps([known.to_json() for known in genomes], indent=1))
        return
    for known in genomes:
        total = sum(known.contigs.values())
        click.echo(f"{known.name}  {len(known.contigs):,} contigs  {total:,} bp  {known.path}  {known.note}".rstrip())
    if not genomes:
        click.echo(f"no genome in {genomes_dir()}: baserate genome add NAME PATH|URL")


@genome.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Forget a genome and remove its unpacked copy; your own FASTA file stays.

    \b
    Example:
      baserate genome remove hg38
    """
    from ..dna.genomes import remove_genome

    known = remove_genome(name)
    click.echo(f"removed {known.name} from {known.folder}")
