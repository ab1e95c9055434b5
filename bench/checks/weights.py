"""Whether a model has the weights that it should: not those of its random twin, and such as predict DNA at all."""

from __future__ import annotations

import numpy as np

from ..errors import NotApplicable, expect
from ..types import IntArray
from .loaded import LoadedModel

MOTIFS = ("CA", "TG", "GA", "TC", "GGAAT", "ATTCC", "TTTAGGG", "CCCTAAA")
"""The commonest microsatellites of eukaryotes, a satellite (GGAAT)n and the telomere of plants, on both strands.

The strands together hold A as often as T and C as often as G, so that no preference for a base helps much; motifs of 5
and 7 bases put k-mer tokens out of step, so that repeating the last token does not help either.
"""

_LENGTH = 84
_MASKED = slice(4, None, 9)
"""The tokens that are masked together: 9 shares no factor with the length of a motif, so all its bases are asked."""

_CLEARLY = 0.9
"""The share of the losses of chance and twin below which a model must be; random networks are within 0.04 of 1."""


def check_weights_are_not_random(loaded: LoadedModel) -> str:
    """The weights are those of the checkpoint and not of its random twin."""
    mine = loaded.parameter_hash()
    if not mine:
        raise NotApplicable("the model tells no digest of its weights")
    twin = LoadedModel(loaded.twin())
    loaded.let_go()
    expect(mine != twin.parameter_hash(), f"the weights are those of {twin.card.name}, drawn at random")
    return f"Their digest is {mine}, that of {twin.card.name} {twin.parameter_hash()}."


def check_twin_is_drawn_anew(loaded: LoadedModel) -> None:
    """A random twin has other weights for each seed, and the same for the same."""
    if not loaded.card.twin_of:
        raise NotApplicable("the model is nobody's twin")
    first, again, other = (loaded.model.redrawn(seed).parameter_hash() for seed in (0, 0, 1))
    expect(first == again, "one seed draws different weights")
    expect(first != other, "two seeds draw the same weights")


def check_repeats_are_predicted(loaded: LoadedModel) -> str:
    """Tandem repeats are predicted better than by chance and by the random twin, as by any network trained on DNA.

    It finds weights that a library drew at random in silence, without their being the twin's. A network that learnt
    next to nothing fails as well.
    """
    mine, chance = _loss(loaded)
    twin = LoadedModel(loaded.twin())
    loaded.let_go()
    theirs, _ = _loss(twin)
    told = f"{mine:.3g} nats per token of tandem repeats; chance has {chance:.3g} and {twin.card.name} {theirs:.3g}"
    expect(mine < _CLEARLY * min(chance, theirs), f"{told}: the weights cannot be told from random ones")
    return f"{told}."


def _loss(loaded: LoadedModel) -> tuple[float, float]:
    """Return the mean loss of a token of the repeats, in nats, and that of a uniform guess among the tokens of DNA."""
    model = loaded.model
    if getattr(model, "head", "") not in ("masked", "causal") or not hasattr(model, "tokens"):
        raise NotApplicable("the model is no masked or causal language model that tells its tokens")
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

    own = np.concatenate([np.searchsorted(dna, e.ids[at]) for e, at in zip(encoded, slots, strict=True)])
    found = at_slots(model, rows, slots, own[:, None], shift=int(causal))
    return -float(found.mean()), float(np.log(len(dna)))
