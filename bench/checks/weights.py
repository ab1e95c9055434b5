"""Whether a model has its trained weights: not those of its random twin, and a likelihood that knows DNA."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import NotApplicable, expect
from ..types import FloatArray, IntArray, strings
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


_ALIKE = 0.015
"""The share of the mean loss within which the losses on all sequences are one."""


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


def check_likelihood_knows_dna(loaded: LoadedModel) -> str:
    """The likelihood is not the same for all sequences: tandem repeats, and the same bases shuffled.

    A head that was not loaded or not trained has a loss of about ln 4 per base on each, and every zero-shot score by
    its likelihood is noise. No twin and no tokens are needed to see this.
    """
    if loaded.card.twin_of:
        raise NotApplicable("the model is a random twin, which knows nothing on purpose")
    repeats = [(motif * _LENGTH)[:_LENGTH] for motif in MOTIFS]
    bases = np.random.default_rng(0).permutation(list("".join(repeats))).reshape(len(repeats), _LENGTH)
    losses, unit = _losses(loaded, [*repeats, *("".join(row) for row in bases)])
    n = len(repeats)
    what = f"{losses[:n].mean():.3g} nats per {unit} of tandem repeats, {losses[n:].mean():.3g} of their bases shuffled"
    expect(np.ptp(losses) > _ALIKE * losses.mean(), f"{what}, alike in every sequence: the likelihood knows nothing")
    return f"{what}."


def _losses(loaded: LoadedModel, sequences: Sequence[str]) -> tuple[FloatArray, str]:
    """Return the loss on each sequence, in nats, and per what: a token where the model exposes its tokens."""
    model = loaded.model
    if getattr(model, "head", "") in ("masked", "causal") and hasattr(model, "tokens"):
        return np.array([-values.mean() for values in _log_probs(loaded, sequences)]), "token"
    context, frame = getattr(model, "context", None), getattr(model, "frame", 1)
    length = min(_LENGTH, context or _LENGTH)
    cut = strings([s[: length - length % frame] for s in sequences])
    for method in ("log_likelihood", "pseudo_log_likelihood"):
        if hasattr(model, method):
            return -np.asarray(getattr(model, method)(cut), np.float64) / len(cut[0]), "base"
    raise NotApplicable("the model has no likelihood")


def _loss(loaded: LoadedModel) -> tuple[float, float]:
    """Return the mean loss per token of the repeats, in nats, and that of a uniform guess among the tokens of DNA."""
    log_probs = _log_probs(loaded, [motif * _LENGTH for motif in MOTIFS])
    return -float(np.concatenate(log_probs).mean()), float(np.log(len(loaded.model.tokens.vocabulary.dna)))


def _log_probs(loaded: LoadedModel, sequences: Sequence[str]) -> list[FloatArray]:
    """Return the log-probabilities of the tokens of each sequence, at _MASKED where the model is a masked one."""
    model = loaded.model
    if getattr(model, "head", "") not in ("masked", "causal") or not hasattr(model, "tokens"):
        raise NotApplicable("the model is not a masked or causal language model that exposes its tokens")
    from ..networks.likelihood import at_slots

    dna, mask, causal = model.tokens.vocabulary.dna, model.tokens.vocabulary.mask, model.head == "causal"
    fits = min(_LENGTH, model.context or _LENGTH)
    encoded = model.tokens.encode([s[: fits - fits % model.frame] for s in sequences])
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
    return np.split(log_probs[:, 0], np.cumsum([len(at) for at in slots])[:-1])
