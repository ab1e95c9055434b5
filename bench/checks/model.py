"""What every table takes for granted of a model.

A check takes a `LoadedModel`, so that the model is loaded once for all of them. It raises CheckFailed, or NotApplicable
where it has no say, and may return what it found.
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
from .weights import check_repeats_are_predicted, check_twin_is_drawn_anew, check_weights_are_not_random

Check = Callable[[LoadedModel], str | None]

_LONGEST_TRIED = 20_000
"""Bases; a context beyond them is not filled to see what happens, for it would take minutes."""

_LARGEST_TRAINED = 20_000_000
"""Parameters; a larger network is not trained to see whether that is reproducible."""


def check_loads(loaded: LoadedModel) -> None:
    """The model loads, and has the methods that its modes need."""
    for mode in loaded.card.modes:
        MODES.get(mode).check_model(loaded.model, loaded.card)


def check_same_call_twice_is_equal(loaded: LoadedModel) -> None:
    """Asked twice for the same, the model gives the same."""
    x = random_dna(3, seed=0)
    expect_same(loaded.answers(x), loaded.answers(x), loaded.tolerance / 100, "two calls with the same sequences")


def check_two_loads_are_equal(loaded: LoadedModel) -> None:
    """Loading twice gives the same weights and the same answers."""
    x = random_dna(3, seed=0)

    def found() -> Mapping[str, Any]:
        try:
            return loaded.answers(x)
        except NotApplicable:
            return {}

    before = loaded.parameter_hash(), found()
    loaded.again()
    expect(before[0] == loaded.parameter_hash(), "two loads have different weights")
    expect_same(before[1], found(), loaded.tolerance / 100, "two loads")


def check_order_does_not_matter(loaded: LoadedModel) -> None:
    """A sequence gives the same whatever its place among others of its length."""
    x = random_dna(6, seed=1)
    turned = rows_of(loaded.answers(x[::-1]), slice(None, None, -1))
    expect_same(loaded.answers(x), turned, loaded.tolerance, "in another order")


def check_batch_size_does_not_matter(loaded: LoadedModel) -> None:
    """A sequence gives the same whatever the number of others of its length that are computed with it."""
    x = random_dna(5, seed=2)
    together = loaded.answers(x)
    for size in (1, 2):
        parts = joined([loaded.answers(x[i : i + size]) for i in range(0, len(x), size)])
        expect_same(together, parts, loaded.tolerance, f"{len(x)} at a time and {size} at a time")
    if isinstance(getattr(loaded.model, "budget", None), int):
        budget = loaded.model.budget
        try:
            for fewer in (1, 300):
                loaded.model.budget = fewer
                what = f"batches of {budget} and of {fewer} tokens"
                expect_same(rows_of(together, slice(3)), loaded.answers(x[:3]), loaded.tolerance, what)
        finally:
            loaded.model.budget = budget


def check_alone_is_as_in_a_padded_batch(loaded: LoadedModel) -> str | None:
    """A sequence gives the same alone and beside longer and shorter ones."""
    x = strings(
        [*random_dna(2, seed=3, length=80), *random_dna(2, seed=4, length=31), *random_dna(1, seed=5, length=120)]
    )
    alone = joined([loaded.answers(x[i : i + 1]) for i in range(len(x))])
    expect_same(alone, loaded.answers(x), loaded.tolerance, "alone and beside sequences of other lengths")
    if getattr(loaded.model, "equal_lengths", False):
        return "Batched by equal length, since its network cannot be told what is padding."
    return None


def check_letters(loaded: LoadedModel) -> None:
    """Lower case counts as upper case, and N is accepted and gives finite numbers."""
    x = random_dna(2, seed=6)
    lower = strings([s.lower() for s in x])
    expect_same(loaded.answers_to_text(x), loaded.answers_to_text(lower), loaded.tolerance, "in lower case")
    for name, rows in loaded.answers_to_text(strings(["N" * 10 + x[0][10:], x[1][:40] + "N" * 24])).items():
        # What is skipped by rule is NaN in a ratio alone.
        finite = ~np.isinf(rows) if name == "masked_llr" else np.isfinite(rows)
        expect(finite.all(), f"{name}: N gives numbers that are not finite")


def check_empty_sequence_is_refused(loaded: LoadedModel) -> None:
    """An empty sequence raises a BaserateError that tells the row, not a traceback or a vector."""
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
        raise NotApplicable("the model has no longest sequence")
    if context > _LONGEST_TRIED:
        raise NotApplicable(f"{context} bases are too many to try what becomes of more")
    x = random_dna(1, seed=7, length=context + 50)
    try:
        for name, rows in loaded.answers_to_text(x).items():
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
        raise NotApplicable("the model does not tell its tokens")
    words, k = tokens.vocabulary, getattr(tokens, "k", 1)
    n = int((words.lengths == k).sum())
    expect(n == 4**k, f"{n} tokens spell {k} bases of A, C, G and T, expected {4**k}")
    if k == 1:
        starts = sorted(words.first_base[words.lengths == 1].tolist())
        expect(starts == [0, 1, 2, 3], "A, C, G and T do not have a token each")
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
    answers, told = loaded.answers(x), []
    for name in ("masked_log_probs", "next_base_log_probs"):
        if name in answers:
            total = np.exp(answers[name].astype(np.float64)).sum(-1)
            worst = total.flat[np.abs(total - 1).argmax()]
            expect(abs(worst - 1) <= tolerance, f"{name}: A, C, G and T have total probability {worst:.3g}")
            told.append(name)
    if "predict" in answers and answers["predict"].ndim == 2 and answers["predict"].shape[1] > 1:
        total = answers["predict"].sum(1)
        expect(np.abs(total - 1).max() <= tolerance, f"predict: probabilities of classes sum to {total.max():.3g}")
        told.append("predict")
    if "log_likelihood" in answers and _spells_bases(loaded):
        told.append(f"log_likelihood ({_continuations(loaded, tolerance)})")
    if not told:
        raise NotApplicable("the model gives no probabilities that can be summed")
    return f"Those of {', '.join(told)} do."


def _spells_bases(loaded: LoadedModel) -> bool:
    """Return whether a likelihood is, or may be, one of single bases: of longer tokens it has no simple sum."""
    tokens = getattr(loaded.model, "tokens", None)
    return getattr(loaded.model, "frame", 1) == 1 and (tokens is None or tokens.kind == "nucleotide")


def _continuations(loaded: LoadedModel, tolerance: float) -> str:
    """Return the total probability, in words, of all 64 continuations by three bases, the mean over some sequences.

    It is 1 where tokens are single bases. Longer tokens spell a continuation in several ways, of which a likelihood
    counts one, so that a model which does not tell its tokens may have less; it cannot have much more.
    """
    prefixes = random_dna(4, seed=10, length=20)
    ends = ["".join(bases) for bases in itertools.product("ACGT", repeat=3)]
    before = np.asarray(loaded.model.log_likelihood(prefixes), np.float64)
    after = np.asarray(loaded.model.log_likelihood(strings([p + e for p in prefixes for e in ends])), np.float64)
    totals: FloatArray = np.exp(after.reshape(len(prefixes), -1) - before[:, None]).sum(1)
    mean = float(totals.mean())
    what = f"all continuations by 3 bases have total probability {mean:.3g}"
    if hasattr(loaded.model, "tokens"):
        expect(np.abs(totals - 1).max() <= tolerance, f"log_likelihood: {what}, expected 1")
    expect(mean <= 2, f"log_likelihood: {what}; a sum of log-probabilities over tokens, in nats, gives at most 1")
    return what


def check_strands(loaded: LoadedModel) -> str:
    """How the vector of a sequence relates to that of its reverse complement; either way is well."""
    x = random_dna(6, seed=11, length=96)
    forward = loaded.embed(x).astype(np.float64)
    reverse = loaded.embed(strings([reverse_complement(s) for s in x])).astype(np.float64)
    scale = max(np.linalg.norm(forward - forward.mean(0), axis=1).mean(), 1e-12)
    apart = float(np.linalg.norm(forward - reverse, axis=1).mean() / scale)
    if np.abs(forward - reverse).max() <= loaded.tolerance * np.abs(forward).max():
        return "The reverse complement has the same vector."
    return f"The reverse complement is {apart:.2g} times as far as random sequences are from their mean."


def check_fit_is_reproducible(loaded: LoadedModel) -> None:
    """Fitting twice with one seed gives the same finite scores and leaves the model alone; classes sum to one."""
    card = loaded.card
    settings = dict(card.modes.get("from_scratch", card.modes.get("fine_tune", {})))
    if not {"from_scratch", "fine_tune"} & set(card.modes):
        raise NotApplicable("no mode of the model trains it")
    size = loaded.n_parameters()
    if size > _LARGEST_TRAINED:
        raise NotApplicable(f"{size:,} parameters: training is not tried")
    # A network learns nothing from so little, but must do it alike.
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
    """Zero-shot scores are one a variant and finite, or NaN for those that the rule skips."""
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
    expect(skipped < len(split.test), "no single-base variant is scored")
    return f"{skipped} of {len(split.test)} are skipped." if skipped else None


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
    check_repeats_are_predicted,
)

_BATCHES = (check_order_does_not_matter, check_batch_size_does_not_matter)
FOLLOWS: Mapping[Check, tuple[Check, ...]] = {
    **dict.fromkeys(MODEL_CHECKS[1:], (check_loads,)),
    **dict.fromkeys(MODEL_CHECKS[2:-2], (check_loads, check_same_call_twice_is_equal)),
    check_batch_size_does_not_matter: (check_loads, check_same_call_twice_is_equal, check_order_does_not_matter),
    check_alone_is_as_in_a_padded_batch: (check_loads, check_same_call_twice_is_equal, *_BATCHES),
    check_repeats_are_predicted: (check_loads, check_weights_are_not_random),
}
"""Checks that must have passed for one to tell anything of its own."""
