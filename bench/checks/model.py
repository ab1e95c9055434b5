"""The checks that every model must pass.

A check takes a `LoadedModel`, so that the model is loaded once for all of them. It raises CheckFailed, or NotApplicable
where it does not apply, and may return a sentence on what it measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..dna.sequence import reverse_complement
from ..errors import BaserateError, CheckFailed, NotApplicable, expect
from ..modes import MODES, mode_settings
from ..modes.job import Job
from ..types import FloatArray, Task, strings
from .loaded import LoadedModel, expect_same, joined, rows_of
from .toys import random_dna, toy_classes, toy_variants
from .weights import (
    check_likelihood_knows_dna,
    check_repeats_are_predicted,
    check_twin_is_drawn_anew,
    check_weights_are_not_random,
)

Check = Callable[[LoadedModel], str | None]

_LONGEST_TRIED = 20_000
"""Longest context, in bases, that is exceeded on purpose: a longer one would take minutes."""

_LARGEST_TRAINED = 20_000_000
"""Parameters of the largest network that is trained to see whether training is reproducible."""


def check_loads(loaded: LoadedModel) -> None:
    """The model loads, and has the methods that its modes need."""
    for mode in loaded.card.modes:
        MODES.get(mode).check_model(loaded.model, loaded.card)


def check_same_call_twice_is_equal(loaded: LoadedModel) -> None:
    """Two calls with the same sequences give the same outputs."""
    x = random_dna(3, seed=0)
    expect_same(loaded.outputs(x), loaded.outputs(x), loaded.tolerance / 100, "two calls with the same sequences")


def check_two_loads_are_equal(loaded: LoadedModel) -> None:
    """Loading twice gives the same weights and the same outputs."""
    x = random_dna(3, seed=0)

    def outputs() -> Mapping[str, Any]:
        try:
            return loaded.outputs(x)
        except NotApplicable:
            return {}

    before = loaded.parameter_hash(), outputs()
    loaded.reload()
    expect(before[0] == loaded.parameter_hash(), "two loads have different weights")
    expect_same(before[1], outputs(), loaded.tolerance / 100, "two loads")


def check_order_does_not_matter(loaded: LoadedModel) -> None:
    """The output for a sequence does not depend on its place among others of its length."""
    x = random_dna(6, seed=1)
    turned = rows_of(loaded.outputs(x[::-1]), slice(None, None, -1))
    expect_same(loaded.outputs(x), turned, loaded.tolerance, "in another order")


def check_batch_size_does_not_matter(loaded: LoadedModel) -> None:
    """The output for a sequence does not depend on how many others of its length are in the batch."""
    x = random_dna(5, seed=2)
    together = loaded.outputs(x)
    for size in (1, 2):
        parts = joined([loaded.outputs(x[i : i + size]) for i in range(0, len(x), size)])
        expect_same(together, parts, loaded.tolerance, f"{len(x)} at a time and {size} at a time")
    if isinstance(getattr(loaded.model, "budget", None), int):
        budget = loaded.model.budget
        try:
            for fewer in (1, 300):
                loaded.model.budget = fewer
                what = f"batches of {budget} and of {fewer} tokens"
                expect_same(rows_of(together, slice(3)), loaded.outputs(x[:3]), loaded.tolerance, what)
        finally:
            loaded.model.budget = budget


def check_alone_is_as_in_a_padded_batch(loaded: LoadedModel) -> str | None:
    """The output for a sequence is the same alone and in a batch with longer and shorter ones."""
    x = strings(
        [*random_dna(2, seed=3, length=80), *random_dna(2, seed=4, length=31), *random_dna(1, seed=5, length=120)]
    )
    alone = joined([loaded.outputs(x[i : i + 1]) for i in range(len(x))])
    expect_same(alone, loaded.outputs(x), loaded.tolerance, "alone and beside sequences of other lengths")
    if getattr(loaded.model, "equal_lengths", False):
        return "Sequences are batched by equal length, since the network cannot mask padding."
    return None


def check_letters(loaded: LoadedModel) -> None:
    """Lower case counts as upper case, and N is accepted and gives finite numbers."""
    x = random_dna(2, seed=6)
    lower = strings([s.lower() for s in x])
    expect_same(loaded.outputs_of_text(x), loaded.outputs_of_text(lower), loaded.tolerance, "in lower case")
    for name, rows in loaded.outputs_of_text(strings(["N" * 10 + x[0][10:], x[1][:40] + "N" * 24])).items():
        # Only a ratio is NaN where the rule skips a variant.
        finite = ~np.isinf(rows) if name == "masked_llr" else np.isfinite(rows)
        expect(finite.all(), f"{name}: N gives numbers that are not finite")


def check_empty_sequence_is_refused(loaded: LoadedModel) -> None:
    """An empty sequence raises a BaserateError that names the row; it gives no traceback and no embedding."""
    try:
        loaded.embed(strings(["ACGTACGTAC", ""]))
    except NotApplicable:
        raise
    except BaserateError:
        return
    raise CheckFailed("an empty sequence was embedded")


def check_long_sequence_is_handled(loaded: LoadedModel) -> str | None:
    """A sequence longer than the context gives finite numbers and counts as truncated, or raises a BaserateError."""
    context = getattr(loaded.model, "context", None) or loaded.card.context
    if context is None:
        raise NotApplicable("the model has no limit on the length of a sequence")
    if context > _LONGEST_TRIED:
        raise NotApplicable(f"a context of {context} bases is too long to exceed in a check")
    x = random_dna(1, seed=7, length=context + 50)
    try:
        for name, rows in loaded.outputs_of_text(x).items():
            expect(not np.isinf(rows).any(), f"{name}: a sequence of {context + 50} bases gives infinite numbers")
            expect(name == "masked_llr" or np.isfinite(rows).all(), f"{name}: {context + 50} bases give NaN")
    except CheckFailed:
        raise
    except BaserateError as error:
        return f"A sequence of {context + 50} bases is refused: {error}"
    if hasattr(loaded.model, "n_truncated"):
        expect(loaded.model.n_truncated(x) == 1, f"{context + 50} bases are cut to {context} and not counted")
    return None


def check_vocabulary_spells_dna(loaded: LoadedModel) -> str:
    """Every base, or every k-mer, has a token, and tokens spell a sequence without gaps."""
    tokens = getattr(loaded.model, "tokens", None)
    if tokens is None:
        raise NotApplicable("the model does not expose its tokens")
    words, k = tokens.vocabulary, getattr(tokens, "k", 1)
    n = int((words.lengths == k).sum())
    expect(n == 4**k, f"{n} tokens spell words of {k} bases, expected {4**k}")
    if k == 1:
        starts = sorted(words.first_base[words.lengths == 1].tolist())
        expect(starts == [0, 1, 2, 3], "A, C, G and T do not each have a token")
    (sequence,) = random_dna(1, seed=8, length=24 * k)
    (encoded,) = tokens.encode([sequence])
    spelling = encoded.ends > encoded.starts
    unknown = spelling & ~np.isin(encoded.ids, words.dna)
    expect(not unknown.any(), f"{int(unknown.sum())} tokens of random DNA spell none of A, C, G and T")
    covered = np.zeros(len(sequence), bool)
    for start, end in zip(encoded.starts, encoded.ends, strict=True):
        covered[start:end] = True
    expect(covered.all(), f"base {int(np.argmin(covered))} of random DNA is in no token")
    return f"{len(words.dna)} tokens spell DNA ({tokens.kind.replace('_', ' ')})."


def check_probabilities_sum_to_one(loaded: LoadedModel) -> str:
    """The probabilities of A, C, G, T, of all continuations of a sequence, and of all classes, sum to one."""
    x = random_dna(3, seed=9, length=40)
    tolerance = 5e-2 if loaded.tolerance > 1e-3 else 1e-3
    outputs, summed = loaded.outputs(x), []
    for name in ("masked_log_probs", "next_base_log_probs"):
        if name in outputs:
            total = np.exp(outputs[name].astype(np.float64)).sum(-1)
            worst = total.flat[np.abs(total - 1).argmax()]
            expect(abs(worst - 1) <= tolerance, f"{name}: the probabilities of A, C, G and T sum to {worst:.3g}")
            summed.append(name)
    if "predict" in outputs and outputs["predict"].ndim == 2 and outputs["predict"].shape[1] > 1:
        total = outputs["predict"].sum(1)
        expect(
            np.abs(total - 1).max() <= tolerance, f"predict: the probabilities of the classes sum to {total.max():.3g}"
        )
        summed.append("predict")
    if "log_likelihood" in outputs and _spells_bases(loaded):
        summed.append(f"log_likelihood ({_continuations(loaded, tolerance)})")
    if not summed:
        raise NotApplicable("the model gives no probabilities that can be summed")
    return f"Sums to one: {', '.join(summed)}."


def _spells_bases(loaded: LoadedModel) -> bool:
    """Return whether likelihoods may be of single bases; those of longer tokens have no simple sum."""
    tokens = getattr(loaded.model, "tokens", None)
    return getattr(loaded.model, "frame", 1) == 1 and (tokens is None or tokens.kind == "nucleotide")


def _continuations(loaded: LoadedModel, tolerance: float) -> str:
    """Return a sentence on the total probability of all 64 continuations by three bases, a mean over some sequences.

    The total is 1 where tokens are single bases. Longer tokens spell a continuation in several ways, of which a
    likelihood counts one, so a model that does not expose its tokens may have less, but not much more.
    """
    prefixes = random_dna(4, seed=10, length=20)
    ends = ["".join(bases) for bases in itertools.product("ACGT", repeat=3)]
    before = np.asarray(loaded.model.log_likelihood(prefixes), np.float64)
    after = np.asarray(loaded.model.log_likelihood(strings([p + e for p in prefixes for e in ends])), np.float64)
    totals: FloatArray = np.exp(after.reshape(len(prefixes), -1) - before[:, None]).sum(1)
    mean = float(totals.mean())
    what = f"all continuations by 3 bases sum to {mean:.3g}"
    if hasattr(loaded.model, "tokens"):
        expect(np.abs(totals - 1).max() <= tolerance, f"log_likelihood: {what}, expected 1")
    expect(
        mean <= 2, f"log_likelihood: {what}, expected 1 or less; is it a sum of log-probabilities over tokens, in nats?"
    )
    return what


def check_strands(loaded: LoadedModel) -> str:
    """How the embedding of a sequence compares with that of its reverse complement; either way is fine."""
    x = random_dna(6, seed=11, length=96)
    forward = loaded.embed(x).astype(np.float64)
    reverse = loaded.embed(strings([reverse_complement(s) for s in x])).astype(np.float64)
    scale = max(np.linalg.norm(forward - forward.mean(0), axis=1).mean(), 1e-12)
    apart = float(np.linalg.norm(forward - reverse, axis=1).mean() / scale)
    if np.abs(forward - reverse).max() <= loaded.tolerance * np.abs(forward).max():
        return "The reverse complement has the same embedding."
    return f"The reverse complement is {apart:.2g} times as far away as random sequences are from their mean."


def check_fit_is_reproducible(loaded: LoadedModel) -> None:
    """Fitting twice with one seed gives the same finite scores and leaves the model unchanged; classes sum to one."""
    card = loaded.card
    settings = dict(card.modes.get("from_scratch", card.modes.get("fine_tune", {})))
    if not {"from_scratch", "fine_tune"} & set(card.modes):
        raise NotApplicable("the model has no mode that trains it")
    size = loaded.n_parameters()
    if size > _LARGEST_TRAINED:
        raise NotApplicable(f"{size:,} parameters are too many to train in a check")
    # A network learns nothing from so little, but must do so reproducibly.
    is_network = hasattr(loaded.model, "network")
    settings |= {"epochs": 1, "batch_size": 8} if is_network else {}
    split = (toy_variants if card.variants else toy_classes)(16 if is_network else 60)
    n_classes = 0 if card.variants else 2
    before = loaded.parameter_hash()

    def scores() -> FloatArray:
        predictor = loaded.model.fit(split.train, split.valid, n_classes=n_classes, seed=3, **settings)
        return np.asarray(predictor.predict(split.test.inputs))

    first, second = scores(), scores()
    expect(first.shape == (len(split.test), n_classes or 1), f"predict() returned shape {first.shape}")
    expect(np.isfinite(first).all(), "scores are not finite")
    expect(np.allclose(first, second, rtol=0, atol=loaded.tolerance), "the same seed gives different scores")
    if n_classes:
        expect(np.allclose(first.sum(1), 1, atol=1e-5), "class probabilities do not sum to one")
    expect(loaded.parameter_hash() == before, "fit() changed the weights of the model itself")


def check_variant_scores(loaded: LoadedModel) -> str | None:
    """Each variant gets one zero-shot score, which is finite, or NaN where the rule skips the variant."""
    if "zero_shot" not in loaded.card.modes:
        raise NotApplicable("the model has no zero-shot mode")
    split = toy_variants(60)
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
    mode = MODES.get("zero_shot")
    mode.check(task, loaded.card)
    job = Job(task, loaded.card, loaded.model, split, mode_settings("zero_shot", loaded.card, task), (0,), 0.0)
    scores = mode.run(job)
    expect(scores.shape == (1, len(split.test), 1), f"scores have shape {scores.shape}")
    expect(not np.isinf(scores).any(), "scores are infinite")
    skipped = int(np.isnan(scores).sum())
    expect(skipped < len(split.test), "no single-base variant got a score")
    return f"{skipped} of {len(split.test)} variants are skipped." if skipped else None


MODEL_CHECKS: tuple[Check, ...] = (
    check_loads,
    check_same_call_twice_is_equal,
    check_two_loads_are_equal,
    check_order_does_not_matter,
    check_batch_size_does_not_matter,
    check_alone_is_as_in_a_padded_batch,
    check_letters,
    check_empty_sequence_is_refused,
    check_long_sequence_is_handled,
    check_vocabulary_spells_dna,
    check_probabilities_sum_to_one,
    check_strands,
    check_fit_is_reproducible,
    check_variant_scores,
    check_twin_is_drawn_anew,
    check_weights_are_not_random,
    check_likelihood_knows_dna,
    check_repeats_are_predicted,
)

_BATCHES = (check_order_does_not_matter, check_batch_size_does_not_matter)
FOLLOWS: Mapping[Check, tuple[Check, ...]] = {
    **dict.fromkeys(MODEL_CHECKS[1:], (check_loads,)),
    **dict.fromkeys(MODEL_CHECKS[2:-3], (check_loads, check_same_call_twice_is_equal)),
    check_batch_size_does_not_matter: (check_loads, check_same_call_twice_is_equal, check_order_does_not_matter),
    check_alone_is_as_in_a_padded_batch: (check_loads, check_same_call_twice_is_equal, *_BATCHES),
    check_repeats_are_predicted: (check_loads, check_weights_are_not_random),
}
"""The checks that must have passed before a check runs."""
