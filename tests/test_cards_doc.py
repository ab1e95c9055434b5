"""docs/cards.md: it is current, says what every key means, and a key that is added is on it at once."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from baserate.cards.task import TYPES
from baserate.sources.declared import SOURCES
from baserate.sources.source import keys_of
from baserate.sources.tables import Columns
from baserate.splits import RULES

DOCS = Path(__file__).parent.parent / "docs"


def page() -> str:
    made: Callable[[], str] = runpy.run_path(str(DOCS / "write_cards_page.py"))["cards_page"]
    return made()


def rows(text: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]


def test_the_page_is_current() -> None:
    assert (DOCS / "cards.md").read_text(encoding="utf-8") == page(), "run: python docs/write_cards_page.py"


def test_every_key_has_a_type_a_default_and_a_meaning() -> None:
    text = page()
    assert [row for row in rows(text) if len(row) != 4 or not all(cell.strip() for cell in row)] == []
    sections = dict(re.findall(r"^##+ (\S+)[^\n]*\n(.*?)(?=^##|\Z)", text, re.S | re.M))
    for name, source in SOURCES.items():
        assert {row[0].strip("`") for row in rows(sections[name])} == set(keys_of(source))
    assert RULES.keys() <= sections.keys() and {f"`{key}`" for key in TYPES} <= {row[0] for row in rows(text)}


def test_a_key_that_is_added_is_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Wiggle(Columns):
        """Signal along a genome. The `step` is in bp; `zoom` is the level to read, and `floor` the least value."""

        wiggle: str
        step: int = 50
        zoom: int = 0

    monkeypatch.setattr("baserate.sources.declared.SOURCES", {**SOURCES, "wiggle": Wiggle})
    monkeypatch.setitem(TYPES, "alphabet", str)  # type: ignore[misc]
    monkeypatch.setattr(
        "baserate.types.Task.__doc__", "A task. `alphabet` is that of the sequences; it has four letters."
    )
    text = page()
    assert "### wiggle\n\nSignal along a genome.\n" in text
    assert "| `zoom` | a whole number | `0` | the level to read, and `floor` the least value |" in text
    assert "| `step` | a whole number | `50` | The `step` is in bp |" in text
    assert "| `alphabet` | text in quotes | none | that of the sequences |" in text
