"""What the terminal shows: progress while a grid runs, and cards, checks and findings as tables."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as Bar
from rich.table import Table
from rich.text import Text

from ..cache.contents import Entry, KindUse
from ..checks import CheckResult
from ..doctor import Finding
from ..leaderboard.compare import Comparison
from ..leaderboard.comparisons import MIN_SEEDS
from ..leaderboard.gate import Entry as GateEntry
from ..leaderboard.wording import folded, label, number
from ..outcomes import Outcome, Result
from ..plan import Cell
from ..progress import Advance, listening
from ..records import Record
from ..storage import named

_STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}


class _Rate(ProgressColumn):
    """Examples per second of the current activity."""

    def render(self, task: Bar) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None or task.fields.get("cells") else f"{speed:,.0f}/s", style="cyan")


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # which would otherwise leave an empty line in a log
    )


class _Activities:
    """Shows the innermost activity that library code reports as one bar, for each lane."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def __call__(self, doing: str, total: int, lane: str = "") -> Advance:
        self.clear(lane)
        text = f"{lane} · {doing}" if lane else doing
        bar = self._bars[lane] = self._progress.add_task(f"  {escape(text)}", total=total)

        def advance(n: int, now: str = "") -> None:
            description = f"  {escape(f'{text} · {now}')}" if now else None
            self._progress.update(bar, advance=n, description=description)

        return advance

    def clear(self, lane: str = "") -> None:
        bar = self._bars.pop(lane, None)
        if bar is not None:
            self._progress.remove_task(bar)


@contextmanager
def activity_display(*, quiet: bool) -> Iterator[None]:
    """Draw the activities that library code reports inside the block."""
    if quiet:
        yield
        return
    with _progress(Console(stderr=True)) as progress, listening(_Activities(progress)):
        yield


class GridDisplay:
    """Draws a grid as it runs: cells done, the current cell, what it is doing and how fast, and the time left."""

    def __init__(self, cells: int, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._progress = _progress(self._console)
        self._total = self._progress.add_task("cells", total=cells, cells=True)
        self._activities = _Activities(self._progress)
        self._stack = ExitStack()
        self._noted: set[str] = set()
        self._cells, self._ended = cells, 0

    def __enter__(self) -> GridDisplay:
        self._stack.enter_context(self._progress)
        self._stack.enter_context(listening(self._activities))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def started(self, cell: Cell) -> None:
        """Show the cell as the current one."""
        self._progress.update(self._total, description=f"[bold]{escape(str(cell))}")

    def note(self, text: str) -> None:
        """Print a line about many cells, such as on an audit that fails."""
        self._activities.clear()
        self._console.print(Text(f"! {text}", "yellow"), soft_wrap=True)

    def finished(self, result: Result) -> None:
        """Count the cell, and print a line about it if it was run now, after one on its task where the audit fails.

        Where there is no bar the line says how many have ended.
        """
        self._activities.clear()
        self._activities.clear(str(result.cell))
        self._progress.advance(self._total)
        self._ended += 1
        if result.status in ("done_before", "no_data", "leaky"):
            return
        task, failed = result.cell.task, _failures(result.record)
        if failed and task.id not in self._noted:
            self._noted.add(task.id)
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            self.note(f"{task.id}: its audit fails: {failed[0]}{more}; `baserate audit {task.name}`")
        line = _line(result)
        if not self._console.is_terminal:
            line = Text(f"[{self._ended}/{self._cells}] ").append(line)
        self._console.print(line, highlight=False, soft_wrap=True)


def _failures(record: Record | None) -> list[str]:
    """Return the reasons why the audit of the record's task fails; none without a record."""
    if record is None or record.audit.get("verdict") != "FAIL":
        return []
    return [reason.removeprefix("FAIL: ") for reason in record.audit["reasons"] if reason.startswith("FAIL")]


def _line(result: Result) -> Text:
    """Return the line about a cell that was run now; one that fails before its identity is known has no record."""
    record = result.record
    if record is not None and record.status == "done":
        primary = record.estimates[0]
        value = f"{primary.metric} " + ("undefined" if primary.value is None else f"{primary.value:.3f}")
        if primary.low is not None and primary.high is not None:
            value += f" [{primary.low:.3f}, {primary.high:.3f}]"
    else:
        value = (result.reason.splitlines() or ["no reason"])[-1]
    mark, style = {"done": ("✓", "green"), "failed": ("✗", "bold red")}.get(result.status, ("–", "dim"))
    strong = style if mark != "✓" else "bold"
    line = Text.assemble((f"{mark} ", style), (str(result.cell), ""), ("  ", ""), (value, strong))
    return line if record is None else line.append(f"  {record.seconds:.1f} s", style="dim")


def print_outcome(outcome: Outcome, results: Path, *, quiet: bool) -> None:
    """Print what became of the grid; failures are shown even when quiet."""
    console = Console(quiet=quiet, highlight=False)
    console.print(
        f"{outcome.done} cells done, {outcome.skipped} done before, {outcome.not_applicable} not applicable, "
        f"{len(outcome.failed)} failed; records in {named(str(results))}",
        soft_wrap=True,
    )
    loud = Console(stderr=True, highlight=False)
    for task, reason in outcome.no_data.items():
        loud.print(Text(f"not run: {task}: {reason}", "red"), soft_wrap=True)
    for task, leak in outcome.leaky.items():
        loud.print(Text(f"refused: {task} leaks: {leak}", "red"), soft_wrap=True)
    for result in outcome.failed:
        cell, reason = result.cell, result.reason.splitlines()[-1]
        loud.print(Text(f"failed: {cell.task.id} · {cell.card.name} · {cell.mode}: {reason}", "red"), soft_wrap=True)


def print_listing(listing: Mapping[str, Any]) -> None:
    """Print what is registered, one table per kind, and what failed to load."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # piped output has no right edge
    for kind, rows in listing.items():
        if kind == "broken" or not rows:
            continue
        table = Table(
            title=kind, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim"
        )
        for key, value in rows[0].items():
            number = isinstance(value, int) and not isinstance(value, bool)
            table.add_column(key, justify="right" if number else "left", no_wrap=key != "description")
        for row in rows:
            table.add_row(*(escape(_as_text(v)) for v in row.values()))
        console.print(table, "")
    for point, reason in listing.get("broken", {}).items():
        console.print(Text(f"not loaded: {point}: {reason}", "red"))


def print_card(card: Mapping[str, Any]) -> None:
    """Print a card, one field per row."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in card.items():
        if value not in ("", None, (), [], {}):
            table.add_row(key, escape(_as_text(value)))
    Console(highlight=False).print(table)


def print_check(result: CheckResult, *, quiet: bool) -> None:
    """Print a check's outcome on one line, a failure and what was measured in full; when quiet, failures only."""
    if quiet and result.status != "failed":
        return
    mark, style = {"passed": ("✓", "green"), "failed": ("✗", "bold red"), "skipped": ("–", "dim")}[result.status]
    head = Text.assemble((f"{mark} ", style), f"{result.subject} · {result.check.replace('_', ' ')}  ")
    detail = Text(result.detail, style="red" if result.status == "failed" else "dim")
    wrapped = result.status != "passed" or result.measured
    Console(highlight=False).print(head + detail, no_wrap=not wrapped, overflow="fold" if wrapped else "ellipsis")


def print_findings(findings: Sequence[Finding]) -> None:
    """Print the doctor's findings, with the command that fixes each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        fix = Text(f"  fix: {finding.fix}", "bold") if finding.fix else Text()
        status = Text(finding.status, _STYLES[finding.status])
        table.add_row(status, finding.topic, Text.assemble(finding.detail, fix))
    Console(highlight=False).print(table)


_VERDICT_STYLES = {"better": "bold green", "worse": "bold red", "passed": "green", "failed": "bold red"}


def print_comparison(found: Comparison) -> None:
    """Print a comparison: a line for each task, then the mean over the tasks of each metric."""
    console = Console(highlight=False)
    console.print(Text(f"{found.first}  over  {found.second}", "bold"))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Task")
    for name in ("First", "Second", "Gain", "95 % interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for pair in found.tasks:
        p = "" if pair.p_adjusted is None else "< .0001" if pair.p_adjusted < 1e-4 else f"{pair.p_adjusted:.2g}"
        judged = pair.verdict or pair.gain.reason
        if pair.p_unlike is not None and pair.p_unlike < 0.05:
            judged = f"{judged}, as good within {pair.margin:g}"
        elif pair.p_inferior is not None and pair.p_inferior < 0.05:
            judged = f"{judged}, not worse by {pair.margin:g}"
        scores = [number(pair.first.value), number(pair.second.value), number(pair.gain.value, signed=True)]
        task = Text.assemble(folded(pair.column, 20), ("\n" + folded(label(pair.metric), 20), "dim"))
        verdict = Text(judged, _VERDICT_STYLES.get(pair.verdict, ""))
        least = "" if pair.gain.detectable is None else f"\nfrom ±{pair.gain.detectable:.2f}"
        interval = Text.assemble(_between(pair.gain.low, pair.gain.high), (least, "dim"))
        table.add_row(task, *scores, interval, p, verdict)
    console.print(table)
    for mean in found.pooled:
        if mean.tasks > 1:
            bounds = f" [{_between(mean.low, mean.high)}]" if mean.low is not None else ""
            more = "" if mean.between is None else f", tasks differ by {mean.between:.3f} (SD of true gains)"
            more += "" if mean.p_ranks is None else f", signed-rank p {mean.p_ranks:.2g}"
            gain = f"{number(mean.value, signed=True)}{bounds}"
            won = f"higher on {mean.wins} of {mean.tasks} tasks" + (f", equal on {mean.ties}" if mean.ties else "")
            console.print(f"{label(mean.metric)}: {won}, mean gain {gain}{more}")
    console.print("Gains are paired on the same examples, with the noise of the test set and of training; p by Holm.")
    console.print("from ±: the smallest gain that one such comparison finds in 80 % of cases")
    if any(pair.verdict == "preliminary" for pair in found.tasks):
        console.print(f"preliminary: unlike, by fewer than {MIN_SEEDS} trainings, which is no verdict")


def _between(low: float | None, high: float | None) -> str:
    """Return the limits with two decimals, '' where there are none."""
    return "" if low is None or high is None else f"{low + 0.0:+.2f}..{high + 0.0:+.2f}".replace("-", "−")


def print_gate(entries: Sequence[GateEntry], margin: float | None) -> None:
    """Print what passed and what did not, with the reason."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("Task", "Mode", "Gain", "95 % interval", "", "Why"):
        table.add_column(name, justify="right" if name in ("Gain", "95 % interval") else "left")
    for e in entries:
        gain = e.pair.gain if e.pair else None
        numbers = ["", ""] if gain is None else [number(gain.value, signed=True), _between(gain.low, gain.high)]
        table.add_row(
            escape(e.task), e.mode, *numbers, Text(e.status, _VERDICT_STYLES.get(e.status, "yellow")), e.reason
        )
    console = Console(highlight=False)
    console.print(table)
    bad = sum(e.status != "passed" for e in entries)
    at = "the margins of their cards" if margin is None else f"a margin of {margin:g}"
    console.print(f"{len(entries) - bad} of {len(entries)} pass at {at}")


def print_cache(folder: Path, kinds: Sequence[KindUse], entries: Sequence[Entry]) -> None:
    """Print the contents of the cache by kind, and then the outputs of models."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("kind", "what", "files", "MB", "last used"):
        table.add_column(name, justify="right" if name in ("files", "MB") else "left")
    for use in kinds:
        table.add_row(use.kind, use.what, f"{use.files:,}", f"{use.bytes / 1e6:,.1f}", _day(use.used))
    console.print(f"{folder}", table, "", sep="\n")
    if entries:
        table = Table(box=None, pad_edge=False, header_style="dim", title="outputs", title_justify="left")
        for name in ("model", "method", "rows", "MB", "last used", "settings"):
            table.add_column(name, justify="right" if name in ("rows", "MB") else "left", no_wrap=name != "settings")
        for e in entries:
            row = (e.model, e.method, f"{e.rows:,}", f"{e.bytes / 1e6:,.1f}", _day(e.used), e.settings)
            table.add_row(*map(escape, row))
        console.print(table)


def _day(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d", time.localtime(seconds))


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_as_text(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_as_text(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
