"""Every zero-shot rule on tiny networks, against the rule as it is written down: one variant, one token at a time."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from baserate.dna.sequence import reverse_complement
from baserate.errors import DataError, NotApplicable
from baserate.networks.checkpoint import from_network, open_checkpoint
from baserate.networks.families import Family
from baserate.networks.hub import Access, Location
from baserate.networks.language_model import LanguageModel
from baserate.networks.token_tables import KmerTokens
from baserate.types import FloatArray, Inputs, strings
from baserate.zero_shot import score

from .checkpoints import LAYOUTS, build, dna, kmers

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")

MASKED = ("esm-rotary", "esm-absolute", "bert-overlapping", "bert-bpe")
CAUSAL = ("gpt2", "gemma", "llama")
K = 3
"""Of the k-mer layouts."""


def change(ref: str, alt: str, terms: Callable[[str], list[float]]) -> float:
    """Return by how much the sum of the terms changes; of alleles of unlike length the mean, times as many terms."""
    x, y = terms(ref), terms(alt)
    if len(ref) == len(alt):
        return sum(y) - sum(x)
    return float(np.mean(y) - np.mean(x)) * 2 / (1 / len(x) + 1 / len(y))


class Literal:
    """A checkpoint through transformers alone, one row of tokens at a time."""

    def __init__(self, folder: Path, name: str) -> None:
        kind = AutoModelForMaskedLM if LAYOUTS[name].head == "masked" else AutoModelForCausalLM
        self.network = kind.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.layout = LAYOUTS[name].tokenizer
        self.words = {i: word for word, i in self.tokenizer.get_vocab().items()}
        self.dna = sorted(i for i, word in self.words.items() if set(word) <= set("ACGT"))
        self.logits = functools.cache(self.run)

    def run(self, ids: tuple[int, ...]) -> torch.Tensor:
        """Return the logits of one row."""
        with torch.no_grad():
            logits: torch.Tensor = self.network(torch.tensor([ids])).logits[0]
        return logits

    def ids(self, sequence: str) -> list[int]:
        """Return the tokenizer's ids of a sequence."""
        if self.layout == "overlapping":
            sequence = " ".join(sequence[i : i + K] for i in range(len(sequence) - K + 1))
        return [int(i) for i in self.tokenizer(sequence)["input_ids"]]

    def log_probs(self, ids: Sequence[int], slot: int) -> dict[int, float]:
        """Return the log-probabilities at a slot, normalised over the tokens that spell DNA."""
        logits = self.logits(tuple(ids))[slot]
        values = {i: float(logits[i]) for i in self.dna}
        total = math.log(sum(math.exp(v) for v in values.values()))
        return {i: v - total for i, v in values.items()}

    def masked(self, ids: Sequence[int], slots: Sequence[int]) -> list[int]:
        """Return the ids with the slots masked."""
        return [self.tokenizer.mask_token_id if slot in slots else i for slot, i in enumerate(ids)]

    def masked_llr(self, ref: str, alt: str) -> float:
        """Mask in REF the tokens that differ; sum log p(ALT) - log p(REF)."""
        a, b = self.ids(ref), self.ids(alt)
        if len(ref) != len(alt) or len(a) != len(b):
            return math.nan
        slots = [i for i in range(len(a)) if a[i] != b[i]]
        if self.layout == "bpe" and len(slots) != 1:
            return math.nan
        total = 0.0
        for slot in slots:
            found = self.log_probs(self.masked(a, slots), slot)
            total += found[b[slot]] - found[a[slot]]
        return total

    def masked_in_turn(self, sequence: str) -> list[float]:
        """Mask every token in turn; return the log-probabilities of what was there."""
        ids = self.ids(sequence)
        slots = [i for i in range(len(ids)) if ids[i] in self.dna]
        return [self.log_probs(self.masked(ids, [slot]), slot)[ids[slot]] for slot in slots]

    def unmasked(self, sequence: str) -> list[float]:
        """Mask nothing."""
        ids = self.ids(sequence)
        return [self.log_probs(ids, i)[ids[i]] for i in range(len(ids)) if ids[i] in self.dna]

    def left_to_right(self, sequence: str) -> list[float]:
        """Read every token's probability off the one before it."""
        ids = self.ids(sequence)
        return [self.log_probs(ids[:i], -1)[ids[i]] for i in range(1, len(ids)) if ids[i] in self.dna]

    def pll(self, ref: str, alt: str) -> float:
        """Mask every token of both in turn."""
        return change(ref, alt, self.masked_in_turn)

    def pll_one_pass(self, ref: str, alt: str) -> float:
        """Mask no token of either."""
        return change(ref, alt, self.unmasked)

    def causal_delta(self, ref: str, alt: str) -> float:
        """Read both from the left."""
        return change(ref, alt, self.left_to_right)

    def right_end(self, ref: str, alt: str) -> float:
        """Sum the probabilities of the tokens that begin with ALT, and of those with REF, after the left flank."""
        differing = [i for i in range(min(len(ref), len(alt))) if ref[i] != alt[i]]
        if len(ref) != len(alt) or len(differing) != 1 or differing[0] == 0:
            return math.nan
        flank = ref[: differing[0]]
        if self.layout == "kmer" and len(flank) > K:
            flank = flank[len(flank) % K :]
        ids = self.ids(flank)
        while ids[-1] in self.tokenizer.all_special_ids:
            ids.pop()
        found = self.log_probs(ids, -1)

        def starting(base: str) -> float:
            return math.log(sum(math.exp(v) for i, v in found.items() if self.words[i][0] == base))

        return starting(alt[differing[0]]) - starting(ref[differing[0]])

    def states(self, sequence: str) -> tuple[list[np.ndarray[Any, Any]], list[int], list[int]]:
        """Return each token's last hidden state, and the base before which it begins and ends; specials have none."""
        ids = self.ids(sequence)
        with torch.no_grad():
            states = self.network.base_model(torch.tensor([ids])).last_hidden_state[0].double().numpy()
        starts, ends, at = [], [], 0
        for i in ids:
            length = 0 if i in self.tokenizer.all_special_ids else len(self.words[i])
            starts.append(at)
            ends.append(at + length)
            at += min(1, length) if self.layout == "overlapping" else length
        return list(states), starts, ends

    def site(self, ref: str, alt: str) -> float:
        """Cosine between the states of the first token that spells the first base that differs, less 1."""
        differing = [i for i in range(min(len(ref), len(alt))) if ref[i] != alt[i]]
        if len(ref) != len(alt):
            return math.nan
        found = []
        for sequence in (ref, alt):
            states, starts, ends = self.states(sequence)
            slot = next(s for s in range(len(states)) if starts[s] <= differing[0] < ends[s])
            found.append(states[slot])
        return float(found[0] @ found[1] / np.linalg.norm(found[0]) / np.linalg.norm(found[1])) - 1

    def pooled(self, ref: str, alt: str) -> float:
        """Euclidean distance between the mean states, with the sign turned."""
        means = []
        for sequence in (ref, alt):
            states, starts, ends = self.states(sequence)
            means.append(np.mean([s for s, a, b in zip(states, starts, ends, strict=True) if b > a], axis=0))
        return -float(np.linalg.norm(means[0] - means[1]))


def changed() -> Inputs:
    """Return SNVs inside and at both ends, substitutions of several bases, an insertion and a deletion."""
    refs, alts = [], []

    def add(ref: str, at: int, length: int, alt: str) -> None:
        refs.append(ref)
        alts.append(ref[:at] + alt + ref[at + length :])

    other = {"A": "G", "C": "T", "G": "C", "T": "A"}
    windows = list(dna(9, 23, seed=3))
    for ref, at in zip(windows, (11, 4, 0, 22, 1), strict=False):
        add(ref, at, 1, other[ref[at]])
    add(windows[0], 11, 1, other[other[windows[0][11]]])
    add(windows[5], 9, 2, other[windows[5][9]] + other[windows[5][10]])
    add(windows[6], 7, 7, other[windows[6][7]] + windows[6][8:13] + other[windows[6][13]])
    add(windows[7], 8, 0, "GA")
    add(windows[8], 12, 3, "")
    first = [
        next((i for i, ab in enumerate(zip(r, a, strict=False)) if ab[0] != ab[1]), 0)
        for r, a in zip(refs, alts, strict=True)
    ]
    return Inputs(strings(refs), strings(alts), np.array(first))


def literally(rule: Callable[[str, str], float], inputs: Inputs, strands: str) -> FloatArray:
    """Return the mean of a rule over the strands on which it gives a number, variant by variant."""
    assert inputs.alternates is not None
    out = []
    for ref, alt in zip(inputs.sequences, inputs.alternates, strict=True):
        values = [rule(ref, alt)]
        if strands == "both":
            values.append(rule(reverse_complement(ref), reverse_complement(alt)))
        known = [value for value in values if not math.isnan(value)]
        out.append(sum(known) / len(known) if known else math.nan)
    return np.array(out)


def turned(inputs: Inputs) -> Inputs:
    """Return the other strand of the inputs."""
    assert inputs.alternates is not None
    refs, alts = ([reverse_complement(s) for s in column] for column in (inputs.sequences, inputs.alternates))
    return Inputs(strings(refs), strings(alts), inputs.positions)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[LanguageModel, Literal]]:
    """Return what builds the checkpoint of a layout once, and opens it in both ways."""

    @functools.cache
    def made(name: str) -> tuple[LanguageModel, Literal]:
        folder = build(tmp_path_factory.mktemp(name), LAYOUTS[name])
        model = open_checkpoint(Location(str(folder), folder, ""), Access(), device="cpu", precision="fp32")
        return model, Literal(folder, name)

    return made


RULES = [
    *((name, rule, rule, {}) for name in MASKED for rule in ("masked_llr", "pll", "pll_one_pass")),
    *((name, rule, rule, {}) for name in CAUSAL for rule in ("causal_delta", "right_end")),
    *((name, "embedding_distance", "site", {}) for name in MASKED + CAUSAL),
    *(
        (name, "embedding_distance", "pooled", {"at": "pooled", "distance": "euclidean"})
        for name in ("esm-absolute", "bert-bpe", "gpt2")
    ),
]
SCORED = {"masked_llr": 8, "site": 8}
"""How many of the ten changes a rule scores, where not all of them."""


@pytest.mark.parametrize(("name", "rule", "literal", "settings"), RULES)
def test_a_rule_is_what_is_written_down(
    make: Callable[[str], tuple[LanguageModel, Literal]], name: str, rule: str, literal: str, settings: dict[str, Any]
) -> None:
    model, ours = make(name)
    inputs = changed()
    for strands in ("forward", "both"):
        expected = literally(getattr(ours, literal), inputs, strands)
        found = score(model, inputs, rule, strands=strands, **settings)
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
        n = int(np.isfinite(found).sum())
        if rule == "right_end":
            assert n == (5 if strands == "forward" else 6)  # one is the first base, with nothing on its left
        elif rule == "masked_llr" and LAYOUTS[name].tokenizer == "bpe":
            assert 0 < n < 8
        else:
            assert n == SCORED.get(literal, 10)
    assert np.nanstd(expected) > 1e-3


@pytest.mark.parametrize("name", MASKED + CAUSAL)
def test_a_network_that_knows_nothing_tells_no_insertion_from_a_deletion(
    make: Callable[[str], tuple[LanguageModel, Literal]], name: str
) -> None:
    """Whatever a token is, and whether or not the first has a prediction; raw sums tell them apart for certain."""
    model = copy.copy(make(name)[0])
    forward = model.forward

    def level(*arguments: Any, **options: Any) -> Any:
        output, mask = forward(*arguments, **options)
        output.logits = torch.zeros_like(output.logits)
        return output, mask

    model.forward = level  # type: ignore[method-assign]
    refs, alts = [], []
    for i, ref in enumerate(dna(8, 40, seed=9)):
        refs.append(ref)
        alts.append(ref[:20] + ref[20 + i :] if i % 2 else ref[:20] + "GATTACA"[: i + 1] + ref[20:])
    inputs = Inputs(strings(refs), strings(alts), np.full(8, 20))
    for rule in ("causal_delta",) if name in CAUSAL else ("pll", "pll_one_pass"):
        np.testing.assert_array_equal(score(model, inputs, rule), np.zeros(8))
        raw = score(model, inputs, rule, indels="raw")
        assert raw[1::2].min() > raw[::2].max()


@pytest.mark.parametrize(("name", "rule", "literal", "settings"), RULES)
def test_either_strand_gives_the_same(
    make: Callable[[str], tuple[LanguageModel, Literal]], name: str, rule: str, literal: str, settings: dict[str, Any]
) -> None:
    model, _ = make(name)
    inputs = changed()
    there, back = (score(model, x, rule, **settings) for x in (inputs, turned(inputs)))
    np.testing.assert_allclose(there, back, atol=1e-5)


def test_what_is_scored_does_not_depend_on_the_batch(make: Callable[[str], tuple[LanguageModel, Literal]]) -> None:
    for name, rule in (("bert-bpe", "pll"), ("esm-absolute", "masked_llr"), ("llama", "right_end")):
        model, _ = make(name)
        whole = score(model, changed(), rule)
        model.budget, before = 1, model.budget
        try:
            np.testing.assert_allclose(score(model, changed(), rule), whole, atol=1e-5)
        finally:
            model.budget = before


def test_a_window_beyond_the_context_is_cut_about_the_site(
    make: Callable[[str], tuple[LanguageModel, Literal]],
) -> None:
    model, ours = make("bert-overlapping")
    context = model.context
    assert context is not None and context < 100
    refs = dna(6, 150, seed=8)
    sites = [75, 3, 0, 149, 140, 100]
    alts = strings([r[:at] + ("A" if r[at] != "A" else "T") + r[at + 1 :] for r, at in zip(refs, sites, strict=True)])
    expected = []
    for ref, alt, at in zip(refs, alts, sites, strict=True):
        # As many bases on the left as on the right, or as there are.
        half = (context - 1) // 2
        left = min(at, max(half, context - 1 - (149 - at)))
        right = min(149 - at, max(half, context - 1 - at))
        window = slice(at - left, at + right + 1)
        expected.append((ref[window], alt[window]))
    cut = Inputs(strings([r for r, _ in expected]), strings([a for _, a in expected]), np.array(sites))
    found = score(model, Inputs(refs, alts, np.array(sites)), "masked_llr")
    np.testing.assert_allclose(found, literally(ours.masked_llr, cut, "both"), atol=1e-5)


def crowded(model: LanguageModel) -> Inputs:
    """Return SNVs in windows as long as the context, in which so many bases are N that few tokens, or many, fit."""
    assert model.context is not None and model.max_tokens is not None
    length, at = model.context, model.context // 2
    refs, alts = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        share = (0.0, 0.1, 0.25, 0.6)[seed % 4]
        ref = "".join(
            "N" if rng.random() < share and abs(i - at) > 4 else b for i, b in enumerate(dna(1, length, seed)[0])
        )
        refs.append(ref)
        alts.append(ref[:at] + {"A": "C", "C": "G", "G": "T", "T": "A"}[ref[at]] + ref[at + 1 :])
    return Inputs(strings(refs), strings(alts), np.full(60, at))


@pytest.mark.parametrize(
    ("name", "rule", "literal"),
    [
        ("llama", "causal_delta", "causal_delta"),
        ("llama", "likelihood", "causal_delta"),
        ("llama", "embedding_distance", "site"),
        ("bert-bpe", "pll_one_pass", "pll_one_pass"),
        ("bert-bpe", "masked_llr", "masked_llr"),
        ("bert-bpe", "embedding_distance", "site"),
        ("esm-absolute", "pll_one_pass", "pll_one_pass"),
        ("esm-absolute", "masked_llr", "masked_llr"),
    ],
)
def test_windows_whose_tokens_do_not_fit_are_skipped_and_never_cut(
    make: Callable[[str], tuple[LanguageModel, Literal]], name: str, rule: str, literal: str
) -> None:
    model, ours = make(name)
    inputs = crowded(model)
    assert inputs.alternates is not None and model.max_tokens is not None

    def whole(ref: str, alt: str) -> float:
        sizes = [len(model.tokens.encode([s])[0].ids) for s in (ref, alt)]
        if max(sizes) > model.max_tokens:
            return math.nan
        found: float = getattr(ours, literal)(ref, alt)
        return found / sum(map(ref.count, "ACGT")) if rule == "likelihood" else found

    for strands in ("forward", "both"):
        expected = literally(whole, inputs, strands)
        skipped = int(np.isnan(expected).sum())
        assert 10 < skipped < 60
        np.testing.assert_allclose(score(model, inputs, rule, strands=strands), expected, atol=1e-5)
    # Where none fits, no width is known from those that do.
    one = inputs.take(np.flatnonzero(np.isnan(expected))[:3])
    assert np.isnan(score(model, one, rule)).all()


def test_a_flank_whose_tokens_do_not_fit_is_skipped(make: Callable[[str], tuple[LanguageModel, Literal]]) -> None:
    model, _ = make("llama")
    flanks = strings([*dna(2, 20, seed=1), "ANCN" * 50, "ACGT" * 5])
    found = model.next_base_log_probs(flanks)
    np.testing.assert_array_equal(np.isnan(found).all(1), [False, False, True, False])
    np.testing.assert_allclose(found[[0, 1, 3]], model.next_base_log_probs(flanks[[0, 1, 3]]), atol=1e-6)
    assert np.isnan(model.next_base_log_probs(flanks[2:3])).all()
    assert np.isnan(model.log_likelihood(flanks[2:3])).all()


def test_a_class_is_scored_by_its_likelihood_per_base(make: Callable[[str], tuple[LanguageModel, Literal]]) -> None:
    sequences = dna(4, (12, 30), seed=4)
    for name, rule, settings in (
        ("llama", "left_to_right", {}),
        ("esm-rotary", "masked_in_turn", {}),
        ("esm-rotary", "unmasked", {"one_pass": True}),
    ):
        model, ours = make(name)
        expected = [
            np.mean([sum(getattr(ours, rule)(turn(s))) for turn in (str, reverse_complement)]) / len(s)
            for s in sequences
        ]
        found = score(model, Inputs(sequences), "likelihood", **settings)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_temperature_divides_the_logits(make: Callable[[str], tuple[LanguageModel, Literal]]) -> None:
    model, ours = make("gpt2")
    warm = Literal.__new__(Literal)
    warm.__dict__.update(ours.__dict__)
    warm.logits = lambda ids: ours.logits(ids) / 2
    found = score(model, changed(), "causal_delta", temperature=2.0)
    np.testing.assert_allclose(found, literally(warm.causal_delta, changed(), "both"), atol=1e-5)


def test_the_wrong_head_is_said(make: Callable[[str], tuple[LanguageModel, Literal]]) -> None:
    for name, rule, needed in (("llama", "masked_llr", "a masked head"), ("bert-bpe", "right_end", "a causal head")):
        with pytest.raises(NotApplicable, match=f"needs {needed}"):
            score(make(name)[0], changed(), rule)
    with pytest.raises(NotApplicable, match="tokens are not single bases"):
        make("bert-bpe")[0].masked_log_probs(strings(["ACGT"]), [np.array([1])])
    with pytest.raises(DataError, match="a site lies outside its 4 bases"):
        make("esm-rotary")[0].masked_log_probs(strings(["ACGT"]), [np.array([4])])


def test_letters_that_are_no_bases_are_not_compared(make: Callable[[str], tuple[LanguageModel, Literal]]) -> None:
    """Called directly, since the rules leave such variants out before they ask a model."""
    refs = strings(["ACGTNCGTACGT", "ACGTACGTACGT", "ACGTNCGTACGT", "ACGT", "NNNNN"])
    alts = strings(["ACGTACGTACGT", "ACGTRCGTACGT", "ACGTNCGTACGA", "ACG", "NNNNN"])
    for name in ("esm-rotary", "esm-absolute", "bert-overlapping"):
        found = make(name)[0].masked_llr(refs, alts)
        np.testing.assert_array_equal(np.isnan(found), [True, True, False, True, False])
        assert found[4] == 0


def test_a_fixed_frame_scores_the_indels_that_keep_it(make: Callable[[str], tuple[LanguageModel, Literal]]) -> None:
    """GENERator: k-mers from the first base on, and a tail that is no k-mer is unknown and not scored."""
    model, ours = make("gemma")
    words = {word: i for i, word in ours.words.items()}
    table = np.array([words[word] for word in kmers(K)])
    letters = np.full(256, words["<unk>"])
    tokens = KmerTokens(
        model.tokens.vocabulary,
        model.tokens.prefix,
        model.tokens.suffix,
        K,
        table,
        letters,
        words["<unk>"],
        False,
        False,
    )
    fixed = from_network(model.network, tokens, name="fixed", head="causal", device="cpu", precision="fp32")
    assert (model.frame, fixed.frame) == (1, K)
    window = dna(1, 24, seed=6)[0]
    alts = [window[:10] + alt + window[end:] for alt, end in (("", 13), ("", 11), ("", 12), ("GAT", 10), ("G", 11))]
    inputs = Inputs(strings([window] * 5), strings(alts), np.full(5, 10))
    expected = np.where([True, False, False, True, True], literally(ours.causal_delta, inputs, "both"), np.nan)
    np.testing.assert_allclose(score(fixed, inputs, "causal_delta"), expected, atol=1e-5)
    # Of 26 bases 24 are scored, the same on both strands: the longer flank gives two.
    longer, shorter = (
        Inputs(strings([ref[:n]]), strings([alt[:n]]), np.array([11]))
        for ref, alt in [(f"G{window}A", f"G{window[:10]}G{window[11:]}A")]
        for n in (26, 24)
    )
    found = score(fixed, longer, "causal_delta")
    np.testing.assert_allclose(found, literally(ours.causal_delta, shorter, "both"), atol=1e-5)


@pytest.mark.parametrize("filler", ["", "N"])
def test_a_network_that_wants_multiples_gets_them(
    make: Callable[[str], tuple[LanguageModel, Literal]], filler: str
) -> None:
    model, _ = make("esm-rotary")
    family = Family("multiples", "takes multiples of 8", multiple_of=8, filler=filler)
    wanting = copy.copy(model)
    wanting.family = family
    lengths = set()
    wanting.forward = lambda network, rows, **options: (  # type: ignore[method-assign]
        lengths.update(len(r) for r in rows),
        model.forward(network, rows, **options),
    )[1]
    specials = model.tokens.n_special
    for rule in ("masked_llr", "pll_one_pass", "embedding_distance"):
        lengths.clear()
        found = score(wanting, changed(), rule)
        assert lengths and {(length - specials) % 8 for length in lengths} == {0}
        assert np.isfinite(found[:6]).all()
    sites = [np.array([0]), np.array([22])]
    lengths.clear()
    wanting.masked_log_probs(strings([changed().sequences[0]] * 2), sites)
    assert lengths == {(24 if filler else 16) + specials}
