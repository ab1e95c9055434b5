"""The keys of [source]: the files of the examples, and how they are read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from ..errors import ConfigError, DataError
from ..sources.alleles import read_alleles
from ..sources.numbers import whole_number
from ..sources.strands import read_strands
from .choices import Choices
from .genome import check_genome
from .layout import Layout
from .parts import is_hub_id
from .peaks import peak_source
from .roles import Guess, Roles
from .sample import Sample

_WIDTH = 512


def file_source(sample: Sample, roles: Roles, path: Path, card: Path, choices: Choices) -> tuple[list[Guess], bool]:
    """Return the keys of [source] that name files, and whether the examples will have coordinates."""
    file, genome, negatives = _from_card(path, card), choices.genome, choices.negatives
    if roles.form == "sequences":
        if genome:
            raise ConfigError(f"--genome {genome!r}: not needed, {path} has sequences")
        return [Guess("table", file, _read(sample))], False
    if not genome:
        raise ConfigError(
            f"{path}: holds {roles.form}; name the FASTA file or the registered genome that they refer to with --genome"
        )
    check_genome(genome, sample.columns[_column(roles, "chrom")], str(path))
    where = Guess("genome", _from_card(Path(genome), card) if os.path.isfile(genome) else genome)  # noqa: PTH113
    if roles.form == "variants":
        width = Guess("width", _WIDTH, "bp of genome around each variant")
        refs, alts = (sample.columns[_column(roles, role)] for role in ("ref", "alt"))
        alleles = read_alleles(refs, alts, str(path), width=_WIDTH)
        roles.notes += [f"{line}; they are left out" for line in alleles.left_out()]
        start = _column(roles, "start")
        base = 0 if "start" in start.lower() else 1
        counted = (
            "judging by the name of the column"
            if "pos" not in start.lower()
            else "as in VCF; 0 if the first base is number 0"
        )
        bases = [] if sample.form == "vcf" else [Guess("position_base", base, counted)]
        return [where, Guess("variants", file, _read(sample)), width, *bases], True
    starts, ends = (sample.columns[_column(roles, role)] for role in ("start", "end"))
    widths = [_whole(e, path) - _whole(s, path) for s, e in zip(starts, ends, strict=True)]
    out = [where, Guess("peaks" if negatives else "bed", file, _read(sample))]
    if sample.form == "gff":
        out[-1] = replace(out[-1], reason=f"{out[-1].reason}; starts are counted from 0, as in BED")
    elif sample.form != "bed":
        out.append(
            Guess("position_base", 0, "0-based, half-open as in BED; 1 if start counts from 1 and end is included")
        )
    strand = next((column for column in roles.columns.values() if column.name.lower() == "strand"), None)
    if strand is not None and roles.taken[strand.name] == "strand":
        named = {"bed": "; name it in a header line if it is something else", "gff": ""}
        advice = named.get(sample.form, "; rename the column if it is something else")
        read_strands(sample.columns[strand.name], str(path), advice=advice)
    elif strand is not None:
        out.append(
            Guess("stranded", False, f"{strand.name!r} is the {roles.taken[strand.name]}; all is read along '+'")
        )
    if len(set(widths)) > 1:
        middle = int(median(widths))
        out.append(
            Guess(
                "width",
                middle,
                f"the median of {min(widths):,} to {max(widths):,} bp; one width, since length may reveal the target",
            )
        )
    if negatives:
        out += peak_source(out, roles, path, genome, negatives)
    return out, True


def reading(choices: Choices, samples: Sequence[Sample]) -> list[Guess]:
    """Return the keys of [source] that say how files are read: the names of columns, and the sheet of spreadsheets.

    Raises DataError where the tables are in sheets of several names.
    """
    out = [Guess("columns", list(choices.columns), "there is no header line")] if choices.columns else []
    sheets = list(dict.fromkeys(sample.sheet for sample in samples))
    if len(sheets) > 1:
        listed = ", ".join(name or "the first" for name in sheets)
        raise DataError(f"{samples[0].reference}: the sheets of the files differ, {listed}; give all the same name")
    reason = "given by --sheet" if choices.sheet else "the only sheet with a table"
    return out + ([Guess("sheet", sheets[0], reason)] if sheets[0] else [])


def files_source(layout: Layout, card: Path) -> list[Guess]:
    """Return the keys of [source] where several files have the rows."""
    out = [Guess("files", [_from_card(file, card) for file in layout.files])]
    if layout.labels:
        out.append(Guess("labels", list(layout.labels), "the class of all rows of each file, by its name"))
    if layout.parts:
        out.append(Guess("parts", list(layout.parts), "the part of all rows of each file, by its name"))
    return out


def parts_source(reference: str, card: Path, config: str, commit: str) -> list[Guess]:
    """Return the keys of [source] of a folder of parts, or of a data set on the hub, whose `commit` is pinned."""
    if not is_hub_id(reference):
        return [Guess("folder", _from_card(Path(reference), card), "one file per part")]
    out = [Guess("hub", reference)]
    if config:
        out.append(Guess("config", config))
    pinned = "pinned, so that no edit changes the task" if commit else "`main` may change: pin a commit"
    return [*out, Guess("revision", commit or "main", pinned)]


def _column(roles: Roles, role: str) -> str:
    return next(name for name, other in roles.taken.items() if other == role)


def _whole(text: str, path: Path) -> int:
    number = whole_number(text)
    if number is None:
        raise DataError(f"{path}: a start or end is {text!r}, expected a whole number")
    return number


def _read(sample: Sample) -> str:
    if sample.whole:
        return f"{sample.n:,} rows"
    return f"about {sample.n:,} rows, of which {len(sample):,} were read"


def _from_card(file: Path, card: Path) -> str:
    """Return the path for the card: relative where the file is in the card's folder or below, else absolute."""
    full, folder = file.resolve(), card.parent.resolve()
    return full.relative_to(folder).as_posix() if full.is_relative_to(folder) else str(full)
