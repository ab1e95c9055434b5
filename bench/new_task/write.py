"""The card on disk, written whole and only if its task loads and passes the checks."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..cards.task import task_card
from ..checks.task import check_parts, check_sequences_are_clean, known_in_test
from ..errors import BaserateError, CheckFailed, ConfigError, DataError
from ..files import write_whole
from ..splits import check_split, load_split, stratified
from ..splits.homology import TooFewFamilies
from ..types import Split, Task
from .confirm import confirmed
from .roles import Guess
from .split import at_random, in_proportion


class _Unfit(DataError):
    """The rows can be read, but this split of them is not fit for evaluation."""


class _Shared(_Unfit):
    """Parts share inputs or groups."""


def write_card(
    text: Callable[[Sequence[Guess]], str],
    split: Sequence[Guess],
    path: Path,
    source: str,
    *,
    tried: bool,
    row_by_row: Callable[[], str],
) -> tuple[list[Guess], list[str]]:
    """Return the keys of [split] and notes on them; the card is written only if its task loads and passes the checks.

    Where `tried`, the data are read and split. Where the proposed split is not fit, as where families are too large to
    be held out whole, rows are split at random. The file's own split is never replaced: where it has rows of one group
    in two parts, `row_by_row` changes the text so that each row is a group, and returns what that means. Raises
    DataError where no split is fit.
    """
    chosen: list[Guess] = list(split)
    notes: list[str] = []

    def loaded(beside: Path) -> Split | None:
        nonlocal chosen, notes
        beside.write_text(text(chosen), encoding="utf-8")
        task = task_card(beside)
        if tried:
            parts = _fit(task)
            chosen, notes = confirmed(chosen, task, parts)
            beside.write_text(text(chosen), encoding="utf-8")
            return parts
        return None

    def settled(beside: Path) -> None:
        nonlocal chosen
        try:
            loaded(beside)
            return None
        except (_Unfit, TooFewFamilies) as error:
            fault = str(error)
            shared = isinstance(error, _Shared)
        if split[0].value == "predefined":
            if shared:
                found = row_by_row()
                try:
                    parts = loaded(beside)
                    return None if parts is None or known_in_test(parts) else notes.append(found)
                except (_Unfit, TooFewFamilies) as error:
                    fault = str(error)
                except BaserateError:
                    pass  # the source cannot make each row a group, so the first fault stands
            column = next(guess.value for guess in split if guess.key == "column")
            raise DataError(f"{fault}; this is the file's own split, by {column!r}: correct it, or remove it")
        for propose in (at_random, in_proportion):
            chosen, why = propose(fault)
            try:
                with _unwarned():
                    loaded(beside)
            except (_Unfit, TooFewFamilies):
                continue
            return notes.append(why)
        raise DataError(f"{fault}; a random split fails too: add rows, or remove classes that have few")

    def write(beside: Path) -> None:
        try:
            settled(beside)
        except BaserateError as error:
            message = str(error).replace(str(beside), str(path))
            raise DataError(message if source in message else f"{source}: {message}") from error

    try:
        write_whole(path, write)
    except (OSError, UnicodeEncodeError) as error:
        raise ConfigError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from error
    return chosen, notes


def _fit(task: Task) -> Split:
    """Return the split. Raises _Unfit where only the split is at fault, and DataError where the rows are."""
    split = load_split(task, check=False)
    check_sequences_are_clean(task, split)
    if not len(split.train) and split.test.inputs.alternates is None:
        raise _Unfit(f"no row is left for training by {task.split!r}")
    try:
        check_split(task, split)
        check_parts(task, split)
    except (DataError, CheckFailed) as error:
        groups = [group for _, examples in split for group in set(examples.groups)]
        unfit = _Shared if known_in_test(split) or len(set(groups)) < len(groups) else _Unfit
        raise unfit(str(error).removeprefix(f"task {task.id}: ")) from error
    return split


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """Within, the rule does not log that its split is random: the note on the card says it."""
    rules = logging.getLogger(stratified.__module__)
    before, rules.disabled = rules.disabled, True
    try:
        yield
    finally:
        rules.disabled = before
