"""Data sets with a planted leak or shortcut that the audit must find, and clean ones about which it must be silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from ..audit import audit
from ..dna.sequence import reverse_complement
from ..splits import predefined
from ..types import Examples, Inputs, IntArray, Split, Task, strings
from .claim import Claim

Change = Callable[[str, int, Generator], str]
"""Takes a random sequence, its class and a generator; returns the sequence with what its class has."""

LENGTH = 200
_SIZES = {"train": 600, "valid": 150, "test": 300}
_COPIES = 12
"""The test rows, of 300, that are copied from training: 4 %."""
_ADAPTER = "AGATCGGAAGAGC"
_MOTIF = "TATAAAGC"


def _rich(sequence: str, label: int, rng: Generator) -> str:
    letters = rng.choice(list("ACGT"), p=[0.24, 0.26, 0.26, 0.24] if label else [0.26, 0.24, 0.24, 0.26], size=LENGTH)
    return "".join(letters)


def _long(sequence: str, label: int, rng: Generator) -> str:
    return sequence[: int(np.clip(rng.normal(160 if label else 140, 20), 20, LENGTH))]


def _moved(sequence: str, label: int, rng: Generator) -> str:
    at = 60 if label else 65
    return sequence[:at] + _MOTIF + sequence[at + len(_MOTIF) :]


SHORTCUTS: dict[str, Change] = {
    "GC of one class 4 points higher": _rich,
    "one class longer by 1 SD": _long,
    "an adapter ends one class": lambda s, y, rng: s[: -len(_ADAPTER)] + _ADAPTER if y else s,
    "an adapter ends three quarters of one class": lambda s, y, rng: (
        s[: -len(_ADAPTER)] + _ADAPTER if y and rng.random() < 0.75 else s
    ),
    "a restriction site begins one class": lambda s, y, rng: "GATC" + s[4:] if y else s,
    "the first base of one class": lambda s, y, rng: "G" + s[1:] if y else s,
    "a motif 5 bases further in one class": _moved,
}
"""What gives the class away without any biology."""

LEAKS: dict[str, Callable[[str, Generator], str]] = {
    "test rows copied from training": lambda s, rng: s,
    "copies with 1 % of the bases changed": lambda s, rng: _mutated(s, 0.01, rng),
    "copies with 5 % of the bases changed": lambda s, rng: _mutated(s, 0.05, rng),
    "reverse complements of training rows": lambda s, rng: reverse_complement(s),
}
"""How a training row is copied into test."""

CLEAN: dict[str, tuple[int, int, bool]] = {
    "200 bp, 400 test rows": (200, 400, False),
    "36 bp, 400 test rows": (36, 400, False),
    "60 bp, 400 test rows": (60, 400, False),
    "200 bp, 100 test rows": (200, 100, False),
    "mixed lengths, 400 test rows": (200, 400, True),
}
"""Random sequences with random labels: their length, how many are tested, and whether lengths differ."""


def planted(name: str, n: int) -> list[Claim]:
    """Return the share of `n` data sets with a planted leak or shortcut of that name that the audit does not pass."""
    claim = Claim("faults", "found", name, 1.0, 1.0)
    return [claim.with_rate([audit(_task(), faulty(name, seed)).verdict != "PASS" for seed in range(n)])]


def clean(name: str, n: int) -> list[Claim]:
    """Return the share of `n` clean data sets of that name on which the audit raises a false alarm."""
    length, size, mixed = CLEAN[name]
    found = []
    for seed in range(n):
        rng = np.random.default_rng([seed, length, size])
        sizes = {"train": 2 * size, "valid": size // 2, "test": size}
        cut: Change = (lambda s, y, rng: s[: length - int(rng.integers(length // 2))]) if mixed else lambda s, y, rng: s
        found.append(audit(_task(), _split(rng, sizes, cut, length)).verdict != "PASS")
    return [Claim("faults", "false alarm", name, 0.0, 0.04).with_rate(found)]


SORTED = "rows sorted by label"


def faulty(name: str, seed: int) -> Split:
    """Return a split of random sequences with the leak or shortcut of that name."""
    rng = np.random.default_rng([seed, 1])
    split = _split(rng, _SIZES, SHORTCUTS.get(name, lambda s, y, rng: s), LENGTH)
    if name == SORTED:
        return Split(*(e.take(np.argsort(e.targets, kind="stable")) for _, e in split))
    if name in SHORTCUTS:
        return split
    copy, test, train = LEAKS[name], split.test, split.train
    sequences, targets = list(test.inputs.sequences), test.targets.copy()
    for i, j in enumerate(rng.choice(len(train), _COPIES, replace=False)):
        sequences[i], targets[i] = copy(train.inputs.sequences[j], rng), train.targets[j]
    return replace(split, test=replace(test, inputs=Inputs(strings(sequences)), targets=targets))


def _split(rng: Generator, sizes: dict[str, int], change: Change, length: int) -> Split:
    parts = []
    for part, n in sizes.items():
        y: IntArray = rng.integers(2, size=n)
        drawn = ["".join(row) for row in rng.choice(list("ACGT"), size=(n, length))]
        ids = strings([f"{part}{i}" for i in range(n)])
        sequences = [change(s, int(label), rng) for s, label in zip(drawn, y, strict=True)]
        parts.append(Examples(ids, Inputs(strings(sequences)), y, ids, ids))
    return Split(*parts)


def _task() -> Task:
    return Task(
        name="planted",
        version=1,
        kind="classification",
        metrics=("mcc",),
        source=_unread,
        split=predefined("part"),
        description="",
        split_rule="",
        citation="",
        licence="",
        species=(),
        assembly=(),
        sizes={},
        classes=("0", "1"),
    )


def _unread() -> Examples:
    raise AssertionError("the examples are drawn, not read")


def _mutated(sequence: str, share: float, rng: Generator) -> str:
    letters = list(sequence)
    for at in rng.choice(len(letters), round(share * len(letters)), replace=False):
        letters[at] = "ACGT"[("ACGT".index(letters[at]) + int(rng.integers(1, 4))) % 4]
    return "".join(letters)
