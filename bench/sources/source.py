"""What the sources of files have in common: frozen values whose fields are the keys of a card's [source]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import ClassVar

from ..types import Examples, Kind

Check = Callable[[Examples], None]
"""A function that raises DataError where all rows of a source are not what is expected."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where examples come from: called, it returns them. All but `kind` and `classes`, the task's own, are keys."""

    FILES: ClassVar[tuple[str, ...]] = ()
    """The keys that name files, the one that holds the rows after the genome."""

    kind: Kind
    classes: tuple[str, ...] = ()

    def __call__(self, check: Check | None = None) -> Examples:
        """Return the examples, when `check` has seen all rows, those that are left out among them."""
        raise NotImplementedError


def keys_of(source: type) -> dict[str, bool]:
    """Return the keys that a card may give for a dataclass, and whether it must."""
    own = [field.name for field in fields(Source)] if issubclass(source, Source) else []
    return {
        field.name: field.default is MISSING and field.default_factory is MISSING
        for field in fields(source)
        if field.name not in own
    }
