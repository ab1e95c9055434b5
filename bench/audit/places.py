"""What the bases at fixed places tell of the class: those at both ends, and all of them where rows have one length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray, Inputs, Split, Task
from .finding import Finding, Status
from .kmers import Predicted, predict_linearly, whole_finding
from .scores import CHANCE_ERRORS, FAIL, LABELS, encoded, rank_name, score, shown

ENDS = 20
"""Most bases of each end that are looked at: a tenth of the length where that is fewer."""
ENDS_WARN, ENDS_FAIL = 0.7, FAIL
"""AUROC of the two ends from which a task gets a WARN, and a FAIL."""
BETTER = 0.1
"""How much more AUROC the ends must have than bases further in, unless they leave half of what those leave."""
SAME_LENGTH = 0.9
"""The share of rows of one length from which bases at fixed places are looked at."""
LONGEST = 5_000
PLACE_BASES = 2_000_000
"""Most bases of training, and of test, whose places are looked at."""

_ENDS_TITLE = "Ends: a linear model of the bases at both ends"
_PLACES_TITLE = "Places: a linear model of the base at each place"


def place_findings(task: Task, split: Split) -> Iterator[Finding]:
    """Yield the finding on the ends, and that on the bases at each place."""
    why = "" if task.kind in ("classification", "multilabel") else "there are no classes to tell"
    why = why or ("alleles of a window have the same ends" if task.variants else "")
    why = why or ("bases of a sequence have the same ends" if task.per_base else "")
    if why:
        yield Finding("ends", _ENDS_TITLE, "shortcuts", "NOTE", f"ends: not tried, {why}")
        return
    yield _ends(task, split)
    yield whole_finding("places", _PLACES_TITLE, "bases at fixed places", _by_places(task, split))


def _ends(task: Task, split: Split) -> Finding:
    """Return the finding on whether both ends tell the class better than as many bases at the quarters do.

    An adapter, a restriction site or a first base that all rows of a class have is at the ends alone; composition is
    everywhere, and a site about which windows are centred is in the middle.
    """
    lengths = np.array([len(s) for s in split.test.inputs.sequences])
    width = min(ENDS, int(np.median(lengths)) // 10)
    if not width:
        return Finding("ends", _ENDS_TITLE, "shortcuts", "NOTE", "ends: sequences are shorter than 10 bases")
    found = [
        predict_linearly(task, split, _one_hot(cut), bases=PLACE_BASES * 10) for cut in (_outer(width), _inner(width))
    ]
    ends, inner = found
    if isinstance(ends, str) or isinstance(inner, str):
        why = ends if isinstance(ends, str) else inner
        return Finding("ends", _ENDS_TITLE, "shortcuts", "NOTE", f"ends: {why}")
    of_ends, of_inner = (score(p.task, p.examples, p.scores) for p in (ends, inner))
    error = _error_of_difference(ends, inner)
    status = _judged(of_ends.rank, of_inner.rank, of_ends.error, error)
    where = "the outer base of each end" if width == 1 else f"the outer {width} bases of each end"
    name = LABELS[rank_name(task)]
    summary = f"ends: {name} {shown(of_ends.rank)} from {where}, {shown(of_inner.rank)} from as many at the quarters"
    if status != "PASS":
        summary += ": an adapter, a restriction site or a fixed first base of one class, unless the signal lies there"
    by = (
        f"WARN from {ENDS_WARN:g}, FAIL from {ENDS_FAIL:g} {name}, if 3 standard errors better than chance and than the"
    )
    by += f" quarters, by {BETTER:g} or half of what they leave"
    numbers = {**of_ends.to_json(), "bases": width, "inner": of_inner.rank, "error": error}
    return Finding("ends", _ENDS_TITLE, "shortcuts", status, summary, by, numbers, sampled=ends.notes)


def _judged(ends: float | None, inner: float | None, chance_error: float, error: float) -> Status:
    if ends is None or inner is None or ends < ENDS_WARN or ends - 0.5 <= CHANCE_ERRORS * chance_error:
        return "PASS"
    gain = ends - inner
    if gain <= CHANCE_ERRORS * error or (gain < BETTER and 1 - ends > (1 - inner) / 2):
        return "PASS"
    return "FAIL" if ends >= ENDS_FAIL else "WARN"


def _by_places(task: Task, split: Split) -> Predicted | str:
    lengths = [len(s) for e in (split.train, split.test) for s in e.inputs.sequences]
    values, counts = np.unique(lengths, return_counts=True)
    length = int(values[counts.argmax()])
    if counts.max() < SAME_LENGTH * len(lengths):
        return "sequences differ in length"
    if length > LONGEST:
        return f"sequences are {length:,} bases long"
    return predict_linearly(task, split, _one_hot(lambda s: s[:length].ljust(length, "N")), bases=PLACE_BASES)


def _outer(width: int) -> Callable[[str], str]:
    return lambda s: s[:width].ljust(width, "N") + s[-width:].rjust(width, "N")


def _inner(width: int) -> Callable[[str], str]:
    def cut(s: str) -> str:
        first = len(s) // 4
        last = len(s) - first
        return s[first : first + width].ljust(width, "N") + s[max(last - width, 0) : last].rjust(width, "N")

    return cut


def _one_hot(cut: Callable[[str], str]) -> Callable[[Inputs], NDArray[np.float32]]:
    """Return a function of inputs that returns which base is at each place of `cut(sequence)`, (n, 4 x places)."""

    def features(inputs: Inputs) -> NDArray[np.float32]:
        text = [cut(s) for s in inputs.sequences]
        letters = np.frombuffer("".join(text).encode("ascii"), np.uint8).reshape(len(text), -1)
        hot = np.stack([letters == ord(base) for base in "ACGT"], axis=2)
        return hot.reshape(len(text), -1).astype(np.float32)

    return features


def _error_of_difference(one: Predicted, other: Predicted) -> float:
    """Return the standard error of the difference in AUROC of two models on the same rows (DeLong et al. 1988).

    It is the mean over classes or labels, as the AUROC is.
    """
    truth = encoded(one.task, one.examples.targets)
    errors = []
    for c in range(truth.shape[1]):
        positive = truth[:, c] == 1
        if 2 <= positive.sum() <= len(positive) - 2:
            parts = [_placements(p.scores[:, c], positive) for p in (one, other)]
            above, below = parts[0][0] - parts[1][0], parts[0][1] - parts[1][1]
            errors.append(math.sqrt(above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below)))
    return float(np.mean(errors)) if errors else 0.0


def _placements(scores: FloatArray, positive: NDArray[np.bool_]) -> Sequence[FloatArray]:
    """Return for each positive the share of negatives below it, and for each negative that of positives above it."""

    def share(of: FloatArray, among: FloatArray) -> FloatArray:
        among = np.sort(among)
        below, upto = np.searchsorted(among, of, "left"), np.searchsorted(among, of, "right")
        result: FloatArray = (below + upto) / 2 / len(among)
        return result

    high, low = scores[positive], scores[~positive]
    return share(high, low), 1 - share(low, high)
