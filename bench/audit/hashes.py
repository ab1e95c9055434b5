"""What makes two examples the same: hashes of the sequences, as they stand and on either strand, and labels as text."""

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
"""Bases below which sequences are too short to be related: there are 4 ** 9 words of 9, and a library may hold all."""

_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class InputHashes:
    """Hashes (n,) of examples: equal `own` is equal input, equal `either` is equal input on one strand or the other.

    `window` is of the sequence alone, without the alternate or the base that is asked about. Of a million different
    inputs two share a hash by chance with a probability of 3e-8.
    """

    own: Hashes
    either: Hashes
    window: Hashes


def hashes_of(inputs: Inputs, doing: str) -> InputHashes:
    """Return the hashes of the inputs; a variant or a pair is known by both sequences, a base by its place in its own.

    Of sequences of fewer than 20 bases one strand alone is looked at.
    """
    n = len(inputs)
    own, either, window = (np.zeros(n, np.uint64) for _ in range(3))
    advance = activity(doing, n)
    last, here, there = "", 0, 0
    for start, sequences in blocks(inputs.sequences):
        others = None if inputs.alternates is None else list(inputs.alternates[start : start + len(sequences)])
        for i, sequence in enumerate(sequences):
            row = start + i
            if sequence != last or not row:  # the bases of one sequence stand together
                last, here, there = sequence, _hash(sequence), _hash(reverse_complement(sequence))
            forward, backward = here, there
            window[row] = min(here, there)
            if others is not None:
                forward = _hash(f"{here}|{_hash(others[i])}")
                backward = _hash(f"{there}|{_hash(reverse_complement(others[i]))}")
            elif inputs.per_base:
                assert inputs.positions is not None
                at = int(inputs.positions[row])
                forward = _hash(f"{here}@{at}")
                backward = _hash(f"{there}@{len(sequence) - at - inputs.span}")
            own[row] = forward
            either[row] = min(forward, backward) if len(sequence) >= SHORT else forward
        advance(len(sequences))
    return InputHashes(own, either, window)


def too_short(inputs: Inputs) -> str:
    """Return that the sequences are short enough to be equal on the other strand by chance, in words, '' if not."""
    n = len(inputs)
    if not n:
        return ""
    look = np.unique(np.linspace(0, n - 1, 1000).astype(np.int64))
    median = int(np.median([len(inputs.sequences[int(i)]) for i in look]))
    return f"sequences are {median} bases long" if median < SHORT else ""


def blocks(column: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield a column of text in runs of rows with the first row's number, so that not all of it is str at once."""
    for start in range(0, len(column), _BLOCK):
        yield start, list(column[start : start + _BLOCK])


def joined(hashes: list[InputHashes]) -> InputHashes:
    """Return the hashes of several parts as those of one."""
    return InputHashes(*(np.concatenate([getattr(k, name) for k in hashes]) for name in ("own", "either", "window")))


def first_match(queries: Hashes, references: Hashes) -> NDArray[np.int64]:
    """Return for each query the first row of `references` with that hash, -1 where none has, (n,)."""
    if not len(references):
        return np.full(len(queries), -1, np.int64)
    values, first = np.unique(references, return_index=True)
    at = np.minimum(np.searchsorted(values, queries), len(values) - 1)
    return np.where(values[at] == queries, first[at], -1).astype(np.int64)


def repeats(hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows whose hash an earlier row has, in order, and for each of them that earlier row."""
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    earlier = first[which]
    rows = np.flatnonzero(earlier != np.arange(len(hashes)))
    return rows, earlier[rows]


def disagree(task: Task, one: Any, other: Any, spread: Any) -> bool:
    """Return whether two targets of the same input contradict each other.

    Classes and labels do where they differ, measurements where any differs by more than `spread`.
    """
    if task.kind == "regression":
        return bool(np.any(np.abs(np.asarray(one) - np.asarray(other)) > spread))
    return bool(np.any(one != other))


def spread_of(task: Task, targets: NDArray[Any]) -> Any:
    """Return the standard deviation of each measurement, by which two of the same input may differ; 0 for labels."""
    return np.std(targets, axis=0) if task.kind == "regression" and len(targets) else 0.0


def label_text(task: Task, target: Any) -> str:
    """Return a target as a reader knows it: the class, the labels that hold, the measurement, the bases."""
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
