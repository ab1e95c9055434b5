"""Values as text in TOML."""

from __future__ import annotations

import json
from typing import Any


def toml_value(value: Any) -> str:
    """Return a str, bool, number or list of these as TOML, which has the escapes of JSON, except for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
