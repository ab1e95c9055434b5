"""Zero-shot rules against analytic truth on Markov chains, and what each rule scores, skips and refuses."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from baserate.cache.cached_model import CachedModel
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, DataError, NotApplicable, UnknownName
from baserate.metrics import METRICS
from baserate.modes.job import Job
from baserate.modes.zero_shot import run as zero_shot
from baserate.registry import get_model, load_model, with_params
from baserate.sources.variants import Changes, variant_windows
from baserate.types import Examples, FloatArray, Inputs, IntArray, Split, StrArray, strings
from baserate.zero_shot import RULES, score
from baserate.zero_shot.alleles import compare

DNA = "ACGT"


class Chain:
    """What a Markov chain of order 2 says, by adding up the probabilities of whole sequences."""

    def __init__(self, table: NDArray[np.float64]) -> None:
        self.table = table
        # The pairs are stationary: the eigenvector of their transitions that belongs to 1.
        moves = np.zeros((16, 16))
        for a, b, c in itertools.product(range(4), repeat=3):
            moves[4 * a + b, 4 * b + c] = table[a, b, c]
        values, vectors = np.linalg.eig(moves.T)
        pairs = np.real(vectors[:, np.argmin(abs(values - 1))])
        self.pairs = (pairs / pairs.sum()).reshape(4, 4)

    def log_p(self, sequence: str) -> float:
        """Return the log-probability of a sequence, 0 for none."""
        x = [DNA.index(base) for base in sequence]
        if len(x) < 2:
            return float(np.log(self.pairs.sum(0)[x[0]])) if x else 0.0
        rest = sum(np.log(self.table[a, b, c]) for a, b, c in zip(x, x[1:], x[2:], strict=False))
        return float(np.log(self.pairs[x[0], x[1]]) + rest)

    def given_the_rest(self, sequence: str, sites: Sequence[int]) -> list[dict[str, float]]:
        """Return log p(base | all bases but those at the sites) at each site."""
        weights = [dict.fromkeys(DNA, 0.0) for _ in sites]
        for fill in itertools.product(DNA, repeat=len(sites)):
            filled = list(sequence)
            for at, base in zip(sites, fill, strict=True):
                filled[at] = base
            for weight, base in zip(weights, fill, strict=True):
                weight[base] += np.exp(self.log_p("".join(filled)))
        return [{b: float(np.log(w / sum(weight.values()))) for b, w in weight.items()} for weight in weights]

    def masked_llr(self, ref: str, alt: str) -> float:
        """Return the masked log-likelihood ratio on one strand."""
        sites = [i for i in range(len(ref)) if ref[i] != alt[i]]
        given = self.given_the_rest(ref, sites)
        return sum(p[alt[i]] - p[ref[i]] for p, i in zip(given, sites, strict=True))

    def pll(self, sequence: str) -> float:
        """Return the pseudo-log-likelihood on one strand."""
        return sum(self.given_the_rest(sequence, [i])[0][sequence[i]] for i in range(len(sequence)))

    def right_end(self, ref: str, alt: str) -> float:
        """Return log p(ALT | left) - log p(REF | left) on one strand."""
        at = next(i for i in range(len(ref)) if ref[i] != alt[i])
        return self.log_p(ref[:at] + alt[at]) - self.log_p(ref[: at + 1])


def toy(order: int, head: str = "masked") -> Any:
    """Return a shipped toy."""
    return load_model(with_params(get_model(f"markov_toy_{order}"), head=head))


def truth(order: int) -> Chain:
    """Return what a shipped toy must give."""
    return Chain(toy(order).network.table.numpy())


def draw(n: int, length: int, seed: int, alphabet: str = DNA) -> list[str]:
    """Return random sequences."""
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(alphabet), size=length)) for _ in range(n)]


def other(base: str, step: int = 1) -> str:
    """Return another base."""
    return DNA[(DNA.index(base) + step) % 4]


def variants(refs: Sequence[str], alts: Sequence[str]) -> Inputs:
    """Return variants as a model sees them."""
    at = [
        next((i for i, ab in enumerate(zip(r, a, strict=False)) if ab[0] != ab[1]), 0)
        for r, a in zip(refs, alts, strict=True)
    ]
    return Inputs(strings(refs), strings(alts), np.array(at, np.int64))


def both(rule: Any, *sequences: str) -> float:
    """Return the mean of a rule over the strands."""
    return float(0.5 * (rule(*sequences) + rule(*map(reverse_complement, sequences))))


def snvs(length: int = 9) -> Inputs:
    """Return an SNV at every place of a window, to each of the other bases."""
    rows = [
        (w, w[:i] + other(w[i], s) + w[i + 1 :]) for w in draw(2, length, 1) for i in range(length) for s in (1, 2, 3)
    ]
    return variants(*zip(*rows, strict=True))


def several() -> Inputs:
    """Return substitutions of two and three bases, next to each other and apart."""
    rows = []
    for window, sites in zip(draw(6, 9, 2), ([3, 4], [0, 8], [2, 3, 4], [1, 5], [7, 8], [0, 1]), strict=True):
        alt = list(window)
        for i in sites:
            alt[i] = other(window[i])
        rows.append((window, "".join(alt)))
    return variants(*zip(*rows, strict=True))


def indels() -> Inputs:
    """Return insertions and deletions, inside and at both ends."""
    rows = []
    for i, window in enumerate(draw(4, 9, 3)):
        at = (4, 0, 9, 6)[i]
        rows += [
            (window, window[:at] + "GA" + window[at:]),
            (window, window[: at - 1] + window[at:] if at else window[1:]),
        ]
    return variants(*zip(*rows, strict=True))


def pairs_of(inputs: Inputs) -> list[tuple[str, str]]:
    assert inputs.alternates is not None
    return list(zip(inputs.sequences, inputs.alternates, strict=True))


def changed_by(total: Any, how: str) -> Any:
    """Return by how much `total` changes from REF to ALT: raw, or per base times the harmonic mean of the lengths."""

    def change(ref: str, alt: str) -> float:
        a, b = len(alt), len(ref)
        if how == "raw" or a == b:
            return float(total(alt) - total(ref))
        return float(2 * a * b / (a + b) * (total(alt) / a - total(ref) / b))

    return change


@pytest.mark.parametrize("order", [0, 2])
def test_masked_rules_are_true(order: int) -> None:
    model, chain = toy(order), truth(order)
    for inputs in (snvs(), several()):
        expected = [both(chain.masked_llr, r, a) for r, a in pairs_of(inputs)]
        np.testing.assert_allclose(score(model, inputs, "masked_llr"), expected, atol=1e-9)
    for inputs in (snvs(5), several(), indels()):
        for how in ("per_term", "raw"):
            expected = [both(changed_by(chain.pll, how), r, a) for r, a in pairs_of(inputs)]
            np.testing.assert_allclose(score(model, inputs, "pll", indels=how), expected, atol=1e-9)
            np.testing.assert_allclose(score(model, inputs, "pll_one_pass", indels=how), expected, atol=1e-9)


@pytest.mark.parametrize("order", [0, 2])
def test_causal_rules_are_true(order: int) -> None:
    model, chain = toy(order, "causal"), truth(order)
    for inputs in (snvs(), several(), indels()):
        for how in ("per_term", "raw"):
            expected = [both(changed_by(chain.log_p, how), r, a) for r, a in pairs_of(inputs)]
            np.testing.assert_allclose(score(model, inputs, "causal_delta", indels=how), expected, atol=1e-9)
        per_base = [both(chain.log_p, a) / len(a) - both(chain.log_p, r) / len(r) for r, a in pairs_of(inputs)]
        np.testing.assert_allclose(score(model, inputs, "likelihood"), per_base, atol=1e-9)
    inside = snvs().take(np.array([i for i, at in enumerate(snvs().positions) if 0 < at < 8]))  # type: ignore[arg-type]
    expected = [both(chain.right_end, r, a) for r, a in pairs_of(inside)]
    np.testing.assert_allclose(score(model, inside, "right_end"), expected, atol=1e-9)


class Uniform:
    """A model that knows nothing, with a start that is not predicted (`unseen` bases) or without."""

    def __init__(self, unseen: int = 0, noise: float = 0) -> None:
        self.unseen, self.noise, self.rng = unseen, noise, np.random.default_rng(0)
        if unseen:
            self.n_terms = lambda sequences: np.array([len(s) - unseen for s in sequences], float)

    def log_likelihood(self, sequences: StrArray) -> FloatArray:
        terms = np.array([len(s) - self.unseen for s in sequences], float)
        return -np.log(4) * terms + self.noise * self.rng.normal(size=len(terms))

    pseudo_log_likelihood = log_likelihood


@pytest.mark.parametrize("unseen", [0, 1])
@pytest.mark.parametrize("rule", ["causal_delta", "pll"])
def test_a_model_that_knows_nothing_has_an_auroc_of_a_half_on_indels(rule: str, unseen: int) -> None:
    refs, rng = draw(200, 200, 4), np.random.default_rng(1)
    sizes = rng.integers(1, 6, 200)
    alts = [
        r[:100] + r[100 + k :] if i % 2 else r[:100] + draw(1, k, i)[0] + r[100:]
        for i, (r, k) in enumerate(zip(refs, sizes, strict=True))
    ]
    inputs = Inputs(strings(refs), strings(alts), np.full(200, 100))

    def auroc(scores: FloatArray) -> float:
        return float(METRICS.get("auroc")(np.arange(200) % 2, scores[:, None], np.ones((1, 200)))[0])

    found = score(Uniform(unseen), inputs, rule)
    np.testing.assert_array_equal(found, np.zeros(200))
    assert auroc(found) == 0.5 and auroc(score(Uniform(unseen), inputs, rule, indels="raw")) == 1.0
    likely = score(Uniform(), inputs, "likelihood")
    np.testing.assert_array_equal(likely, np.zeros(200))
    assert auroc(score(Uniform(noise=1e-6), inputs, rule)) != 0.5, "what is no rounding is not taken for it"


def test_what_is_inserted_counts_by_how_likely_it_is() -> None:
    """A chain of order 0 finds a run of A more likely than the window's average base, and a run of T less."""
    window = draw(1, 40, 7)[0]
    alts = [window[:20] + run + window[20:] for run in ("AAAAAA", "TTTTTT")] + [window[:20] + window[26:]]
    inputs = variants([window] * 3, alts)
    found = score(toy(0, "causal"), inputs, "causal_delta", strands="forward")
    assert found[0] > 1 and found[1] < -1
    assert inputs.alternates is not None
    swapped = score(toy(0, "causal"), variants(alts, [window] * 3), "causal_delta", strands="forward")
    np.testing.assert_allclose(swapped, -found, atol=1e-9)


def test_bases_that_nobody_knows_are_summed_over() -> None:
    """A toy reads N as any base: the mean over the fillings is exact."""
    chain, model = truth(2), toy(2, "causal")
    known = [chain.log_p(f"AC{a}G{b}T") for a in DNA for b in DNA]
    # The probabilities of the known bases alone are summed, each given what is known before it.
    steps = model.log_likelihood(strings(["ACNGNT"]))[0]
    assert steps == pytest.approx(np.log(np.exp(known).sum()), abs=1e-9)


def test_a_chain_of_order_0_gives_the_ratio_of_two_frequencies() -> None:
    """Forward A>C is log(.3/.4); on the other strand it is T>G, log(.2/.1)."""
    found = score(toy(0), variants(["GAG"], ["GCG"]), "masked_llr")
    np.testing.assert_allclose(found, [(np.log(0.75) + np.log(2)) / 2])
    forward = score(toy(0), variants(["GAG"], ["GCG"]), "masked_llr", strands="forward")
    np.testing.assert_allclose(forward, [np.log(0.75)])


@pytest.mark.parametrize(
    ("rule", "head"),
    [("masked_llr", "masked"), ("pll", "masked"), ("causal_delta", "causal"), ("right_end", "causal")],
)
def test_the_strand_does_not_matter_and_the_sign_turns(rule: str, head: str) -> None:
    model = toy(2, head)
    inputs = snvs()
    assert inputs.alternates is not None
    found = score(model, inputs, rule)
    turned = variants(*([reverse_complement(s) for s in column] for column in (inputs.sequences, inputs.alternates)))
    np.testing.assert_allclose(score(model, turned, rule), found, atol=1e-9)
    swapped = Inputs(inputs.alternates, inputs.sequences, inputs.positions)
    np.testing.assert_allclose(score(model, swapped, rule), -found, atol=1e-9)
    np.testing.assert_array_equal(score(model, inputs, rule, deleterious=True), -found)
    assert np.std(found) > 0.1


WINDOW = "GATTACAGATTGCCATGAACTCGGTTCAAGTC"


def changed(at: int, length: int, alt: str) -> str:
    """Return the window with some bases replaced."""
    return WINDOW[:at] + alt + WINDOW[at + length :]


ALTS = {
    "none": WINDOW,
    "snv": changed(5, 1, "G"),
    "two bases": changed(5, 2, "GT"),
    "apart": changed(5, 1, "G")[:20] + "A" + WINDOW[21:],
    "insertion": changed(6, 0, "TT"),
    "deletion": changed(6, 3, ""),
    "delins": changed(6, 3, "C"),
    "restored insertion": changed(6, 0, "TT")[: len(WINDOW)],
    "restored deletion": changed(6, 3, "") + "GAT",
    "to N": changed(5, 1, "N"),
    "insertion of N": changed(6, 0, "TN"),
    "first base": changed(0, 1, "C"),
    "last base": changed(31, 1, "A"),
}
EVERYTHING = set(ALTS) - {"to N", "insertion of N"}
ALIGNED = {"none", "snv", "two bases", "apart", "first base", "last base"}
SNVS = {"snv", "first base", "last base"}


@pytest.mark.parametrize(
    ("rule", "head", "asked", "scored"),
    [
        ("masked_llr", "masked", {}, ALIGNED),
        ("pll", "masked", {}, EVERYTHING),
        ("pll_one_pass", "masked", {}, EVERYTHING),
        ("causal_delta", "causal", {}, EVERYTHING),
        ("likelihood", "causal", {}, EVERYTHING),
        ("likelihood", "masked", {"one_pass": True}, EVERYTHING),
        ("right_end", "causal", {}, SNVS),
        ("right_end", "causal", {"strands": "forward"}, SNVS - {"first base"}),
        ("embedding_distance", "masked", {}, ALIGNED - {"none"}),
        ("embedding_distance", "masked", {"at": "pooled"}, EVERYTHING),
    ],
)
def test_what_a_rule_skips(rule: str, head: str, asked: dict[str, Any], scored: set[str]) -> None:
    found = score(toy(2, head), variants([WINDOW] * len(ALTS), list(ALTS.values())), rule, **asked)
    assert {name for name, value in zip(ALTS, found, strict=True) if not np.isnan(value)} == scored
    if "none" in scored:
        assert found[list(ALTS).index("none")] == pytest.approx(0, abs=1e-12)


def test_n_beside_the_change_is_no_obstacle() -> None:
    inputs = variants(["NNGATTACANN", "NNNNNNNNNNN"], ["NNGATGACANN", "NNNNNANNNNN"])
    for rule, head in (
        ("masked_llr", "masked"),
        ("pll", "masked"),
        ("causal_delta", "causal"),
        ("right_end", "causal"),
    ):
        found = score(toy(2, head), inputs, rule)
        assert np.isfinite(found[0]) and np.isnan(found[1])
    assert np.isnan(score(toy(2), Inputs(strings(["NN", "ANA"])), "likelihood")).tolist() == [True, False]


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    at=st.integers(60, 64),
    ref=st.text(DNA, min_size=1, max_size=6),
    alt=st.text(DNA, min_size=1, max_size=6),
    width=st.integers(50, 80),
)
def test_a_restored_length_is_told_from_a_substitution(seed: int, at: int, ref: str, alt: str, width: int) -> None:
    """Windows as they are built from a VCF: an indel has the length of REF again, and is still an indel."""
    genome = "".join(np.random.default_rng(seed).choice(list(DNA), size=140))
    genome = genome[:at] + ref + genome[at + len(ref) :]
    if ref == alt:
        return
    inputs, *_ = variant_windows({"c": genome}, Changes(["c"], [at], [ref], [alt]), width=width, source="test")
    ((r, a),) = pairs_of(inputs)
    assert len(r) == len(a)
    change = compare(r, a)
    assert change.kind == ("indel" if len(ref) != len(alt) else change.kind) and (change.kind == "indel") == (
        len(ref) != len(alt)
    )
    if change.kind == "indel":
        assert change.alt_end - change.ref_end == len(alt) - len(ref)
    else:
        assert len(change.letters) == 2 * sum(x != y for x, y in zip(ref, alt, strict=True))


class Recorder:
    """A model that notes what it is asked and scores a sequence by its letters."""

    context: int | None = 20

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def log_likelihood(self, sequences: StrArray) -> FloatArray:
        self.asked += [(s,) for s in sequences]
        return np.array([sum((i + 1) * ord(b) for i, b in enumerate(s)) for s in sequences], np.float64)

    def masked_llr(self, references: StrArray, alternates: StrArray) -> FloatArray:
        self.asked += list(zip(references, alternates, strict=True))
        return np.zeros(len(references))

    def embed(self, sequences: StrArray) -> NDArray[np.float32]:
        self.asked += [(s,) for s in sequences]
        return np.array([[s.count(base) for base in DNA] for s in sequences], np.float32)


def test_equal_sequences_are_computed_once() -> None:
    refs, alts = [WINDOW[:15]] * 6, [WINDOW[:7] + b + WINDOW[8:15] for b in "ACTACT"]
    for rule, n in (("causal_delta", 8), ("masked_llr", 6), ("embedding_distance", 8)):
        model = Recorder()
        score(model, variants(refs, alts), rule, **({"at": "pooled"} if rule == "embedding_distance" else {}))
        assert len(model.asked) == len(set(model.asked)) == n


@pytest.mark.parametrize("context", [12, 13, 20, 32, None])
@pytest.mark.parametrize("frame", [1, 3])
def test_a_long_window_is_cut_about_the_change_alike_in_both(context: int | None, frame: int) -> None:
    for name in sorted(EVERYTHING - {"none"}):
        model = Recorder()
        model.context, model.frame = context, frame  # type: ignore[attr-defined]
        alt = ALTS[name]
        found = score(model, variants([WINDOW], [alt]), "causal_delta", strands="forward")
        if abs(len(alt) - len(WINDOW)) % frame or (name == "apart" and context in (12, 13)):
            assert np.isnan(found[0]) and not model.asked
            continue
        (a,), (r,) = model.asked
        assert max(len(a), len(r)) <= (context or 99) and len(r) % frame == 0 and r in WINDOW and a in alt
        assert len(r) > min(context or 99, len(WINDOW)) - 2 * frame - abs(len(alt) - len(WINDOW))
        before = WINDOW.index(r)
        # What was cut off was the same on either side, so what is left differs in all of the change.
        assert alt.startswith(WINDOW[:before] + a)
        if len(alt) != len(WINDOW):
            assert WINDOW[before + len(r) :] == alt[before + len(a) :]
        change = compare(WINDOW, alt)
        assert compare(r, a).first == change.first - before
        # As central as it can be, give or take a frame.
        if context in (12, 13) and change.first == 6 - (name in ("snv", "two bases")):
            left, right = change.first - before, max(len(r), len(a)) - max(change.ref_end, change.alt_end) + before
            assert before == 0 or abs(left - right) <= frame


def test_cut_windows_are_the_same_on_either_strand() -> None:
    model = Recorder()
    rng = np.random.default_rng(0)
    for _ in range(50):
        ref, at = draw(1, 40, int(rng.integers(1 << 30)))[0], int(rng.integers(40))
        alt = ref[:at] + other(ref[at]) + ref[at + 1 :]
        there = score(model, variants([ref], [alt]), "causal_delta")
        back = score(model, variants([reverse_complement(ref)], [reverse_complement(alt)]), "causal_delta")
        assert there == pytest.approx(back)


def test_a_pair_beyond_the_context_is_cut_to_its_middle() -> None:
    model = Recorder()
    real, shuffled = draw(2, 31, 5)
    score(model, Inputs(strings([real]), strings([shuffled])), "likelihood", strands="forward")
    assert model.asked == [(shuffled[5:25],), (real[5:25],)]


def sample(n: int, length: int, seed: int) -> list[str]:
    """Return sequences drawn from the toy of order 2."""
    chain, rng = truth(2), np.random.default_rng(seed)
    out = []
    for _ in range(n):
        start = int(rng.choice(16, p=chain.pairs.ravel()))
        x = [start // 4, start % 4]
        while len(x) < length:
            x.append(int(rng.choice(4, p=chain.table[x[-2], x[-1]])))
        out.append("".join(DNA[i] for i in x))
    return out


def test_pairs_are_told_apart_by_what_knows_the_order_and_by_chance_by_what_knows_the_letters() -> None:
    real, rng = sample(100, 60, 1), np.random.default_rng(2)
    shuffled = ["".join(rng.permutation(list(s))) for s in real]
    inputs = Inputs(strings(real), strings(shuffled))
    for rule, head, n in (("likelihood", "causal", 100), ("causal_delta", "causal", 100), ("likelihood", "masked", 10)):
        some = inputs.take(slice(n))
        assert np.mean(score(toy(2, head), some, rule, strands="forward") < 0) > 0.97
        # The letters are the same: what is left is rounding, which takes either side.
        np.testing.assert_allclose(score(toy(0, head), some, rule, strands="forward"), 0, atol=1e-9)


def test_the_likelihood_tells_classes_apart() -> None:
    real, rng = sample(40, 60, 3), np.random.default_rng(4)
    shuffled = ["".join(rng.permutation(list(s))) for s in real]
    found = score(toy(2, "causal"), Inputs(strings(shuffled + real)), "likelihood", strands="forward")
    assert np.mean(found[40:, None] > found[None, :40]) > 0.97
    chain = truth(2)
    np.testing.assert_allclose(found, [chain.log_p(s) / 60 for s in shuffled + real], atol=1e-9)


def examples(sequences: Sequence[str], targets: Sequence[Any]) -> Examples:
    """Return labelled sequences."""
    names = strings([f"x{i}" for i in range(len(sequences))])
    return Examples(names, Inputs(strings(sequences)), np.array(targets), names, names)


def test_centroids_are_those_of_standardised_training_vectors() -> None:
    train = draw(30, 12, 6, "AACGT") + draw(30, 12, 7, "ACCGT") + draw(30, 12, 8, "ACGGT")
    test = draw(10, 12, 9)
    x, y = (np.array([[s.count(b) for b in DNA] for s in column], np.float64) for column in (train, test))
    for n in (2, 3):
        targets = np.repeat(np.arange(n), 30)
        known = x[: 30 * n]
        mean, deviation = known.mean(0), known.std(0)
        expected = np.zeros((10, n))
        for i, row in enumerate((y - mean) / deviation):
            for c in range(n):
                centre = ((known[targets == c] - mean) / deviation).mean(0)
                expected[i, c] = row @ centre / np.linalg.norm(row) / np.linalg.norm(centre)
        found = score(Recorder(), Inputs(strings(test)), "centroid", train=examples(train[: 30 * n], targets))
        np.testing.assert_allclose(found, expected[:, 1] - expected[:, 0] if n == 2 else expected, atol=1e-6)
    # Letter counts of both strands together: A is as T.
    model = Recorder()
    both = score(model, Inputs(strings(test)), "centroid", train=examples(train, targets), strands="both")
    turned = strings([reverse_complement(s) for s in test])
    again = score(model, Inputs(turned), "centroid", train=examples(train, targets), strands="both")
    np.testing.assert_allclose(both, again, atol=1e-9)


def test_centroid_needs_classes_to_learn_from() -> None:
    inputs = Inputs(strings(draw(2, 12, 0)))
    for train, message in (
        (None, "needs training examples"),
        (examples(draw(2, 12, 1), [0.5, 1.5]), "are measurements"),
    ):
        with pytest.raises(NotApplicable, match=message):
            score(Recorder(), inputs, "centroid", train=train)
    with pytest.raises(DataError, match=r"every class; their numbers are \[0, 2\]"):
        score(Recorder(), inputs, "centroid", train=examples(draw(2, 12, 1), [1, 1]))


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "inner_product"])
def test_embedding_distances(distance: str) -> None:
    class Sites(Recorder):
        def embed_sites(self, sequences: StrArray, sites: IntArray, *, layer: int) -> NDArray[np.float32]:
            assert layer == 3
            return np.array([[i + 1, ord(s[i]) - 60, 2] for s, i in zip(sequences, sites, strict=True)], np.float32)

    refs, alts = ["ACGTAC"], ["ACGCGC"]

    def literal(a: list[float], b: list[float]) -> float:
        u, v = np.array(a), np.array(b)
        return {
            "cosine": float(u @ v / np.sqrt(u @ u) / np.sqrt(v @ v) - 1),
            "euclidean": -float(np.sqrt(((u - v) ** 2).sum())),
            "inner_product": float(u @ v),
        }[distance]

    def state(sequence: str, at: int) -> list[float]:
        return [at + 1, ord(sequence[at]) - 60, 2]

    # Forward the first base that differs is 3; on the other strand, GTACGT to GCGCGT, it is 1.
    expected = 0.5 * literal(state("ACGTAC", 3), state("ACGCGC", 3)) + 0.5 * literal(
        state("GTACGT", 1), state("GCGCGT", 1)
    )
    found = score(Sites(), variants(refs, alts), "embedding_distance", distance=distance, layer=3)
    np.testing.assert_allclose(found, [expected], atol=1e-6)
    pooled = score(
        Recorder(), variants(refs, alts), "embedding_distance", distance=distance, at="pooled", strands="forward"
    )
    np.testing.assert_allclose(pooled, [literal([2, 2, 1, 1], [1, 3, 2, 0])], atol=1e-6)


@pytest.mark.parametrize("at", ["site", "pooled"])
def test_a_distance_does_not_tell_which_of_a_pair_is_real(at: str) -> None:
    # It is never positive, so any model would be right about every pair.
    inputs = variants(draw(5, 12, 1), draw(5, 12, 2))
    pairs = Inputs(inputs.sequences, inputs.alternates)
    for distance in ("cosine", "euclidean", "inner_product"):
        with pytest.raises(NotApplicable, match="not which sequence of a pair is real"):
            score(toy(2), pairs, "embedding_distance", distance=distance, at=at)


def test_a_paired_task_has_no_sites_even_where_its_source_found_some() -> None:
    inputs = variants(draw(5, 12, 1), draw(5, 12, 2))
    assert inputs.positions is not None
    names = strings(list("abcde"))
    test = Examples(names, inputs, np.zeros(5), names, names)
    settings = {"rule": "embedding_distance", "distance": "cosine", "at": "pooled", "layer": -1, "strands": "both"}
    for kind in ("paired", "regression"):
        task = SimpleNamespace(kind=kind, deleterious=False)
        job = Job(task, None, Recorder(), Split(test, test, test), settings, (0,), 1.0)  # type: ignore[arg-type]
        if kind == "paired":
            with pytest.raises(NotApplicable, match="not which sequence of a pair is real"):
                zero_shot(job)
        else:
            assert zero_shot(job).shape == (1, 5, 1)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, "2", True, None])
@pytest.mark.parametrize("rule", ["causal_delta", "likelihood"])
def test_a_temperature_that_turns_or_loses_the_score_is_refused(rule: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"temperature = .*: expected a finite number above 0"):
        score(toy(2, "causal"), snvs(), rule, temperature=value)


def test_a_temperature_that_a_model_does_not_take_is_said(tmp_path: Path) -> None:
    for model in (Recorder(), CachedModel(Recorder(), tmp_path, {})):
        with pytest.raises(NotApplicable, match="log_likelihood takes none; leave it at 1"):
            score(model, snvs(), "causal_delta", temperature=2.0)
    takes = CachedModel(toy(2, "causal"), tmp_path, {})
    warm, own = (score(model, snvs(), "causal_delta", temperature=2.0) for model in (takes, toy(2, "causal")))
    np.testing.assert_array_equal(warm, own)
    assert not np.allclose(warm, score(takes, snvs(), "causal_delta"))


def test_a_models_own_score_is_taken_as_it_is() -> None:
    class Own:
        def score_variants(self, inputs: Inputs) -> list[float]:
            return [float(len(s)) for s in inputs.sequences][: self.n]

        n = 9

    np.testing.assert_array_equal(score(Own(), variants(["AC", "ACG"], ["AG", "ACT"]), "native"), [2.0, 3.0])
    short = Own()
    short.n = 1
    with pytest.raises(DataError, match="gave 1 scores for 2 examples"):
        score(short, variants(["AC", "ACG"], ["AG", "ACT"]), "native")


def test_what_cannot_be_is_said_in_one_line() -> None:
    inputs = variants(["ACGT"], ["ACGA"])
    for rule, asked, error, message in (
        ("maskd_llr", {}, UnknownName, "Did you mean 'masked_llr'"),
        ("masked_llr", {"strand": "both"}, ConfigError, "did you mean 'strands'?"),
        ("native", {"strands": "both"}, ConfigError, "unknown key 'strands'"),
        ("causal_delta", {"strands": "reverse"}, ConfigError, "expected forward or both"),
        ("right_end", {}, NotApplicable, "needs next_base_log_probs, which this Recorder lacks"),
        ("embedding_distance", {}, NotApplicable, "at = 'site' needs embed_sites"),
        ("embedding_distance", {"distance": "manhattan"}, ConfigError, "expected cosine, euclidean or inner_product"),
        ("embedding_distance", {"at": "mean"}, ConfigError, "expected site or pooled"),
        ("likelihood", {"one_pass": True}, ConfigError, "one pass anyway"),
        ("centroid", {}, NotApplicable, "not variants or pairs"),
    ):
        with pytest.raises(error, match=message):
            score(Recorder(), inputs, rule, **asked)
    with pytest.raises(NotApplicable, match="no alternate sequences"):
        score(Recorder(), Inputs(strings(["ACGT"])), "causal_delta")
    with pytest.raises(ConfigError, match="a pseudo-log-likelihood has none"):
        score(toy(2), inputs, "likelihood", temperature=2.0)


def test_nothing_gives_nothing() -> None:
    empty = Inputs(strings([]), strings([]), np.array([], np.int64))
    for rule, head in (
        ("masked_llr", "masked"),
        ("pll", "masked"),
        ("causal_delta", "causal"),
        ("right_end", "causal"),
        ("likelihood", "causal"),
        ("embedding_distance", "masked"),
    ):
        assert score(toy(2, head), empty, rule).shape == (0,)


def test_every_rule_says_what_it_skips() -> None:
    for name, rule in RULES.all().items():
        assert RULES.get(name) is rule and rule.description.endswith(".")
        if rule.sees == "variants" and name != "native":
            assert "SNVs" in rule.description and rule.settings["strands"].default == "both"
