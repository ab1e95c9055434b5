"""What a proposed split makes of the data: sizes, families, dropped rows, and classes that are not in every part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..audit.duplicates import TEST_KNOWN
from ..audit.finding import percent
from ..checks.task import known_in_test
from ..types import Split, Task
from .roles import Guess


def confirmed(guesses: Sequence[Guess], task: Task, split: Split) -> tuple[list[Guess], list[str]]:
    """Return the keys of [split] with what came of them beside the rule, and notes on what a reader must know."""
    sizes = ", ".join(f"{part} {len(examples):,}" for part, examples in split)
    clusters = len(set(split.test.clusters))
    found = [f"{sizes} rows, test in {clusters:,} {'cluster' if clusters == 1 else 'clusters'}"]
    if split.omissions:
        found.append(split.omissions)
    if not len(split.train):
        found.append("all rows are related, as where windows overlap, so all are in test: for zero-shot scores alone")
    found += _confined(task, split)
    first, notes = guesses[0], found[1:]
    if known := len(known_in_test(split)):
        of = len(split.test)
        found.append(f"{known:,} of {of:,} test inputs ({percent(known, of)}) are also in train or valid")
        notes.append(
            f"the split stays as it is: {found[-1]}, which `baserate audit` lists and reports as "
            f"{TEST_KNOWN.status(known / of)}; `baserate resplit` writes a version without them"
        )
    reason = "; ".join(found)
    return [replace(first, reason=f"{first.reason}: {reason}" if first.reason else reason), *guesses[1:]], notes


def _confined(task: Task, split: Split) -> list[str]:
    """Return a sentence on the classes that only train has, for want of families, groups or chromosomes."""
    if task.kind != "classification" or not len(split.train):
        return []
    missing: dict[str, list[str]] = {}
    for part, examples in split:
        counts = np.bincount(examples.targets, minlength=len(task.classes))
        for name in (name for name, n in zip(task.classes, counts, strict=True) if n == 0 and len(examples)):
            missing.setdefault(name, []).append(part)
    names = [f"{name!r} ({' and '.join(parts)})" for name, parts in missing.items()]
    listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return [f"some parts have no row of a class, which has too few clusters of related rows: {listed}"] if names else []
