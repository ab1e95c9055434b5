"""The oldest rule about substitutions: transitions are milder."""

from __future__ import annotations

import numpy as np

from baserate.baselines._onehot import substitutions
from baserate.registry import baseline
from baserate.types import FloatArray, Inputs


class TransitionTransversion:
    """Scores a variant only by the kinds of its substitutions."""

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return minus the number of transversions plus half of the transitions, (n,): lower is more disruptive.

        A transition (A-G, C-T) costs 0.5, a transversion or a change of length 1 per base; no change scores 0.
        """
        return np.array(
            [-(other + 0.5 * transitions) for transitions, other in substitutions(inputs)], dtype=np.float64
        )


@baseline(
    "transition_transversion",
    version=1,
    modes={"zero_shot": {"rule": "native"}},
    description="Minus one for each transversion (or inserted or deleted base), minus one half for each transition.",
    variants=True,
)
def load() -> TransitionTransversion:
    """Return the substitution-kind baseline."""
    return TransitionTransversion()
