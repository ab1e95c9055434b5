"""DNA as text: its letters, and the other strand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from ..errors import DataError

Alphabet = Literal["DNA", "RNA"]
"""How sequences are written in a file; U of RNA is read as T."""

IUPAC = "ACGTRYSWKMBDHVN"
"""The letters of DNA sequences, in upper case; all but the first four are ambiguous."""

_COMPLEMENT = str.maketrans("ACGTURYSWKMBDHVNacgturyswkmbdhvn", "TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn")
_NOT_IUPAC = re.compile(f"[^{IUPAC}]")


def reverse_complement(sequence: str) -> str:
    """Return the other strand, read 5' to 3'; IUPAC letters and U are complemented, case is preserved."""
    return sequence.translate(_COMPLEMENT)[::-1]


def join_kmers(words: Sequence[str]) -> str:
    """Return the sequence of which the words are all k-mers in order; '' where a word does not overlap the next by k-1.

    Words of one letter are the letters of a sequence.
    """
    k = len(words[0])
    sequence = words[0] + "".join(word[-1:] for word in words[1:])
    return sequence if [sequence[i : i + k] for i in range(len(words))] == list(words) else ""


def check_sequence(sequence: str, where: str) -> str:
    """Return the sequence in upper case. Raises DataError, naming `where`, for a letter that is not IUPAC DNA."""
    upper = sequence.upper()
    bad = _NOT_IUPAC.search(upper)
    if bad:
        raise DataError(f"{where}: {bad.group()!r} at position {bad.start()} is not an IUPAC DNA letter ({IUPAC})")
    return upper
