"""The card on disk, written whole and only if its task loads and its split holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..cards.task import task_card
from ..errors import BaserateError, ConfigError, DataError
from ..files import write_whole
from ..splits import load_split
from ..splits.homology import TooFewFamilies
from .confirm import confirmed
from .roles import Guess
from .split import at_random


def write_card(
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
