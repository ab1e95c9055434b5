"""Whether the estimates that a record states follow from its stored predictions."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ConfigError, DataError
from ..records import Record, read_predictions
from ..results import Estimate, Predictions
from ..statistics import UNSCALED, estimate
from .cache import estimate_file, is_intact, read_estimate, write_estimate

DIGESTED = 2
"""The first record schema in which `read_record` checks a digest of all that a record states."""

_NUMBERS = ("value", "n", "n_clusters", "level")
"""What does not depend on how intervals are made, which is not as it was when such records were written."""
_ROUNDING = 1e-9


def proven(record: Record) -> Record:
    """Return the record once each of its estimates has been computed again from its predictions and found the same.

    A record of a schema with a digest, or one that was never on disk, is returned as it is. A metric that cannot be
    computed here loses its value, and a flag says why. Raises DataError for an estimate that differs by more than
    rounding, or that has no predictions to follow from.
    """
    if record.path is None or record.schema >= DIGESTED:
        return record
    if record.status != "done" or not record.predictions_digest:
        for stated in record.estimates:
            if stated.value is not None or record.status != "done":
                raise DataError(
                    f"{record.path / 'record.json'}: it states {stated.metric} = {stated.value} but has no predictions "
                    f"({record.status}); delete {record.path} and run again"
                )
        return record
    predictions = None if is_intact(record) else read_predictions(record)
    estimates, flags = [], list(record.flags)
    for stated in record.estimates:
        try:
            computed, predictions = _computed(record, stated, predictions)
        except ConfigError as error:
            unshown = not_computed(stated, error)
            estimates.append(unshown)
            flags.append(unshown.reason)
            continue
        _compare(record, stated, computed)
        estimates.append(stated)
    return replace(record, estimates=tuple(estimates), flags=tuple(flags))


def not_computed(stated: Estimate, error: ConfigError) -> Estimate:
    """Return the estimate without its value, which cannot be computed here, and with the reason."""
    reason = f"{stated.metric} is not shown, since it cannot be computed here: {' '.join(str(error).split())}"
    return Estimate(stated.metric, None, None, None, stated.n, stated.n_clusters, reason=reason)


def is_scaled(record: Record, stated: Estimate) -> bool:
    """Return whether the record's scores are on the scale of the targets.

    Of records from before this was stored, those of the first schema are unless they are of zero_shot, and later ones
    give another reason for an estimate that needs that scale.
    """
    if record.scaled is not None:
        return record.scaled
    if record.schema < DIGESTED:
        return record.spec.mode != "zero_shot"
    return UNSCALED not in stated.reason


def _computed(record: Record, stated: Estimate, predictions: Predictions | None) -> tuple[Estimate, Predictions | None]:
    """Return the metric by the stored predictions, and these predictions where they had to be read."""
    metric, scaled = stated.metric, is_scaled(record, stated)
    file = estimate_file(record, metric, "scaled" if scaled else "unscaled")
    known = read_estimate(file)
    if known is None:
        predictions = predictions or read_predictions(record)
        known = estimate(predictions, metric, scaled=scaled)
        write_estimate(file, known)
    return known, predictions


def _compare(record: Record, stated: Estimate, computed: Estimate) -> None:
    """Raise DataError where the two differ by more than rounding."""
    pairs = [(name, getattr(stated, name), getattr(computed, name)) for name in _NUMBERS]
    pairs += [("seeds", len(stated.per_seed), len(computed.per_seed))]
    seeds = zip(record.spec.seeds, stated.per_seed, computed.per_seed, strict=False)
    pairs += [(f"value of seed {seed}", a, b) for seed, a, b in seeds]
    for what, a, b in pairs:
        if not _same(a, b):
            raise DataError(
                f"{record.path and record.path / 'record.json'}: the {what} of {stated.metric} is {a!r}, but {b!r} by "
                f"the stored predictions; undo the change, or delete {record.path} and run again"
            )


def _same(a: object, b: object) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= _ROUNDING * max(1.0, abs(b))
    return a == b
