"""Sequences as token ids without a Python loop over bases: a table of 256 entries, and batches of like lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, DataError
from .sources.sequences import IUPAC
from .types import IntArray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class NucleotideTokens:
    """A tokenizer that gives every base one token.

    `table` (256,) maps a byte to its id; `prefix` and `suffix` are the special tokens around a sequence; `bases` (4,)
    are the ids of A, C, G, T. `mask` is None where the tokenizer has no mask token.
    """

    table: IntArray
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    bases: IntArray
    pad: int
    mask: int | None

    def encode(self, sequence: str) -> IntArray:
        """Return the ids (length + specials,). Case does not matter; a letter that the vocabulary lacks reads as N."""
        return np.concatenate([self.prefix, self.table[np.frombuffer(sequence.encode("ascii"), np.uint8)], self.suffix])

    @property
    def n_special(self) -> int:
        """How many tokens a sequence has besides its bases."""
        return len(self.prefix) + len(self.suffix)


def nucleotide_tokens(tokenizer: PreTrainedTokenizerBase, where: str) -> NucleotideTokens:
    """Return the table of a Hugging Face tokenizer. Raises ConfigError unless it gives each base a token of its own."""
    unknown = tokenizer.unk_token_id
    ids = {letter: tokenizer.convert_tokens_to_ids(letter) for letter in IUPAC}
    known = {letter: i for letter, i in ids.items() if i is not None and i != unknown}
    encoded = list(tokenizer("ACGT")["input_ids"])
    inside = [known.get(letter) for letter in "ACGT"]
    at = next((i for i in range(len(encoded) - 3) if encoded[i : i + 4] == inside), None)
    if None in inside or at is None:
        raise ConfigError(
            f"{where}: its {type(tokenizer).__name__} does not give each of A, C, G, T one token; "
            "only single-nucleotide tokenizers can be used"
        )
    other = known.get("N", unknown if unknown is not None else tokenizer.pad_token_id)
    table = np.full(256, other, np.int64)
    for letter, i in known.items():
        table[ord(letter)] = table[ord(letter.lower())] = i
    return NucleotideTokens(
        table=table,
        prefix=tuple(encoded[:at]),
        suffix=tuple(encoded[at + 4 :]),
        bases=np.array(inside, np.int64),
        pad=int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else other),
        mask=tokenizer.mask_token_id,
    )


def window(length: int, keep: int, *, around: float | None = None) -> slice:
    """Return the slice of at most `keep` of `length` bases, as central as it can be about offset `around`."""
    if length <= keep:
        return slice(0, length)
    middle = length / 2 if around is None else around
    start = min(max(0, int(middle - keep / 2)), length - keep)
    return slice(start, start + keep)


def batches(lengths: IntArray, budget: int) -> Iterator[IntArray]:
    """Yield indices of sequences of like length, the longest first, each batch of at most `budget` padded tokens.

    A sequence longer than the budget is a batch of its own. The longest come first so that memory runs out early if
    at all.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def pad(rows: Sequence[IntArray], value: int) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Return the rows as one (n, longest) array, and where it holds tokens; None where no row is padded."""
    lengths = np.array([len(row) for row in rows])
    if lengths.min() == lengths.max():
        return np.stack(rows), None
    real = np.arange(lengths.max()) < lengths[:, None]
    out = np.full(real.shape, value, np.int64)
    out[real] = np.concatenate(rows)
    return out, real


def check_usable(sequences: Sequence[str] | NDArray[np.object_]) -> None:
    """Raise DataError, naming the row, for a sequence without a single A, C, G or T."""
    for row, sequence in enumerate(sequences):
        if not set("ACGTacgt") & set(sequence):
            shown = f"{sequence[:20]!r}" if sequence else "empty"
            raise DataError(f"sequence {row} has no A, C, G or T ({shown}), so it cannot be embedded or scored")
