"""A badge for a README: one fact and what it is of, as an SVG file that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..leaderboard.table import Cell, Table
from .names import plain
from .overview import overview_of

_LETTER, _ROOM, _HEIGHT = 6.6, 10, 20
_COLOURS = {True: "#2563a8", False: "#5f6b7a"}


def badge(left: str, right: str, *, won: bool) -> str:
    """Return the badge as SVG: what it is of at the left, the fact at the right, on blue where something was won."""
    left, right = (plain(text) for text in (left, right))
    first, second = (round(_LETTER * len(text) + 2 * _ROOM) for text in (left, right))
    width, title = first + second, escape(f"{left}: {right}")
    text = '<text x="{}" y="14" textLength="{}" lengthAdjust="spacingAndGlyphs">{}</text>'
    names = [
        text.format(start + _ROOM, room - 2 * _ROOM, escape(part))
        for start, room, part in ((0, first, left), (first, second, right))
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n"
        f'<clipPath id="r"><rect width="{width}" height="{_HEIGHT}" rx="3"/></clipPath>\n'
        f'<g clip-path="url(#r)"><rect width="{first}" height="{_HEIGHT}" fill="#1c2430"/>'
        f'<rect x="{first}" width="{second}" height="{_HEIGHT}" fill="{_COLOURS[won]}"/></g>\n'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{"".join(names)}</g>\n</svg>\n'
    )


def won(cells: Sequence[Cell | None]) -> tuple[str, bool]:
    """Return on how many of its tasks a row is better than the best baseline, in words, and whether on any.

    `cells` has one for each task that it was run on, None where the score is not published, such as of a run that
    failed. Only the verdict of a paired test is a win.
    """
    n = sum(bool(cell and cell.gain and cell.gain.verdict == "better") for cell in cells)
    return share(n, len(cells), "better than the best baseline"), n > 0


def board_badge(table: Table) -> str:
    """Return the badge of a whole table: on how many tasks the best model beats the best baseline, as SVG."""
    overview = overview_of(table)
    n = overview.over_baseline["better"]
    return badge("baserate", share(n, overview.n_tasks, "the best model beats the best baseline"), won=n > 0)


def share(n: int, of: int, what: str) -> str:
    """Return on how many of the tasks something holds, in words."""
    return f"{what} on {n} of {of} {'task' if of == 1 else 'tasks'}" if of else "not set against a baseline"
