"""The picture of the layers, docs/architecture.md, written from .importlinter and the first line of every room.

python docs/write_layers_page.py
"""

from __future__ import annotations

import ast
import configparser
from pathlib import Path

ROOT = Path(__file__).parent.parent
BESIDE = ("tasks", "models", "baselines")
"""The rooms that lie beside `bench/`, and install into it."""

_INTRODUCTION = """\
# Architecture

What the rooms of baserate are for, and who may import whom: a room imports only from the rows below its own, and rooms
of one row never import one another. `make check` holds this, and this page is written from the same rows
(`.importlinter`) and from the first line of each room.

One cell of a table is one sentence of code, in `bench/evaluate.py`:

    Task -> Split -> (Model, Mode) -> Predictions -> Estimate -> Record -> leaderboard

"""


def rows() -> list[list[str]]:
    """Return the rooms of every row, the top row first."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    text = config["importlinter:contract:layers"]["layers"]
    return [[room.strip() for room in line.split("|")] for line in text.strip().splitlines()]


def place(room: str) -> Path:
    """Return the file or folder of a room."""
    folder = ROOT / room if room in BESIDE else ROOT / "bench" / room
    return folder if folder.is_dir() else folder.with_suffix(".py")


def purpose(room: str) -> str:
    """Return the first line of a room's docstring."""
    path = place(room)
    text = (path / "__init__.py" if path.is_dir() else path).read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def page() -> str:
    """Return the page as Markdown."""
    lines = ["```mermaid", "flowchart TB"]
    names = rows()
    for i, row in enumerate(names):
        lines += [
            f"  subgraph row{i} [ ]",
            "    direction LR",
            *(f'    {_id(room)}["{room}"]' for room in row),
            "  end",
        ]
    lines += [f"  row{i} --> row{i + 1}" for i in range(len(names) - 1)]
    lines += ["```", "", "| row | room | what it is for |", "|--:|---|---|"]
    for i, row in enumerate(names, 1):
        for j, room in enumerate(row):
            shown = str(place(room).relative_to(ROOT)) + ("/" if place(room).is_dir() else "")
            lines.append(f"| {'' if j else i} | `{shown}` | {purpose(room)} |")
    return _INTRODUCTION + "\n".join(lines) + "\n"


def _id(room: str) -> str:
    """Return the room's name as one that mermaid has no other use for."""
    return f"room_{room}"


if __name__ == "__main__":
    Path(__file__).with_name("architecture.md").write_text(page(), encoding="utf-8")
