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
class Search:
    """Where trials draw a value: one of `values`, else a number from `low` to `high`, evenly on a log scale if `log`.

    With `whole` the number is a whole one.
    """

    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> Any:
        """Return the value at a share of the way, from 0 to below 1; numbers have three significant digits."""
        if self.values:
            return self.values[int(share * len(self.values))]
        if self.whole:
            return int(self._between(self.low, self.high + 1, share))
        return float(f"{self._between(self.low, self.high, share):.3g}")

    def _between(self, low: float, high: float, share: float) -> float:
        return float(low * (high / low) ** share if self.log else low + (high - low) * share)

    def __str__(self) -> str:
        if self.values:
            return ", ".join(map(str, self.values))
        return f"{self.low:g} to {self.high:g}" + (", log scale" if self.log else "")


def among(*values: Any) -> Search:
    """Return the search among some values, each as likely."""
    return Search(values)


def uniform(low: float, high: float, *, whole: bool = False) -> Search:
    """Return the search of numbers from `low` to `high`."""
    return Search(low=low, high=high, whole=whole)


def log_uniform(low: float, high: float, *, whole: bool = False) -> Search:
    """Return the search of numbers from `low`, above 0, to `high` on a log scale."""
    return Search(low=low, high=high, log=True, whole=whole)


@dataclass(frozen=True)
class Setting:
    """One setting: its default, what it does, and what a value must be, in words and as a test.

    `choices` are the allowed texts of a setting that is text. With `several`, a mode that chooses on valid accepts a
    list of values. `search` is where the trials of a tuning budget draw values; None where it is not tuned. `adds`
    are, by value, further settings that exist where the setting has that value. `beside` is another setting and its
    value, without which this one has no effect and no place in a run. `before` holds the value, if any, that runs had
    before there was the setting: with it the setting stands in no record, so that theirs stay current.
    """

    default: Any
    about: str
    expected: str
    allows: Callable[[Any], bool]
    choices: tuple[str, ...] = ()
    several: bool = False
    search: Search | None = None
    adds: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    beside: tuple[str, Any] | None = None
    before: tuple[Any, ...] = ()

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


def in_effect(values: Mapping[str, Any], table: Settings) -> dict[str, Any]:
    """Return the values without those of settings that have no effect beside the others."""
    idle = {n for n, s in table.items() if s.beside and s.beside[0] in values and values[s.beside[0]] != s.beside[1]}
    return {name: value for name, value in values.items() if name not in idle}


def stated(values: Mapping[str, Any], table: Settings) -> dict[str, Any]:
    """Return the values that stand in a record: without those that runs had before there was the setting."""
    return {name: value for name, value in values.items() if name not in table or value not in table[name].before}


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
    *choices: str,
    default: str,
    about: str,
    several: bool = False,
    search: Search | None = None,
    adds: Mapping[str, Settings] | None = None,
) -> Setting:
    """Return a setting that is one of some texts, each of which may add settings."""
    listed = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
    return Setting(default, about, listed, functools.partial(_is_among, choices), choices, several, search, adds or {})


def count(default: int | None, about: str, *, search: Search | None = None) -> Setting:
    """Return a setting that is a whole number from 1; None, where it is the default, means no limit."""
    return Setting(default, about, "a whole number from 1", is_count, search=search)


def positive(default: float, about: str, *, search: Search | None = None) -> Setting:
    """Return a setting that is a finite number above 0."""
    return Setting(default, about, "a finite number above 0", is_positive, search=search)


def not_negative(default: float, about: str, *, search: Search | None = None) -> Setting:
    """Return a setting that is a finite number from 0."""
    return Setting(default, about, "a finite number from 0", _is_not_negative, search=search)


def share(default: float, about: str, *, search: Search | None = None) -> Setting:
    """Return a setting that is a number from 0 to 1."""
    return Setting(default, about, "a number from 0 to 1", _is_share, search=search)


def flag(default: bool, about: str, *, search: Search | None = None) -> Setting:
    """Return a setting that is true or false."""
    return Setting(default, about, "true or false", _is_flag, search=search)


def layer(default: int, about: str, *, several: bool = False, search: Search | None = None) -> Setting:
    """Return a setting that is the number of a layer."""
    return Setting(default, about, "a whole number, negative from the last", _is_whole, several=several, search=search)


def depth(default: int, about: str, *, several: bool = False, search: Search | None = None) -> Setting:
    """Return a setting that is the number of a layer, or a share of the depth, which means the same in any network."""
    expected = "a whole number, negative from the last, or a share of the depth between 0 and 1"
    return Setting(default, about, expected, _is_depth, several=several, search=search)


def is_text(value: Any) -> bool:
    """Return whether the value is text."""
    return isinstance(value, str)


def is_positive(value: Any) -> bool:
    """Return whether the value is a finite number above 0, and no boolean."""
    return _is_finite(value) and value > 0


def _is_among(choices: tuple[str, ...], value: Any) -> bool:
    return isinstance(value, str) and value in choices


def is_count(value: Any) -> bool:
    """Return whether the value is a whole number from 1."""
    return _is_whole(value) and value >= 1


def _is_not_negative(value: Any) -> bool:
    return _is_finite(value) and value >= 0


def _is_whole_from_0(value: Any) -> bool:
    return _is_whole(value) and value >= 0


def _is_share(value: Any) -> bool:
    return _is_finite(value) and 0 <= value <= 1


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_depth(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and 0 < value < 1)


def _is_finite(value: Any) -> bool:
    # A whole number beyond the largest float cannot be converted to one.
    return (_is_whole(value) or isinstance(value, float)) and abs(value) <= sys.float_info.max


WINDOW: Settings = {
    "window": Setting(
        "truncate",
        "what becomes of a sequence longer than the context: it is cut, or read in chunks, a base counting in one",
        "truncate or chunk",
        functools.partial(_is_among, ("truncate", "chunk")),
        ("truncate", "chunk"),
        before=("truncate",),
    ),
    "overlap": Setting(
        None,
        "bases that neighbouring chunks share; by default a quarter of a chunk",
        "a whole number from 0",
        _is_whole_from_0,
        beside=("window", "chunk"),
    ),
}
"""What a network does with sequences that are longer than its context."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlist = _SHORT.maxtuple = 8
