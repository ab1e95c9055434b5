"""What short words predict, wherever they are in the sequence."""

from __future__ import annotations

import functools

from baserate.baselines._linear import LinearBaseline
from baserate.baselines._words import Words, scaled_features
from baserate.registry import baseline
from baserate.settings import among


@baseline(
    "kmer_logreg",
    version=2,
    modes={"from_scratch": {}},
    description="A linear model of the frequencies of all words of 1 to max_k bases; for a variant, of their change.",
    search={
        "max_k": among(4, 5, 6, 7),
        "gapped": among(0, 2, 4),
        "canonical": among(False, True),
        "positional": among(1, 4, 8, 16),
    },
    later={"gapped": 0, "canonical": False, "positional": 1},
)
def load(*, max_k: int = 6, gapped: int = 0, canonical: bool = False, positional: int = 1) -> LinearBaseline:
    """Return the k-mer baseline; `max_k` is the length of the longest words.

    `gapped` adds words of two halves of three bases with 1 to that many (at most 4) between them; with `canonical` a
    word and its reverse complement are one; `positional` adds words by where they stand, in that many equal parts.
    """
    words = Words(max_k, gapped, canonical, positional)
    return LinearBaseline(functools.partial(scaled_features, words), standardise=False)
