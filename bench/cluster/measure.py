"""How fast networks of which there is no record are here: one batch of random DNA per model and length."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

import numpy as np

from ..capabilities import Embedder
from ..registry import load_model
from ..types import ModelCard, strings

log = logging.getLogger(__name__)

BATCH = 8
"""Sequences that are embedded twice, of which the second time counts."""


def seconds_per_sequence(card: ModelCard, lengths: Iterable[float]) -> dict[float, float]:
    """Return the seconds that the network takes to embed a sequence, by its length in bp.

    Empty where it cannot be loaded or embeds nothing, as a run will say.
    """
    found: dict[float, float] = {}
    try:
        model = load_model(card)
        if not isinstance(model, Embedder):
            return found
        for length in sorted(set(lengths)):
            drawn = np.random.default_rng(0).choice(list("ACGT"), (BATCH, max(1, round(length))))
            sequences = strings(["".join(row) for row in drawn])
            model.embed(sequences)
            start = time.perf_counter()
            model.embed(sequences)
            found[length] = (time.perf_counter() - start) / BATCH
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plan without it is still a plan, and says what it rests on
        log.warning("%s: not measured (%s)", card.name, " ".join(str(error).split()))
    return found
