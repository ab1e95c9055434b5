"""Whether a model has its trained weights: not those of its random twin, and able to predict DNA."""

from __future__ import annotations

import numpy as np

from ..errors import NotApplicable, expect
from ..types import IntArray
from .loaded import LoadedModel

MOTIFS = ("CA", "TG", "GA", "TC", "GGAAT", "ATTCC", "TTTAGGG", "CCCTAAA")
"""The commonest microsatellites of eukaryotes, a satellite (GGAAT)n and the telomere of plants, on both strands.

Both strands together have as many A as T and as many C as G, so that a preference for a base helps little; motifs of 5
and 7 bases are out of step with k-mer tokens, so that repeating the last token does not help either.
"""

_LENGTH = 84
_MASKED = slice(4, None, 9)
"""The tokens that are masked together: 9 shares no factor with a motif's length, so each base of it is masked once."""

_CLEARLY = 0.9
"""A model's loss must be below this share of those of chance and twin; random networks are within 0.04 of 1."""


def check_weights_are_not_random(loaded: LoadedModel) -> str:
    """The weights are those of the checkpoint and not of its random twin."""
    weights = loaded.parameter_hash()
    if not weights:
        raise NotApplicable("the model has no digest of its weights")
    twin = LoadedModel(loaded.twin())
    loaded.unload()
    expect(weights != twin.parameter_hash(), f"the weights are the random ones of {twin.card.name}")
    return f"The digest of the weights is {weights}, that of {twin.card.name} is {twin.parameter_hash()}."


def check_twin_is_drawn_anew(loaded: LoadedModel) -> None:
    """A random twin has different weights for different seeds, and the same weights for the same seed."""
    if not loaded.card.twin_of:
        raise NotApplicable("the model is not a random twin")
    first, again, other = (loaded.model.redrawn(seed).parameter_hash() for seed in (0, 0, 1))
    expect(first == again, "one seed gives different weights")
    expect(first != other, "two seeds give the same weights")


def check_repeats_are_predicted(loaded: LoadedModel) -> str:
    """Tandem repeats are predicted better than by chance and by the random twin, as any network trained on DNA does.

    This finds weights that a library silently drew at random, even if they are not the twin's. A network that has
    learnt next to nothing fails as well.
    """
    loss, chance = _loss(loaded)
    twin = LoadedModel(loaded.twin())
    loaded.unload()
    twin_loss, _ = _loss(twin)
    losses = f"{loss:.3g} nats per token of tandem repeats; chance has {chance:.3g}, {twin.card.name} {twin_loss:.3g}"
    expect(loss < _CLEARLY * min(chance, twin_loss), f"{losses}: the weights may be random")
    return f"{losses}."


def _loss(loaded: LoadedModel) -> tuple[float, float]:
    """Return the mean loss per token of the repeats, in nats, and that of a uniform guess among the tokens of DNA."""
    model = loaded.model
    if getattr(model, "head", "") not in ("masked", "causal") or not hasattr(model, "tokens"):
        raise NotApplicable("the model is not a masked or causal language model that exposes its tokens")
    from ..networks.likelihood import at_slots

    dna, mask, causal = model.tokens.vocabulary.dna, model.tokens.vocabulary.mask, model.head == "causal"
    fits = min(_LENGTH, model.context or _LENGTH)
    encoded = model.tokens.encode([(motif * _LENGTH)[: fits - fits % model.frame] for motif in MOTIFS])
    rows: list[IntArray] = []
    slots: list[IntArray] = []
    for e in encoded:
        at = np.flatnonzero(np.isin(e.ids, dna) & (e.ends > e.starts))
        slots.append(at[at > 0] if causal else at[_MASKED] if len(at) > 4 else at[:1])
        rows.append(e.ids.copy())
        if not causal:
            rows[-1][slots[-1]] = mask

    original = np.concatenate([np.searchsorted(dna, e.ids[at]) for e, at in zip(encoded, slots, strict=True)])
    log_probs = at_slots(model, rows, slots, original[:, None], shift=int(causal))
    return -float(log_probs.mean()), float(np.log(len(dna)))
