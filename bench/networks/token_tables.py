"""DNA as token ids with the bases that each token spells, looked up in tables without a Python loop over bases."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..types import IntArray

TokenKind = Literal["nucleotide", "kmer", "overlapping_kmer", "subword"]

_CODES = np.full(256, 4, np.int64)
for _code, _base in enumerate("ACGT"):
    _CODES[[ord(_base), ord(_base.lower())]] = _code


@dataclass(frozen=True, eq=False)
class Encoded:
    """A sequence as `ids` (t,), special tokens included; token i spells bases `starts[i]` to `ends[i]`, half-open.

    A special token spells nothing: its start and end are both the offset at which it stands.
    """

    ids: IntArray
    starts: IntArray
    ends: IntArray


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The `size` tokens of a tokenizer, and those among them that spell DNA.

    `dna` (m,) are the sorted ids of the tokens that spell A, C, G and T alone, over which likelihoods are normalised;
    `first_base` (m,) is the first base of each, 0 to 3 in the order ACGT, and `lengths` (m,) how many it spells. `pad`
    is the id to fill with (the unknown token's, else 0, where there is no padding token).
    """

    size: int
    dna: IntArray
    first_base: IntArray
    lengths: IntArray
    pad: int
    mask: int | None


@dataclass(frozen=True, eq=False)
class Tokens(ABC):
    """A tokenizer of DNA; `prefix` and `suffix` are the special tokens that it puts around a sequence."""

    kind: ClassVar[TokenKind]
    vocabulary: Vocabulary
    prefix: IntArray
    suffix: IntArray

    @abstractmethod
    def encode(self, sequences: Sequence[str]) -> list[Encoded]:
        """Return the tokens of each sequence. Case does not matter."""

    @abstractmethod
    def bases_in(self, n_tokens: int) -> int:
        """Return the most bases that are sure to fit in `n_tokens`, specials included, if all are A, C, G or T."""

    def may_exceed(self, sequence: str, n_tokens: int) -> bool:
        """Return whether a sequence of at most `bases_in(n_tokens)` letters may still take more than `n_tokens`."""
        return False

    @property
    def n_special(self) -> int:
        """The number of special tokens around a sequence."""
        return len(self.prefix) + len(self.suffix)

    def _framed(self, ids: IntArray, starts: IntArray, ends: IntArray, length: int) -> Encoded:
        before, after = len(self.prefix), len(self.prefix) + len(ids)
        rows = np.empty((3, after + len(self.suffix)), np.int64)
        rows[0, :before], rows[1:, :before] = self.prefix, 0
        rows[0, before:after], rows[1, before:after], rows[2, before:after] = ids, starts, ends
        rows[0, after:], rows[1:, after:] = self.suffix, length
        return Encoded(*rows)


@dataclass(frozen=True, eq=False)
class NucleotideTokens(Tokens):
    """One token a base: `table` (256,) maps a byte to its id. A letter that the vocabulary lacks reads as N."""

    kind: ClassVar[TokenKind] = "nucleotide"
    table: IntArray

    def encode(self, sequences: Sequence[str]) -> list[Encoded]:
        """Return the tokens of each sequence. Case does not matter."""
        out = []
        for sequence in sequences:
            ids = self.table[_letters(sequence)]
            at = np.arange(len(ids) + 1)
            out.append(self._framed(ids, at[:-1], at[1:], len(ids)))
        return out

    def bases_in(self, n_tokens: int) -> int:
        """Return the most bases that fit in `n_tokens`, specials included."""
        return max(0, n_tokens - self.n_special)


def nucleotide_tokens(
    ids: Mapping[str, int], *, pad: int, mask: int | None = None, prefix: Sequence[int] = (), suffix: Sequence[int] = ()
) -> NucleotideTokens:
    """Return the tokens of a vocabulary of single letters: `ids` of A, C, G, T and N, and of the special tokens.

    For a network that has no tokenizer of its own. Every other letter reads as N. Raises ConfigError for a letter that
    has no id.
    """
    missing = [letter for letter in "ACGTN" if letter not in ids]
    if missing:
        raise ConfigError(f"the vocabulary has no id for {missing[0]!r}; expected A, C, G, T and N")
    table = np.full(256, ids["N"], np.int64)
    for letter, i in ids.items():
        table[[ord(letter.upper()), ord(letter.lower())]] = i
    bases = np.array([ids[letter] for letter in "ACGT"], np.int64)
    order = np.argsort(bases)
    special = [pad, *prefix, *suffix, *([] if mask is None else [mask])]
    vocabulary = Vocabulary(
        size=max(*ids.values(), *special) + 1,
        dna=bases[order],
        first_base=order,
        lengths=np.ones(4, np.int64),
        pad=pad,
        mask=mask,
    )
    return NucleotideTokens(vocabulary, np.array(prefix, np.int64), np.array(suffix, np.int64), table)


@dataclass(frozen=True, eq=False)
class KmerTokens(Tokens):
    """One token per k bases, side by side: `table` (4^k,) are the ids of the k-mers, A before C before G before T.

    With `restarts` (Nucleotide Transformer) the frame starts anew after a letter other than A, C, G and T. Such
    letters, and bases too few for a k-mer, are one token each, by `letters` (256,), or the unknown one; with `merges`,
    adjacent unknown letters are one token. Without `restarts` (GENERator) the frame is fixed, and whatever is not a
    k-mer, the tail included, is the token `unknown`.
    """

    kind: ClassVar[TokenKind] = "kmer"
    k: int
    table: IntArray
    letters: IntArray
    unknown: int
    restarts: bool
    merges: bool

    def encode(self, sequences: Sequence[str]) -> list[Encoded]:
        """Return the tokens of each sequence. Case does not matter."""
        return [self._framed(*self._spell(_letters(sequence)), len(sequence)) for sequence in sequences]

    def _spell(self, letters: NDArray[np.uint8]) -> tuple[IntArray, IntArray, IntArray]:
        codes, n, k = _CODES[letters], len(letters), self.k
        whole = n - n % k
        if not n or codes.max() > 3:
            return self._spell_mixed(letters, codes)
        ids, starts = self.table[_keys(codes[:whole].reshape(-1, k))], np.arange(0, whole, k)
        if n == whole:
            return ids, starts, starts + k
        tails = np.arange(whole, n, 1 if self.restarts else k)
        spelled = self.letters[letters[whole:]] if self.restarts else [self.unknown]
        starts = np.concatenate([starts, tails])
        return np.concatenate([ids, spelled]), starts, np.append(starts[1:], n)

    def _spell_mixed(self, letters: NDArray[np.uint8], codes: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        n, k = len(letters), self.k
        if self.restarts:
            ids = self.letters[letters]
            what = np.where(codes < 4, 0, np.where(ids == self.unknown, 1, 2))
            new_run = np.diff(what, prepend=-1) != 0
            first = np.flatnonzero(new_run)
            run = np.cumsum(new_run) - 1
            offset = np.arange(n) - first[run]
            length = np.diff(first, append=n)[run]
            within = (what == 0) & (offset < length - length % k)
            starts = np.flatnonzero(~(within & (offset % k > 0)) & ~((what == 1) & (offset > 0) & self.merges))
            is_kmer = within[starts]
            ids = ids[starts]
        else:
            starts = np.arange(0, n, k)
            ids = np.full(len(starts), self.unknown)
            is_kmer = np.maximum.reduceat(codes, starts) < 4 if n else np.zeros(0, bool)
            is_kmer &= starts + k <= n
        ids[is_kmer] = self.table[_keys(codes[starts[is_kmer][:, None] + np.arange(k)])]
        return ids, starts, np.append(starts[1:], n)[: len(starts)]

    def bases_in(self, n_tokens: int) -> int:
        """Return the most bases such that they, and any fewer, fit in `n_tokens` with specials, if all are ACGT."""
        room, k = max(0, n_tokens - self.n_special), self.k
        if not self.restarts:
            return room * k
        # A tail of up to k - 1 bases takes as many tokens.
        return room if room < k - 1 else (room - k + 2) * k + k - 2

    def may_exceed(self, sequence: str, n_tokens: int) -> bool:
        """Return whether a sequence of at most `bases_in(n_tokens)` letters may still take more than `n_tokens`."""
        if not self.restarts or len(sequence) + self.n_special <= n_tokens:
            return False
        return bool(_CODES[_letters(sequence)].max() > 3)


@dataclass(frozen=True, eq=False)
class OverlappingTokens(Tokens):
    """A token at every base but the last k - 1, for the k-mer that begins there: `table` (4^k,).

    A k-mer with a letter other than A, C, G and T is the token `unknown`, and so is a whole sequence shorter than k.
    """

    kind: ClassVar[TokenKind] = "overlapping_kmer"
    k: int
    table: IntArray
    unknown: int

    def encode(self, sequences: Sequence[str]) -> list[Encoded]:
        """Return the tokens of each sequence. Case does not matter."""
        return [self._framed(*self._spell(_CODES[_letters(sequence)]), len(sequence)) for sequence in sequences]

    def _spell(self, codes: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        n, k = len(codes), self.k
        if n < k:
            some = min(n, 1)
            return np.full(some, self.unknown), np.zeros(some, np.int64), np.full(some, n)
        m = n - k + 1
        keys = np.zeros(m, np.int64)
        for i in range(k):
            keys = keys * 4 + (codes[i : i + m] & 3)
        ids, starts = self.table[keys], np.arange(m)
        other = np.concatenate([[0], np.cumsum(codes > 3)])
        ids[other[k:] > other[:m]] = self.unknown
        return ids, starts, starts + k

    def bases_in(self, n_tokens: int) -> int:
        """Return the most bases that fit in `n_tokens`, specials included."""
        room = max(0, n_tokens - self.n_special)
        return room + self.k - 1 if room else 0


def _letters(sequence: str) -> NDArray[np.uint8]:
    return np.frombuffer(sequence.encode("ascii", "replace"), np.uint8)


def _keys(codes: IntArray) -> IntArray:
    """Return the k-mers' (m, k) base codes read as numbers (m,) to base four."""
    return codes @ _powers(codes.shape[1])


@functools.cache
def _powers(k: int) -> IntArray:
    return np.array([4**i for i in reversed(range(k))], np.int64)
