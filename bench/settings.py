"""Settings of modes, rules, probes and a model's fit(), each declared once with default, type and range.

One table serves the defaults of a run, the checks of what a user sets, the identity of the run and the docs.
"""

from __future__ import annotations

import functools
import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ConfigError, nearest


@dataclass(frozen=True)
class Setting:
    """One setting: its default, what it does, and what a value must be, in words and as a test.

    `choices` are the allowed texts of a setting that is text. With `several`, a mode that chooses on valid accepts a
    list of values. `adds` are, by value, further settings that exist where the setting has that value.
    """

    default: Any
    about: str
    expected: str
    allows: Callable[[Any], bool]
    choices: tuple[str, ...] = ()
    several: bool = False
    adds: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)

    def fault(self, value: Any, *, chosen_among: bool = False) -> str:
        """Return what is wrong with the value, '' for a valid one; a list is valid only if `chosen_among`."""
        many = self.several and isinstance(value, (list, tuple))
        values = value if many else (value,)
        if many and not chosen_among:
            return f"only linear_probe can choose from a list; expected {self.expected}"
        if values and all(map(self._allowed, values)):
            return ""
        unknown = next((v for v in values if isinstance(v, str) and v not in self.choices), "")
        near = nearest(unknown, self.choices)
        return (
            f"expected {self.expected}"
            + (", or a list of such" if self.several and chosen_among else "")
            + (f"; did you mean {near[0]!r}?" if near else "")
        )

    def _allowed(self, value: Any) -> bool:
        return self.allows(value) or (type(value) is type(self.default) and bool(value == self.default))


Settings = Mapping[str, Setting]
"""A table of settings by name."""


def defaults(table: Settings) -> dict[str, Any]:
    """Return the default of every setting of the table."""
    return {name: setting.default for name, setting in table.items()}


def added(table: Settings) -> list[Settings]:
    """Return the tables that settings of the table add, each for one value of one of them."""
    return [more for setting in table.values() for more in setting.adds.values()]


def check_values(values: Mapping[str, Any], tables: Iterable[Settings], *, chosen_among: bool = False) -> None:
    """Raise ConfigError for the first value that is invalid in every table with its name.

    The message names the setting, the value and what is expected. For a setting with `several`, a list of values is
    valid if one is `chosen_among` them.
    """
    every = list(tables)
    for name, value in values.items():
        faults = [table[name].fault(value, chosen_among=chosen_among) for table in every if name in table]
        if faults and all(faults):
            raise ConfigError(f"settings: {name} = {_SHORT.repr(value)}: {faults[0]}")


def one_of(
    *choices: str, default: str, about: str, several: bool = False, adds: Mapping[str, Settings] | None = None
) -> Setting:
    """Return a setting that is one of some texts, each of which may add settings."""
    listed = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
    return Setting(default, about, listed, functools.partial(_is_among, choices), choices, several, adds or {})


def count(default: int | None, about: str) -> Setting:
    """Return a setting that is a whole number from 1; None, where it is the default, means no limit."""
    return Setting(default, about, "a whole number from 1", _is_count)


def positive(default: float, about: str) -> Setting:
    """Return a setting that is a finite number above 0."""
    return Setting(default, about, "a finite number above 0", is_positive)


def not_negative(default: float, about: str) -> Setting:
    """Return a setting that is a finite number from 0."""
    return Setting(default, about, "a finite number from 0", _is_not_negative)


def share(default: float, about: str) -> Setting:
    """Return a setting that is a number from 0 to 1."""
    return Setting(default, about, "a number from 0 to 1", _is_share)


def flag(default: bool, about: str) -> Setting:
    """Return a setting that is true or false."""
    return Setting(default, about, "true or false", _is_flag)


def layer(default: int, about: str, *, several: bool = False) -> Setting:
    """Return a setting that is the number of a layer."""
    return Setting(default, about, "a whole number, negative from the last", _is_whole, several=several)


def is_text(value: Any) -> bool:
    """Return whether the value is text."""
    return isinstance(value, str)


def is_positive(value: Any) -> bool:
    """Return whether the value is a finite number above 0, and no boolean."""
    return _is_finite(value) and value > 0


def _is_among(choices: tuple[str, ...], value: Any) -> bool:
    return isinstance(value, str) and value in choices


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value >= 1


def _is_not_negative(value: Any) -> bool:
    return _is_finite(value) and value >= 0


def _is_share(value: Any) -> bool:
    return _is_finite(value) and 0 <= value <= 1


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    # A whole number beyond the largest float cannot be converted to one.
    return (_is_whole(value) or isinstance(value, float)) and abs(value) <= sys.float_info.max


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlist = _SHORT.maxtuple = 8
