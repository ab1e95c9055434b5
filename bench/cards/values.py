"""Whether the values of a card are of the types that a reader or a split rule takes; a mistake names file and key."""

from __future__ import annotations

import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ConfigError

_LARGEST = 2**53
_NAMES = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}


def check_values(
    values: Mapping[str, Any], taken_by: Callable[..., Any], where: str, names: Mapping[str, str] | None = None
) -> None:
    """Raise ConfigError for the first value that the parameter of its name does not take.

    `names` tells what the card calls a parameter. Text must not be empty unless it is so by default. Numbers are finite
    and below 2^53, lists hold one type.
    """
    hints, parameters = _taken(taken_by)
    for name, parameter in parameters.items():
        if name not in values:
            continue
        value, hint = values[name], hints.get(name, Any)
        if not _fits(value, hint) or (value in ("", [], ()) and parameter.default not in ("", [], ())):
            raise ConfigError(f"{where} {(names or {}).get(name, name)} = {value!r}; expected {_said(hint)}")


@functools.cache
def _taken(by: Callable[..., Any]) -> tuple[dict[str, Any], Mapping[str, inspect.Parameter]]:
    """Return the types and the parameters of a function; a benchmark asks them once a task."""
    return typing.get_type_hints(by), inspect.signature(by).parameters


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple and arguments[-1:] != (...,):
        return (
            isinstance(value, (list, tuple))
            and len(value) == len(arguments)
            and all(map(_fits, value, arguments))
        )  # fmt: skip
    if origin in (tuple, list, Sequence):
        return isinstance(value, (list, tuple)) and all(_fits(item, arguments[0]) and item != "" for item in value)
    if hint is str:
        return isinstance(value, str) and "\0" not in value
    if hint is bool:
        return isinstance(value, bool)
    if hint in (int, float):
        whole = isinstance(value, int) and not isinstance(value, bool)
        return (whole or (hint is float and isinstance(value, float) and math.isfinite(value))) and abs(
            value
        ) < _LARGEST
    return True


def _said(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_said(one) for one in arguments)
    if origin is typing.Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple and arguments[-1:] != (...,):
        return f"[{', '.join(_said(one) for one in arguments)}]"
    if origin in (tuple, list, Sequence):
        return f"a list of {_said(arguments[0])}"
    return _NAMES.get(hint, "another value")
