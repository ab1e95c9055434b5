"""The jackknife's intervals beside those of the cluster bootstrap, which makes them another way.

The bootstrap knows test sampling alone, and so is set beside the interval of the trained models. Where intervals differ
by design (a t and a logit scale, which are wider near a bound and for few clusters), standard errors do not: these are
what must agree.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from ..progress import activity
from ..records import Record
from ..results import Estimate
from ..statistics import N_RESAMPLES, replicates
from ..types import FloatArray
from .comparisons import estimates_of

AGREE = (0.8, 1.25)
"""The bounds of the ratio of the two standard errors."""
MIN_EFFECTIVE = 50
"""The effective clusters below which they are not judged: the bootstrap's error is too small there, by their number."""
MAX_UNDEFINED = 0.05
"""The share of draws without a value from which on their spread says nothing."""
_ROUNDING = 1e-9
"""The standard error up to which there is none."""


@dataclass(frozen=True)
class Checked:
    """An estimate's interval for its trained models by the jackknife, and by the percentiles of the draws of clusters.

    `ratio` is the bootstrap's standard error over the jackknife's, and `agrees` whether it is near 1; None where that
    is not judged, and `reason` says why.
    """

    task: str
    model: str
    mode: str
    run: str
    metric: str
    value: float
    n_effective: float
    jackknife_low: float
    jackknife_high: float
    bootstrap_low: float | None = None
    bootstrap_high: float | None = None
    ratio: float | None = None
    agrees: bool | None = None
    reason: str = ""


def check_intervals(records: Iterable[Record], *, n_resamples: int = N_RESAMPLES) -> list[Checked]:
    """Return every interval of done records beside the bootstrap's, in order of task, model and metric.

    Runs under --limit and estimates without an interval are left out.
    """
    done = [r for r in records if r.status == "done" and not r.spec.limit]
    done.sort(key=lambda r: (r.spec.task, r.spec.model, r.spec.mode, r.hash))
    advance = activity("drawing clusters", len(done))
    out: list[Checked] = []
    for record in done:
        out += _checked(record, n_resamples)
        advance(1)
    return out


def _checked(record: Record, n_resamples: int) -> Iterator[Checked]:
    spec = record.spec
    for e in estimates_of(record, [stated.metric for stated in record.estimates]):
        if e.value is None or e.trained is None or e.se_test is None or e.n_effective is None:
            continue
        name = (spec.task, spec.model, spec.mode, record.hash, e.metric)
        base = Checked(*name, e.value, e.n_effective, *e.trained)
        yield _judged(base, e, replicates([record.predictions], e.metric, n_resamples=n_resamples)[0])


def _judged(base: Checked, e: Estimate, drawn: FloatArray) -> Checked:
    known = drawn[np.isfinite(drawn)]
    if len(known) < (1 - MAX_UNDEFINED) * len(drawn):
        return replace(base, reason=f"undefined in {len(drawn) - len(known):,} of {len(drawn):,} draws")
    low, high = np.quantile(known, [(1 - e.level) / 2, (1 + e.level) / 2])
    ratio = float(known.std() / e.se_test) if e.se_test and e.se_test > _ROUNDING else None
    base = replace(base, bootstrap_low=float(low), bootstrap_high=float(high), ratio=ratio)
    if ratio is None:
        return replace(base, reason="the test set has no part in the error: no draw of it has another value")
    if base.n_effective < MIN_EFFECTIVE:
        return replace(base, reason=f"{base.n_effective:.1f} effective clusters, {MIN_EFFECTIVE} are needed to judge")
    return replace(base, agrees=AGREE[0] <= ratio <= AGREE[1])


def to_csv(checked: Iterable[Checked]) -> str:
    """Return one line per interval, with the fields of `Checked`."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [f.name for f in fields(Checked)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(each) for each in checked)
    return out.getvalue()
