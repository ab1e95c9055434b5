"""k-mer counts against scikit-learn, and letters, lengths and folders that are not as expected."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from baserate.dna import kmers
from baserate.dna.kmers import count_kmers, encode, kmer_features
from baserate.errors import ConfigError, DataError
from baserate.types import StrArray, strings


def _random(n: int, letters: str = "ACGT", seed: int = 0) -> StrArray:
    rng = np.random.default_rng(seed)
    return strings(["".join(rng.choice(list(letters), size=rng.integers(0, 150))) for _ in range(n)])


@pytest.mark.parametrize("k", [1, 2, 3, 6, 7])
def test_counts_equal_scikit_learn(k: int) -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    sequences = _random(300)
    vocabulary = ["".join(p) for p in itertools.product("ACGT", repeat=k)]
    reference = CountVectorizer(analyzer="char", lowercase=False, ngram_range=(k, k), vocabulary=vocabulary)
    counts = count_kmers(sequences, k)
    assert counts.shape == (300, 4**k) and counts.dtype == np.int32
    assert (counts != reference.fit_transform(sequences)).nnz == 0
    counts.check_format(full_check=True)
    assert all(np.all(np.diff(row.indices) > 0) for row in counts)


def test_windows_with_other_letters_are_not_counted() -> None:
    counts = count_kmers(strings(["ACNGTT", "acgRt", "NNNN", "", "A"]), 2).toarray()
    named = [
        {"".join(p): int(c) for p, c in zip(itertools.product("ACGT", repeat=2), row, strict=True) if c}
        for row in counts
    ]
    assert named == [{"AC": 1, "GT": 1, "TT": 1}, {"AC": 1, "CG": 1}, {}, {}, {}]


def test_counts_of_rows_of_any_length_are_those_counted_by_hand() -> None:
    """The rows are long enough to use every bit of the bitmap that the compiled code keeps."""
    sequences = strings(["".join(np.random.default_rng(1).choice(list("ACGT"), size=5000)), "ACGTN" * 9])
    words = ["".join(p) for p in itertools.product("ACGT", repeat=3)]
    by_hand = [Counter(s[i : i + 3] for i in range(len(s) - 2)) for s in sequences]
    found = count_kmers(sequences, 3)
    assert found.toarray().tolist() == [[counted[word] for word in words] for counted in by_hand]
    assert found.sum() == 4998 + 18


def test_no_sequences_and_bad_k() -> None:
    assert count_kmers(strings([]), 4).shape == (0, 256)
    for k in (0, 11):
        with pytest.raises(ConfigError, match=f"k is {k}; expected 1 to 10"):
            count_kmers(strings(["ACGT"]), k)


def test_a_letter_that_is_not_ascii_names_its_row() -> None:
    with pytest.raises(DataError, match="row 2: letter 'Ä' is not DNA"):
        encode(strings(["ACGT", "", "ACÄGT", "A"]))


def test_encode_gives_codes_and_bounds() -> None:
    codes, bounds = encode(strings(["ACGT", "", "nRt"]))
    assert codes.tolist() == [0, 1, 2, 3, 4, 4, 3]
    assert bounds.tolist() == [0, 4, 4, 7]


def test_features_are_frequencies_of_each_k() -> None:
    sequences = strings([*_random(20, "ACGTN"), "NNNN", "AC"])
    features = kmer_features(sequences, (1, 3))
    assert features.shape == (22, 68) and features.dtype == np.float32
    for k, start, stop in ((1, 0, 4), (3, 4, 68)):
        counts = count_kmers(sequences, k).toarray().astype(float)
        expected = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        np.testing.assert_allclose(features[:, start:stop].toarray(), expected, rtol=1e-6)


@pytest.mark.parametrize("cache", ["readable", "none"])
def test_counts_where_the_package_folder_is_read_only(tmp_path: Path, cache: str) -> None:
    """A copy of the module in a folder whose __pycache__ cannot be made: numba falls back, and the counts are right."""
    package = tmp_path / "readonly"
    package.mkdir()
    source = Path(kmers.__file__).read_text().replace("from ..", "from baserate.")
    (package / "kmers_copy.py").write_text(source)
    (package / "__pycache__").write_text("a file where a folder is wanted")
    home = tmp_path / "home"
    if cache == "readable":
        home.mkdir()
    else:
        home.write_text("a file where a folder is wanted")
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home), "PYTHONPATH": str(package)}
    environment.pop("NUMBA_CACHE_DIR", None)
    code = (
        "from kmers_copy import count_kmers\nfrom baserate.types import strings\n"
        "print(count_kmers(strings(['ACGTAC']), 2).toarray().sum())"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("5", "")
    assert (cache == "readable") == bool(list(tmp_path.glob("home/**/*.nbi")))
