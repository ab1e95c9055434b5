"""A commented task card, guessed from a data file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ..cards.task import task_card
from ..errors import BaserateError, ConfigError, DataError
from ..files import write_whole
from ..splits import load_split
from ..splits.homology import TooFewFamilies
from ..types import Task
from .card import card_text, to_fill_in
from .columns import Column
from .confirm import confirmed
from .genome import check_genome
from .guess import Guess, Roles, roles_of
from .parts import is_hub_id, read_parts, split_in_parts
from .sample import Sample, find_file, read_sample
from .split import at_random, propose_split

__all__ = ["NewTask", "new_task"]

_WIDTH = 512


@dataclass(frozen=True)
class NewTask:
    """A card that was written: its path, its text, the task that it declares, and the sample it was guessed from."""

    path: Path
    text: str
    task: Task
    sample: Sample
    columns: tuple[Column, ...]
    guesses: tuple[Guess, ...]
    notes: tuple[str, ...]
    fill_in: tuple[str, ...]


def new_task(
    reference: str,
    *,
    genome: str = "",
    name: str = "",
    out: Path | None = None,
    targets: Sequence[str] = (),
    sequence: str = "",
    config: str = "",
    force: bool = False,
) -> NewTask:
    """Return the card that was written for a data file, with every guess and its reason.

    `reference` may also be a folder with train, valid and test files, or ORG/NAME on the hub, where `config` names a
    configuration. `genome` is a FASTA file or a registered name, for intervals and variants. The card is written to
    `out`, or to NAME.toml in the working directory, whole or not at all. Raises DataError or ConfigError, in one line,
    where the file cannot be used, where a choice is open (naming the option that settles it), and where the card exists
    and `force` is not given.
    """
    path = Path(reference) if is_hub_id(reference) else find_file(reference)
    name = _name(name, path, out)
    target = out or Path(f"{name}.toml")
    if target.suffix != ".toml":
        raise ConfigError(f"{target}: the file of a card must end in .toml")
    if target.exists() and not force:
        raise ConfigError(f"{target} exists already; --force overwrites it, --out names another file")
    if is_hub_id(reference) or path.is_dir():
        sample, sizes, commit = read_parts(reference, config=config)
        roles = roles_of(sample, sequence=sequence, targets=targets)
        table = _parts_source(reference, target, config, commit)
        split = split_in_parts(roles, sizes)
    else:
        sample = read_sample(path)
        roles = roles_of(sample, sequence=sequence, targets=targets)
        table, placed = _source(sample, roles, path, target, genome)
        split = propose_split(roles, intervals=placed)
    task = _task(name, roles)
    source = [*table, *roles.guesses]

    def text(split: Sequence[Guess]) -> str:
        return card_text(source=str(path), card=str(target), task=task, table=source, split=split, unknown=True)

    split, notes = _write(text, split, target, reference, tried=not is_hub_id(reference))
    return NewTask(
        target,
        text(split),
        task_card(target),
        sample,
        tuple(roles.columns.values()),
        (*task, *source, *split),
        (*roles.notes, *notes),
        tuple(to_fill_in()),
    )


def _name(given: str, path: Path, out: Path | None) -> str:
    """Return the name of the task: as given, else that of the card's file, else that of the data file."""
    if given:
        if not re.fullmatch(r"\w[\w.-]*", given):
            raise ConfigError(f"--name {given!r}: expected letters, digits, '_', '-' and '.'")
        return given
    if out is not None:
        return re.sub(r"[^\w-]+", "_", out.stem).strip("_-") or "mine"
    stem = re.split(r"\.(?=[A-Za-z])", path.resolve().name)[0]
    return re.sub(r"\W+", "_", stem).strip("_").lower() or "mine"


def _task(name: str, roles: Roles) -> list[Guess]:
    column = roles.target
    kind = {
        "classification": f"{len(roles.classes)} classes",
        "multilabel": f"{len(roles.classes)} labels; a row may have several",
        "regression": "numbers",
        "paired": "two sequences per row and no target",
    }.get(roles.kind, "")
    if roles.kind == "regression" and column is not None and column.holds == "whole numbers":
        kind = f"{len(column.counts):,} different whole numbers; 'classification' if they are classes"
    out = [Guess("name", name), Guess("version", 1), Guess("kind", roles.kind, kind)]
    if roles.classes:
        last = "in this order; a high score means the last" if len(roles.classes) == 2 else ""
        out.append(Guess("classes", list(roles.classes), last if roles.kind == "classification" else ""))
    changed = roles.form == "variants" or "alternate" in roles.taken.values()
    if changed and roles.kind == "classification" and len(roles.classes) == 2:
        out.append(
            Guess("metrics", ["auroc", "auprc", "mcc"], "ranking metrics first: a zero-shot score has no classes")
        )
    content = f"{column.name} of {roles.sample.n:,} rows" if column is not None else f"{roles.sample.n:,} pairs"
    out.append(Guess("description", f"{name}: {content}.", "say in one sentence what is predicted from what"))
    return out


def _source(sample: Sample, roles: Roles, path: Path, card: Path, genome: str) -> tuple[list[Guess], bool]:
    """Return the keys of [source] that name files, and whether the examples will have coordinates."""
    file = _from_card(path, card)
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
    out = [where, Guess("bed", file, _read(sample))]
    if sample.form != "bed":
        out.append(
            Guess("position_base", 0, "0-based, half-open as in BED; 1 if start counts from 1 and end is included")
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
    return out, True


def _parts_source(reference: str, card: Path, config: str, commit: str) -> list[Guess]:
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
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{path}: a start or end is {text!r}, expected a whole number") from None


def _read(sample: Sample) -> str:
    if sample.whole:
        return f"{sample.n:,} rows"
    return f"about {sample.n:,} rows, of which {len(sample):,} were read"


def _from_card(file: Path, card: Path) -> str:
    """Return the path for the card: relative where the file is in the card's folder or below, else absolute."""
    full, folder = file.resolve(), card.parent.resolve()
    return full.relative_to(folder).as_posix() if full.is_relative_to(folder) else str(full)


def _write(
    text: Callable[[Sequence[Guess]], str], split: Sequence[Guess], path: Path, source: str, *, tried: bool
) -> tuple[list[Guess], list[str]]:
    """Return the keys of [split] and notes on them; the card is written only if its task loads.

    Where `tried`, the data are read and split: a card that could not be used is not written. Where families are too
    large to be held out whole, rows are split at random.
    """
    chosen: list[Guess] = list(split)
    notes: list[str] = []

    def loaded(beside: Path) -> None:
        nonlocal chosen, notes
        beside.write_text(text(chosen), encoding="utf-8")
        task = task_card(beside)
        if tried:
            chosen, notes = confirmed(chosen, task, load_split(task))
            beside.write_text(text(chosen), encoding="utf-8")

    def write(beside: Path) -> None:
        nonlocal chosen, notes
        try:
            try:
                loaded(beside)
            except TooFewFamilies as error:
                chosen, why = at_random(str(error))
                loaded(beside)
                notes.append(why)
        except BaserateError as error:
            message = str(error).replace(str(beside), str(path))
            raise DataError(message if source in message else f"{source}: {message}") from error

    try:
        write_whole(path, write)
    except (OSError, UnicodeEncodeError) as error:
        raise ConfigError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from error
    return chosen, notes
