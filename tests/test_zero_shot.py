"""The masked log-likelihood ratio, against a literal implementation and a model whose probabilities are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from baserate.errors import DataError, NotApplicable
from baserate.sources.sequences import reverse_complement
from baserate.types import FloatArray, Inputs, IntArray, StrArray, strings
from baserate.zero_shot import masked_llr


class Neighbours:
    """A toy masked model: a base's probabilities depend on its neighbours, as far as these are not masked."""

    def __init__(self) -> None:
        logits = np.random.default_rng(0).normal(size=(5, 5, 4))
        self.table = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        self.calls = 0

    def masked_log_probs(self, sequences: StrArray, sites: Sequence[IntArray]) -> list[FloatArray]:
        """Return table[left, right], a masked or absent neighbour being the fifth state."""
        self.calls += len(sequences)
        found = []
        for sequence, at in zip(sequences, sites, strict=True):
            seen = ["ACGT".find(b) if i not in set(at.tolist()) else 4 for i, b in enumerate(sequence)]
            seen = [4, *seen, 4]
            found.append(np.array([self.table[seen[i], seen[i + 2]] for i in at]).reshape(-1, 4))
        return found


def literally(model: Neighbours, ref: str, alt: str) -> float:
    """Return the rule, one variant at a time, as it is written down."""
    total = 0.0
    for a, b in ((ref, alt), (reverse_complement(ref), reverse_complement(alt))):
        sites = [i for i in range(len(a)) if a[i] != b[i]]
        log_probs = model.masked_log_probs(strings([a]), [np.array(sites)])[0]
        for row, i in zip(log_probs, sites, strict=True):
            total += row["ACGT".index(b[i])] - row["ACGT".index(a[i])]
    return total / 2


def variants(refs: list[str], alts: list[str]) -> Inputs:
    """Return variants as a model sees them."""
    return Inputs(strings(refs), strings(alts), np.zeros(len(refs), np.int64))


def test_it_equals_the_rule_as_written_for_one_and_for_many_sites() -> None:
    rng = np.random.default_rng(1)
    refs, alts = [], []
    for n_sites in [1, 2, 3, 12] * 10:
        ref = "".join(rng.choice(list("ACGT"), size=12))
        alt = list(ref)
        for i in rng.choice(12, size=n_sites, replace=False):
            alt[i] = rng.choice([b for b in "ACGT" if b != ref[i]])
        refs.append(ref)
        alts.append("".join(alt))
    model = Neighbours()
    expected = [literally(model, ref, alt) for ref, alt in zip(refs, alts, strict=True)]
    np.testing.assert_allclose(masked_llr(model, variants(refs, alts)), expected, atol=1e-12)


def test_known_probabilities_give_a_known_ratio() -> None:
    class Fixed:
        def masked_log_probs(self, sequences: StrArray, sites: Sequence[IntArray]) -> list[FloatArray]:
            return [np.log(np.tile([0.1, 0.2, 0.3, 0.4], (len(at), 1))) for at in sites]

    # Forward A>C is log(.2/.1); on the other strand it is T>G, log(.3/.4).
    found = masked_llr(Fixed(), variants(["GAG"], ["GCG"]))
    np.testing.assert_allclose(found, [(np.log(2) + np.log(0.75)) / 2])


def test_both_strands_count_alike() -> None:
    model = Neighbours()
    refs, alts = ["ACGTACGT", "TTGACCA"], ["ACGAACGT", "TTCACCA"]
    turned = variants([reverse_complement(s) for s in refs], [reverse_complement(s) for s in alts])
    np.testing.assert_allclose(masked_llr(model, variants(refs, alts)), masked_llr(model, turned), atol=1e-12)


def test_swapping_ref_and_alt_turns_the_sign_at_one_site() -> None:
    model = Neighbours()
    there, back = variants(["ACGTA"], ["ACTTA"]), variants(["ACTTA"], ["ACGTA"])
    np.testing.assert_allclose(masked_llr(model, there), -masked_llr(model, back), atol=1e-12)


def test_variants_at_the_same_site_of_one_window_share_a_pass() -> None:
    model = Neighbours()
    found = masked_llr(model, variants(["ACGTA"] * 3, ["ACATA", "ACCTA", "ACTTA"]))
    assert model.calls == 2
    assert len(set(found)) == 3


def test_a_variant_that_changes_nothing_scores_zero() -> None:
    found = masked_llr(Neighbours(), variants(["ACGTA", "ACGTN"], ["ACGTA", "CCGTN"]))
    assert found[0] == 0.0 and found[1] != 0.0
    np.testing.assert_array_equal(masked_llr(Neighbours(), variants(["AC"], ["AC"])), [0.0])


def test_what_cannot_be_scored_is_refused_by_row() -> None:
    model = Neighbours()
    with pytest.raises(NotApplicable, match="no alternate sequences"):
        masked_llr(model, Inputs(strings(["ACGT"])))
    with pytest.raises(NotApplicable, match="variant 1 goes from 4 to 3 bp"):
        masked_llr(model, variants(["ACGT", "ACGT"], ["ACGA", "ACG"]))
    with pytest.raises(DataError, match="variant 0: N>A at offset 2"):
        masked_llr(model, variants(["ACNT"], ["ACAT"]))
