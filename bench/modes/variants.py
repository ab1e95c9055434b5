"""Tasks of variants: windows that a network would cut to a part without the variant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..types import Inputs, IntArray, strings


def unread(inputs: Inputs, keep: int, truncation: str) -> IntArray:
    """Return the rows (m,) whose variant is cut off where REF and ALT are cut to `keep` bases on the sides named."""
    assert inputs.alternates is not None and inputs.positions is not None
    rows = []
    for row, (ref, alt, at) in enumerate(zip(inputs.sequences, inputs.alternates, inputs.positions, strict=True)):
        if max(len(ref), len(alt)) <= keep:
            continue
        starts = [_start(len(allele), keep, truncation) for allele in (ref, alt)]
        if not all(start <= at < start + keep for start in starts):
            rows.append(row)
    return np.array(rows, np.int64)


def centred(inputs: Inputs, rows: IntArray, keep: int) -> Inputs:
    """Return the inputs with the windows at `rows` cut to `keep` bases about the first base that differs."""
    assert inputs.alternates is not None and inputs.positions is not None
    refs, alts, at = list(inputs.sequences), list(inputs.alternates), inputs.positions.copy()
    for row in rows.tolist():
        start = max(0, min(int(at[row]) - keep // 2, min(len(refs[row]), len(alts[row])) - keep))
        refs[row], alts[row] = (allele[row][start : start + keep] for allele in (refs, alts))
        at[row] -= start
    return replace(inputs, sequences=strings(refs), alternates=strings(alts), positions=at)


def _start(length: int, keep: int, truncation: str) -> int:
    extra = max(0, length - keep)
    return {"left": extra, "right": 0}.get(truncation, extra // 2)
