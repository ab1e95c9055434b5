"""Baselines that score without labels: against slow literal implementations, known chains and published values."""

from __future__ import annotations

import functools
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.baselines import edit_count, markov, pwm, substitution_table, transition_transversion, trinucleotide
from baserate.baselines._contexts import changes
from baserate.baselines.markov import MAX_ORDER, Chain, count_words, fit_chain
from baserate.dna.kmers import encode
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, NotApplicable
from baserate.registry import get_model
from baserate.types import Examples, FloatArray, Inputs, StrArray, strings


def _dna(n: int, length: int, *, seed: int, letters: str = "ACGT") -> list[str]:
    rows = np.random.default_rng(seed).choice(list(letters), size=(n, length))
    return ["".join(row) for row in rows]


def _learnt(train: list[str], **params: Any) -> markov.Markov:
    model = markov.load(**params)
    model.learn(Inputs(strings(train)))
    return model


def _variants(ref: list[str], alt: list[str]) -> Inputs:
    return Inputs(strings(ref), strings(alt), np.zeros(len(ref), np.int64))


def _slow_log_likelihood(train: list[str], sequence: str, order: int, pseudocount: float) -> float:
    """Return the chain's log-likelihood by counting strings, a context at a time."""
    both = [*sorted(set(train)), *(reverse_complement(s) for s in sorted(set(train)))]

    @functools.cache
    def p(context: str, base: str) -> float:
        shorter = p(context[1:], base) if context else 0.25
        words = [s[i : i + len(context) + 1] for s in both for i in range(len(s) - len(context))]
        seen = {b: sum(w == context + b for w in words) for b in "ACGT"}
        return (seen[base] + 4 * pseudocount * shorter) / (sum(seen.values()) + 4 * pseudocount)

    total = 0.0
    for i, base in enumerate(sequence):
        if base in "ACGT":
            known = sequence[max(0, i - order) : i]
            known = known[max((j + 1 for j, letter in enumerate(known) if letter not in "ACGT"), default=0) :]
            total += math.log(p(known, base))
    return total


@pytest.mark.parametrize(("order", "pseudocount"), [(1, 1.0), (3, 0.25)])
def test_chain_is_the_literal_one(order: int, pseudocount: float) -> None:
    train = _dna(6, 60, seed=1, letters="ACGTTAN")
    tested = [*_dna(4, 40, seed=2, letters="ACCGTN"), "", "N", "G", "ACGNNACG", train[0]]
    found = _learnt([*train, train[0]], order=order, pseudocount=pseudocount).log_likelihood(strings(tested))
    slow = [_slow_log_likelihood(train, s, order, pseudocount) for s in tested]
    np.testing.assert_allclose(found, slow, rtol=0, atol=1e-9)


def test_counts_do_not_depend_on_how_dna_is_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    train, tested = _dna(5, 333, seed=3, letters="ACGTN"), strings(_dna(7, 50, seed=4))
    whole = _learnt(train, order=4).log_likelihood(tested)
    piece = encode(strings(train[:1]))[0]
    counted = count_words([piece], 5)
    monkeypatch.setattr(markov, "_BLOCK", 37)
    np.testing.assert_array_equal(_learnt(train, order=4).log_likelihood(tested), whole)
    for one, other in zip(count_words([piece], 5), counted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_probabilities_of_all_continuations_sum_to_one() -> None:
    model = _learnt(_dna(3, 100, seed=5), order=4, pseudocount=0.1)
    for start in ("", "ACG", "ACGTT", "TTN"):
        words = strings([start + "".join(w) for w in itertools.product("ACGT", repeat=3)])
        gain = model.log_likelihood(words) - model.log_likelihood(strings([start]))
        assert np.exp(gain).sum() == pytest.approx(1, abs=1e-10)


def test_next_base_is_what_the_likelihood_gains() -> None:
    model = _learnt(_dna(3, 100, seed=5), order=3)
    tested = ["", "A", "GN", "NAC", "ACGTACG", "ACNGT"]
    found = model.next_base_log_probs(strings(tested))
    grown = model.log_likelihood(strings([s + b for s in tested for b in "ACGT"])).reshape(-1, 4)
    np.testing.assert_allclose(found, grown - model.log_likelihood(strings(tested))[:, None], atol=1e-12)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, atol=1e-10)


def _strand_symmetric_chain(seed: int) -> FloatArray:
    """Return p(base | two bases), (16, 4), of a second-order chain that reads alike on both strands.

    Made from a word distribution that is its own reverse complement and whose two marginals agree.
    """
    rng = np.random.default_rng(seed)
    words = rng.dirichlet(np.full(64, 2.0)).reshape(4, 4, 4)
    for _ in range(500):
        words = words + words[::-1, ::-1, ::-1].transpose(2, 1, 0)
        words *= np.sqrt(words.sum(axis=0)[:, :, None] / words.sum(axis=2)[:, :, None])
        words /= words.sum()
    assert np.abs(words.sum(axis=0) - words.sum(axis=2)).max() < 1e-6
    return (words / words.sum(axis=2, keepdims=True)).reshape(16, 4)


def test_parameters_of_a_known_chain_are_recovered() -> None:
    truth = _strand_symmetric_chain(6)
    rng = np.random.default_rng(7)
    draws, steps = rng.random(100_000), truth.cumsum(axis=1)
    codes = [0, 1]
    for u in draws:
        codes.append(min(3, int(np.searchsorted(steps[4 * codes[-2] + codes[-1]], u))))
    text = "".join("ACGT"[c] for c in codes)
    chain = _learnt([text], order=2).chain
    assert np.abs(np.exp(chain.log_probs[2]) - truth).max() < 0.02
    deeper = np.exp(_learnt([text], order=4).chain.log_probs[4])
    assert np.abs(deeper - np.tile(truth, (16, 1))).max() < 0.15
    # The true log-likelihood is not reached by a shorter chain.
    held_out = strings(["".join("ACGT"[c] for c in codes[-2000:])])
    by_order = [_learnt([text[:-2000]], order=k).log_likelihood(held_out)[0] for k in (1, 2)]
    known = Chain((*chain.log_probs[:2], np.log(truth))).log_likelihood(held_out)[0]
    assert by_order[0] < by_order[1] - 10 and abs(by_order[1] - known) < 10


def test_variant_score_is_alt_over_ref_on_both_strands() -> None:
    model = _learnt(_dna(4, 80, seed=8), order=3)
    refs, alts = _dna(5, 30, seed=9), _dna(5, 30, seed=10)
    inputs = _variants([*refs, refs[0]], [*alts, refs[0][:10] + refs[0][11:]])
    found = model.score_variants(inputs)

    def mean(sequences: StrArray) -> FloatArray:
        back = strings([reverse_complement(s) for s in sequences])
        return 0.5 * (model.log_likelihood(sequences) + model.log_likelihood(back))

    assert inputs.alternates is not None
    np.testing.assert_allclose(found, mean(inputs.alternates) - mean(inputs.sequences), atol=1e-12)
    turned = _variants(
        [reverse_complement(s) for s in inputs.sequences], [reverse_complement(s) for s in inputs.alternates]
    )
    np.testing.assert_allclose(model.score_variants(turned), found, atol=1e-12)
    alone = [model.score_variants(inputs.take(slice(i, i + 1)))[0] for i in range(6)]
    np.testing.assert_array_equal(alone, found)


def test_rare_contexts_are_left_to_shorter_ones() -> None:
    counts = [np.array([70.0, 10, 10, 10]), np.zeros(16), np.zeros(64)]
    chain = fit_chain(counts, 1.0)
    np.testing.assert_allclose(chain.log_probs[2], np.tile(chain.log_probs[0], (16, 1)))


def _corpus(folder: Path) -> tuple[Path, list[str]]:
    contigs = [*_dna(2, 60_000, seed=11), "AC" * 30_000]
    (folder / "a.fa").write_text(f">one\n{contigs[0]}\n>two\n{contigs[1]}\n")
    (folder / "b.fa").write_text(f">three\n{contigs[2]}\n")
    table = (
        '[[corpus]]\nname = "{0}"\nfasta = "{1}/{0}.fa"\ninclude = ["*"]\nweight = {2}\nspecies = ""\nassembly = ""\n'
    )
    path = folder / "pretrain.toml"
    path.write_text(
        "[training]\nsteps = 1\ncrop = 100\nvalid_fraction = 0.0\n"
        + table.format("a", folder, 3)
        + table.format("b", folder, 1)
    )
    return path, contigs


def test_corpora_are_learnt_in_proportion_to_their_weights(tmp_path: Path) -> None:
    path, _ = _corpus(tmp_path)
    model = markov.load(order=2, corpus=str(path))
    model.learn(Inputs(strings([])))
    p = np.exp(model.next_base_log_probs(strings(["A"])))[0]
    # 3 in 4 bases are of equal letters; of the rest, half are A followed by C, and on the other strand half are G, T.
    a_then_any, a_then_c = 3 / 4 / 4 + 1 / 4 / 4, 3 / 4 / 16 + 1 / 4 / 4
    assert p[1] == pytest.approx(a_then_c / a_then_any, abs=0.01)


def test_held_out_chunks_of_the_corpora_are_not_counted(tmp_path: Path) -> None:
    path, contigs = _corpus(tmp_path)
    path.write_text(path.read_text().replace("valid_fraction = 0.0", "valid_fraction = 0.4"))
    model = markov.load(order=8, corpus=str(path))
    chunks = [c[i : i + 20_000] for c in contigs[:2] for i in range(0, 60_000, 20_000)]
    likelihood = model.log_likelihood(strings(chunks))
    seen = likelihood > (likelihood.min() + likelihood.max()) / 2
    assert 0 < seen.sum() < 6 and likelihood[seen].min() - likelihood[~seen].max() > 200


@pytest.mark.parametrize("order", [0, 9, True, 2.0])
def test_wrong_order_is_said(order: Any) -> None:
    with pytest.raises(ConfigError, match=f"order is {order!r}; expected a whole number from 1 to {MAX_ORDER}"):
        markov.load(order=order)


def test_what_markov_cannot_do_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pseudocount is 0; expected a number above 0"):
        markov.load(pseudocount=0)
    with pytest.raises(NotApplicable, match="no training part; give it a corpus"):
        _learnt([])
    with pytest.raises(ConfigError, match="learnt nothing yet"):
        markov.load().log_likelihood(strings(["A"]))
    with pytest.raises(NotApplicable, match="no alternate"):
        _learnt(["ACGT"]).score_variants(Inputs(strings(["A"])))
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        markov.load(corpus=str(tmp_path / "missing.toml"))


def test_changes_are_found_with_their_neighbours() -> None:
    found = changes(
        _variants(["ACGT", "ACGT", "TTT", "AC", "ANT", "AC"], ["ATGT", "CCGA", "TTT", "A", "ACT", "GT"]), "x"
    )
    assert found.row.tolist() == [0, 1, 1, 5, 5]
    assert found.ref.tolist() == [[0, 1, 2], [4, 0, 1], [2, 3, 4], [4, 0, 1], [0, 1, 4]]
    assert found.alt.tolist() == [[0, 3, 2], [4, 1, 1], [2, 0, 4], [4, 2, 3], [2, 3, 4]]
    assert found.scorable.tolist() == [True, True, True, False, False, True]
    np.testing.assert_array_equal(found.total(np.arange(5.0)), [0, 3, 0, np.nan, np.nan, 7])


def _restored(size: int, *, seed: int) -> tuple[str, str]:
    """Return 101-bp windows of REF and of ALT with `size` bases inserted (or deleted: below 0) in the middle of it."""
    dna, new = _dna(1, 130, seed=seed)[0], _dna(1, 20, seed=seed + 100)[0]
    changed = dna[:50] + new[: max(size, 0)] + dna[50 + max(-size, 0) :]
    return dna[:101], changed[:101]


@pytest.mark.parametrize("size", [-11, -3, -1, 1, 3, 11])
def test_indels_in_windows_of_one_length_are_not_substitutions(size: int) -> None:
    windows = [_restored(size, seed=seed) for seed in range(20)]
    refs, alts = ([pair[i] for pair in windows] for i in (0, 1))
    # A single substitution among them keeps its score.
    inputs = _variants([*refs, refs[0]], [*alts, f"{refs[0][:50]}{'GATC'['ACGT'.index(refs[0][50])]}{refs[0][51:]}"])
    assert inputs.alternates is not None
    assert min(sum(a != b for a, b in zip(r, x, strict=True)) for r, x in zip(refs, alts, strict=True)) > 20
    learnt = trinucleotide.load()
    learnt.learn(Inputs(strings(refs)))
    for model in (learnt, substitution_table.load()):
        scores = model.score_variants(inputs)
        assert np.isnan(scores[:-1]).all() and np.isfinite(scores[-1])
    counted = edit_count.load().score_variants(inputs)
    np.testing.assert_array_equal(counted, [-abs(size)] * 20 + [-1])
    np.testing.assert_array_equal(transition_transversion.load().score_variants(inputs)[:-1], counted[:-1])


def test_a_base_replaced_beside_a_deletion_counts_with_it() -> None:
    ref = "ACGTTGCAAC" * 3 + "TCCC" + _dna(1, 100, seed=20)[0]
    alt = ref[:30] + "G" + ref[34:]
    both = _variants([ref, ref[:101]], [alt, alt[:101]])
    assert edit_count.load().score_variants(both).tolist() == [-4, -4]
    assert np.isnan(substitution_table.load().score_variants(both)).all()


def test_trinucleotides_are_counted_on_both_strands() -> None:
    train = _dna(3, 200, seed=12, letters="ACGTN")
    model = trinucleotide.load(pseudocount=0.5)
    model.learn(Inputs(strings([*train, train[0]])))
    both = [*train, *(reverse_complement(s) for s in train)]

    def log_count(word: str) -> float:
        words = [
            w
            for w in map("".join, itertools.product("ACGT", repeat=3))
            if all(a in (b, ".") for a, b in zip(word, w, strict=True))
        ]
        return math.log(sum(0.5 + sum(s[i : i + 3] == w for s in both for i in range(198)) for w in words))

    found = model.score_variants(_variants(["AACGT", "AACGT", "CCC", "ACGT"], ["AATGT", "CACGC", "CCC", "ACG"]))
    expected = [
        log_count("ATG") - log_count("ACG"),
        log_count(".CA") - log_count(".AA") + log_count("GC.") - log_count("GT."),
        0,
    ]
    np.testing.assert_allclose(found[:3], expected, atol=1e-12)
    assert np.isnan(found[3])


def test_substitution_rates_are_the_tables() -> None:
    def score(ref: str, alt: str) -> float:
        return float(substitution_table.load().score_variants(_variants([ref], [alt]))[0])

    assert score("ACGA", "ATGA") == score("ACGA", "ACAA") == 0
    assert score("ACAA", "ATAA") == pytest.approx(math.log(0.0027 / 0.029)) == score("AC", "AT")
    assert score("ACGA", "AAGA") == pytest.approx(math.log(0.00089 / 0.029))
    assert score("AAAA", "ATAA") == pytest.approx(math.log(0.00047 / 0.029))
    assert score("AAAA", "ATGA") == pytest.approx(math.log(0.00047 / 0.029) + math.log(0.0023 / 0.029))
    assert score("AAAA", "AAAA") == 0 and math.isnan(score("AAAA", "AAA"))
    assert 9 < 0.029 / 0.0027 < 12 and 2 < 0.0027 / (0.00089 + 0.00085) * 2 < 4


@pytest.mark.parametrize("name", ["substitution_table", "trinucleotide"])
def test_tables_read_alike_on_both_strands(name: str) -> None:
    model: Any = get_model(name).load()
    if name == "trinucleotide":
        model.learn(Inputs(strings(_dna(2, 100, seed=13))))
    refs, alts = _dna(50, 3, seed=14), _dna(50, 3, seed=15)
    turned = _variants([reverse_complement(s) for s in refs], [reverse_complement(s) for s in alts])
    forward = model.score_variants(_variants(refs, alts))
    np.testing.assert_allclose(model.score_variants(turned), forward, atol=1e-12)
    assert np.isfinite(forward).all() and len(np.unique(forward.round(9))) > 25


def test_trinucleotide_without_training_is_said() -> None:
    with pytest.raises(NotApplicable, match="no training part"):
        trinucleotide.load().learn(Inputs(strings([])))
    with pytest.raises(ConfigError, match="learnt nothing"):
        trinucleotide.load().score_variants(_variants(["A"], ["C"]))
    with pytest.raises(ConfigError, match="pseudocount is -1"):
        trinucleotide.load(pseudocount=-1)


def _examples(sequences: list[str], targets: Any) -> Examples:
    ids = strings([str(i) for i in range(len(sequences))])
    return Examples(ids, Inputs(strings(sequences)), np.asarray(targets), ids, ids)


def test_matrix_is_bayes_rule_for_independent_positions() -> None:
    truth = np.random.default_rng(16).dirichlet(np.full(4, 0.6), size=(3, 7))
    rng = np.random.default_rng(17)
    targets = rng.choice(3, size=6000, p=[0.5, 0.3, 0.2])
    rows = ["".join("ACGT"[rng.choice(4, p=truth[c, j])] for j in range(7)) for c in targets]
    fitted = pwm.load().fit(_examples(rows[:5000], targets[:5000]), _examples([], []), n_classes=3, seed=0)
    found = fitted.predict(Inputs(strings(rows[5000:])))
    codes = encode(strings(rows[5000:]))[0].reshape(-1, 7)
    joint = np.array([0.5, 0.3, 0.2]) * np.stack([truth[c][np.arange(7), codes].prod(axis=1) for c in range(3)], axis=1)
    assert np.abs(found - joint / joint.sum(axis=1, keepdims=True)).mean() < 0.01
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_matrix_of_two_sequences_by_hand() -> None:
    fitted = pwm.load(window=2).fit(_examples(["AACAA", "TTGTT"], [0, 1]), _examples([], []), n_classes=2, seed=0)
    found = fitted.predict(Inputs(strings(["GGCAG", "NNNNN", "CA"])))
    # Columns 1 and 2 of 5 are read: p(A) and p(C) are 2/5 in class 0 where 1/5 in class 1.
    by_hand = [(1 / 5) * (2 / 5), (1 / 5) * (1 / 5)]
    assert found[0, 0] == pytest.approx(by_hand[0] / sum(by_hand))
    assert found[1].tolist() == pytest.approx([0.5, 0.5])


def test_where_a_matrix_makes_no_sense_is_said() -> None:
    two = _examples(["ACGT", "ACGTA"], [0, 1])
    with pytest.raises(NotApplicable, match="one length; those in train have 4 to 5 bp"):
        pwm.load().fit(two, two, n_classes=2, seed=0)
    with pytest.raises(NotApplicable, match="neither measurements, labels nor variants"):
        pwm.load().fit(two, two, n_classes=0, seed=0)
    with pytest.raises(ConfigError, match="window is -1"):
        pwm.load(window=-1)
