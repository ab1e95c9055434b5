"""The card of a file of peaks: all rows are positives, and negatives are made of the genome."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from ..errors import ConfigError, DataError
from ..sources.intervals import read_genome
from ..sources.negatives import Negatives
from ..sources.peaks import Peaks
from .choices import Choices
from .columns import column_of
from .guess import find_places
from .roles import Guess, Roles
from .sample import Sample

CLASSES = ("background", "peak")
TOLERANCES = (0.02, 0.05, 0.1)
"""The tolerances of GC that are tried, in this order."""
LEFT_OUT = 0.1
"""The share of peaks without negatives up to which they are left out rather than refused."""

_WHAT: dict[str, str] = {
    "gc_matched": "windows of the same chromosome that are no peak, each with the GC and repeats of its peak",
    "shuffled": "each peak's dinucleotides in another order: k-mers of 3 bases or more tell them apart by construction",
    "flanking": "the nearest windows that are no peak, so much of their surroundings is the same",
    "random": "any windows of the same chromosome that are no peak: GC or repeats may tell them apart",
}


def peak_roles(sample: Sample, choices: Choices) -> Roles:
    """Return the roles of the columns of peaks, of which only the places are read. Raises ConfigError or DataError."""
    where, option = sample.reference, f"--negatives {choices.negatives}"
    if choices.negatives not in get_args(Negatives):
        raise ConfigError(f"{option}: expected one of {', '.join(get_args(Negatives))}")
    if choices.targets:
        raise ConfigError(f"{where}: {option} makes the classes, so --target {choices.targets[0]} is one too many")
    for given, name in ((choices.replicates, "--replicates"), (choices.drop_missing, "--drop-missing")):
        if given:
            raise ConfigError(f"{where}: {name}: peaks with {option} have no targets; leave it out")
    columns = {name: column_of(name, values) for name, values in sample.columns.items()}
    roles = Roles(sample, columns, form="intervals", classes=CLASSES)
    places = find_places(roles)
    if "end" not in places:
        raise DataError(f"{where}: {option} needs intervals: BED, or a table with chromosome, start and end")
    roles.taken |= {column.name: role for role, column in places.items()}
    for column in roles.free():
        if column.holds == "text" and 2 <= len(column.counts) <= min(20, len(sample) // 5):
            roles.notes.append(
                f"all rows are peaks, although {column.name!r} has {len(column.counts)} values: where these are the "
                f"classes, give --target {column.name} in place of --negatives"
            )
        roles.taken[column.name] = "unused"
    return roles


def peak_source(table: Sequence[Guess], roles: Roles, path: Path, genome: str, negatives: Any) -> list[Guess]:
    """Return the keys of [source] after `table`: which negatives, how many, and how much alike they can be.

    All negatives are drawn once to see. Raises DataError where too many peaks have none.
    """
    known = {g.key: g.value for g in table if g.key in ("width", "position_base", "stranded")}
    contigs = read_genome(genome, upper=False)
    tried: list[tuple[float, int]] = []
    n = 0
    for tolerance in TOLERANCES if negatives == "gc_matched" else TOLERANCES[:1]:
        source = Peaks(
            genome,
            str(path),
            kind="classification",
            classes=CLASSES,
            negatives=negatives,
            gc_tolerance=tolerance,
            sheet=roles.sample.sheet,
            **known,
        )
        drawn = source.draw(contigs)
        n, lost = len(drawn.starts), len(drawn.lacking)
        tried.append((tolerance, lost))
        if lost <= LEFT_OUT * n:
            break
    else:
        raise _too_few(path, negatives, tried, n, int(drawn.outside.sum()))
    tolerance, lost = tried[-1]
    out = [
        Guess("negatives", negatives, _WHAT[negatives]),
        Guess("ratio", source.ratio, "negatives for each peak, in its group and its cluster"),
        Guess("seed", source.seed, "of the draw"),
    ]
    if negatives == "gc_matched":
        before = "".join(f"; at {t:g}, {k:,} of {n:,} peaks have no such window" for t, k in tried[:-1])
        out.append(Guess("gc_tolerance", tolerance, f"how far a negative's share of G and C may be off{before}"))
        out.append(Guess("repeat_tolerance", source.repeat_tolerance, "the same of lower case, if the genome has any"))
    if negatives == "flanking":
        out.append(Guess("distance", source.distance, "bp between a peak and its negative, at least"))
    if lost:
        left = (
            f"{lost:,} of {n:,} peaks have no such negative" if lost > 1 else f"1 of {n:,} peaks has no such negative"
        )
        out.append(Guess("unmatched", "leave_out", left))
        roles.notes.append(f"{left} and {'are' if lost > 1 else 'is'} left out")
    return out


def _too_few(path: Path, negatives: str, tried: Sequence[tuple[float, int]], n: int, outside: int) -> DataError:
    tolerance, lost = tried[-1]
    loosest = f" within {tolerance:g} of their GC" if negatives == "gc_matched" else ""
    beyond = f", {outside:,} with a window beyond the contig's end" if outside else ""
    others = {"gc_matched": "flanking or shuffled", "flanking": "random or shuffled", "random": "shuffled"}
    advice = f"; --negatives {others.get(negatives, 'gc_matched')} asks for less" if lost > outside else ""
    return DataError(
        f"{path}: no negative ({negatives}) for {lost:,} of {n:,} peaks{loosest}{beyond}; up to {LEFT_OUT:.0%} are "
        f"left out{advice}"
    )
