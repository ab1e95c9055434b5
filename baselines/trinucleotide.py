"""How common a base is between its two neighbours: the shortest context that reflects CpG depletion."""

from __future__ import annotations

import numpy as np

from baserate.baselines._contexts import changes, separated
from baserate.dna.kmers import OTHER
from baserate.errors import ConfigError, NotApplicable
from baserate.registry import baseline
from baserate.types import FloatArray, Inputs, strings


class Trinucleotide:
    """Scores a substitution by how common its trinucleotide is in the training DNA, before and after."""

    def __init__(self, *, pseudocount: float) -> None:
        if not pseudocount > 0:
            raise ConfigError(f"trinucleotide: pseudocount is {pseudocount!r}; expected a number above 0")
        self.pseudocount = pseudocount
        self._log_counts: FloatArray | None = None

    def learn(self, inputs: Inputs) -> None:
        """Count the trinucleotides of the distinct training REF sequences, on both strands.

        Raises NotApplicable where there is nothing to learn from.
        """
        distinct = strings(np.unique(inputs.sequences.astype(str)))
        if not len(distinct):
            raise NotApplicable("trinucleotide has no DNA to learn from, since the task has no training part")
        codes = separated(distinct)
        known = (codes[:-2] < OTHER) & (codes[1:-1] < OTHER) & (codes[2:] < OTHER)
        word = np.ravel_multi_index((codes[:-2][known], codes[1:-1][known], codes[2:][known]), (4, 4, 4))
        forward = np.bincount(word, minlength=64).reshape(4, 4, 4)
        counts = np.zeros((OTHER + 1,) * 3)
        counts[:4, :4, :4] = forward + forward[::-1, ::-1, ::-1].transpose(2, 1, 0) + self.pseudocount
        # An unknown neighbour may be any base.
        counts[OTHER] = counts[:OTHER].sum(axis=0)
        counts[:, :, OTHER] = counts[:, :, :OTHER].sum(axis=2)
        with np.errstate(divide="ignore"):
            self._log_counts = np.log(counts)

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return log frequency of the ALT minus that of the REF trinucleotide, (n,), summed over substitutions.

        NaN for a variant that changes the length. Each of several adjacent substitutions has the neighbours of its own
        sequence, REF or ALT.
        """
        if self._log_counts is None:
            raise ConfigError("trinucleotide has learnt nothing yet: call learn(inputs) first")
        substitutions = changes(inputs, "trinucleotide")
        ref, alt = (self._log_counts[tuple(codes.T)] for codes in (substitutions.ref, substitutions.alt))
        return substitutions.total(alt - ref)


@baseline(
    "trinucleotide",
    version=1,
    modes={"zero_shot": {"rule": "native"}},
    description="Log frequency, in both strands of the task's training DNA, of the ALT base between its neighbours "
    "minus that of the REF base; summed over substitutions. Insertions and deletions are not scored.",
    variants=True,
)
def load(*, pseudocount: float = 1.0) -> Trinucleotide:
    """Return the trinucleotide baseline; `pseudocount` is added to the count of each of the 64 trinucleotides."""
    return Trinucleotide(pseudocount=pseudocount)
