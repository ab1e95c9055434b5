"""Sequences from users' files, converted to upper case, checked and counted a block at a time."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..dna.sequence import IUPAC, Alphabet, check_sequence, join_kmers
from ..errors import DataError
from ..text import Ints, Strings, Text
from .collecting import Collector, letters_array

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

_BASES = b"ACGT"
_ALLOWED = {"DNA": (IUPAC + IUPAC.lower()).encode(), "RNA": (IUPAC + IUPAC.lower() + "Uu").encode()}
_TO_DNA = bytes.maketrans(b"Uu", b"Tt")
BETWEEN = re.compile(r"[\s;]+")
"""What separates the words of a value."""


class Cleaning:
    """Converts a column of sequences to upper case, block by block, and counts letters other than A, C, G and T.

    `where` names the file and `column` the column in messages. In a column of RNA, U becomes T. Where all values are
    overlapping k-mers separated by blanks, or by ';' as the values of a list are, they are joined.
    """

    def __init__(self, where: str, column: str, alphabet: Alphabet = "DNA") -> None:
        self.where = where
        self.column = column
        self.alphabet = alphabet
        self._k = 0
        self._lengths: set[int] = set()
        self._rows = 0
        self._counts = np.zeros(256, np.int64)
        self._collected = Collector()
        self._lower: list[NDArray[np.float64]] = []

    def add(self, values: pa.Array | Text) -> Text:
        """Return the next values of the column, cleaned.

        Raises DataError, naming the row, for an empty sequence, one in the other alphabet, a letter that is not IUPAC,
        and words that are not overlapping k-mers of one length.
        """
        import pyarrow as pa

        cleaned = []
        for letters, bounds in (values if isinstance(values, Text) else Text(values)).letters():
            array = self._clean(letters.tobytes(), bounds)
            cleaned.append(array)
            self._collected.add(pa.RecordBatch.from_arrays([array], ["sequence"]))
            self._rows += len(array)
        return Text(pa.chunked_array(cleaned, pa.large_string()))

    def finish(self) -> tuple[Text, NDArray[np.float64] | None]:
        """Return all sequences (n,) and the share of lower case in each (n,), None without any."""
        if self._k:
            log.info("%s: column %r: overlapping k-mers, k = %d, joined to sequences", self.where, self.column, self._k)
        letters = census(self._counts)
        if letters:
            counts = ", ".join(f"{letter}: {n}" for letter, n in letters.items())
            log.info(
                "%s: column %r: ambiguous and lower-case letters, kept as upper case: %s",
                self.where,
                self.column,
                counts,
            )
        table = self._collected.table()
        text = Text.of([]) if table is None else Text(table["sequence"], mapped=self._collected.mapped)
        lower = np.concatenate([np.empty(0), *self._lower])
        return text, lower if lower.any() else None

    def _clean(self, letters: bytes, bounds: Ints) -> pa.Array:
        other = letters.translate(None, _BASES)
        lengths = np.diff(bounds)
        if other:
            self._counts += np.bincount(np.frombuffer(other, np.uint8), minlength=256)
        rna = self.alphabet == "RNA"
        if self._k or other.translate(None, _ALLOWED[self.alphabet]) or not lengths.all() or (rna and _has_t(letters)):
            letters, bounds = self._one_by_one(letters, bounds)
            lengths = np.diff(bounds)
        else:
            self._lengths |= {int(lengths.min()), int(lengths.max())}
        letters = letters.translate(_TO_DNA) if rna else letters
        upper = letters.upper() if other else letters
        if upper == letters:
            self._lower.append(np.zeros(len(lengths)))
        else:
            is_lower = np.frombuffer(letters, np.uint8) >= ord("a")
            self._lower.append(np.add.reduceat(is_lower, bounds[:-1], dtype=np.int64) / lengths)
        return letters_array(upper, bounds)

    def _one_by_one(self, letters: bytes, bounds: Ints) -> tuple[bytes, Ints]:
        """Return the values without surrounding blanks. Raises DataError for the first that is not DNA."""
        out = []
        for i, (start, end) in enumerate(zip(bounds.tolist(), bounds[1:].tolist(), strict=False)):
            where = f"{self.where}: row {self._rows + i + 1}: column {self.column!r}"
            text = letters[start:end].decode().strip()
            if not text:
                raise DataError(f"{where} is empty, expected {self.alphabet}")
            text = self._joined(text, where)
            upper = text.upper()
            if self.alphabet == "RNA" and "T" in upper:
                raise DataError(f'{where} has T where alphabet = "RNA"; a column has either T or U')
            if self.alphabet == "DNA" and "U" in upper and not set(upper) - set(IUPAC + "U"):
                also = "both T and U" if "T" in upper else "U: it holds RNA"
                raise DataError(f'{where} has {also}; where no row has T, alphabet = "RNA" in [source] reads U as T')
            check_sequence(upper.replace("U", "T") if self.alphabet == "RNA" else upper, where)
            out.append(text.encode())
        stripped = np.zeros(len(out) + 1, np.int64)
        np.cumsum([len(v) for v in out], out=stripped[1:])
        return b"".join(out), stripped

    def _joined(self, text: str, where: str) -> str:
        """Return the sequence of a value that is k-mers; any other as it is. Raises DataError where rows differ."""
        words = BETWEEN.split(text)
        if len(words) == 1:
            if self._k and len(text) != self._k:
                raise DataError(f"{where} is one word, where rows before are overlapping k-mers of {self._k}")
            self._lengths.add(len(text))
            return text
        k, joined = len(words[0]), join_kmers(words)
        if not joined or (self._k or k) != k:
            expected = (
                f"overlapping k-mers of {self._k}, as in rows before" if self._k else "one, or overlapping k-mers"
            )
            raise DataError(f"{where} is {len(words)} words ({words[0][:12]} {words[1][:12]} ...), expected {expected}")
        if self._lengths - {k}:
            raise DataError(f"{where} is overlapping k-mers of {k}, where rows before are one word")
        self._k = k
        return joined


def _has_t(letters: bytes) -> bool:
    return b"T" in letters or b"t" in letters


def clean_sequences(values: Sequence[str] | Strings, reference: str, column: str) -> Text:
    """Return the sequences in upper case, logging counts of letters other than A, C, G, T and of lower case.

    Raises DataError, naming the row, for an empty sequence or a letter that is not IUPAC DNA.
    """
    cleaning = Cleaning(reference, column)
    cleaning.add(values if isinstance(values, Text) else Text.of(values))
    return cleaning.finish()[0]


def census(counts: NDArray[np.int64]) -> dict[str, int]:
    """Return the counts of ambiguous letters, by letter, and of 'lower case'; `counts` (256,) are of bytes."""
    upper = counts[65:91] + counts[97:123]
    letters = {chr(65 + i): int(n) for i, n in enumerate(upper) if n and chr(65 + i) not in "ACGTU"}
    lower = int(counts[97:123].sum())
    return letters | ({"lower case": lower} if lower else {})
