"""The leaderboard: built from records alone, written as Markdown, CSV, JSON and a plot."""

from __future__ import annotations

import functools
from pathlib import Path

from ..errors import DataError
from ..files import write_whole
from .board import Leaderboard
from .columns import COLUMNS, column
from .courses_plot import has_courses, plot_courses
from .curve_plot import plot_curves
from .fields import FIELDS, field, to_csv
from .formats import FORMATS, to_json, write_formatted
from .markdown import to_markdown
from .plots import plot_leaderboard
from .ranks_plot import has_diagram, plot_ranks
from .standings import build_leaderboard, tabulate
from .strata_plot import plot_strata
from .terminal import print_leaderboard

__all__ = [
    "COLUMNS",
    "FIELDS",
    "FORMATS",
    "Leaderboard",
    "build_leaderboard",
    "column",
    "field",
    "print_leaderboard",
    "tabulate",
    "to_csv",
    "to_json",
    "to_markdown",
    "write_formatted",
    "write_leaderboard",
]


def write_leaderboard(table: Leaderboard, out: Path, *, plots: str = "png") -> list[Path]:
    """Return the files written in `out`, each whole or not at all: leaderboard.md, .csv, .json, .png, and more plots.

    These are curves.png of learning curves, pretraining.png of scores by bases seen, and strata.png of scores by
    stratum, where there are such; `plots` names another format, svg or pdf. A plot is drawn again only where the table
    has changed since. Raises DataError where `out` cannot be written.
    """
    text = to_json(table)
    json_file = out / "leaderboard.json"
    drawn = {
        out / f"leaderboard.{plots}": (plot_leaderboard, bool(table.columns)),
        out / f"ranks.{plots}": (plot_ranks, has_diagram(table)),
        out / f"curves.{plots}": (plot_curves, bool(table.curves)),
        out / f"pretraining.{plots}": (plot_courses, has_courses(table)),
        out / f"strata.{plots}": (plot_strata, any(column.strata for column in table.columns)),
    }
    unchanged = json_file.exists() and json_file.read_text(encoding="utf-8") == text
    contents = {"leaderboard.md": to_markdown(table), "leaderboard.csv": to_csv(table)}
    try:
        for name, content in contents.items():
            write_whole(out / name, content)
        for file, (draw, shown) in drawn.items():
            if not shown:
                file.unlink(missing_ok=True)
            elif not (unchanged and file.exists()):
                write_whole(file, functools.partial(draw, table, format=plots))
        # Last, since it shows that the plots are of this table.
        write_whole(json_file, text)
    except OSError as error:
        raise DataError(f"cannot write the leaderboard in {out}: {error.strerror}; choose another folder") from error
    return [*(out / name for name in contents), json_file, *(file for file, (_, shown) in drawn.items() if shown)]
