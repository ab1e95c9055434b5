"""How many bases a variant changes, whichever they are."""

from __future__ import annotations

import numpy as np

from baserate.baselines._onehot import substitutions
from baserate.registry import baseline
from baserate.types import FloatArray, Inputs


class EditCount:
    """Scores a variant by the number of bases that it changes."""

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return minus the number of bases that are substituted, inserted or deleted, (n,): lower for more changes."""
        return np.array([-float(sum(counts)) for counts in substitutions(inputs)], dtype=np.float64)


@baseline(
    "edit_count",
    version=1,
    modes={"zero_shot": {"rule": "native"}},
    description="Minus the number of bases that ALT changes.",
    variants=True,
)
def load() -> EditCount:
    """Return the edit-count baseline."""
    return EditCount()
