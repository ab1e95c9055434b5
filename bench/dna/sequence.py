"""DNA as text: its letters, and the other strand."""

from __future__ import annotations

import re

from ..errors import DataError

IUPAC = "ACGTRYSWKMBDHVN"
"""The letters of DNA sequences, in upper case; all but the first four are ambiguous."""

_COMPLEMENT = str.maketrans("ACGTURYSWKMBDHVNacgturyswkmbdhvn", "TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn")
_NOT_IUPAC = re.compile(f"[^{IUPAC}]")


def reverse_complement(sequence: str) -> str:
    """Return the other strand, read 5' to 3'; IUPAC letters and U are complemented, case is preserved."""
    return sequence.translate(_COMPLEMENT)[::-1]


def check_sequence(sequence: str, where: str) -> str:
    """Return the sequence in upper case. Raises DataError, naming `where`, for a letter that is not IUPAC DNA."""
    upper = sequence.upper()
    bad = _NOT_IUPAC.search(upper)
    if bad:
        raise DataError(f"{where}: {bad.group()!r} at position {bad.start()} is not an IUPAC DNA letter ({IUPAC})")
    return upper
