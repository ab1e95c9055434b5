"""Scores and gains of models on one task, from the jackknives of their stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import ConfigError
from ..metrics import parse
from ..records import Record
from ..results import Estimate, Predictions
from ..statistics import (
    ALPHA,
    Difference,
    Jackknife,
    aligned,
    difference,
    estimate,
    false_discovery,
    groups_of,
    holm,
    jackknife,
    swap_p,
)
from ..statistics.intervals import METHOD
from ..statistics.parts import ROUNDING
from ..types import StrArray
from .cache import (
    cached_number,
    estimate_file,
    ids_key,
    is_intact,
    jackknife_file,
    read_estimate,
    read_jackknife,
    swap_file,
    write_estimate,
    write_jackknife,
)
from .common import restricted
from .proof import is_scaled, not_computed

MIN_SEEDS = 5
"""The trainings that a verdict needs: the spread of fewer says too little of what another would give."""
Verdict = Literal["better", "worse", "tie", "preliminary", ""]


@dataclass(frozen=True)
class Gain:
    """How much better one row is than another, paired on the same examples; positive is better in any metric.

    `p_adjusted` is Holm's over all gains of its kind in the table, and `verdict` follows it: 'preliminary' where it
    would be better or worse by fewer than `MIN_SEEDS` trainings, '' where there is no p. `q` is the false discovery
    rate at which the gain is still called one, for tables too wide for Holm. `detectable` is the smallest gain that
    would be found in 80 % of such comparisons, were it the only one.
    """

    over: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None = None
    verdict: Verdict = ""
    reason: str = ""
    preliminary: bool = False
    q: float | None = None
    detectable: float | None = None


@dataclass(frozen=True)
class Every:
    """Whether a row is better than each of the `n` baselines of its column, which is one claim.

    `p` is the largest of their one-sided p-values (intersection-union), None where one of them has none; `p_adjusted`
    is Holm's over these claims in the table, and `better` follows it, unless a comparison is `preliminary`.
    """

    n: int
    p: float | None
    p_adjusted: float | None = None
    better: bool = False
    preliminary: bool = False


def estimates_of(record: Record, metrics: Sequence[str], ids: StrArray | None = None) -> list[Estimate]:
    """Return the estimates of these metrics over the examples with these `ids`, None for all that were scored.

    Those that the record states are taken where they were made as they are here. Where a metric cannot be computed its
    estimate has no value, and the reason says so; one that the record does not state is not made.
    """
    stated = {e.metric: e for e in record.estimates}
    absent = Estimate("", None, None, None, 0, 0, reason="the record has no such metric")
    return [_estimate_of(record, stated[m], ids) if m in stated else replace(absent, metric=m) for m in metrics]


def estimates_by(record: Record, metrics: Sequence[str], ids: StrArray | None = None) -> list[Estimate]:
    """Return the estimates of these metrics in strata, made where the record does not state them.

    Where one cannot be computed its estimate has no value, and the reason says so.
    """
    stated = {e.metric: e for e in record.estimates}
    out = []
    for metric in metrics:
        whole = stated.get(metric.partition(":")[0], record.estimates[0])
        known = stated.get(metric)
        out.append(_estimate_of(record, known, ids) if known else _made(record, replace(whole, metric=metric), ids))
    return out


def _estimate_of(record: Record, stated: Estimate, ids: StrArray | None) -> Estimate:
    try:
        parse(stated.metric)
    except ConfigError as error:
        return not_computed(stated, error) if stated.value is not None else stated
    if (ids is None and stated.method == METHOD) or not record.predictions_digest:
        return stated
    return _made(record, stated, ids)


def _made(record: Record, about: Estimate, ids: StrArray | None) -> Estimate:
    """Return the estimate of a metric by the record's predictions, cached where these are on disk.

    `about` names it, and says whether the record's scores are on the scale of the targets.
    """
    scaled, on_disk = is_scaled(record, about), bool(record.predictions_digest)
    file = estimate_file(record, about.metric, "scaled" if scaled else "unscaled", *ids_key(ids))
    known = read_estimate(file) if on_disk and is_intact(record) else None
    if known is None:
        try:
            known = estimate(restricted(record.predictions, ids), about.metric, scaled=scaled)
        except ConfigError as error:
            return not_computed(about, error)
        if on_disk:
            write_estimate(file, known)
    return known


def jackknife_of(
    record: Record, metric: str, ids: StrArray | None = None, *, read: Callable[[], Predictions] | None = None
) -> Jackknife:
    """Return the jackknife of a metric over the examples with these `ids`, cached by the predictions and the code.

    `read` returns the predictions of these examples, if not from the record. Raises DataError where predictions are
    missing or altered.
    """
    file = jackknife_file(record, metric, *ids_key(ids))
    known = read_jackknife(file) if is_intact(record) else None
    if known is None:
        predictions = read() if read else restricted(record.predictions, ids)
        parsed = parse(metric, predictions.strata)
        known = jackknife(predictions, parsed, groups_of(predictions, parsed))
        if record.predictions_digest:
            write_jackknife(file, known)
    return known


def gain_of(d: Difference, *, sign: int, over: str, preliminary: bool) -> Gain:
    """Return a difference as the gain over a row, unadjusted; `sign` is -1 where lower is better."""
    d = d if sign > 0 else d.turned
    return Gain(over, d.value, d.low, d.high, d.p, reason=d.reason, preliminary=preliminary, detectable=d.detectable)


def difference_of(a: Record, b: Record, metric: str, ids: StrArray | None, *, reason: str = "") -> Difference:
    """Return the difference of two records in a metric; a `reason` withholds its p-value.

    That is of the t, or of swapping the two models where they differ in few clusters, whichever is larger.
    """
    made = jackknife_of(a, metric, ids), jackknife_of(b, metric, ids)
    return difference_by((a, b), made, metric, ids, reason=reason)


def difference_by(
    records: tuple[Record, Record],
    made: tuple[Jackknife, Jackknife],
    metric: str,
    ids: StrArray | None,
    *,
    reason: str = "",
    may_differ_in_few: Callable[[], bool] = lambda: True,
) -> Difference:
    """Return the difference of two records by their jackknives, as `difference_of` makes it.

    `may_differ_in_few` spares the question in how many clusters the two differ, where the caller knows that in many.
    """
    parsed = parse(metric)
    if parsed.is_difference and not np.ptp(made[0].mean_without - made[1].mean_without) > ROUNDING:
        parsed = parse(metric, records[0].predictions.strata)  # perhaps one stratum with a hyphen in its name
    d = difference(*made, span=parsed.span, reason=reason)
    if d.value == 0 and np.array_equal(made[0].without, made[1].without) and are_identical(*records):
        return difference(*made, identical=True, reason=reason)
    if d.p is not None and d.p < ALPHA and may_differ_in_few():
        return d.by_swaps(swapped_p(*records, metric, ids))
    return d


def are_identical(a: Record, b: Record) -> bool:
    """Return whether two records predict the same to the last bit."""
    if a.predictions_digest and a.predictions_digest == b.predictions_digest:
        return True
    one, other = a.predictions, b.predictions
    return one.scores.shape == other.scores.shape and np.array_equal(
        one.scores, aligned(other, one).scores, equal_nan=True
    )


def is_preliminary(*records: Record) -> bool:
    """Return whether one of the records has too few trainings for a verdict."""
    return any(_trains(r) and len(r.spec.seeds) < MIN_SEEDS for r in records)


def _trains(r: Record) -> bool:
    """Return whether the result depends on chance in training: it trains, or is of a network drawn at random."""
    return bool(r.spec.train_fraction) or bool(r.model.get("twin_of"))


def swapped_p(a: Record, b: Record, metric: str, ids: StrArray | None) -> float | None:
    """Return the p-value of swapping two models, None where they differ in many clusters; cached."""

    def make() -> float | None:
        one = restricted(a.predictions, ids)
        other = aligned(restricted(b.predictions, ids), one)
        parsed = parse(metric, one.strata)
        return swap_p(one, other, parsed, groups_of(one, parsed))

    if not (is_intact(a) and is_intact(b)):
        return make()
    return cached_number(swap_file(a, b, metric, *ids_key(ids)), make)


def adjusted(gains: Sequence[Gain]) -> list[Gain]:
    """Return the gains with p-values adjusted for each other (Holm 1979) and the verdicts that follow."""
    known = [g.p for g in gains if g.p is not None]
    p_adjusted, rates = iter(holm(known)), iter(false_discovery(known))
    out = []
    for g in gains:
        if g.p is None:
            out.append(g)
            continue
        p = next(p_adjusted)
        verdict: Verdict = "tie" if p >= ALPHA else "better" if g.value > 0 else "worse"
        verdict = "preliminary" if g.preliminary and verdict != "tie" else verdict
        out.append(replace(g, p_adjusted=p, q=next(rates), verdict=verdict))
    return out
