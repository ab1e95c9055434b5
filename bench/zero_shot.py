"""Rules that score variants without labels: ALT over REF, higher where the model finds ALT the likelier."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DataError, NotApplicable
from .sources.sequences import reverse_complement
from .types import FloatArray, Inputs, IntArray, strings

_BASES = {"A": 0, "C": 1, "G": 2, "T": 3}


def masked_llr(model: Any, inputs: Inputs) -> FloatArray:
    """Return the masked log-likelihood ratio of each variant (n,), in nats, averaged over both strands.

    Every position where REF and ALT differ is masked at once in the REF window, and log p(ALT base) - log p(REF base)
    is summed over these positions (the masked-marginals rule of Meier 2021). A variant that changes nothing scores 0.
    Raises NotApplicable for a variant that changes the length, and DataError where a base that differs is ambiguous.
    """
    if inputs.alternates is None:
        raise NotApplicable("masked_llr scores variants; these inputs have no alternate sequences")
    sites = [
        _differences(row, ref, alt)
        for row, (ref, alt) in enumerate(zip(inputs.sequences, inputs.alternates, strict=True))
    ]
    changed = np.flatnonzero([len(at) > 0 for at in sites])
    scores = np.zeros(len(inputs))
    if not len(changed):
        return scores
    forward = [(inputs.sequences[i], inputs.alternates[i], sites[i]) for i in changed]
    backward = [
        (reverse_complement(ref), reverse_complement(alt), (len(ref) - 1 - at)[::-1].copy()) for ref, alt, at in forward
    ]
    for strand in (forward, backward):
        # Many variants of one window differ at the same sites: the model sees each (window, sites) once.
        keys = [(ref, at.tobytes()) for ref, _, at in strand]
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        known = model.masked_log_probs(
            strings([strand[i][0] for i in first.values()]), [strand[i][2] for i in first.values()]
        )
        log_probs = dict(zip(first, known, strict=True))
        for i, key, (ref, alt, at) in zip(changed, keys, strand, strict=True):
            rows = np.arange(len(at))
            gain = log_probs[key][rows, _codes(alt, at)] - log_probs[key][rows, _codes(ref, at)]
            scores[i] += 0.5 * gain.sum()
    return scores


def _differences(row: int, ref: str, alt: str) -> IntArray:
    if len(ref) != len(alt):
        raise NotApplicable(
            f"masked_llr needs REF and ALT of one length; variant {row} goes from {len(ref)} to {len(alt)} bp"
        )
    at = np.flatnonzero(np.frombuffer(ref.encode(), np.uint8) != np.frombuffer(alt.encode(), np.uint8)).astype(np.int64)
    for i in at:
        if ref[i] not in _BASES or alt[i] not in _BASES:
            raise DataError(f"variant {row}: {ref[i]}>{alt[i]} at offset {i} is not a change between A, C, G and T")
    return at


def _codes(sequence: str, at: IntArray) -> IntArray:
    return np.array([_BASES[sequence[i]] for i in at], np.int64)
