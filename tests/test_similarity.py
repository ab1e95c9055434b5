"""Near-duplicates: what is found, what it is called, and that nothing unrelated is joined."""

import numpy as np
import pytest

from baserate.dna.sequence import reverse_complement
from baserate.dna.similarity import clusters, nearest
from baserate.errors import ConfigError

ACGT = np.array(list("ACGT"))


def dna(rng, n, length):
    return ["".join(ACGT[row]) for row in rng.integers(0, 4, (n, length))]


def mutated(rng, sequence, share):
    bases = list(sequence)
    for i in np.flatnonzero(rng.random(len(bases)) < share):
        bases[i] = rng.choice([b for b in "ACGT" if b != bases[i]])
    return "".join(bases)


def planted(rng, n=400):
    """Return unrelated sequences of 300 bp, and a relative of each in one of four ways, by turns."""
    references = dna(rng, n, 300)
    queries = []
    for i, sequence in enumerate(references):
        way = i % 4
        if way == 2:
            shift = int(rng.integers(100, 151))
            queries.append(sequence[shift:] + dna(rng, 1, shift)[0])
        else:
            copy = mutated(rng, sequence, 0.15 if way == 1 else 0.05)
            queries.append(reverse_complement(copy) if way == 3 else copy)
    return queries, references


def test_planted_relatives_are_found_and_nothing_else():
    queries, references = planted(np.random.default_rng(0))
    found = nearest(queries, references)
    assert (found.index == np.arange(len(references))).mean() > 0.99
    np.testing.assert_array_equal(found.strand[3::4], -1)
    true = [sum(a == b for a, b in zip(q, r, strict=True)) / 300 for q, r in zip(queries, references, strict=True)]
    assert np.abs(found.similarity[0::4] - np.array(true)[0::4]).max() < 0.03  # ends of a local alignment are trimmed
    assert (found.similarity[2::4] > 0.97).all()
    label = clusters([*references, *queries], threshold=0.75)
    joined = label[len(references) :] == label[: len(references)]
    assert joined.mean() > 0.99
    assert len(set(label)) == len(references) + (~joined).sum()
    unrelated = nearest(dna(np.random.default_rng(1), 400, 300), references)
    assert unrelated.similarity.max() < 0.6
    assert len(nearest(queries, references, both_strands=False).index) == len(queries)


def test_long_relatives_are_found_across_gaps():
    """Thirty windows of 20 kb and copies moved on by a quarter, with 5 % substitutions and 1 % gaps of 1 to 3 bases."""
    rng = np.random.default_rng(4)
    references = dna(rng, 30, 20_000)
    queries = []
    for i, sequence in enumerate(references):
        bases = list(mutated(rng, sequence, 0.05))
        for at in np.flatnonzero(rng.random(len(bases)) < 0.01):
            bases[at] = "" if rng.random() < 0.5 else bases[at] + dna(rng, 1, int(rng.integers(1, 4)))[0]
        copy = "".join(bases)
        copy = copy[len(copy) // 4 :] + dna(rng, 1, len(copy) // 4)[0]
        queries.append(reverse_complement(copy) if i % 2 else copy)
    found = nearest(queries, references)
    np.testing.assert_array_equal(found.index, np.arange(30))
    assert found.coverage.min() > 0.7
    assert 0.91 < found.identity.min() <= found.identity.max() < 0.96
    label = clusters([*references, *queries], threshold=0.8)
    np.testing.assert_array_equal(label[:30], label[30:])


def test_identical_ones_are_found_whatever_their_length_or_letters():
    short = ["ACG", "CGT", "NNNN", "ACGN", "A", "NNNN", "GGGC"]
    np.testing.assert_array_equal(clusters(short, threshold=1.0), [0, 0, 1, 2, 3, 1, 4])
    np.testing.assert_array_equal(clusters(short, threshold=1.0, both_strands=False), [0, 1, 2, 3, 4, 2, 5])
    found = nearest(["CGT", "TTTT"], short)
    assert found.index.tolist() == [0, -1]
    assert found.similarity.tolist() == [1.0, 0.0]
    assert found.strand.tolist() == [-1, 0]


def test_a_threshold_that_no_similarity_has_is_refused():
    with pytest.raises(ConfigError, match="threshold is 80"):
        clusters(["ACGT"], threshold=80)
