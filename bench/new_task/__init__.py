"""A commented task card, guessed from a data file."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ..cards.task import task_card
from ..errors import BaserateError, ConfigError, DataError
from ..files import write_whole
from ..sources.alleles import read_alleles
from ..sources.numbers import whole_number
from ..sources.strands import read_strands
from ..splits import load_split
from ..splits.homology import TooFewFamilies
from ..types import Task
from .card import card_text, to_fill_in
from .columns import Column
from .confirm import confirmed
from .direction import direction_of
from .genome import check_genome
from .guess import roles_of
from .layout import Layout, classes_in_files, data_files, layout_of
from .measured import propose_transform
from .parts import is_hub_id, read_parts, split_in_parts
from .peaks import peak_roles, peak_source
from .roles import Guess, Roles
from .sample import Sample, find_file, joined_sample, read_sample
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
    reference: str | Sequence[str],
    *,
    genome: str = "",
    name: str = "",
    out: Path | None = None,
    targets: Sequence[str] = (),
    sequence: str = "",
    pair: tuple[str, str] = ("", ""),
    positive: str = "",
    drop_missing: bool = False,
    replicates: str = "",
    config: str = "",
    columns: Sequence[str] = (),
    deleterious: bool | None = None,
    negatives: str = "",
    force: bool = False,
) -> NewTask:
    """Return the card that was written for a data file, with every guess and its reason.

    `reference` may also be several files, or a folder of them, whose names say the class or the part of their rows, a
    folder with train, valid and test files, or ORG/NAME on the hub, where `config` names a configuration. `columns`
    names the columns of files without a header line. `sequence`, `targets` and the `pair` of REF and ALT name columns,
    `positive` the class that comes last of two; with `drop_missing` rows without a target are left out, and
    `replicates` is what the rows, or target columns, that measure one input become. `genome` is a
    FASTA file or a registered name, for intervals and variants. With `negatives`, one of
    `sources.negatives.NEGATIVES`, all intervals are peaks and negatives are made of the genome. `deleterious` says
    whether the last class, or a higher value, is the more harmful variant, where the names do not tell. The card is
    written to `out`, or to NAME.toml in the working directory, whole or not at all. Raises DataError or ConfigError, in
    one line, where the file cannot be used, where a choice is open (naming the option that settles it), and where the
    card exists and `force` is not given.
    """
    references = [reference] if isinstance(reference, str) else list(reference)
    first, on_hub = references[0], len(references) == 1 and is_hub_id(references[0])
    path = Path(first) if on_hub else find_file(first)
    layout = None if on_hub else _layout([path, *map(find_file, references[1:])])
    name = _name(name, path if layout is None or len(references) == 1 else path.resolve().parent, out)
    target = out or Path(f"{name}.toml")
    if target.suffix != ".toml":
        raise ConfigError(f"{target}: the file of a card must end in .toml")
    if target.exists() and not force:
        raise ConfigError(f"{target} exists already; --force overwrites it, --out names another file")
    named = functools.partial(
        roles_of,
        sequence=sequence,
        targets=targets,
        pair=pair,
        positive=positive,
        drop_missing=drop_missing,
        replicates=replicates,
    )
    if negatives and (replicates or drop_missing):
        option = "--replicates" if replicates else "--drop-missing"
        raise ConfigError(f"{first}: {option}: peaks with --negatives {negatives} have no targets; leave it out")
    if negatives and (layout is not None or on_hub or path.is_dir()):
        raise ConfigError(f"{first}: --negatives {negatives} needs one file of intervals")
    if layout is not None:
        given = {key: values for key, values in (("label", layout.labels), ("part", layout.parts)) if values}
        samples = [read_sample(file, columns) for file in layout.files]
        sample = joined_sample(samples, given, " ".join(references))
        roles = named(sample)
        if roles.form != "sequences" or any(s.form != "table" for s in samples):
            raise DataError(f"{first}: of several files each must be a table of sequences or FASTA")
        table = _files_source(layout, target, columns)
        split = propose_split(roles, intervals=False)
    elif on_hub or path.is_dir():
        sample, sizes, commit = read_parts(first, config=config)
        roles = named(sample)
        table = _parts_source(first, target, config, commit)
        split = split_in_parts(roles, sizes)
    else:
        sample = read_sample(path, columns)
        if negatives:
            roles = peak_roles(sample, negatives, targets)
        else:
            roles = named(sample)
        table, placed = _source(sample, roles, path, target, genome, negatives)
        if columns:
            table.append(Guess("columns", list(columns), "the file has no header line"))
        split = propose_split(roles, intervals=placed)
    direction = _direction(roles, first, deleterious)
    task = _task(name, roles, direction)
    source = [*table, *roles.guesses]

    def text(split: Sequence[Guess]) -> str:
        return card_text(source=sample.reference, card=str(target), task=task, table=source, split=split, unknown=True)

    split, notes = _write(text, split, target, first, tried=not on_hub)
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


def _direction(roles: Roles, reference: str, given: bool | None) -> list[Guess]:
    """Return the key that says which variants are the more harmful, and put the classes in this order.

    Raises ConfigError where it is `given` of a task without variants.
    """
    changed = roles.form == "variants" or "alternate" in roles.taken.values()
    if roles.kind == "paired" or not changed or len(roles.classes) > 2 or roles.target is None:
        if given is not None:
            option = "--deleterious" if given else "--not-deleterious"
            raise ConfigError(f"{option}: {reference} asks for no direction of variants; leave the option out")
        return []
    direction = direction_of(roles.target.name, roles.classes, given=given)
    roles.classes = direction.classes
    if direction.deleterious is not None:
        return [Guess("deleterious", direction.deleterious, direction.reason)]
    last = f"{roles.classes[1]!r}" if roles.classes else f"a higher {roles.target.name!r}"
    roles.notes.append(
        f"the names do not tell which variants are the more harmful, so zero-shot scores will not be ranked; if {last} "
        "is, add --deleterious, if it is the less harmful, --not-deleterious"
    )
    return []


def _task(name: str, roles: Roles, direction: list[Guess]) -> list[Guess]:
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
    out += direction
    changed = roles.form == "variants" or "alternate" in roles.taken.values()
    if changed and roles.kind == "classification" and len(roles.classes) == 2:
        out.append(
            Guess("metrics", ["auroc", "auprc", "mcc"], "ranking metrics first: a zero-shot score has no classes")
        )
    if roles.kind == "regression":
        out += propose_transform([c for c in roles.columns.values() if roles.taken.get(c.name) == "target"])
    content = f"{roles.sample.n:,} pairs" if roles.kind == "paired" else f"{roles.sample.n:,} peaks and their negatives"
    if column is not None:
        content = f"{column.name} of {roles.sample.n:,} rows"
    out.append(Guess("description", f"{name}: {content}.", "say in one sentence what is predicted from what"))
    return out


def _source(
    sample: Sample, roles: Roles, path: Path, card: Path, genome: str, negatives: str
) -> tuple[list[Guess], bool]:
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
    if sample.form != "bed":
        out.append(
            Guess("position_base", 0, "0-based, half-open as in BED; 1 if start counts from 1 and end is included")
        )
    strand = next((column for column in roles.columns.values() if column.name.lower() == "strand"), None)
    if strand is not None and roles.taken[strand.name] == "strand":
        named = "name it in a header line" if sample.form == "bed" else "rename the column"
        read_strands(sample.columns[strand.name], str(path), advice=f"; {named} if it is something else")
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


def _layout(paths: Sequence[Path]) -> Layout | None:
    """Return what the names of several files, or of those in a folder, say; None for a file or a folder of parts."""
    if len(paths) > 1:
        return layout_of(paths)
    (path,) = paths
    if not path.is_dir():
        return None
    files = data_files(path)
    if len(files) < 2 or not classes_in_files(files):
        return None
    return layout_of(files)


def _files_source(layout: Layout, card: Path, columns: Sequence[str]) -> list[Guess]:
    out = [Guess("files", [_from_card(file, card) for file in layout.files])]
    if layout.labels:
        out.append(Guess("labels", list(layout.labels), "the class of all rows of each file, by its name"))
    if layout.parts:
        out.append(Guess("parts", list(layout.parts), "the part of all rows of each file, by its name"))
    return out + ([Guess("columns", list(columns), "the files have no header line")] if columns else [])


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
