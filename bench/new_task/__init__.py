"""A commented task card, guessed from a data file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..cards.task import task_card
from ..errors import ConfigError, DataError
from ..types import Task
from .alternatives import alternatives
from .card import card_text, to_fill_in
from .choices import Choices
from .columns import Column
from .guess import roles_of
from .heading import direction_keys, heading
from .layout import Layout, find_layout
from .parts import is_hub_id, read_parts, split_in_parts
from .peaks import peak_roles
from .roles import Guess, Roles
from .sample import Sample, find_file, joined_sample, read_sample
from .source import file_source, files_source, parts_source, reading
from .split import propose_split, row_by_row
from .write import write_card

__all__ = ["Choices", "NewTask", "new_task"]


@dataclass(frozen=True)
class NewTask:
    """A card that was written: its path, its text, the task that it declares, and the sample it was guessed from.

    `taken` is the role of each column that has one, `alternatives` are what else each column could be, by its name.
    """

    path: Path
    text: str
    task: Task
    sample: Sample
    columns: tuple[Column, ...]
    taken: Mapping[str, str]
    alternatives: Mapping[str, tuple[str, ...]]
    guesses: tuple[Guess, ...]
    notes: tuple[str, ...]
    fill_in: tuple[str, ...]


@dataclass(frozen=True)
class _Look:
    """What a look at the data gives: the roles of the columns, and the keys of [source] and [split]."""

    roles: Roles
    source: list[Guess]
    split: list[Guess]


def new_task(
    files: str | Sequence[str],
    choices: Choices = Choices(),  # noqa: B008 - frozen
    *,
    name: str = "",
    out: Path | None = None,
    force: bool = False,
) -> NewTask:
    """Return the card that was written for data, with every guess and its reason.

    `files` is a file, several files or a folder of them whose names say the class or the part of their rows, a folder
    with train, valid and test files, or ORG/NAME on the hub. `choices` settles what would be guessed. The task is
    called `name`, and its card is written to `out`, or to NAME.toml in the working directory, whole or not at all.
    Raises DataError or ConfigError, in one line, where a file cannot be used, where a choice is open (naming the
    option that settles it), and where the card exists and `force` is not given.
    """
    references = [files] if isinstance(files, str) else list(files)
    first, on_hub = references[0], len(references) == 1 and is_hub_id(references[0])
    path = Path(first) if on_hub else find_file(first)
    layout = None if on_hub else find_layout([path, *map(find_file, references[1:])])
    name = _name(name, path if layout is None or len(references) == 1 else path.resolve().parent, out)
    card = out or Path(f"{name}.toml")
    if card.suffix != ".toml":
        raise ConfigError(f"{card}: the file of a card must end in .toml")
    if card.exists() and not force:
        raise ConfigError(f"{card} exists already; --force overwrites it, --out names another file")
    in_parts = layout is None and (on_hub or path.is_dir())
    if choices.negatives and (layout is not None or in_parts):
        raise ConfigError(f"{first}: --negatives {choices.negatives} needs one file of intervals")
    if layout is not None:
        look = _look_at_files(layout, references, card, choices)
    else:
        look = _look_at_parts(first, card, choices) if in_parts else _look_at_file(path, card, choices)
    roles = look.roles
    direction = direction_keys(roles, first, choices.deleterious)
    head = heading(name, roles, direction)

    def text(split: Sequence[Guess]) -> str:
        where = roles.sample.reference
        by_column = any(guess.key == "column" for guess in split)
        source = [*look.source, *roles.guesses]
        table = [g if by_column or g.key != "strata" else replace(g, reason="") for g in source]
        return card_text(source=where, card=str(card), task=head, table=table, split=split, unknown=True)

    split, notes = write_card(text, look.split, card, first, tried=not on_hub, row_by_row=lambda: row_by_row(roles))
    return NewTask(
        card,
        text(split),
        task_card(card),
        roles.sample,
        tuple(roles.columns.values()),
        roles.taken,
        alternatives(roles),
        (*head, *look.source, *roles.guesses, *split),
        (*roles.notes, *notes),
        tuple(to_fill_in()),
    )


def _look_at_file(path: Path, card: Path, choices: Choices) -> _Look:
    """Return what one file of sequences, intervals or variants gives."""
    sample = read_sample(path, choices.columns, choices.sheet)
    roles = peak_roles(sample, choices) if choices.negatives else roles_of(sample, choices)
    source, placed = file_source(sample, roles, path, card, choices)
    source += reading(choices, [sample])
    return _Look(roles, source, propose_split(roles, intervals=placed))


def _look_at_files(layout: Layout, references: Sequence[str], card: Path, choices: Choices) -> _Look:
    """Return what several files give, whose names say the class or the part of their rows."""
    given = {key: values for key, values in (("label", layout.labels), ("part", layout.parts)) if values}
    samples = [read_sample(file, choices.columns, choices.sheet) for file in layout.files]
    roles = roles_of(joined_sample(samples, given, " ".join(references)), choices)
    if roles.form != "sequences" or any(sample.form != "table" for sample in samples):
        raise DataError(f"{references[0]}: of several files each must be a table of sequences or FASTA")
    source = [*files_source(layout, card), *reading(choices, samples)]
    return _Look(roles, source, propose_split(roles, intervals=False))


def _look_at_parts(reference: str, card: Path, choices: Choices) -> _Look:
    """Return what a folder of train, valid and test files gives, or a data set on the hub."""
    if choices.sheet:
        raise ConfigError(f"{reference}: --sheet {choices.sheet!r} is for spreadsheets, which are no parts")
    sample, sizes, commit = read_parts(reference, config=choices.config)
    roles = roles_of(sample, choices)
    return _Look(roles, parts_source(reference, card, choices.config, commit), split_in_parts(roles, sizes))


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
