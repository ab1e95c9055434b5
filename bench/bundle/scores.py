"""What a record states of its scores, computed again from its stored predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from ..errors import ConfigError
from ..leaderboard.proof import is_scaled
from ..metrics import parse
from ..modes import MODES
from ..modes.components import variances
from ..records import SKIPPED, Record
from ..results import Estimate, Predictions
from ..statistics import estimate, flag_collapsed, groups_of, jackknife
from ..statistics.intervals import METHOD
from ..statistics.jackknife import error_of
from .finding import Finding, difference, same

EARLIER = (
    "percentile bootstrap over clusters, 1000 resamples, seed 0",
    "jackknife over clusters and spread over seeds, t on the logit scale",
)
"""The methods of intervals in records of earlier versions, which this one does not compute."""
_OF_VALUE = ("metric", "value", "n", "n_clusters", "per_seed", "level")
"""What of an estimate does not depend on how its interval is made."""


def findings_of_scores(record: Record) -> list[Finding]:
    """Return where a record's metrics, intervals and flags do not follow from its predictions.

    Raises DataError where the predictions are missing, or altered since they were written.
    """
    if record.status != "done":
        return list(_without_scores(record))
    predictions = record.predictions
    return [
        *_shape(record, predictions),
        *_estimates(record, predictions),
        *_flags(record, predictions),
        *_components(record, predictions),
        *_choices(record),
    ]


def _without_scores(record: Record) -> Iterator[Finding]:
    if record.predictions_digest or record.estimates:
        yield Finding("fault", "status", f"it is {record.status}, but has scores")
    if not record.error:
        yield Finding("fault", "error", f"it is {record.status}, but does not say why")


def _shape(record: Record, predictions: Predictions) -> Iterator[Finding]:
    """Yield what is wrong with the table of predictions itself."""
    if record.error:
        yield Finding("fault", "error", "it is done, but states an error")
    if len(set(predictions.ids)) != len(predictions.ids):
        yield Finding("fault", "predictions", "an example is there twice")
    unscored = ~np.isfinite(predictions.scores).all(axis=(0, 2))
    allowed = np.zeros_like(unscored) if predictions.scored is None else ~predictions.scored
    if (unscored & ~allowed).any() and "collapsed" not in record.flags:
        n = int((unscored & ~allowed).sum())
        yield Finding("fault", "predictions", f"{n} scores are not finite, and no flag says so")


def _estimates(record: Record, predictions: Predictions) -> Iterator[Finding]:
    stated = [e.metric for e in record.estimates]
    expected = [str(metric) for metric in record.task.get("metrics", stated)]
    if stated != expected:
        yield Finding("fault", "estimates", f"metrics {', '.join(stated)}; the task has {', '.join(expected)}")
    for e in record.estimates:
        try:
            made = estimate(predictions, e.metric, level=e.level, scaled=is_scaled(record, e))
        except ConfigError as error:
            yield Finding("unknown", e.metric, f"{e.metric}: cannot be computed here: {error}")
            continue
        yield from _compared(e, made)


def _compared(stated: Estimate, made: Estimate) -> Iterator[Finding]:
    a, b = asdict(stated), asdict(made)
    if stated.method in EARLIER:
        a, b = ({key: value[key] for key in _OF_VALUE} for value in (a, b))
        if stated.low is not None:
            yield Finding("unknown", stated.metric, f"{stated.metric}: its interval is by an earlier method")
    elif stated.method != METHOD:
        yield Finding("fault", stated.metric, f"{stated.metric}: method {stated.method!r} is none of baserate's")
        return
    if (found := difference(_lists(a), _lists(b))) is not None:
        yield Finding(
            "fault", stated.metric, f"{stated.metric}: {found[1].replace('by the records', 'by the predictions')}"
        )


def _lists(value: object) -> object:
    """Return the value with lists for tuples."""
    if isinstance(value, dict):
        return {key: _lists(each) for key, each in value.items()}
    return [_lists(each) for each in value] if isinstance(value, (list, tuple)) else value


def _flags(record: Record, predictions: Predictions) -> Iterator[Finding]:
    n = len(predictions.ids)
    skipped = "" if predictions.scored is None else f"{SKIPPED} {n - int(predictions.scored.sum())} of {n}"
    made = {"collapsed"} if flag_collapsed(predictions) else set()
    made |= {skipped} if skipped else set()
    stated = {flag for flag in record.flags if flag == "collapsed" or flag.startswith(SKIPPED)}
    for flag in sorted(made ^ stated):
        yield Finding(
            "fault", "flags", f"flag {flag!r} is {'missing' if flag in made else 'stated'}, unlike the scores"
        )
    if record.scaled is not None and record.spec.mode in MODES.all():
        if record.scaled != MODES.get(record.spec.mode).scaled:
            yield Finding("fault", "scaled", f"scaled is {record.scaled}, which mode {record.spec.mode} is not")


def _components(record: Record, predictions: Predictions) -> Iterator[Finding]:
    """Yield where the variances do not follow from the values, or that of the test from the predictions."""
    if (stated := record.components) is None:
        return
    made = dict(zip(("sample", "seed", "rest"), variances(stated.values), strict=True))
    try:
        metric = parse(stated.metric, predictions.strata)
    except ConfigError as error:
        yield Finding("unknown", "components", f"components: {error}")
        return
    spread, _ = error_of(jackknife(predictions, metric, groups_of(predictions, metric)).mean_without, 2)
    for name, value in {**made, "test": None if np.isnan(spread) else float(spread) ** 2}.items():
        if not same(_number(getattr(stated, name)), _number(value)):
            yield Finding("fault", "components", f"components: variance {name} is {getattr(stated, name)}, not {value}")


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _choices(record: Record) -> Iterator[Finding]:
    """Yield choices that contradict the record or themselves: what valid scored is not stored, only what was chosen."""
    for choice in record.choices or ():
        if choice.seed not in record.spec.seeds:
            yield Finding("fault", "choices", f"a choice of seed {choice.seed}, which the run has not")
        if choice.trials and not 0 <= choice.trial < len(choice.trials):
            yield Finding("fault", "choices", f"trial {choice.trial} of {len(choice.trials)} was chosen")
    if record.choices and [choice.seed for choice in record.choices] != list(record.spec.seeds):
        yield Finding("fault", "choices", "not one choice for each seed")
