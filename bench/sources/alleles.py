"""REF and ALT as files write them: which can be scored, and which fit into a window."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..dna.sequence import check_sequence
from ..errors import DataError

_NO_ALT = "without an ALT of bases ('*', '.', <DEL> and other symbols, breakends)"
_TOO_LONG = "with an allele that the window cannot hold between two flanks"

_SYMBOL = re.compile(r"\*|\.|<[^<>]*>|.*[\[\]].*|\.\w+|\w+\.")
"""ALT without bases of its own: a deletion upstream, none, a symbolic allele, a breakend with its mate or alone."""


@dataclass(frozen=True)
class Alleles:
    """Variants as columns, (n,) each: REF, ALT ('' where it has no bases), and why a row has no windows ('': it has).

    `written` is ALT as the file has it.
    """

    refs: Sequence[str]
    alts: Sequence[str]
    written: Sequence[str]
    reasons: Sequence[str]

    def counts(self) -> dict[str, int]:
        """Return how many rows have no windows, by reason."""
        return {reason: self.reasons.count(reason) for reason in (_NO_ALT, _TOO_LONG) if reason in self.reasons}

    def left_out(self) -> list[str]:
        """Return for each reason how many rows are left out, the first of them, and what would keep them."""
        out = []
        for reason in (_NO_ALT, _TOO_LONG):
            rows = [row for row, why in enumerate(self.reasons) if why == reason]
            if not rows:
                continue
            ref, alt = shorten(self.refs[rows[0]]), shorten(self.written[rows[0]])
            advice = ""
            if reason == _TOO_LONG:
                width = width_for([self.refs[row] for row in rows], [self.alts[row] for row in rows])
                advice = f"; width = {width} holds all"
            n = f"{len(rows):,} of {len(self.reasons):,} rows"
            out.append(f"{n} {reason}, the first: row {rows[0] + 1}, {ref}>{alt}{advice}")
        return out


def read_alleles(refs: Sequence[str], alts: Sequence[str], source: str, *, width: int) -> Alleles:
    """Return the alleles in upper case, with the reasons why rows have no windows of `width` bp.

    Of several ALT that ',' joins, those that are no bases ('*', <NON_REF>) are passed over. Raises DataError, naming
    the row, for letters that are not DNA, an empty allele, several ALT of bases, and where REF is ALT.
    """
    ref_column, alt_column, reasons = [], [], []
    for row, (r, a) in enumerate(zip(refs, alts, strict=True), 1):
        where = f"{source}: row {row}"
        for name, text in (("REF", r), ("ALT", a)):
            if not text or text == "-":
                found = f"is {text!r}" if text else "is empty"
                raise DataError(f"{where}: {name} {found}; write an indel with the base before it, as VCF does")
        among = [allele for allele in a.split(",") if not _SYMBOL.fullmatch(allele)]
        if "," in r or len(among) > 1:
            advice = "write each allele in a row of its own, as `bcftools norm -m -any` does"
            raise DataError(f"{where}: {'REF' if ',' in r else 'ALT'} is {(r if ',' in r else a)!r}; {advice}")
        ref = check_sequence(r, f"{where}: REF")
        alt = check_sequence(among[0], f"{where}: ALT") if among else ""
        if ref == alt:
            raise DataError(f"{where}: REF and ALT are both {ref!r}")
        ref_column.append(ref)
        alt_column.append(alt)
        reasons.append(_NO_ALT if not alt else "" if fits(ref, alt, width) else _TOO_LONG)
    return Alleles(ref_column, alt_column, alts, reasons)


def fits(ref: str, alt: str, width: int) -> bool:
    """Return whether a window of `width` bp about the middle of REF holds both alleles and a base on either side."""
    left = width // 2 - len(ref) // 2
    return left >= 1 and left + max(len(ref), len(alt)) < width


def width_for(refs: Sequence[str], alts: Sequence[str]) -> int:
    """Return the least width, in bp, into which all these variants fit."""
    width = max((max(len(r) + 2, 2 * (len(a) - len(r) // 2)) for r, a in zip(refs, alts, strict=True)), default=3)
    while not all(fits(r, a, width) for r, a in zip(refs, alts, strict=True)):
        width += 1
    return width


def shorten(allele: str) -> str:
    """Return an allele for a message: a long one by its beginning and its length."""
    return allele if len(allele) <= 24 else f"{allele[:20]}...({len(allele)} bp)"
