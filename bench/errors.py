"""Errors that the caller can act on; any other exception is a bug."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_FEW = 20
"""Most names that are listed where none resembles the unknown one."""


class BaserateError(Exception):
    """A mistake of the caller's, in one line: what is wrong, what was expected, what to do.

    The command line prints the message alone and exits with 2.
    """


class DataError(BaserateError):
    """A file, a table or an array has content that cannot be used."""


class NoRecords(DataError):
    """A folder, and all below it, has no record; the message says where it was looked. The command exits with 1."""


class ConfigError(BaserateError):
    """A card, a suite, a configuration or an option is wrong."""


class UnknownName(ConfigError):
    """A name is not registered; the message offers the nearest that are."""

    def __init__(self, what: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(set(known))
        near = nearest(name, names)
        message = f"Unknown {what} {name!r}."
        if near:
            message += f" Did you mean {' or '.join(repr(n) for n in near)}?"
        elif names:
            message += f" Known: {', '.join(names)}." if len(names) <= _FEW else f" There are {len(names)}."
        if hint:
            message += f" {hint}"
        super().__init__(message)


class DuplicateName(ConfigError):
    """Two definitions claim one name; the message names the origin of both."""


class MissingExtra(BaserateError):
    """An optional package is not installed; the message carries the command that installs it."""


class NotApplicable(BaserateError):
    """A mode cannot run on this task or model; such a cell is reported, never scored."""


class Diverged(BaserateError):
    """A training's loss is not finite; a lower learning rate may mend it."""


class CheckFailed(BaserateError):
    """A conformance check found a fault; the message says what and where."""


def expect(condition: object, message: str) -> None:
    """Raise CheckFailed with `message` unless `condition` holds."""
    if not condition:
        raise CheckFailed(message)


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three registered names that resemble `name`, the likeliest first."""
    by_lower = {k.lower(): k for k in known}
    return [by_lower[m] for m in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.55)]


def check_keys(given: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise ConfigError for the first key of `given` that is not in `known`, with the nearest one that is."""
    allowed = list(known)
    for key in given:
        if key not in allowed:
            near = nearest(key, allowed)
            advice = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(allowed)}."
            raise ConfigError(f"{where}: unknown key {key!r}; {advice}")
