"""A Hugging Face tokenizer as token ids with the bases that each token spells, whatever its kind.

Single nucleotides and k-mers are looked up in tables made from the tokenizer when it is read, and taken only where they
give the tokenizer's own ids on probe sequences; all else goes through the tokenizer itself.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..dna.sequence import IUPAC
from ..errors import ConfigError
from ..types import IntArray
from .facts import MARKERS
from .token_tables import (
    Encoded,
    KmerTokens,
    NucleotideTokens,
    OverlappingTokens,
    TokenKind,
    Tokens,
    Vocabulary,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Encoded", "TokenKind", "Tokens", "Vocabulary", "read_tokens"]

_Ids = Callable[[str], list[int]]
_Fold = Callable[[str], str]


@dataclass(frozen=True, eq=False)
class SubwordTokens(Tokens):
    """Tokens of any length, from the tokenizer itself: byte pairs, word pieces and the like.

    `lengths` (size,) is how many letters each token spells, 0 for all where the tokens do not join up to the text.
    `tag` is text that stands before every sequence; `fold` gives the case that the vocabulary is in.
    """

    kind: ClassVar[TokenKind] = "subword"
    tokenizer: PreTrainedTokenizerBase
    where: str
    tag: str
    specials: bool
    fold: _Fold
    lengths: IntArray
    bases_per_token: float

    def encode(self, sequences: Sequence[str]) -> list[Encoded]:
        """Return the tokens of each sequence. Case does not matter. Raises ConfigError where spans cannot be found."""
        if not len(sequences):
            return []
        unknown = _unknown(self.tokenizer)
        out: list[Encoded | None] = []
        for row, sequence in zip(self._run(sequences)["input_ids"], sequences, strict=True):
            body = _ints(_inside(row, self.prefix, self.suffix))
            ends = np.cumsum(self.lengths[body])
            plain = len(body) and ends[-1] == len(sequence) and unknown not in body
            out.append(self._framed(body, np.append(0, ends[:-1]), ends, len(sequence)) if plain else None)
        rest = [row for row, encoded in enumerate(out) if encoded is None]
        if rest and self.tokenizer.is_fast:
            encoded = self._run([sequences[row] for row in rest], return_offsets_mapping=True)
            for row, ids, offsets in zip(rest, encoded["input_ids"], encoded["offset_mapping"], strict=True):
                spans = np.maximum(np.array(offsets, np.int64).reshape(-1, 2) - len(self.tag), 0)
                # A token without letters stands at the end of what is spelled before it.
                here = np.maximum.accumulate(spans[:, 1])
                none = spans[:, 0] == spans[:, 1]
                out[row] = Encoded(_ints(ids), np.where(none, here, spans[:, 0]), np.where(none, here, spans[:, 1]))
        elif rest:
            for row in rest:
                out[row] = self._joined(sequences[row], row)
        return [encoded for encoded in out if encoded is not None]

    def bases_in(self, n_tokens: int) -> int:
        """Return the number of bases that fit in `n_tokens`, specials included: a tenth less than random DNA needs."""
        return int(max(0, n_tokens - self.n_special) * self.bases_per_token * 0.9)

    def may_exceed(self, sequence: str, n_tokens: int) -> bool:
        """Return whether a sequence of at most `bases_in(n_tokens)` letters may still take more than `n_tokens`."""
        # At most one token per letter, and one more to mark where a word begins.
        return len(sequence) + self.n_special + 1 > n_tokens

    def _run(self, sequences: Sequence[str], **options: bool) -> Any:
        texts = [self.tag + self.fold(sequence) for sequence in sequences]
        options |= {"add_special_tokens": self.specials, "verbose": False}
        return self.tokenizer(texts, return_attention_mask=False, return_token_type_ids=False, **options)

    def _joined(self, sequence: str, row: int) -> Encoded:
        """Return a sequence with unknown tokens, each of which spells letters other than A, C, G and T."""
        body = _inside(self._run([sequence])["input_ids"][0], self.prefix, self.suffix)
        unknown, words = _unknown(self.tokenizer), map(_bare, self.tokenizer.convert_ids_to_tokens(body))
        pattern = (
            "([^ACGTacgt]+?)" if i == unknown else f"({re.escape(word)})" for i, word in zip(body, words, strict=True)
        )
        match = re.fullmatch("".join(pattern), self.fold(sequence))
        if match is None:
            raise ConfigError(
                f"{self.where}: its {type(self.tokenizer).__name__} gives no offsets, and its tokens do not join up to "
                f"sequence {row} ({sequence[:20]!r})"
            )
        spans = np.array([match.span(i + 1) for i in range(len(body))], np.int64).reshape(-1, 2)
        return self._framed(_ints(body), spans[:, 0], spans[:, 1], len(sequence))


def read_tokens(
    tokenizer: PreTrainedTokenizerBase,
    *,
    where: str,
    kind: TokenKind | Literal[""] = "",
    k: int = 0,
    prefix: str = "",
    specials: bool = True,
) -> Tokens:
    """Return the tokens of a Hugging Face tokenizer, of `kind` and `k` if given, else of the kind that probes reveal.

    `prefix` is text that stands before every sequence, such as a tag; `specials` is whether the tokenizer adds its own
    special tokens. `where` names the tokenizer in errors. Raises ConfigError where it does not spell A, C, G and T, or
    not as tokens of that `kind`.
    """

    def ids(text: str) -> list[int]:
        return [int(i) for i in tokenizer(prefix + text, add_special_tokens=specials, verbose=False)["input_ids"]]

    words = tokenizer.get_vocab()
    upper, lower = (sum(map(set(bases).issuperset, words)) for bases in ("ACGT", "acgt"))
    # By count, as byte-level vocabularies spell either case but merge only one.
    fold = str.lower if lower > upper else str.upper
    readers: dict[TokenKind, Callable[[], Tokens | None]] = {
        "nucleotide": partial(_nucleotide, tokenizer, ids, fold),
        "kmer": partial(_kmer, tokenizer, ids, fold, k),
        "subword": partial(_subword, tokenizer, ids, fold, where=where, tag=prefix, specials=specials),
        # Last: subword tokenizers too may give each of some spaced k-mers a token.
        "overlapping_kmer": partial(_overlapping, tokenizer, ids, fold, k),
    }
    for name, read in readers.items():
        if kind in ("", name) and (tokens := read()) is not None:
            return tokens
    expected = f"{k or 'k'}-mers" if kind.endswith("kmer") else {"subword": "subwords"}.get(kind, "single nucleotides")
    raise ConfigError(
        f"{where}: its {type(tokenizer).__name__} does not spell A, C, G and T as "
        + (f"{expected} ({kind})" if kind else "single nucleotides, k-mers or subwords; DNA becomes unknown tokens")
    )


def _nucleotide(tokenizer: PreTrainedTokenizerBase, ids: _Ids, fold: _Fold) -> NucleotideTokens | None:
    unknown = tokenizer.unk_token_id
    prefix, suffix = _specials([ids(fold(base * 8)) for base in "ACGT"])
    known: dict[str, int] = {}
    for letter in IUPAC:
        inside = _inside(ids(fold(f"A{letter}C")), prefix, suffix)
        if len(inside) == 3 and inside[1] != unknown:
            known[letter] = inside[1]
    if len({known.get(base) for base in "ACGT"} - {None}) < 4:
        return None
    other = known.get("N", unknown if unknown is not None else _pad(tokenizer))
    table = np.full(256, other, np.int64)
    for letter, i in known.items():
        table[[ord(letter), ord(letter.lower())]] = i
    vocabulary = _vocabulary(tokenizer, {known[base]: base for base in "ACGT"})
    tokens = NucleotideTokens(vocabulary, _ints(prefix), _ints(suffix), table)
    return tokens if _agrees(tokens, ids, fold, "ACGTN" if "N" in known else "ACGT") else None


def _kmer(tokenizer: PreTrainedTokenizerBase, ids: _Ids, fold: _Fold, k: int) -> KmerTokens | None:
    words = tokenizer.get_vocab()
    kmers = _kmer_table(words, fold, k)
    if kmers is None:
        return None
    size, table = kmers
    prefix, suffix = _specials([ids(fold(base * size * 4)) for base in "ACGT"])
    unknown = tokenizer.unk_token_id
    if unknown is None:  # GENERator has one that it does not declare
        unknown = next(iter(_inside(ids("N" * size), prefix, suffix)), 0)
    letters = np.full(256, unknown, np.int64)
    for letter in IUPAC:
        letters[[ord(letter), ord(letter.lower())]] = words.get(fold(letter), unknown)
    vocabulary = _vocabulary(tokenizer, _spelled(words, fold))
    for restarts, merges in ((True, True), (True, False), (False, False)):
        tokens = KmerTokens(
            vocabulary,
            _ints(prefix),
            _ints(suffix),
            k=size,
            table=table,
            letters=letters,
            unknown=unknown,
            restarts=restarts,
            merges=merges,
        )
        if _agrees(tokens, ids, fold, IUPAC):
            return tokens
    return None


def _overlapping(tokenizer: PreTrainedTokenizerBase, ids: _Ids, fold: _Fold, k: int) -> OverlappingTokens | None:
    words = tokenizer.get_vocab()
    kmers = _kmer_table(words, fold, k)
    if kmers is None or tokenizer.unk_token_id is None:
        return None
    size, table = kmers

    def spaced(text: str) -> list[int]:
        return ids(" ".join(text[i : i + size] for i in range(max(1, len(text) - size + 1))))

    prefix, suffix = _specials([spaced(fold(base * size * 4)) for base in "ACGT"])
    vocabulary = _vocabulary(tokenizer, _spelled(words, fold))
    tokens = OverlappingTokens(
        vocabulary, _ints(prefix), _ints(suffix), k=size, table=table, unknown=tokenizer.unk_token_id
    )
    return tokens if _agrees(tokens, spaced, fold, IUPAC) else None


def _subword(
    tokenizer: PreTrainedTokenizerBase, ids: _Ids, fold: _Fold, *, where: str, tag: str, specials: bool
) -> SubwordTokens | None:
    probe = fold("".join(np.random.default_rng(0).choice(list("ACGT"), size=10_000)))
    prefix, suffix = _specials([ids(fold(base * 8)) for base in "ACGT"])
    body = _inside(ids(probe), prefix, suffix)
    words = tokenizer.get_vocab()
    spelled = _spelled(words, fold)
    # The first may be a mark of where words begin; an unknown token need not be declared as one.
    if not body or not spelled or not spelled.keys() >= set(body[1:]) or _unknown(tokenizer) == body[0]:
        return None
    vocabulary = _vocabulary(tokenizer, spelled)
    lengths = np.zeros(vocabulary.size, np.int64)
    if "".join(map(_bare, tokenizer.convert_ids_to_tokens(body))) == probe:
        for word, i in words.items():
            lengths[i] = len(_bare(word)) if _bare(word).isalpha() else 0
    elif not tokenizer.is_fast:
        return None
    return SubwordTokens(
        vocabulary,
        _ints(prefix),
        _ints(suffix),
        tokenizer=tokenizer,
        where=where,
        tag=tag,
        specials=specials,
        fold=fold,
        lengths=lengths,
        bases_per_token=len(probe) / len(body),
    )


def _ints(values: Sequence[int]) -> IntArray:
    return np.array(values, np.int64)


def _specials(rows: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Return the ids that all rows begin with and those that all end with."""

    def shared(columns: Iterable[tuple[int, ...]]) -> list[int]:
        return [column[0] for column in itertools.takewhile(lambda column: len(set(column)) == 1, columns)]

    prefix = shared(zip(*rows, strict=False))
    suffix = shared(zip(*(reversed(row[len(prefix) :]) for row in rows), strict=False))
    return prefix, suffix[::-1]


def _inside(ids: Sequence[int], prefix: Sized, suffix: Sized) -> Sequence[int]:
    return ids[len(prefix) : len(ids) - len(suffix)]


def _bare(word: str) -> str:
    return MARKERS.sub("", word)


def _kmer_table(words: dict[str, int], fold: _Fold, k: int) -> tuple[int, IntArray] | None:
    """Return k and the ids of all k-mers, in order; the longest complete k unless `k` is given; None without one."""
    bases = set(fold("ACGT"))
    spelled = {word.upper(): i for word, i in words.items() if word and bases.issuperset(word)}
    for size in [k] if k else sorted({len(word) for word in spelled} - {1}, reverse=True):
        if sum(len(word) == size for word in spelled) == 4**size:
            return size, _ints([spelled["".join(kmer)] for kmer in itertools.product("ACGT", repeat=size)])
    return None


def _spelled(words: dict[str, int], fold: _Fold) -> dict[int, str]:
    """Return the spelling, in upper case, of each token that spells A, C, G and T alone, by id."""
    bases = set(fold("ACGT"))
    bare = ((_bare(word), i) for word, i in words.items())
    return {i: word.upper() for word, i in bare if word and bases.issuperset(word)}


def _vocabulary(tokenizer: PreTrainedTokenizerBase, spelled: dict[int, str]) -> Vocabulary:
    dna = sorted(spelled)
    return Vocabulary(
        size=max(len(tokenizer), 1 + max(tokenizer.get_vocab().values())),
        dna=_ints(dna),
        first_base=_ints(["ACGT".index(spelled[i][0]) for i in dna]),
        lengths=_ints([len(spelled[i]) for i in dna]),
        pad=_pad(tokenizer),
        mask=tokenizer.mask_token_id,
    )


def _unknown(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id of the unknown token, -1 where there is none."""
    return -1 if tokenizer.unk_token_id is None else int(tokenizer.unk_token_id)


def _pad(tokenizer: PreTrainedTokenizerBase) -> int:
    return int(next((i for i in (tokenizer.pad_token_id, tokenizer.unk_token_id) if i is not None), 0))


def _agrees(tokens: Tokens, ids: _Ids, fold: _Fold, letters: str) -> bool:
    """Return whether tokens and tokenizer give the same ids for random sequences, of A, C, G, T and of `letters`."""
    rng = np.random.default_rng(0)
    for length in (*range(1, 15), 20, 40, 61):
        for alphabet in ("ACGT", "ACGT" * 4 + letters, letters):
            probe = "".join(rng.choice(list(alphabet), size=length))
            if tokens.encode([probe])[0].ids.tolist() != ids(fold(probe)):
                return False
    return True
