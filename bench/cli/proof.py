"""What the terminal shows of the self-test, and of intervals that were checked."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..leaderboard.cross_check import AGREE, Checked
from ..leaderboard.wording import number
from ..selftest import TOPICS, Claim
from ..statistics import N_RESAMPLES


def print_claims(claims: Sequence[Claim]) -> None:
    """Print by topic what was claimed, in which setting, the rate that was found and the one that was expected."""
    console = Console()
    for topic, title in TOPICS.items():
        of = [c for c in claims if c.topic == topic]
        if not of:
            continue
        table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", title_style="bold")
        beside = ("Bootstrap",) if topic == "power" else ()
        for name in ("Claim", "Setting", "Rate", *beside, "Expected", "Times", ""):
            table.add_column(name, justify="right" if name in ("Rate", "Times", *beside) else "left")
        for c in of:
            by = ("" if c.beside is None else f"{100 * c.beside:.1f} %",) if beside else ()
            wrong = "" if c.holds else "[bold red]does not hold"
            table.add_row(c.about, c.setting, c.rate, *by, c.expected, f"{c.n:,}", wrong)
        console.print(table)


def print_checked(checked: Sequence[Checked]) -> None:
    """Print how many intervals the bootstrap agrees with, and each with which it does not."""
    judged = [c for c in checked if c.agrees is not None]
    apart = [c for c in judged if not c.agrees]
    console = Console(highlight=False)
    console.print(
        f"Of {len(judged)} intervals, {len(judged) - len(apart)} agree with {N_RESAMPLES:,} draws of clusters: their "
        f"errors are {AGREE[0]:g} to {AGREE[1]:g} times as large; {len(checked) - len(judged)} are not judged.",
        soft_wrap=True,
    )
    if not apart:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Task", "Model", "Mode", "Metric", "Jackknife", "Bootstrap", "Ratio"):
        table.add_column(name)
    for c in apart:
        jackknife, bootstrap = (
            f"{number(low)} to {number(high)}"
            for low, high in ((c.jackknife_low, c.jackknife_high), (c.bootstrap_low, c.bootstrap_high))
        )
        table.add_row(*map(escape, (c.task, c.model, c.mode, c.metric)), jackknife, bootstrap, f"{c.ratio:.2f}")
    console.print(table)
