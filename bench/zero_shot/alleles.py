"""What differs between REF and ALT windows, and the part common to both that fits into a model's context."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..dna.sequence import reverse_complement
from ..types import Inputs, IntArray, StrArray, Strings, strings

Kind = Literal["none", "snv", "substitution", "indel"]

_RESTORED = 16
"""How many bases on the right identify a window whose length was restored after an indel."""


@dataclass(frozen=True)
class Change:
    """How ALT differs from REF: from base `first` on, up to `ref_end` in REF and `alt_end` in ALT, half-open.

    `letters` are those of REF and ALT that differ.
    """

    kind: Kind
    first: int
    ref_end: int
    alt_end: int
    letters: str


@dataclass(frozen=True, eq=False)
class Pairs:
    """REF and ALT windows (m,) of the examples `rows` (m,) with the change in each, `first` to `last` (m,), inclusive.

    For an indel these are offsets in the longer allele, and on the other strand they mean nothing.
    """

    rows: IntArray
    references: StrArray
    alternates: StrArray
    kinds: NDArray[np.str_]
    first: IntArray
    last: IntArray

    def of(self, kinds: Collection[Kind]) -> Pairs:
        """Return the pairs whose change is of one of these kinds."""
        return self.take(np.flatnonzero(np.isin(self.kinds, list(kinds))))

    def take(self, index: IntArray) -> Pairs:
        """Return the pairs at `index`."""
        r, a = self.references[index], self.alternates[index]
        return Pairs(self.rows[index], r, a, self.kinds[index], self.first[index], self.last[index])

    def on_other_strand(self) -> Pairs:
        """Return the pairs on the other strand."""
        end = np.array([len(s) - 1 for s in self.references], np.int64)
        references, alternates = reverse_complements(self.references), reverse_complements(self.alternates)
        return Pairs(self.rows, references, alternates, self.kinds, end - self.last, end - self.first)


def pairs(inputs: Inputs, *, context: int | None = None, frame: int = 1) -> Pairs:
    """Return the pairs that can be compared, each cut to at most `context` bases about the change.

    REF and ALT are cut at the same places, to a multiple of `frame` bases, with flanks of one length where the window
    has them. Left out are pairs in which a letter that differs is not A, C, G or T, changes that do not fit into the
    context, and indels after which only one of REF and ALT can be a multiple of `frame`. Inputs without positions are
    pairs of sequences that may differ anywhere; those of one length are cut to their middle.
    """
    if inputs.alternates is None:
        raise ValueError("no alternates")
    references, alternates = inputs.sequences, inputs.alternates
    rows, refs, alts, kinds, firsts, lasts = [], [], [], [], [], []
    for row, (ref, alt) in enumerate(zip(references, alternates, strict=True)):
        if inputs.positions is None and len(ref) == len(alt):
            keep = middle(len(ref), context, frame)
            ref, alt = ref[keep], alt[keep]
        change = compare(ref, alt)
        if not set("ACGT").issuperset(change.letters) or not has_bases(ref) or not has_bases(alt):
            continue
        cut = _about(len(ref), len(alt), change, context, frame)
        if cut is None:
            continue
        left, right = cut
        rows.append(row)
        refs.append(ref[left : len(ref) - right])
        alts.append(alt[left : len(alt) - right])
        kinds.append(change.kind)
        firsts.append(change.first - left)
        lasts.append(max(change.ref_end, change.alt_end) - 1 - left)
    numbers = [np.array(column, np.int64) for column in (rows, firsts, lasts)]
    return Pairs(numbers[0], strings(refs), strings(alts), np.array(kinds, dtype=np.str_), numbers[1], numbers[2])


def compare(ref: str, alt: str) -> Change:
    """Return the change from REF to ALT.

    Windows of one length that differ up to their right ends, where the same bases stand some places apart, are an
    indel after which the length was restored by adding or dropping bases on the right.
    """
    if ref == alt:
        return Change("none", 0, 0, 0, "")
    r, a = (np.frombuffer(s.encode("ascii"), np.uint8) for s in (ref, alt))
    shorter = min(len(ref), len(alt))
    differing = np.flatnonzero(r[:shorter] != a[:shorter])
    first = int(differing[0]) if len(differing) else shorter
    if len(ref) == len(alt):
        shift = _shift(ref, alt, first, int(differing[-1]))
        if not shift:
            end = int(differing[-1]) + 1
            letters = "".join(ref[i] + alt[i] for i in differing)
            return Change("snv" if len(differing) == 1 else "substitution", first, end, end, letters)
        ref_end, alt_end = first + max(0, -shift), first + max(0, shift)
    else:
        unlike = np.flatnonzero(r[::-1][: shorter - first] != a[::-1][: shorter - first])
        suffix = int(unlike[0]) if len(unlike) else shorter - first
        ref_end, alt_end = len(ref) - suffix, len(alt) - suffix
    return Change("indel", first, ref_end, alt_end, ref[first:ref_end] + alt[first:alt_end])


def middle(length: int, context: int | None, frame: int) -> slice:
    """Return the slice of the central bases that fit into `context`, a multiple of `frame` unless it is longer."""
    keep = length if context is None else min(length, context)
    keep = keep - keep % frame or keep
    start = (length - keep) // 2
    return slice(start, start + keep)


def has_bases(sequence: str) -> bool:
    """Return whether there is an A, C, G or T at all."""
    return any(base in sequence for base in "ACGT")


def reverse_complements(sequences: Strings) -> StrArray:
    """Return the other strand of each sequence."""
    return strings([reverse_complement(s) for s in sequences])


def _shift(ref: str, alt: str, first: int, last: int) -> int:
    """Return how much longer (negative: shorter) ALT was before its length was restored; 0 if it was not."""
    n = len(ref)
    tail = min(_RESTORED, (n - first) // 2)
    if n - 1 - last >= tail or tail < _RESTORED // 2:
        return 0
    inserted, deleted = ref.rfind(alt[-tail:], first, n - 1), alt.rfind(ref[-tail:], first, n - 1)
    if max(inserted, deleted) < 0:
        return 0
    return n - tail - inserted if inserted >= deleted else deleted + tail - n


def _about(n_ref: int, n_alt: int, change: Change, context: int | None, frame: int) -> tuple[int, int] | None:
    """Return how many bases of both to cut on the left and on the right; None where they cannot be compared."""
    if (n_ref - n_alt) % frame:
        return None
    before, end = change.first, max(change.ref_end, change.alt_end)
    after = max(n_ref, n_alt) - end
    left, right = before, after
    if context is not None and before + after + end - change.first > context:
        room = context - (end - change.first)
        if room < 0:
            return None
        left, right = min(before, max(room // 2, room - after)), min(after, max(room // 2, room - before))
    over = (n_ref - (before - left) - (after - right)) % frame
    if over <= max(left, right):
        left, right = (left - over, right) if left >= right else (left, right - over)
    return before - left, after - right
