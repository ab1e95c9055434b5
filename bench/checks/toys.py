"""Synthetic DNA to check models on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..types import Examples, Inputs, IntArray, Split, StrArray, strings

_OTHER_BASE = str.maketrans("ACGTacgt", "CGTAcgta")


def random_dna(n: int, *, seed: int, length: int = 64) -> StrArray:
    """Return n random sequences of A, C, G and T."""
    letters = np.random.default_rng(seed).choice(list("ACGT"), size=(n, length))
    return strings(["".join(row) for row in letters])


def substituted(sequences: StrArray, sites: IntArray) -> StrArray:
    """Return the sequences with the base at `sites[i]` of sequence i replaced by the next of A, C, G, T."""
    return strings([s[:i] + s[i].translate(_OTHER_BASE) + s[i + 1 :] for s, i in zip(sequences, sites, strict=True)])


def toy_classes(n_train: int) -> Split:
    """Return 40-bp sequences of two classes, the second with TATAAA in the middle."""

    def part(name: str, n: int, seed: int) -> Examples:
        targets = np.arange(n) % 2
        x = [
            s[:17] + "TATAAA" + s[23:] if t else s
            for s, t in zip(random_dna(n, seed=seed, length=40), targets, strict=True)
        ]
        return _examples(name, Inputs(strings(x)), targets)

    return Split(part("train", n_train, 11), part("valid", 20, 12), part("test", 20, 13))


def toy_variants(n_train: int) -> Split:
    """Return single-base variants in 30-bp windows; the effect is 1 where ALT is G or C, plus some for position."""

    def part(name: str, n: int, seed: int) -> Examples:
        rng = np.random.default_rng(seed)
        references = random_dna(n, seed=seed, length=30)
        positions = rng.integers(0, 30, n)
        alternates = []
        for reference, position in zip(references, positions, strict=True):
            base = rng.choice([b for b in "ACGT" if b != reference[position]])
            alternates.append(reference[:position] + str(base) + reference[position + 1 :])
        effect = np.array([float(a[p] in "GC") + p / 100 for a, p in zip(alternates, positions, strict=True)])
        return _examples(name, Inputs(references, strings(alternates), positions), effect)

    return Split(part("train", n_train, 21), part("valid", 20, 22), part("test", 20, 23))


def _examples(part: str, inputs: Inputs, targets: Any) -> Examples:
    ids = strings([f"{part}{i}" for i in range(len(inputs))])
    return Examples(ids, inputs, targets, ids, ids)
