"""Whether a candidate is no worse than what it would replace, task by task: what a checkpoint must pass in CI."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree

from ..errors import ConfigError
from ..records import Record
from ..statistics import ALPHA
from .compare import Paired, check_margin, margin_of, paired
from .comparisons import MIN_SEEDS
from .grids import escape
from .placing import columns_of, is_undirected
from .table import Column
from .wording import label, number

Passed = Literal["passed", "failed", "missing"]


@dataclass(frozen=True)
class Entry:
    """One task in one mode. It has `passed` where the candidate is shown to be worse by less than the margin.

    `reason` says why it has not; a task without a record of the candidate is 'missing', which does not pass.
    """

    task: str
    mode: str
    status: Passed
    reason: str = ""
    pair: Paired | None = None


def gate(
    baseline: Iterable[Record], candidate: Iterable[Record], *, margin: float | None = None, model: str = ""
) -> tuple[Entry, ...]:
    """Return an entry for each task and mode of the baseline's model, in order.

    The records of either side must be of one model, or of the `model` named; baselines and random twins do not count.
    A task passes where the one-sided p-value of the candidate being worse by the margin or more is below .05
    (non-inferiority); every task must pass, so that nothing is corrected for their number. Without a `margin` it is
    that of each task's card. Raises ConfigError where a side has no record, or several of one task and mode, and where
    there is no margin.
    """
    if margin is not None:
        check_margin(margin)
    before, after = (_by_cell(side, name, model) for side, name in ((baseline, "baseline"), (candidate, "candidate")))
    without = [c.name for c, a in before.values() if margin is None and margin_of(a) is None]
    if without:
        raise ConfigError(f"no margin: the cards of {', '.join(without)} have none; say how much worse counts as none")
    out = []
    for key, (column, a) in before.items():
        _, b = after.get(key, (column, None))
        out.append(_entry(column, a.spec.mode, a, b, margin))
    return tuple(out)


def _by_cell(records: Iterable[Record], side: str, model: str) -> dict[tuple[Any, ...], tuple[Column, Record]]:
    """Return column and record by task, data, split, what is trained on, transform, budget and mode."""
    whole = [r for r in records if not r.spec.limit and not r.model.get("baseline") and not r.model.get("twin_of")]
    named = [r for r in whole if not model or r.spec.model == model]
    if not named:
        what = f"of {model!r}" if model else "of a model that is not a baseline"
        raise ConfigError(
            f"{side}: there is no record {what}; it has {sorted({r.spec.model for r in whole}) or 'none'}"
        )
    out: dict[tuple[Any, ...], tuple[Column, Record]] = {}
    for c, members in columns_of(named).items():
        for r in members:
            spec = r.spec
            training = spec.train_fraction, spec.resample, spec.versions.get("transform", "")
            key = (spec.task, spec.data, spec.split, *training, spec.budget, spec.mode)
            if key in out and out[key][1].hash == r.hash:
                continue  # what does not train stands in several columns
            if key in out:
                other = out[key][1]
                raise ConfigError(
                    f"{side}: {other.spec.model} and {r.spec.model} both have {r.spec.mode} on {c.name}; name one "
                    "with --model, or leave one setting in the folder"
                )
            out[key] = c, r
    return out


def _entry(column: Column, mode: str, a: Record, b: Record | None, margin: float | None) -> Entry:
    if a.status == "not_applicable":
        return Entry(column.name, mode, "passed", "does not apply")
    if b is None or b.status != "done":
        why = "the candidate has no record" if b is None else f"the candidate's record is {b.status}: {b.error}"
        return Entry(column.name, mode, "missing", " ".join(why.split()))
    if a.status != "done":
        return Entry(column.name, mode, "missing", f"the baseline's record is {a.status}")
    if is_undirected(a) or is_undirected(b):
        return Entry(column.name, mode, "failed", "the card does not say which variants are the more harmful")
    pair = paired(column, b, a, margin)
    if pair is None:
        return Entry(column.name, mode, "failed", "the two scores cannot be compared")
    if pair.p_inferior is None:
        few = f"fewer than {MIN_SEEDS} trainings of one of the two tell nothing; run with --seeds 0,1,2,3,4"
        return Entry(column.name, mode, "failed", pair.gain.reason or few, pair)
    if pair.p_inferior < ALPHA:
        return Entry(column.name, mode, "passed", "", pair)
    gain = pair.gain
    is_worse = gain.high is not None and pair.margin is not None and gain.high < -pair.margin
    why = "worse by more than the margin" if is_worse else "not shown to be within the margin"
    low, high = (f"{value:+.3f}" if value is not None else "" for value in (gain.low, gain.high))
    return Entry(column.name, mode, "failed", f"{why}: {pair.metric} {gain.value:+.3f} [{low}, {high}]", pair)


def _margin(margin: float | None) -> str:
    return "margins of the tasks' cards" if margin is None else f"margin {margin:g}"


def to_junit(entries: Iterable[Entry]) -> str:
    """Return the entries as the XML that CI services read: a test case for each task and mode."""
    entries = list(entries)
    bad = [e for e in entries if e.status != "passed"]
    suite = ElementTree.Element("testsuite", name="baserate gate", tests=str(len(entries)), failures=str(len(bad)))
    for e in entries:
        case = ElementTree.SubElement(suite, "testcase", classname=e.mode, name=e.task)
        if e.status != "passed":
            ElementTree.SubElement(case, "failure", message=e.reason, type=e.status)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def to_markdown(entries: Iterable[Entry], margin: float | None) -> str:
    """Return the entries as a table in Markdown, with a line on top that says whether all have passed."""
    entries = list(entries)
    bad = sum(e.status != "passed" for e in entries)
    head = "passed" if not bad else f"failed: {bad} of {len(entries)}"
    lines = [f"**baserate gate {head}** ({_margin(margin)})", ""]
    lines += ["| Task | Mode | Metric | Baseline | Candidate | Gain | |", "|:--|:--|:--|--:|--:|--:|:--|"]
    for e in entries:
        cells = ["", "", "", ""]
        if e.pair is not None:
            low, high = e.pair.gain.low, e.pair.gain.high
            bounds = (
                "" if low is None or high is None else f" ({number(low, signed=True)} to {number(high, signed=True)})"
            )
            values = [number(e.pair.second.value), number(e.pair.first.value)]
            cells = [label(e.pair.metric), *values, number(e.pair.gain.value, signed=True) + bounds]
        status = e.status if not e.reason else f"{e.status}: {escape(e.reason)}"
        lines += [f"| {escape(e.task)} | {e.mode} | {' | '.join(cells)} | {status} |"]
    return "\n".join(lines) + "\n"
