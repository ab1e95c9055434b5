"""The forest plot of a comparison: a gain and its interval for each task, and the mean over tasks of each metric."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from .compare import Comparison
from .plots import INK, figure_of, save
from .wording import label

_COLOURS = {"better": "#0072B2", "worse": "#D55E00"}
_PLAIN = "#666666"
_FORMATS = (".png", ".svg", ".pdf")


def plot_forest(comparison: Comparison, path: Path) -> None:
    """Write the plot of a comparison to `path`. Raises DataError for another format than PNG, SVG or PDF."""
    if path.suffix not in _FORMATS:
        raise DataError(f"{path}: expected a name that ends in {', '.join(_FORMATS)}")
    rows = list(comparison.tasks)
    means = [p for p in comparison.pooled if p.low is not None]
    with figure_of(width=7.2, height=1.3 + 0.26 * (len(rows) + len(means))) as figure:
        panel = figure.subplots()
        for y, pair in enumerate(rows):
            g, colour = pair.gain, _COLOURS.get(pair.verdict, _PLAIN)
            if g.low is not None:
                panel.plot([g.low, g.high], [y, y], color=colour, lw=1.6, solid_capstyle="butt", zorder=2)
            face = colour if pair.verdict in _COLOURS else "white"
            panel.plot(g.value, y, "o", ms=5, mec=colour, mfc=face, mew=1.3, zorder=3)
        for i, mean in enumerate(means):
            y = len(rows) + i
            across = [mean.low, mean.value, mean.high, mean.value, mean.low]
            panel.fill(across, [y, y - 0.25, y, y + 0.25, y], color=INK, zorder=3)
        for y, pair in enumerate(rows):
            if pair.margin is not None:
                panel.fill_betweenx([y - 0.5, y + 0.5], -pair.margin, pair.margin, color="#E8E4D8", lw=0, zorder=0)
        panel.axvline(0, color=INK, lw=0.9, zorder=1)
        names = [f"{pair.column} · {label(pair.metric)}" for pair in rows]
        names += [f"mean of {m.tasks} tasks · {label(m.metric)}" for m in means]
        panel.set_yticks(range(len(names)), names)
        panel.set_ylim(len(names) - 0.4, -0.6)
        panel.set_xlabel("← second better      gain      first better →", color=INK)
        title = f"{comparison.first}  over  {comparison.second}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold", color=INK)
        panel.tick_params(length=0, labelsize=8.6, colors=INK)
        panel.grid(axis="x", color="#EEEEEE", lw=0.7)
        panel.set_axisbelow(True)
        for side in panel.spines.values():
            side.set_visible(False)
        save(figure, path, "")
