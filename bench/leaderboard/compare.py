"""Two rows of a leaderboard compared on every task that both have, and over these tasks."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import ConfigError, UnknownName
from ..records import Record, read_records
from ..results import Estimate
from ..statistics import ALPHA, Difference, holm
from .common import common_examples
from .comparisons import Verdict, difference_of, estimates_of, is_preliminary
from .floor import is_named
from .networks import networks_of
from .over_tasks import one_a_task
from .placing import columns_of, is_undirected
from .rows import rows_of
from .several import united
from .table import Column, Row
from .wording import sign_of


@dataclass(frozen=True)
class Paired:
    """Two rows on one task: their scores, and how much better the first is, positive in any metric.

    `confidence` that the first is better is one less the one-sided p-value. With a `margin`, that given or else that of
    the task's card, `p_inferior` is the p-value of the first being worse by the margin or more, and `p_unlike` that of
    the two differing by as much, by two one-sided tests (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657); neither
    is given by fewer than `MIN_SEEDS` trainings. `p_adjusted` and `p_unlike` are Holm's over the tasks; `whole` is the
    task with all training examples. `within` is the confidence that the two differ by less than the margin.
    """

    column: str
    task: str
    whole: str
    metric: str
    first: Estimate
    second: Estimate
    gain: Difference
    confidence: float | None = None
    p_adjusted: float | None = None
    p_inferior: float | None = None
    p_unlike: float | None = None
    verdict: Verdict = ""
    margin: float | None = None
    within: float | None = None


@dataclass(frozen=True)
class Pooled:
    """The mean gain over tasks of one metric, with tasks as the sample: what to expect on another task of the kind.

    By a random-effects model (DerSimonian & Laird 1986) with the interval of Hartung & Knapp (2001, Stat. Med.
    20:3875) over the tasks whose gain has an interval; `between` is the standard deviation of true gains between tasks.
    `p_ranks` is Wilcoxon's signed-rank p-value. `wins` counts tasks on which the first scores higher, `ties` those on
    which both score the same. A task that stands in several columns, or has a small variant or an earlier version,
    counts once, as it does where rows are ranked over tasks.
    """

    metric: str
    tasks: int
    wins: int
    ties: int
    value: float
    low: float | None
    high: float | None
    between: float | None
    p_ranks: float | None


@dataclass(frozen=True)
class Comparison:
    """The first row over the second, by task and pooled by metric.

    `margin` is what counts as no difference, None for what each task's card says.
    """

    first: str
    second: str
    margin: float | None
    tasks: tuple[Paired, ...]
    pooled: tuple[Pooled, ...]


def compare(
    results: str | Path | Iterable[Record],
    first: str,
    second: str,
    *,
    tasks: Sequence[str] = (),
    margin: float | None = None,
) -> Comparison:
    """Return the comparison of two rows on the tasks that both have, or on those whose names match `tasks`.

    `results` is a folder of records, or records. With a `margin`, on the metric's scale, it also says whether the two
    are as good as each other within that; without one, on the tasks whose cards have a margin.
    A row is named as the leaderboard names it, or by its model, or `MODEL:MODE`, where that is one row. Raises
    ConfigError where it is none or several, where both are one, or where they share no task.
    """
    if margin is not None:
        check_margin(margin)
    records = united(read_records(results) if isinstance(results, str | Path) else results)
    whole = [r for r in sorted(records, key=lambda r: r.hash) if not r.spec.limit]
    placed = columns_of(whole)
    rows, of_record = rows_of(placed, networks_of(whole))
    one, other = (_row(name, rows) for name in (first, second))
    if one == other:
        raise ConfigError(f"{first!r} and {second!r} are one row, {one.name!r}; name two")
    pairs, seen = [], set()
    for column, members in placed.items():
        at = {of_record[r.hash]: r for r in members if r.status == "done" and not is_undirected(r)}
        wanted = not tasks or any(fnmatch.fnmatch(column.name, t) or column.task.split("@")[0] == t for t in tasks)
        if not (wanted and one in at and other in at) or (cell := (at[one].hash, at[other].hash)) in seen:
            continue  # what does not train stands in several columns, and is one comparison
        if pair := paired(column, at[one], at[other], margin):
            seen.add(cell)
            pairs.append(pair)
    if not pairs:
        raise ConfigError(f"{one.name!r} and {other.name!r} have no task in common{' of those named' if tasks else ''}")
    return Comparison(one.name, other.name, margin, tuple(_judged(pairs)), tuple(_pooled(pairs, list(placed))))


def _row(name: str, rows: Sequence[Row]) -> Row:
    found = [row for row in rows if is_named(row, name)]
    if not found:
        raise UnknownName("row", name, [row.name for row in rows], "It is neither a row nor a model of these records.")
    if len(found) > 1:
        raise ConfigError(f"{name!r} is several rows: {', '.join(repr(row.name) for row in found)}; name one of them")
    return found[0]


def paired(column: Column, a: Record, b: Record, margin: float | None) -> Paired | None:
    """Return the pair on the examples that both score; None where the metric has no direction or a score no value."""
    sign = sign_of(column)
    shared = common_examples([a, b])
    if not sign or shared.apart:
        return None
    (first,), (second,) = (estimates_of(r, [column.metric], shared.ids) for r in (a, b))
    if first.value is None or second.value is None:
        return None
    withheld = "" if first.low is not None and second.low is not None else first.reason or second.reason
    d = difference_of(a, b, column.metric, shared.ids, reason=withheld)
    gain = d if sign > 0 else d.turned
    margin = margin_of(a, b) if margin is None else margin
    whole = column.whole or column.task
    pair = Paired(column.name, column.task, whole, column.metric, first, second, gain, margin=margin)
    if not gain.parts:
        return pair
    pair = replace(pair, confidence=1 - gain.tail(0.0), verdict="preliminary" if is_preliminary(a, b) else "tie")
    if margin is not None and not is_preliminary(a, b):
        below, above = gain.tail(-margin), 1 - gain.tail(margin)
        within = gain.tail(margin) - below
        pair = replace(pair, p_inferior=below, p_unlike=max(below, above), within=within)
    return pair


def check_margin(margin: float) -> None:
    """Raise ConfigError unless the margin is a finite number above 0."""
    if not 0 < margin < float("inf"):
        raise ConfigError(f"margin = {margin}: expected a number above 0 on the scale of the metric, such as 0.01")


def margin_of(*records: Record) -> float | None:
    """Return the margin on the cards of the records' task, the smallest where they differ; None where none has one."""
    return min((float(r.task["margin"]) for r in records if r.task.get("margin")), default=None)


def _judged(pairs: Sequence[Paired]) -> list[Paired]:
    """Return the pairs with p-values adjusted for each other and the verdicts that follow."""
    p_adjusted = iter(holm([pair.gain.p for pair in pairs if pair.gain.p is not None]))
    p_unlike = iter(holm([pair.p_unlike for pair in pairs if pair.p_unlike is not None]))
    out = []
    for pair in pairs:
        if pair.p_unlike is not None:
            pair = replace(pair, p_unlike=next(p_unlike))
        if pair.gain.p is None:
            out.append(pair)
            continue
        p = next(p_adjusted)
        unlike: Verdict = "better" if pair.gain.value > 0 else "worse"
        verdict: Verdict = "tie" if p >= ALPHA else "preliminary" if pair.verdict == "preliminary" else unlike
        out.append(replace(pair, p_adjusted=p, verdict=verdict))
    return out


def _pooled(pairs: Sequence[Paired], columns: Sequence[Column]) -> list[Pooled]:
    """Return the means by metric, of one pair for each task."""
    found = {pair.column for pair in pairs}
    single = {c.name for c in one_a_task([c for c in columns if c.name in found])}
    once = [pair for pair in pairs if pair.column in single]
    metrics = dict.fromkeys(pair.metric for pair in once)
    return [pool([pair for pair in once if pair.metric == metric], metric) for metric in metrics]


def pool(pairs: Sequence[Paired], metric: str) -> Pooled:
    """Return the mean gain of pairs in one metric, with an interval where three tasks or more have one."""
    from scipy.special import stdtrit

    values = np.array([p.gain.value for p in pairs])
    k, wins, ties = len(values), int((values > 0).sum()), int((values == 0).sum())
    p_ranks = None
    if k > 4 and values.any():
        from scipy.stats import wilcoxon

        p_ranks = float(wilcoxon(values).pvalue)
    errors = np.array([np.nan if p.gain.se is None else p.gain.se for p in pairs])
    values, errors = (of[~np.isnan(errors)] for of in (values, errors))
    if len(errors) < 3 or not errors.any():
        mean = float(np.mean([p.gain.value for p in pairs]))
        return Pooled(metric, k, wins, ties, mean, None, None, None, p_ranks)
    # Predictions that are identical have no error, and would have all of the weight.
    y, v = values, np.maximum(errors, errors[errors > 0].min()) ** 2
    fixed = 1 / v
    spread = float((fixed * (y - (fixed * y).sum() / fixed.sum()) ** 2).sum())
    scale = float(fixed.sum() - (fixed**2).sum() / fixed.sum())
    between = max(0.0, (spread - (len(y) - 1)) / scale)
    weights = 1 / (v + between)
    mean = float((weights * y).sum() / weights.sum())
    error = float(np.sqrt((weights * (y - mean) ** 2).sum() / ((len(y) - 1) * weights.sum())))
    margin = float(stdtrit(len(y) - 1, 0.975)) * max(error, float(np.sqrt(1 / weights.sum())))
    return Pooled(metric, k, wins, ties, mean, mean - margin, mean + margin, float(np.sqrt(between)), p_ranks)
