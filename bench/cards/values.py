"""Checks of the values of a card against the types of a dataclass's fields; an error names file and key."""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..errors import ConfigError

TOML = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table, such as [source]",
}
"""The name of each type in error messages."""

_LARGEST = 2**53


def check_values(values: Mapping[str, Any], of: Any, where: str) -> None:
    """Raise ConfigError for the first value that does not fit the field of its name in the dataclass `of`.

    Text must not be empty unless the default is. Numbers are finite and below 2^53, lists hold one type.
    """
    known = hints(of)
    for field in fields(of):
        if field.name not in values:
            continue
        value, hint = values[field.name], known[field.name]
        if not _fits(value, hint) or (value in ("", [], ()) and field.default not in ("", ())):
            raise ConfigError(f"{where} {field.name} = {value!r}; expected {type_name(hint)}")


@functools.cache
def hints(of: Any) -> dict[str, Any]:
    """Return the types of a dataclass's fields by name, cached since a benchmark needs them for each task."""
    return typing.get_type_hints(of)


def frozen(value: Any) -> Any:
    """Return the value with tuples in place of lists, nested ones and those in a table included."""
    if isinstance(value, Mapping):
        return {key: frozen(one) for key, one in value.items()}
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value


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
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(item, arguments[1]) for item in value.values())
    if origin in (tuple, list):
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


def type_name(hint: Any) -> str:
    """Return a type in the words of a card: 'a list of text in quotes'."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(one) for one in arguments)
    if origin is typing.Literal:
        return " or ".join(map(repr, filter(None, arguments)))
    if origin is tuple and arguments[-1:] != (...,):
        return f"[{', '.join(type_name(one) for one in arguments)}]"
    if origin is Mapping:
        return f"a table, each value {type_name(arguments[1])}"
    if origin in (tuple, list):
        return f"a list of {type_name(arguments[0])}"
    return TOML.get(hint, "another value")
