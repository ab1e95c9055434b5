"""Synthetic controls of how far a model sees: two motifs at one distance or another, in random DNA.

Every sequence has each motif once, on a ring of twice the distance: in class `apart` they lie the distance apart, in
class `other` a quarter less or more. Each motif alone is equally likely at every place in both classes, so that neither
counts of k-mers nor places of single motifs tell the classes apart: only what sees both at once does.
"""

from __future__ import annotations

import functools

import numpy as np

from baserate.dna.sequence import reverse_complement
from baserate.registry import task
from baserate.splits import predefined
from baserate.types import Examples, Inputs, Subset, Task, strings

DISTANCES = (32, 64, 128, 256, 512, 1024)
MOTIFS = ("TGACGTCA", "CCAATCAG")
SIZES = {"train": 4000, "valid": 600, "test": 1000}
_SMALL = Subset(1000, 200, 400)


def examples(distance: int) -> Examples:
    """Return the examples of all parts, whose sequences are of twice the `distance` and one motif more, in bp."""
    n, ring, width = sum(SIZES.values()), 2 * distance, len(MOTIFS[0])
    rng = np.random.default_rng([20_265, distance])
    targets = np.arange(n, dtype=np.int64) % 2
    first = rng.integers(ring, size=n)
    quarter = distance // 4 * rng.choice([-1, 1], size=n)
    second = (first + distance + np.where(targets == 1, 0, quarter)) % ring
    sequences = strings([_sequence(ring + width, places, rng) for places in zip(first, second, strict=True)])
    part = strings([name for name, size in SIZES.items() for _ in range(size)])
    ids = strings([f"{name}{i}" for name, size in SIZES.items() for i in range(size)])
    return Examples(ids, Inputs(sequences), targets, ids, ids, {"part": part})


def _sequence(length: int, places: tuple[int, int], rng: np.random.Generator) -> str:
    """Return random DNA with the motifs at these places, and nowhere else on either strand."""
    while True:
        letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(4, size=length)]
        for motif, at in zip(MOTIFS, places, strict=True):
            letters[at : at + len(motif)] = np.frombuffer(motif.encode(), np.uint8)
        sequence = letters.tobytes().decode()
        strands = {motif: {motif, reverse_complement(motif)} for motif in MOTIFS}
        if all(sum(sequence.count(each) for each in both) == 1 for both in strands.values()):
            return sequence


def _task(distance: int) -> Task:
    return Task(
        name=f"motif_distance_{distance}",
        version=1,
        kind="classification",
        metrics=("mcc", "auroc", "accuracy"),
        source=functools.partial(examples, distance),
        split=predefined("part"),
        description=f"Two motifs in random DNA: {distance} bp apart, or a quarter less or more? A control of context.",
        split_rule=repr(predefined("part")),
        citation="made by baserate",
        licence="CC0-1.0",
        species=("none",),
        assembly=("none",),
        sizes=SIZES,
        classes=("other", "apart"),
        unit="sequence",
        small=_SMALL,
    )


def _register(distance: int) -> None:
    @task
    def motif_distance() -> Task:
        return _task(distance)


for _distance in DISTANCES:
    _register(_distance)
