"""What a proposed split makes of the data: sizes, families, dropped rows, and classes that are not in every part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..types import Split, Task
from .guess import Guess


def confirmed(guesses: Sequence[Guess], task: Task, split: Split) -> tuple[list[Guess], list[str]]:
    """Return the keys of [split] with what came of them beside the rule, and notes on what a reader must know."""
    sizes = ", ".join(f"{part} {len(examples):,}" for part, examples in split)
    clusters = len(set(split.test.clusters))
    found = f"{sizes} rows, test in {clusters:,} {'cluster' if clusters == 1 else 'clusters'}"
    notes = []
    if split.dropped:
        rows = "1 row is" if split.dropped == 1 else f"{split.dropped:,} rows are"
        notes.append(f"{rows} in no part of the split, too near to more than one")
    notes += _confined(task, split)
    first = guesses[0]
    reason = f"{first.reason}: {found}" if first.reason else found
    return [replace(first, reason=reason), *guesses[1:]], notes


def _confined(task: Task, split: Split) -> list[str]:
    """Return a note on the classes that test or valid lacks, for want of families, groups or chromosomes."""
    if task.kind != "classification" or not len(split.train):
        return []
    notes = []
    for part, examples in split:
        counts = np.bincount(examples.targets, minlength=len(task.classes))
        names = [name for name, n in zip(task.classes, counts, strict=True) if n == 0]
        if names and part != "train" and len(examples):
            listed = ", ".join(map(repr, names[:6])) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
            notes.append(f"{part} has no row of {listed}: all rows of such a class are related, and stay in train")
    return notes
