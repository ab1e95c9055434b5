"""Scores, gains and ranks of models on one task, from the draws of their stored predictions."""

from __future__ import annotations

import functools
import inspect
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from .. import statistics
from ..cache.folder import cache_dir
from ..metrics import Prepare, parse
from ..provenance import sources
from ..records import Record
from ..statistics import aligned, estimate, holm, interval, replicates, two_sided_p
from ..types import Estimate, FloatArray, StrArray, digest
from .common import restricted

log = logging.getLogger(__name__)

ALPHA = 0.05
Verdict = Literal["better", "worse", "tie", ""]


@dataclass(frozen=True)
class Gain:
    """How much better one row is than another, paired on the same examples; positive is better in any metric.

    `p_adjusted` is Holm's over all gains of its kind in the table, and `verdict` follows it; '' where there is no p.
    """

    over: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None = None
    verdict: Verdict = ""
    reason: str = ""


def resamples_for(n_gains: int) -> int:
    """Return how many draws let `n_gains` p-values survive Holm's correction: the least p is 2 / (draws + 1)."""
    return 10_000 * max(1, -(-n_gains // 100))


def draws_of(
    records: Sequence[Record], expression: str, *, n_resamples: int, ids: StrArray | None = None
) -> FloatArray:
    """Return a metric of records of one task under the same draws of clusters, (records, draws).

    It is over the examples with these `ids`, which every record must have scored; None is all. The draws depend on the
    predictions, the ids and our own code alone, and are kept in the cache under these. Raises DataError where
    predictions were lost or altered.
    """
    key = [expression, str(n_resamples), _code_digest(parse(expression).metric.of)] + (
        [] if ids is None else [digest(*ids)]
    )
    files = [cache_dir() / "draws" / f"{digest(r.predictions_digest, *key)}.npy" for r in records]
    known = [_read(file, n_resamples) if _intact(r) else None for r, file in zip(records, files, strict=True)]
    missing = [i for i, draws in enumerate(known) if draws is None]
    if missing:
        models = [restricted(records[i].predictions, ids) for i in missing]
        models = [aligned(m, models[0]) for m in models]
        for i, draws in zip(missing, replicates(models, expression, n_resamples=n_resamples), strict=True):
            known[i] = draws
            if records[i].path is not None:  # what is in memory has no digest to be known by
                _write(files[i], draws)
    return np.stack([d for d in known if d is not None]) if records else np.empty((0, n_resamples))


def estimates_on(record: Record, metrics: Sequence[str], ids: StrArray) -> list[Estimate]:
    """Return the metrics of a record over the examples with these `ids`, as `statistics.estimate` does for all."""
    n_resamples = 1000
    predictions = restricted(record.predictions, ids)

    def draws(metric: str) -> FloatArray:
        kept: FloatArray = draws_of([record], metric, n_resamples=n_resamples, ids=ids)[0]
        return kept

    return [estimate(predictions, m, n_resamples=n_resamples, draws=functools.partial(draws, m)) for m in metrics]


def _intact(record: Record) -> bool:
    """Return whether the record's predictions are as they were written; reading them says what is wrong if not."""
    if record.path is None:
        return True
    try:
        return digest((record.path / "predictions.parquet").read_bytes()) == record.predictions_digest
    except OSError:
        return False


@functools.cache
def _code_digest(prepare: Prepare) -> str:
    """Return the digest of the code that makes estimates of a metric with this function, wherever that is defined."""
    own = Path(inspect.unwrap(prepare).__code__.co_filename)
    if not own.is_file():
        return uuid.uuid4().hex  # typed at a prompt: nothing computed with it is to be found again
    files = {file for first in (own, Path(str(statistics.__file__))) for file in sources(first)}
    return digest(*(file.read_bytes() for file in sorted(files)), np.__version__)


def _read(file: Path, n_resamples: int) -> FloatArray | None:
    try:
        draws: FloatArray = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return draws if draws.shape == (n_resamples,) and draws.dtype == np.float64 else None


def _write(file: Path, draws: FloatArray) -> None:
    beside = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as out:
                np.save(out, draws)
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        log.warning("cannot keep draws in %s (%s); they are computed again next time", file.parent, error.strerror)


def gain(apart: FloatArray, *, value: float, over: str, n_clusters: int) -> Gain:
    """Return the gain of `value`, given its draws (draws,), signed so that positive is better."""
    low, high, reason = interval(apart, n_clusters=n_clusters)
    return Gain(over, value, low, high, None if low is None else two_sided_p(apart), reason=reason)


def adjusted(gains: Sequence[Gain]) -> list[Gain]:
    """Return the gains with p-values adjusted for each other (Holm 1979) and the verdicts that follow."""
    p_adjusted = iter(holm([g.p for g in gains if g.p is not None]))
    out = []
    for g in gains:
        if g.p is None:
            out.append(g)
            continue
        p = next(p_adjusted)
        verdict: Verdict = "tie" if p >= ALPHA else "better" if g.value > 0 else "worse"
        out.append(replace(g, p_adjusted=p, verdict=verdict))
    return out


def ranks(values: Sequence[float], draws: FloatArray) -> list[int]:
    """Return each row's rank; rows not told apart from the best of their group share one.

    `values` (rows,) and `draws` (rows, draws) are signed so that higher is better. The best row and all that do not
    differ from it (paired, Holm over the group's tests) have rank 1; the best of the others leads the next group, whose
    rank counts all rows before it.
    """
    waiting = sorted(range(len(values)), key=lambda i: -values[i])
    rank = [0] * len(values)
    placed = 0
    while waiting:
        best, *others = waiting
        p = holm([two_sided_p(draws[best] - draws[i]) for i in others])
        group = [best, *(i for i, p_i in zip(others, p, strict=True) if p_i >= ALPHA)]
        for i in group:
            rank[i] = placed + 1
        placed += len(group)
        waiting = [i for i in others if i not in group]
    return rank
