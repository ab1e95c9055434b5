"""Hashes of inputs, as they stand and on either strand, by which equal examples are found; labels as text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dna.sequence import reverse_complement
from ..progress import activity
from ..types import Inputs, Task

Hashes = NDArray[np.uint64]

SHORT = 20
"""Sequences of fewer bases are too short to be related: a library may hold all 4 ** 9 words of 9, for instance."""

_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class InputHashes:
    """Hashes (n,) of examples: inputs are equal where `exact` is, and equal on either strand where `either` is.

    `window` covers the sequence alone, without the alternate or the position. Among a million different inputs two
    share a hash by chance with a probability of 3e-8.
    """

    exact: Hashes
    either: Hashes
    window: Hashes


def hashes_of(inputs: Inputs, doing: str) -> InputHashes:
    """Return the hashes of the inputs: of both sequences of a variant or pair, and of sequence and position of a base.

    Sequences of fewer than 20 bases are compared on one strand only.
    """
    n = len(inputs)
    exact, either, window = (np.zeros(n, np.uint64) for _ in range(3))
    advance = activity(doing, n)
    last, this_strand, other_strand = "", 0, 0
    for start, sequences in blocks(inputs.sequences):
        others = None if inputs.alternates is None else list(inputs.alternates[start : start + len(sequences)])
        for i, sequence in enumerate(sequences):
            row = start + i
            if sequence != last or not row:  # the bases of one sequence stand together
                last, this_strand, other_strand = sequence, _hash(sequence), _hash(reverse_complement(sequence))
            forward, backward = this_strand, other_strand
            window[row] = min(this_strand, other_strand)
            if others is not None:
                forward = _hash(f"{this_strand}|{_hash(others[i])}")
                backward = _hash(f"{other_strand}|{_hash(reverse_complement(others[i]))}")
            elif inputs.per_base:
                assert inputs.positions is not None
                at = int(inputs.positions[row])
                forward = _hash(f"{this_strand}@{at}")
                backward = _hash(f"{other_strand}@{len(sequence) - at - inputs.span}")
            exact[row] = forward
            either[row] = min(forward, backward) if len(sequence) >= SHORT else forward
        advance(len(sequences))
    return InputHashes(exact, either, window)


def too_short(inputs: Inputs) -> str:
    """Return a note where sequences are so short that they may equal a reverse complement by chance, else ''."""
    n = len(inputs)
    if not n:
        return ""
    look = np.unique(np.linspace(0, n - 1, 1000).astype(np.int64))
    median = int(np.median([len(inputs.sequences[int(i)]) for i in look]))
    return f"sequences are {median} bases long" if median < SHORT else ""


def blocks(column: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield a column of text in blocks, each with the number of its first row, so that never all of it is decoded."""
    for start in range(0, len(column), _BLOCK):
        yield start, list(column[start : start + _BLOCK])


def joined(hashes: list[InputHashes]) -> InputHashes:
    """Return the hashes of several parts, concatenated."""
    return InputHashes(*(np.concatenate([getattr(k, name) for k in hashes]) for name in ("exact", "either", "window")))


def first_match(queries: Hashes, references: Hashes) -> NDArray[np.int64]:
    """Return for each query the first row of `references` with the same hash, (n,); -1 where there is none."""
    if not len(references):
        return np.full(len(queries), -1, np.int64)
    values, first = np.unique(references, return_index=True)
    at = np.minimum(np.searchsorted(values, queries), len(values) - 1)
    return np.where(values[at] == queries, first[at], -1).astype(np.int64)


def repeats(hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows whose hash occurs in an earlier row, in order, and the first such row of each."""
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    earlier = first[which]
    rows = np.flatnonzero(earlier != np.arange(len(hashes)))
    return rows, earlier[rows]


def disagree(task: Task, one: Any, other: Any, spread: Any) -> bool:
    """Return whether two targets of the same input contradict each other.

    Classes and labels do where they differ; measurements do where any differs by more than `spread`.
    """
    if task.kind == "regression":
        return bool(np.any(np.abs(np.asarray(one) - np.asarray(other)) > spread))
    return bool(np.any(one != other))


def spread_of(task: Task, targets: NDArray[Any]) -> Any:
    """Return the standard deviation of each measurement, the difference allowed for equal inputs; 0 for labels."""
    return np.std(targets, axis=0) if task.kind == "regression" and len(targets) else 0.0


def label_text(task: Task, target: Any) -> str:
    """Return a target as text: the class, the positive labels, the measurements, or the bases."""
    if task.kind == "classification":
        return task.classes[int(target)] if int(target) < len(task.classes) else str(int(target))
    if task.kind == "multilabel":
        return ";".join(name for name, holds in zip(task.classes, target, strict=False) if holds) or "no label"
    if task.kind == "generation":
        return "".join("ACGT"[int(base)] for base in np.atleast_1d(target)[:12])
    if task.kind == "paired":
        return ""
    return ";".join(f"{value:.4g}" for value in np.atleast_1d(target))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
