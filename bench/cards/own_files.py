"""Python files of the user's that register tasks or models. Their cards pickle for processes that never ran them."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..inhouse.files import run_file
from ..registry import MODELS, TASKS, Registry
from ..types import ModelCard, Task

PLUGINS_VARIABLE = "BASERATE_PLUGINS"
"""The environment variable that passes the plugin files to child processes."""

_FILES: Registry[Path] = Registry("file", groups=())


@dataclass(frozen=True)
class OwnTask(Task):
    """A task that the user's `file` registers as `registered`.

    It pickles as the file, that name and the fields that were changed since; unpickling runs the file where it has not
    been run.
    """

    file: Path = Path()
    registered: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.file, "task", self.registered, _changes(self, TASKS.get(self.registered)))


@dataclass(frozen=True)
class OwnModel(ModelCard):
    """A model that the user's `file` registers as `registered`; it pickles like an `OwnTask`."""

    file: Path = Path()
    registered: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.file, "model", self.registered, _changes(self, MODELS.get(self.registered)))


def run_own_file(path: Path) -> None:
    """Run a user's file, unless it has been run, so that what it registers is found by name.

    Raises ConfigError or DuplicateName, in one line, where it cannot be run; nothing is registered then.
    """
    Registry.load_all()  # first, so that undoing a file that fails undoes nothing else
    full = path.resolve()
    if str(full) in _FILES.all():
        return
    before = {*TASKS.all()}, {*MODELS.all()}
    with Registry.all_or_nothing():
        run_file(path)
        for name in [name for name in TASKS.all() if name not in before[0]]:
            TASKS.put(name, OwnTask(**vars(TASKS.get(name)), file=full, registered=name))
        for name in [name for name in MODELS.all() if name not in before[1]]:
            MODELS.put(name, OwnModel(**vars(MODELS.get(name)), file=full, registered=name))
        _FILES.add(str(full), full, origin=str(full))


@contextmanager
def plugins_run(files: Sequence[Path]) -> Iterator[None]:
    """Run plugin files of the user's; child processes started inside the block find them in the environment.

    Raises ConfigError or DuplicateName, in one line that names file and line, where one cannot be run.
    """
    for file in files:
        if file.suffix != ".py" or not file.is_file():
            raise ConfigError(f"--plugin {file}: {'expected a Python file, .py' if file.is_file() else 'no such file'}")
        run_own_file(file)
    before = os.environ.get(PLUGINS_VARIABLE)
    os.environ[PLUGINS_VARIABLE] = os.pathsep.join(str(file.resolve()) for file in files)
    try:
        yield
    finally:
        if before is None:
            del os.environ[PLUGINS_VARIABLE]
        else:
            os.environ[PLUGINS_VARIABLE] = before


def run_inherited_plugins() -> None:
    """Run the plugin files of the parent process."""
    for file in filter(None, os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep)):
        run_own_file(Path(file))


def _changes(card: Task | ModelCard, original: Task | ModelCard) -> bytes:
    """Return, pickled, the fields in which a card differs from the registered one, whose functions go by field name."""
    changed = {f.name: getattr(card, f.name) for f in fields(card)}
    changed = {name: value for name, value in changed.items() if value is not getattr(original, name)}
    out = io.BytesIO()
    _Changes(out, original).dump(changed)
    return out.getvalue()


def _restored(file: Path, what: str, name: str, changes: bytes) -> Task | ModelCard:
    """Return the card that was pickled with `_changes`. Raises ConfigError if the file no longer registers it."""
    run_own_file(file)
    registered: Any = (TASKS if what == "task" else MODELS).all()
    if name not in registered:
        raise ConfigError(f"{file}: no longer registers the {what} {name!r}")
    card: Task | ModelCard = registered[name]
    changed = _Restored(io.BytesIO(changes), card).load()
    return replace(card, **changed) if changed else card


class _Changes(pickle.Pickler):
    """Writes the functions of a registered card as names of its fields, since other processes cannot import them."""

    def __init__(self, file: io.BytesIO, card: Task | ModelCard) -> None:
        super().__init__(file)
        values = {f.name: getattr(card, f.name) for f in fields(card)}
        self._names = {id(value): name for name, value in values.items() if callable(value)}

    def persistent_id(self, value: Any) -> str | None:
        return self._names.get(id(value))


class _Restored(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, card: Task | ModelCard) -> None:
        super().__init__(file)
        self._card = card

    def persistent_load(self, name: str) -> Any:
        return getattr(self._card, name)
