"""The plot of descriptions: a panel for each, its examples at their first two principal components, by class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..files import writable
from ..leaderboard.curve_plot import COLOURS
from ..leaderboard.plots import INK, figure_of, save
from .description import Description

_PER_LINE = 3


def plot_descriptions(found: Sequence[Description], path: Path, *, format: str = "") -> None:
    """Write the picture to `path`, in the `format` named or else that of its suffix; examples of a regression are grey.

    Points of all classes are drawn in one random order, so that none lies on top of another as a whole.
    """
    per_line = min(_PER_LINE, len(found))
    lines = -(-len(found) // per_line)
    classes = sorted({label for d in found for label in d.labels or ()})
    with figure_of(width=0.4 + 3.2 * per_line, height=0.5 + 3.0 * lines) as figure:
        panels = figure.subplots(lines, per_line, squeeze=False).ravel()
        for panel in panels[len(found) :]:
            panel.set_visible(False)
        for panel, description in zip(panels, found, strict=False):
            _draw(panel, description, classes)
        if classes:
            from matplotlib.lines import Line2D

            handles = [
                Line2D([], [], label=writable(name), color=_colour(classes, name), marker="o", ms=5, ls="none")
                for name in classes
            ]
            figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(classes)), frameon=False)
        save(figure, path, format)


def _draw(panel: Any, description: Description, classes: list[str]) -> None:
    order = np.random.default_rng(0).permutation(description.n)
    at = description.components[order]
    labels = description.labels
    colours = "#888888" if labels is None else [_colour(classes, labels[i]) for i in order]
    y = at[:, 1] if at.shape[1] > 1 else np.zeros(len(at))
    panel.scatter(at[:, 0], y, s=6, c=colours, alpha=0.6, lw=0, rasterized=True)
    name = ", ".join([description.model, *(f"{k} {v}" for k, v in description.settings.items() if k == "layer")])
    panel.set_title(writable(name), fontsize=9, fontweight="bold", color=INK, loc="left", pad=5)
    names = [f"PC {i + 1}, {share:.0%} of variance" for i, share in enumerate(description.shares)]
    panel.set_xlabel(names[0], color=INK, labelpad=2)
    panel.set_ylabel(names[1] if len(names) > 1 else "", color=INK, labelpad=2)
    panel.set_xticks([])
    panel.set_yticks([])
    for side in panel.spines.values():
        side.set_color("#DDDDDD")


def _colour(classes: list[str], name: str) -> str:
    return COLOURS[classes.index(name) % len(COLOURS)]
