"""The rates of the proof as pictures: coverage by setting, false verdicts, and power beside the bootstrap's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..leaderboard.plots import INK, figure_of, save
from .claim import Claim

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555")  # Okabe & Ito (2008), as in all plots
_SHAPES = ("o", "D", "s", "^", "v")
_BAND = "#E8E4D8"


def plot_coverage(claims: Sequence[Claim], path: Path, *, format: str = "") -> None:
    """Write the coverage of intervals by setting, a mark a metric with its binomial bar; bands are what is claimed."""
    shown = [c for c in claims if c.topic == "coverage" and "," not in c.about and c.found is not None]
    _dots(shown, path, format, "share of 95 % intervals that have the truth")


def plot_level(claims: Sequence[Claim], path: Path, *, format: str = "") -> None:
    """Write how often equal methods are told apart, and chance is excluded; bands are what is claimed."""
    _dots([c for c in claims if c.topic == "level"], path, format, "share of equal methods that are told apart, at .05")


def plot_power(claims: Sequence[Claim], path: Path, *, format: str = "") -> None:
    """Write how often a true gain is found by its size, by the jackknife and by the ordinary paired bootstrap."""
    shown = [c for c in claims if c.topic == "power" and c.size is not None and c.found is not None]
    metrics = list(dict.fromkeys(c.about for c in shown))
    with figure_of(width=3.6 * max(1, len(metrics)), height=3.0) as figure:
        panels = figure.subplots(1, max(1, len(metrics)), squeeze=False)[0]
        for panel, metric in zip(panels, metrics, strict=False):
            of = sorted((c for c in shown if c.about == metric), key=lambda c: c.size or 0.0)
            x = [c.size for c in of]
            panel.plot(x, [c.beside for c in of], color=_COLOURS[4], ls="--", marker="s", ms=4, label="bootstrap")
            low, high = zip(*(wilson(c.found or 0.0, c.n) for c in of), strict=True)
            panel.vlines(x, low, high, color=_COLOURS[0], lw=1)
            panel.plot(x, [c.found for c in of], color=_COLOURS[0], marker="o", ms=4, label="jackknife")
            panel.set_title(metric, loc="left", fontsize=9, fontweight="bold", color=INK)
            panel.set_xlabel("true gain")
            panel.set_ylim(0, 1)
        panels[0].set_ylabel("share found")
        if metrics:
            panels[0].legend(frameon=False)
        save(figure, path, format)


FIGURES: dict[str, tuple[Callable[..., None], str]] = {
    "coverage": (
        plot_coverage,
        "Coverage of 95 % intervals by setting; bars are 95 % binomial, bands what is claimed",
    ),
    "level": (plot_level, "Verdicts on methods that are equal, and intervals without chance of permuted labels"),
    "power": (plot_power, "True gains that are found at 400 clusters, and by the paired bootstrap on the same data"),
}
"""The pictures by name, each with its caption."""


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a binomial share (Wilson 1927, J. Am. Stat. Assoc. 22:209)."""
    z2 = 1.96**2 / n
    middle, half = share + z2 / 2, (z2 * (share * (1 - share) + z2 / 4)) ** 0.5
    return (middle - half) / (1 + z2), (middle + half) / (1 + z2)


def _dots(claims: Sequence[Claim], path: Path, format: str, axis: str) -> None:
    """Draw a row a setting, with a mark, its bar and its bounds for each claim."""
    settings = list(dict.fromkeys(c.setting for c in claims))
    kinds = list(dict.fromkeys(c.about for c in claims))
    with figure_of(width=7.4, height=1.2 + 0.34 * len(settings)) as figure:
        panel = figure.subplots()
        for row, setting in enumerate(settings):
            of = [c for c in claims if c.setting == setting]
            for i, c in enumerate(of):
                _mark(panel, c, row + 0.16 * (i - (len(of) - 1) / 2), kinds.index(c.about))
        style = [(_COLOURS[i % 5], _SHAPES[i % 5]) for i in range(len(kinds))]
        marks = [panel.plot([], [], color=colour, marker=shape, ls="", ms=4)[0] for colour, shape in style]
        panel.set_yticks(range(len(settings)), settings)
        panel.set_ylim(len(settings) - 0.4, -0.6)
        panel.set_xlabel(axis)
        figure.legend(marks, kinds, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
        save(figure, path, format)


def _mark(panel: Any, claim: Claim, at: float, kind: int) -> None:
    share = claim.found or 0.0
    panel.barh(at, claim.high - claim.low, left=claim.low, height=0.16, color=_BAND, lw=0, zorder=0)
    panel.hlines(at, *wilson(share, claim.n), color=_COLOURS[kind % 5], lw=1.1)
    panel.plot(share, at, color=_COLOURS[kind % 5], marker=_SHAPES[kind % 5], ms=4)
