"""Lines of a card in TOML, with a reason beside a key."""

from __future__ import annotations

import json
from typing import Any


def toml_value(value: Any) -> str:
    """Return a str, bool, number or list of these as TOML."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    # TOML has the escapes of JSON, except for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def card_line(key: str, value: str, reason: str = "", *, to_fill_in: bool = False) -> str:
    """Return the line of a key whose `value` is TOML already, with its reason; a comment where it is `to_fill_in`."""
    line = f"{'# ' if to_fill_in else ''}{key} = {value}"
    return f"{line.ljust(40)} # {one_line(reason)}" if reason else line


def one_line(text: str) -> str:
    """Return the text without control characters, which a TOML comment must not hold."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
