"""The base of sources that read files: frozen values whose fields are the keys of a card's [source]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import ClassVar

from ..types import Examples, Kind

Check = Callable[[Examples], None]
"""A function that raises DataError where the rows of a source, all together, are not as expected."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where examples come from; calling it returns them. All fields but `kind` and `classes` are keys of [source]."""

    FILES: ClassVar[tuple[str, ...]] = ()
    """The keys that name files: the genome first, then the file with the rows."""

    kind: Kind
    classes: tuple[str, ...] = ()

    def __call__(self, check: Check | None = None) -> Examples:
        """Return the examples, after `check` has been called on all rows, including those that are left out."""
        raise NotImplementedError


def keys_of(source: type) -> dict[str, bool]:
    """Return the keys of a card for a dataclass, and whether each is required."""
    inherited = [field.name for field in fields(Source)] if issubclass(source, Source) else []
    return {
        field.name: field.default is MISSING and field.default_factory is MISSING
        for field in fields(source)
        if field.name not in inherited
    }
