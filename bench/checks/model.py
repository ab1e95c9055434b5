"""What every table takes for granted of a model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import BaserateError, CheckFailed, NotApplicable, expect
from ..modes import MODES, Job, mode_settings
from ..registry import get_model, load_model
from ..types import Examples, FloatArray, Inputs, ModelCard, Split, StrArray, Task, strings


def check_two_loads_are_equal(card: ModelCard) -> None:
    """Loading twice gives the same weights and the same vectors."""
    first, second = load_model(card), load_model(card)
    one, other = (getattr(m, "parameter_hash", str)() for m in (first, second))
    expect(one == other, "two loads have different weights")
    if hasattr(first, "embed"):
        x = _sequences(4, seed=0)
        a, b = (m.embed(x, **_embed_settings(card)) for m in (first, second))
        expect(np.array_equal(a, b), "two loads give different vectors")


def check_alone_is_as_in_a_batch(card: ModelCard) -> None:
    """A sequence embeds alike alone, in a padded batch, and in another order."""
    embed = _embedder(card)
    x = strings(
        [*_sequences(3, seed=1, length=80), *_sequences(3, seed=2, length=31), *_sequences(2, seed=3, length=140)]
    )
    together = embed(x)
    expect(together.shape[0] == len(x) and together.ndim == 2, f"embed() returned shape {together.shape}")
    alone = np.concatenate([embed(x[i : i + 1]) for i in range(len(x))])
    scale = np.abs(together).max()
    expect(
        np.abs(alone - together).max() <= 1e-4 * scale,
        f"alone and in a batch differ by {np.abs(alone - together).max():.2g}",
    )
    expect(
        np.abs(embed(x[::-1])[::-1] - together).max() <= 1e-4 * scale, "the order of the sequences changes the vectors"
    )


def check_letters(card: ModelCard) -> None:
    """Lower case counts as upper case, N is accepted, and vectors are finite."""
    embed = _embedder(card)
    x = _sequences(2, seed=4)
    lower = strings([s.lower() for s in x])
    expect(np.allclose(embed(x), embed(lower), atol=1e-5), "lower case changes the vectors")
    expect(
        np.isfinite(embed(strings(["N" * 10 + x[0][10:], x[1][:20]]))).all(),
        "N or a short sequence gives non-finite vectors",
    )


def check_empty_sequence_is_refused(card: ModelCard) -> None:
    """An empty sequence raises a BaserateError that tells the row, not a traceback or a vector."""
    embed = _embedder(card)
    try:
        embed(strings(["ACGTACGTAC", ""]))
    except BaserateError:
        return
    raise CheckFailed("an empty sequence was embedded")


def check_long_sequence_is_handled(card: ModelCard) -> None:
    """A sequence longer than the context gives a finite vector or a BaserateError."""
    if card.context is None:
        raise NotApplicable("the card declares no context length")
    try:
        vector = _embedder(card)(_sequences(1, seed=5, length=card.context + 50))
    except BaserateError:
        return
    expect(np.isfinite(vector).all(), "an over-long sequence gives non-finite vectors")


def check_log_probs_sum_to_one(card: ModelCard) -> None:
    """Masked log-probabilities over A, C, G, T are normalised, whatever else is in the batch."""
    model = load_model(card)
    if not hasattr(model, "masked_log_probs"):
        raise NotApplicable("the model has no masked_log_probs()")
    x = strings([*_sequences(2, seed=6, length=60), *_sequences(1, seed=7, length=45)])
    sites = [np.array([5, 6]), np.array([59]), np.array([20])]
    found = model.masked_log_probs(x, sites)
    for row, (values, at) in enumerate(zip(found, sites, strict=True)):
        expect(values.shape == (len(at), 4), f"row {row}: shape {values.shape}, expected {(len(at), 4)}")
        expect(np.allclose(np.exp(values).sum(1), 1, atol=1e-5), f"row {row}: probabilities do not sum to one")
    alone = model.masked_log_probs(x[2:], sites[2:])[0]
    expect(np.allclose(alone, found[2], atol=1e-4), "alone and in a batch differ")


def check_fit_is_reproducible(card: ModelCard) -> None:
    """Fitting twice with one seed gives the same finite scores of the right shape; class probabilities sum to one."""
    settings = card.modes.get("from_scratch", card.modes.get("fine_tune"))
    if settings is None:
        raise NotApplicable("no mode of the model trains it")
    split = _toy_variants() if card.variants else _toy_classes()
    n_classes = 0 if card.variants else 2

    def scores() -> FloatArray:
        model: Any = load_model(card)
        predictor = model.fit(split.train, split.valid, n_classes=n_classes, seed=3, **settings)
        return np.asarray(predictor.predict(split.test.inputs))

    first, second = scores(), scores()
    expect(first.shape == (len(split.test), n_classes or 1), f"predict() returned shape {first.shape}")
    expect(np.isfinite(first).all(), "scores are not finite")
    expect(np.array_equal(first, second), "the same seed gives different scores")
    if n_classes:
        expect(np.allclose(first.sum(1), 1, atol=1e-6), "class probabilities do not sum to one")


def check_variant_scores(card: ModelCard) -> None:
    """Zero-shot scores are finite, one a variant, and 0 where nothing is scored apart from its own order."""
    if "zero_shot" not in card.modes:
        raise NotApplicable("the model has no zero-shot mode")
    split = _toy_variants()
    task = Task(
        "toy",
        1,
        "regression",
        ("spearman",),
        lambda: split.test,
        lambda e: e.ids,
        "",
        "",
        "",
        "",
        (),
        (),
        {},
        variants=True,
    )
    job = Job(task, card, load_model(card), split, mode_settings("zero_shot", card), (0,), 0.0)
    scores = MODES["zero_shot"].run(job)
    expect(scores.shape == (1, len(split.test), 1), f"scores have shape {scores.shape}")
    expect(np.isfinite(scores).all(), "scores are not finite")


def check_twin_differs(card: ModelCard) -> None:
    """A random-weight twin has other weights than the model whose twin it is."""
    if not card.twin_of:
        raise NotApplicable("the model is nobody's twin")
    ours, theirs = (load_model(c).parameter_hash() for c in (card, get_model(card.twin_of)))  # type: ignore[union-attr]
    expect(ours != theirs, f"the weights are those of {card.twin_of}")


MODEL_CHECKS: tuple[Callable[[ModelCard], None], ...] = (
    check_two_loads_are_equal,
    check_alone_is_as_in_a_batch,
    check_letters,
    check_empty_sequence_is_refused,
    check_long_sequence_is_handled,
    check_log_probs_sum_to_one,
    check_fit_is_reproducible,
    check_variant_scores,
    check_twin_differs,
)


def _embed_settings(card: ModelCard) -> dict[str, Any]:
    return dict(card.modes.get("linear_probe", {}))


def _embedder(card: ModelCard) -> Callable[[StrArray], Any]:
    model: Any = load_model(card)
    if not hasattr(model, "embed"):
        raise NotApplicable("the model has no embed()")
    return functools.partial(model.embed, **_embed_settings(card))


def _sequences(n: int, *, seed: int, length: int = 64) -> StrArray:
    letters = np.random.default_rng(seed).choice(list("ACGT"), size=(n, length))
    return strings(["".join(row) for row in letters])


def _toy(part: str, inputs: Inputs, targets: Any) -> Examples:
    ids = strings([f"{part}{i}" for i in range(len(inputs))])
    return Examples(ids, inputs, targets, ids, ids)


def _toy_classes() -> Split:
    """Return 40-bp sequences of two classes, the second with a TATAAA in its middle."""

    def part(name: str, n: int, seed: int) -> Examples:
        targets = np.arange(n) % 2
        x = [
            s[:17] + "TATAAA" + s[23:] if t else s
            for s, t in zip(_sequences(n, seed=seed, length=40), targets, strict=True)
        ]
        return _toy(name, Inputs(strings(x)), targets)

    return Split(part("train", 60, 11), part("valid", 20, 12), part("test", 20, 13))


def _toy_variants() -> Split:
    """Return single-base variants in 30-bp windows; the effect is 1 where ALT is G or C, plus a term of position."""

    def part(name: str, n: int, seed: int) -> Examples:
        rng = np.random.default_rng(seed)
        references = _sequences(n, seed=seed, length=30)
        positions = rng.integers(0, 30, n)
        alternates = []
        for reference, position in zip(references, positions, strict=True):
            base = rng.choice([b for b in "ACGT" if b != reference[position]])
            alternates.append(reference[:position] + str(base) + reference[position + 1 :])
        effect = np.array([float(a[p] in "GC") + p / 100 for a, p in zip(alternates, positions, strict=True)])
        return _toy(name, Inputs(references, strings(alternates), positions), effect)

    return Split(part("train", 60, 21), part("valid", 20, 22), part("test", 20, 23))
