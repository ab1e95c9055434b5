"""Values written as TOML are read back as they were."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from baserate.card_text import toml_value


@pytest.mark.parametrize("value", ['a "b" \\ \x7f\t\n é', True, 3, 0.25, [], ["a", "b"], [1, 2], ["\x7f"]])
def test_a_value_comes_back(value: Any) -> None:
    assert tomllib.loads(f"key = {toml_value(value)}") == {"key": value}
