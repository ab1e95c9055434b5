"""What base composition alone predicts: GC content, and the depletion of CpG."""

from __future__ import annotations

import numpy as np

from baserate.baselines._linear import LinearBaseline, featurise
from baserate.dna.kmers import count_kmers
from baserate.registry import baseline
from baserate.types import FloatArray, Inputs, Strings


def gc_features(sequences: Strings) -> FloatArray:
    """Return the share of G and C among A, C, G, T, and CpG observed over expected, (n, 2).

    CpG observed over expected is count(CG) * bases / (count(C) * count(G)) (Gardiner-Garden & Frommer 1987). Each is 0
    where it is undefined: no A, C, G or T at all, or no C or no G.
    """
    single = count_kmers(sequences, 1).toarray().astype(np.float64)
    bases, c, g = single.sum(axis=1), single[:, 1], single[:, 2]
    cpg = count_kmers(sequences, 2)[:, [6]].toarray()[:, 0]
    return np.stack([(c + g) / np.maximum(bases, 1), cpg * bases / np.maximum(c * g, 1)], axis=1)


class GCContent(LinearBaseline):
    """A linear model of GC and CpG; untrained, the change in GC."""

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return the GC share of ALT minus that of REF, (n,): higher where ALT has more G and C."""
        change: FloatArray = featurise(inputs, gc_features)[:, 0]
        return change


@baseline(
    "gc_content",
    version=1,
    modes={"from_scratch": {}, "zero_shot": {"rule": "native"}},
    description="A linear model of GC content and CpG observed/expected; for a variant, of their change. "
    "Zero-shot: GC of ALT minus GC of REF.",
    citation="Gardiner-Garden & Frommer 1987, J Mol Biol 196:261",
)
def load() -> GCContent:
    """Return the composition baseline."""
    return GCContent(lambda train: gc_features)
