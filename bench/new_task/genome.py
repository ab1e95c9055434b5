"""The genome of a new card, looked at when the card is written: it is there, and has the contigs of the rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..dna.fasta import SUFFIXES, Bases
from ..dna.genomes import is_name
from ..errors import BaserateError, ConfigError, nearest
from ..sources.intervals import read_genome
from ..unpack import PACKED

_ROWS = 1000
"""Rows whose contigs are looked up; those of all rows are when the examples are read."""


def check_genome(reference: str, contigs: Sequence[str], where: str) -> None:
    """Raise ConfigError, with the nearest name, unless the genome can be read and has the contigs of the first rows.

    `contigs` are those of the rows of the file `where`.
    """
    is_file = os.path.isfile(reference)  # noqa: PTH113 - Path raises for what cannot be a path
    if not is_file and (fault := _not_there(reference)):
        raise ConfigError(f"--genome {reference}: {fault}")
    try:
        genome = read_genome(reference)
    except (BaserateError, OSError) as error:
        message = str(error).removeprefix(f"{reference}: ")
        near = [] if is_file or "did you mean" in message else nearest(reference, [f.name for f in _files(Path())])
        raise ConfigError(f"--genome {reference}: {message}{_meant(near)}") from error
    for row, name in enumerate(contigs[:_ROWS], 1):
        if name not in genome:
            raise ConfigError(
                f"--genome {reference}: no contig {name!r}, as in row {row} of {where}; {_others(name, genome)}"
            )


def _not_there(reference: str) -> str:
    """Return why a reference that is no file can be no genome either, with what it may have meant; '' if it can be."""
    if os.path.isdir(reference):  # noqa: PTH112
        return "is a folder" + _meant(_files(Path(reference))[:1]) + "; expected a FASTA file, or a registered genome"
    if is_name(reference):
        return ""
    if ":" in reference[2:]:
        return ""  # of an installed package, or of the hub
    folder = Path(reference).parent
    near = nearest(Path(reference).name, [file.name for file in _files(folder)])
    return "no such file" + _meant([folder / near[0]] if near else [])


def _files(folder: Path) -> list[Path]:
    """Return the FASTA files in a folder; none where it cannot be read."""
    endings = tuple(suffix + packed for suffix in SUFFIXES for packed in ("", *PACKED))
    try:
        return [file for file in sorted(folder.iterdir()) if file.name.lower().endswith(endings) and file.is_file()]
    except (OSError, ValueError):
        return []


def _meant(names: Sequence[object]) -> str:
    return f"; did you mean {str(names[0])!r}?" if names else ""


def _others(name: str, genome: Mapping[str, Bases]) -> str:
    """Return what contigs there are, with the one that is nearest to the missing one."""
    known = list(genome)
    more = f" and {len(known) - 4:,} more" if len(known) > 4 else ""
    near = nearest(name, known)
    return (f"the nearest is {near[0]!r}, " if near else "") + f"it has {', '.join(known[:4])}{more}: another assembly?"
