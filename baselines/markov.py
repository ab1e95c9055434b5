"""What a table of short words knows about DNA: a Markov chain, the language model that all others must beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baserate.digests import digest
from baserate.dna.kmers import OTHER, encode
from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, NotApplicable
from baserate.pretraining.config import PretrainConfig, read_config
from baserate.pretraining.corpus import load as load_corpus
from baserate.progress import activity
from baserate.registry import baseline
from baserate.sources.sequences import package_file
from baserate.types import FloatArray, Inputs, IntArray, Strings, strings

MAX_ORDER = 8
_BLOCK = 1 << 22
"""How many bases are processed together, which bounds the memory."""

_GRAIN = 2.0**-36
"""Log-probabilities are multiples of this, so that sums below 65,536 nats are exact whatever the order of the words.

Two sequences with the same words then tie, as a sequence and its dinucleotide shuffle must under order 1.
"""

Codes = NDArray[np.uint8]

VERSION = 1


@dataclass(frozen=True, eq=False)
class Chain:
    """A Markov chain over A, C, G, T: `log_probs[j]` (4**j, 4) are log p(base | the j bases on its left), in nats.

    A context is the number that its bases spell, A, C, G, T = 0..3, the leftmost the most significant.
    """

    log_probs: tuple[FloatArray, ...]

    @property
    def order(self) -> int:
        """The number of bases on which a base depends."""
        return len(self.log_probs) - 1

    def log_likelihood(self, sequences: Strings) -> FloatArray:
        """Return the log-likelihood of each sequence on the strand as written, (n,), in nats.

        A base with fewer known bases on its left than the order, at the start or after a letter other than A, C, G, T,
        is predicted from as many as there are; such a letter itself adds nothing.
        """
        out = np.zeros(len(sequences))
        for rows in _blocks(sequences):
            codes, owner = _separated(sequences[rows])
            each = np.zeros(len(codes))
            for length, (word, known) in enumerate(_words(codes, self.order + 1)):
                # Longer contexts overwrite the values of shorter ones, wherever all of their bases are known.
                each[length:][known] = self.log_probs[length].ravel()[word[known]]
            out[rows] = np.bincount(owner, weights=each, minlength=rows.stop - rows.start)
        return out

    def next_base_log_probs(self, sequences: Strings) -> FloatArray:
        """Return the log-probabilities of A, C, G and T as the base after each sequence, (n, 4), in nats."""
        codes, bounds = encode(sequences)
        out = np.tile(self.log_probs[0], (len(sequences), 1))
        context = np.zeros(len(sequences), np.int64)
        known = np.ones(len(sequences), dtype=bool)
        for j in range(1, self.order + 1):
            known &= np.diff(bounds) >= j
            base = codes[np.where(known, bounds[1:] - j, 0)] if len(codes) else np.zeros(len(known), np.uint8)
            known &= base < OTHER
            context += np.where(known, base.astype(np.int64) << 2 * (j - 1), 0)
            out[known] = self.log_probs[j][context[known]]
        return out


def fit_chain(counts: Sequence[FloatArray], pseudocount: float) -> Chain:
    """Return the chain for word counts: `counts[j]` (4**(j + 1),) are those of words of j + 1 bases.

    Each context is seen 4 x `pseudocount` times beforehand, with the bases that the context without its leftmost base
    predicts (a hierarchical Dirichlet prior: MacKay & Peto 1995), so that rare contexts rely on shorter ones.
    """
    log_probs: list[FloatArray] = []
    prior: FloatArray = np.full((1, 4), 0.25)
    for words in counts:
        seen = words.reshape(-1, 4)
        expected = np.tile(prior, (len(seen) // len(prior), 1))
        prior = (seen + 4 * pseudocount * expected) / (seen.sum(axis=1, keepdims=True) + 4 * pseudocount)
        log_probs.append(np.rint(np.log(prior) / _GRAIN) * _GRAIN)
    return Chain(tuple(log_probs))


def count_words(pieces: Sequence[Codes], longest: int) -> list[FloatArray]:
    """Return how often each word of 1 to `longest` bases occurs in the pieces and in their reverse complements.

    Element j is (4**(j + 1),) in alphabetical order. A word with a letter other than A, C, G, T is not counted.
    """
    counts = [np.zeros(4**length) for length in range(1, longest + 1)]
    for piece in pieces:
        for start in range(0, len(piece), _BLOCK):
            before = min(start, longest - 1)
            block = piece[start - before : start + _BLOCK]
            for length, (word, known) in enumerate(_words(block, longest)):
                new = slice(max(0, before - length), None)  # a word belongs to the block that has its last base
                counts[length] += np.bincount(word[new][known[new]], minlength=len(counts[length]))
    return [each + each[_reverse_complements(length)] for length, each in enumerate(counts, 1)]


class Markov:
    """A Markov chain that learns from both strands of the task's training DNA, or of corpora of its own."""

    def __init__(self, *, order: int, pseudocount: float, corpus: str) -> None:
        if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= MAX_ORDER:
            raise ConfigError(f"markov: order is {order!r}; expected a whole number from 1 to {MAX_ORDER}")
        if not pseudocount > 0:
            raise ConfigError(f"markov: pseudocount is {pseudocount!r}; expected a number above 0")
        self.order = order
        self.pseudocount = pseudocount
        self._corpora: PretrainConfig | None = read_config(Path(corpus)) if corpus else None
        self._chain: Chain | None = None

    def learn(self, inputs: Inputs) -> None:
        """Count the words of the distinct training sequences (only REF, only real ones), unless there are corpora.

        Raises NotApplicable where there is nothing to learn from.
        """
        if self._corpora is not None:
            return
        distinct = strings(np.unique(inputs.sequences.astype(str)))
        if not len(distinct):
            raise NotApplicable(
                "markov has no DNA to learn from, since the task has no training part; give it a corpus, the path of a "
                "pretraining configuration: --model 'markov(corpus=\"pretrain.toml\")'"
            )
        pieces = [_separated(distinct[rows])[0] for rows in _blocks(distinct)]
        self._chain = fit_chain(count_words(pieces, self.order + 1), self.pseudocount)

    @property
    def chain(self) -> Chain:
        """The fitted chain. Raises ConfigError where nothing has been learnt and there are no corpora."""
        if self._chain is None:
            if self._corpora is None:
                raise ConfigError("markov has learnt nothing yet: call learn(inputs) first, or give it a corpus")
            self._chain = fit_chain(_count_corpora(self._corpora, self.order + 1), self.pseudocount)
        return self._chain

    def log_likelihood(self, sequences: Strings) -> FloatArray:
        """Return the log-likelihood of each sequence on the strand as written, (n,), in nats."""
        return self.chain.log_likelihood(sequences)

    def next_base_log_probs(self, sequences: Strings) -> FloatArray:
        """Return the log-probabilities of A, C, G and T as the base after each sequence, (n, 4), in nats."""
        return self.chain.next_base_log_probs(sequences)

    def score_variants(self, inputs: Inputs) -> FloatArray:
        """Return the log-likelihood of ALT minus that of REF, (n,), in nats, averaged over both strands."""
        if inputs.alternates is None:
            raise NotApplicable("markov scores variants and pairs; these inputs have no alternate sequences")
        references, which = np.unique(inputs.sequences.astype(str), return_inverse=True)
        change: FloatArray = self._both_strands(inputs.alternates) - self._both_strands(strings(references))[which]
        return change

    def _both_strands(self, sequences: Strings) -> FloatArray:
        backward = strings([reverse_complement(s) for s in sequences])
        mean: FloatArray = 0.5 * (self.log_likelihood(sequences) + self.log_likelihood(backward))
        return mean


def _count_corpora(config: PretrainConfig, longest: int) -> list[FloatArray]:
    """Return the word counts of the configuration's training DNA: the corpora in proportion to their weights.

    DNA that the configuration holds out of training is held out here. The counts sum to about twice the bases.
    """
    t = config.training
    advance = activity("counting words of the corpora", len(config.corpora))
    per_corpus = []
    for corpus in config.corpora:
        spans = load_corpus(
            corpus, length=t.crop, valid_fraction=t.valid_fraction, n_valid=t.valid_windows, seed=t.seed
        )
        per_corpus.append((spans.weight, spans.n_train, count_words(spans.train, longest)))
        advance(1)
    bases = sum(n for _, n, _ in per_corpus)
    weights = sum(weight for weight, _, _ in per_corpus)
    scaled = [[c * (bases * weight / weights / n) for c in counts] for weight, n, counts in per_corpus]
    return [np.sum(of_length, axis=0) for of_length in zip(*scaled, strict=True)]


def _words(codes: Codes, longest: int) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """Yield, for words of 1, 2, ... `longest` bases, the number that each spells and whether all its bases are known.

    Word i of j bases is `codes[i : i + j]`; where a base is unknown the number means nothing.
    """
    word, known = codes.astype(np.int32), codes < OTHER
    yield word, known
    for length in range(2, longest + 1):
        first = codes[: max(0, len(codes) - length + 1)]
        word = word[1:] + (first.astype(np.int32) << 2 * (length - 1))
        known = known[1:] & (first < OTHER)
        yield word, known


def _reverse_complements(length: int) -> IntArray:
    """Return the number of the reverse complement of each word of `length` bases, (4**length,)."""
    word = np.arange(4**length)
    out = np.zeros_like(word)
    for j in range(length):
        out = out * 4 + 3 - (word >> 2 * j & 3)
    return out


def _blocks(sequences: Strings) -> Iterator[slice]:
    """Yield slices of rows with about `_BLOCK` bases each."""
    start = size = 0
    for row, sequence in enumerate(sequences):
        if size and size + len(sequence) > _BLOCK:
            yield slice(start, row)
            start, size = row, 0
        size += len(sequence)
    yield slice(start, len(sequences))


def _separated(sequences: Strings) -> tuple[Codes, IntArray]:
    """Return the base codes of all sequences, each followed by an unknown one, and the row of each code."""
    codes, _ = encode(strings(["".join(f"{s}N" for s in sequences)]))
    return codes, np.repeat(np.arange(len(sequences)), [len(s) + 1 for s in sequences])


def _revision(*, corpus: str = "") -> str:
    """Return the version, and the digest of the corpora's configuration and files where there are any."""
    files = [Path(corpus), *(package_file(c.fasta) for c in read_config(Path(corpus)).corpora)] if corpus else []
    return f"version {VERSION}" + (":" + digest(*(file.read_bytes() for file in files)) if files else "")


@baseline(
    "markov",
    modes={"zero_shot": {"rule": "native"}},
    revision=_revision,
    description="A Markov chain of order `order`, counted on both strands of the task's training DNA (REF, real) or of "
    "the corpora of a pretraining configuration (`corpus`). A variant's score is the log-likelihood of ALT minus that "
    "of REF, averaged over both strands.",
    citation="MacKay & Peto 1995, Nat Lang Eng 1:289 (smoothing)",
)
def load(*, order: int = 5, pseudocount: float = 1.0, corpus: str = "") -> Markov:
    """Return the Markov baseline; `corpus` is the path of a TOML file with [[corpus]] tables."""
    return Markov(order=order, pseudocount=pseudocount, corpus=corpus)
