"""What values the settings of modes and of zero-shot rules may take, told before anything is run."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..errors import ConfigError, nearest
from ..types import ModeName
from ..zero_shot import RULES


@dataclass(frozen=True)
class Setting:
    """What a value must be, in words and as a test of it.

    `choices` are the texts that it may be, if it is a text. linear_probe takes a list of values of which it chooses one
    where there may be `several`.
    """

    expected: str
    allows: Callable[[Any], bool]
    choices: tuple[str, ...] = ()
    several: bool = False


def check_settings(changed: Mapping[str, Any], modes: Iterable[ModeName]) -> None:
    """Raise ConfigError for the first setting whose value no mode can use, naming it, the value and what is expected.

    `modes` are those that the settings are for: a list of layers or poolings needs linear_probe among them.
    """
    probed = "linear_probe" in modes
    for name, value in changed.items():
        setting = SETTINGS[name]
        many = setting.several and isinstance(value, (list, tuple))
        values = value if many else (value,)
        if many and not probed:
            fault = f"a list is for linear_probe to choose from; expected {setting.expected}"
        elif not values or not all(map(setting.allows, values)):
            fault = f"expected {setting.expected}" + (", or a list of such" if setting.several and probed else "")
            unknown = next((v for v in values if isinstance(v, str) and v not in setting.choices), "")
            near = nearest(unknown, setting.choices)
            fault += f"; did you mean {near[0]!r}?" if near else ""
        else:
            continue
        raise ConfigError(f"settings: {name} = {_SHORT.repr(value)}: {fault}")


def settings_for(changed: Mapping[str, Any], mode: ModeName) -> dict[str, Any]:
    """Return the settings that the mode is to use: a list to choose from is linear_probe's, others keep their own."""
    if mode == "linear_probe":
        return dict(changed)
    return {k: v for k, v in changed.items() if not (SETTINGS[k].several and isinstance(v, (list, tuple)))}


def _one_of(*choices: str, several: bool = False) -> Setting:
    listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
    return Setting(listed, lambda value: isinstance(value, str) and value in choices, choices, several)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    # A whole number beyond the largest float would be one that cannot be computed with.
    return (_whole(value) or isinstance(value, float)) and abs(value) <= sys.float_info.max


def _positive(value: Any) -> bool:
    return _finite(value) and value > 0


_COUNT = Setting("a whole number from 1", lambda value: _whole(value) and value >= 1)
_POSITIVE = Setting("a finite number above 0", _positive)

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "rule": _one_of(*RULES),
        "strands": _one_of("forward", "both"),
        "layer": Setting("a whole number, negative from the last", _whole, several=True),
        "pooling": _one_of("mean", "max", "last", "cls", several=True),
        "max_length": _COUNT,
        "context": _COUNT,
        "truncation": _one_of("left", "right", "both"),
        "penalties": Setting(
            "a list of finite numbers above 0",
            lambda value: isinstance(value, (list, tuple)) and bool(value) and all(map(_positive, value)),
        ),
        "distance": _one_of("cosine", "euclidean", "inner_product"),
        "at": _one_of("site", "pooled"),
        "one_pass": Setting("true or false", lambda value: isinstance(value, bool)),
        "temperature": _POSITIVE,
        "lr": _POSITIVE,
        "epochs": _COUNT,
        "batch_size": _COUNT,
        "warmup": Setting("a number from 0 to 1", lambda value: _finite(value) and 0 <= value <= 1),
        "patience": _COUNT,
    }
)
"""Every setting that a mode or a zero-shot rule knows."""

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlist = _SHORT.maxtuple = 8
