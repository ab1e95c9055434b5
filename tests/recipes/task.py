"""A task, whose examples are in a format that baserate does not read: a line `part class sequence` each."""

from pathlib import Path

import numpy as np

import baserate as br
from baserate.splits import predefined
from baserate.types import Examples, Inputs, Task, strings

FILE = Path(__file__).with_name("boxes.txt")
CLASSES = ("plain", "box")


def examples() -> Examples:
    rows = [line.split() for line in FILE.read_text().splitlines()]
    ids = strings([f"line {i + 1}" for i in range(len(rows))])
    targets = np.array([CLASSES.index(name) for _, name, _ in rows])
    parts = strings([part for part, _, _ in rows])
    sequences = Inputs(strings([sequence for _, _, sequence in rows]))
    return Examples(ids, sequences, targets, groups=ids, clusters=ids, strata={"part": parts})


@br.task
def tata_boxes() -> Task:
    return Task(
        name="tata_boxes",
        version=1,  # a corrected task is a new version; the old one names it in superseded_by
        kind="classification",
        classes=CLASSES,
        metrics=("mcc", "auroc", "accuracy"),
        source=examples,
        split=predefined("part"),
        description="40 bp with and without TATAAA.",
        split_rule="as the file says",
        citation="made up",
        licence="CC0-1.0",
        species=("none",),
        assembly=("none",),
        sizes={"train": 80, "valid": 30, "test": 40},
        files=(str(FILE),),  # edited, it is read again
        zero_shot=("likelihood",),  # the rules by which its sequences may be scored without labels
    )
