"""How often evolution makes each kind of substitution: CpG transitions, other transitions, transversions."""

from __future__ import annotations

import numpy as np

from baserate.baselines._contexts import changes
from baserate.registry import baseline
from baserate.types import FloatArray, Inputs

RATES = {
    ("A", "C"): 0.00052,
    ("A", "G"): 0.0023,
    ("A", "T"): 0.00047,
    ("C", "A"): 0.00089,
    ("C", "G"): 0.00085,
    ("C", "T"): 0.0027,
}
"""Substitutions per site on the human lineage by REF and ALT, each with its complement, outside CpG for C to T.

Pozzoli et al. 2008, table 2, fixed substitutions: the mean over their regions of low GC (0.96 Mb) and high GC (0.44
Mb), weighted by size, to two digits.
"""
CPG_TRANSITION = 0.029
"""The same for C to T (G to A) inside CpG: ten times the rate of C to T elsewhere."""

_A, _C, _G, _T = range(4)


def _table() -> FloatArray:
    """Return log rates over the highest one, by REF triplet and ALT base: (5, 4, 5, 4); 0 where nothing changes."""
    rates = np.full((5, 4, 5, 4), CPG_TRANSITION)
    for (ref, alt), rate in RATES.items():
        for letters in ("ACGT", "TGCA"):
            rates[:, letters.index(ref), :, letters.index(alt)] = rate
    rates[:, _C, _G, _T] = rates[_C, _G, :, _A] = CPG_TRANSITION
    table: FloatArray = np.log(rates / CPG_TRANSITION)
    return table


class SubstitutionTable:
    """Scores a variant by the rates of its substitutions."""

    def __init__(self) -> None:
        self._log_rates = _table()

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return the log of the rates of each variant's substitutions over that of a CpG transition, summed, (n,).

        Lower is rarer; no change scores 0, as does a CpG transition. The neighbours are those in REF; beyond the window
        there is no CpG. NaN for a variant that changes the length.
        """
        substitutions = changes(inputs, "substitution_table")
        before, ref, after = substitutions.ref.T
        return substitutions.total(self._log_rates[before, ref, after, substitutions.alt[:, 1]])


@baseline(
    "substitution_table",
    version=1,
    modes={"zero_shot": {"rule": "native"}},
    description="The log of how often each substitution occurs on the human lineage, from a fixed table of seven "
    "kinds: C to T inside CpG, and six outside it. Insertions and deletions are not scored.",
    variants=True,
    citation="Pozzoli et al. 2008, BMC Evol Biol 8:99 (table 2)",
)
def load() -> SubstitutionTable:
    """Return the substitution-rate baseline."""
    return SubstitutionTable()
