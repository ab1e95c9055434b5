"""The text of a new card: TOML with a reason beside every guess, and a commented line for each key left to the user."""

from __future__ import annotations

from collections.abc import Sequence

from ..card_text import card_line, one_line, toml_value
from .roles import Guess

_HEADER = """\
# Written by `baserate new task` from {source}.
# Each guess has its reason beside it; correct what is wrong, then run: baserate check {card}
"""

_UNKNOWN = (
    ("citation", '"..."', "a paper with its DOI, a database with its release, or in-house"),
    ("licence", '"..."', "such as CC-BY-4.0; in-house if it is not shared"),
    ("species", '["..."]', "such as Homo sapiens"),
    ("assembly", '["..."]', "such as GRCh38; none if sequences are synthetic"),
)
"""The keys that no data file tells: key, form, what to write."""


def card_text(
    *, source: str, card: str, task: Sequence[Guess], table: Sequence[Guess], split: Sequence[Guess], unknown: bool
) -> str:
    """Return the card. `task`, `table` and `split` are its keys in order; `unknown` adds those to fill in."""
    lines = [_HEADER.format(source=one_line(source), card=one_line(card)), *_block(task)]
    if unknown:
        lines += [card_line(key, form, what, to_fill_in=True) for key, form, what in _UNKNOWN]
    for title, guesses in (("source", table), ("split", split)):
        lines += ["", f"[{title}]", *_block(guesses)]
    return "\n".join(lines) + "\n"


def to_fill_in() -> list[str]:
    """Return the keys that the user has to fill in."""
    return [key for key, _, _ in _UNKNOWN]


def _block(guesses: Sequence[Guess]) -> list[str]:
    return [card_line(guess.key, toml_value(guess.value), guess.reason) for guess in guesses]
