"""Single-base changes with their neighbouring bases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baserate.dna.kmers import OTHER, encode
from baserate.errors import NotApplicable
from baserate.types import FloatArray, Inputs, IntArray, Strings, strings
from baserate.zero_shot.alleles import compare

Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Changes:
    """Every substituted base of n variants.

    `row` (m,) is the variant; `ref` and `alt` (m, 3) are the base between its two neighbours, in REF and in ALT, as
    codes A, C, G, T = 0..3, and 4 for any other letter or beyond the ends. `scorable` (n,) is False for an insertion or
    a deletion, whether or not the length of its window was restored, and for a change to or from an ambiguous letter.
    """

    row: IntArray
    ref: Codes
    alt: Codes
    scorable: NDArray[np.bool_]

    def total(self, scores: FloatArray) -> FloatArray:
        """Return the sums (n,) of the substitutions' scores (m,) over each variant, NaN where it is not scorable."""
        sums = np.bincount(self.row, weights=scores, minlength=len(self.scorable)).astype(np.float64)
        return np.where(self.scorable, sums, np.nan)


def changes(inputs: Inputs, who: str) -> Changes:
    """Return the substitutions of the variants. Raises NotApplicable, naming `who`, where there are no alternates."""
    if inputs.alternates is None:
        raise NotApplicable(f"{who} scores variants; these inputs have no alternate sequences")
    pairs = zip(inputs.sequences, inputs.alternates, strict=True)
    scorable = np.array([compare(ref, alt).kind != "indel" for ref, alt in pairs], dtype=bool)
    rows = np.flatnonzero(scorable)
    ref, alt = separated(inputs.sequences[rows]), separated(inputs.alternates[rows])
    at = np.flatnonzero(ref != alt)
    owner = np.repeat(rows, [len(s) + 1 for s in inputs.sequences[rows]])[at - 1]
    ambiguous = (ref[at] == OTHER) | (alt[at] == OTHER)
    scorable[owner[ambiguous]] = False
    at, owner = at[~ambiguous], owner[~ambiguous]
    around = at[:, None] + np.arange(-1, 2)
    return Changes(owner, ref[around], alt[around], scorable)


def separated(sequences: Strings) -> Codes:
    """Return the base codes of all sequences in a row, with an unknown one before the first and after each."""
    return encode(strings(["N" + "".join(f"{s}N" for s in sequences)]))[0]
