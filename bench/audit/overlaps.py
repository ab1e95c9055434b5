"""Rows of different parts that lie on the same stretch of a genome."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..types import Examples, IntArray, Part, Split, StrArray, Task, strings
from .finding import MAX_ROWS, Finding, Row, Threshold, percent
from .hashes import disagree, label_text, spread_of

OVERLAPPING = Threshold(0.0, 0.1, "test rows by 1 bp or more")
MOSTLY = Threshold(0.0, 0.01, "test rows by half of their length or more")
STRADDLING = Threshold(0.0, 0.01, "test rows")
_GENOME_COLUMNS = ("assembly", "genome", "species")


def overlap_findings(task: Task, split: Split) -> Iterator[Finding]:
    """Yield how many test rows overlap a training or validation interval; nothing where rows have no coordinates."""
    known = [("train", split.train), ("valid", split.valid)]
    if split.test.intervals is None or not any(len(e) for _, e in known):
        why = "rows have no coordinates" if split.test.intervals is None else "there is no training part"
        yield Finding("overlap_test", "Overlapping intervals", "leakage", "NOTE", f"overlaps not looked for: {why}")
        return
    test, at = split.test, split.test.intervals
    best = np.zeros(len(test), np.int64)
    where: list[tuple[Part, int]] = [("train", -1)] * len(test)
    by_part = {}
    for part, examples in known:
        if not len(examples) or examples.intervals is None:
            continue
        found, shared = most_shared(test, examples)
        by_part[part] = found, shared
        for i in np.flatnonzero(shared > best):
            where[i] = part, int(found[i])  # type: ignore[assignment]
        best = np.maximum(best, shared)
    length = np.maximum(at.end - at.start, 1)
    spread = spread_of(task, test.targets)
    parts = dict(split)
    other_label = np.array(
        [
            best[i] > 0 and disagree(task, test.targets[i], parts[where[i][0]].targets[where[i][1]], spread)
            for i in range(len(test))
        ],
        bool,
    )
    for name, title, mask, by in (
        ("overlap_test", "Test rows that overlap a training or validation row", best > 0, OVERLAPPING),
        ("overlap_half_test", "Test rows that overlap one by half or more", 2 * best >= length, MOSTLY),
    ):
        mask = mask & (best > 0)
        rows = []
        for i in np.flatnonzero(mask)[:MAX_ROWS]:
            part, j = where[i]
            label = f"; {label_text(task, test.targets[i])}, there {label_text(task, parts[part].targets[j])}"
            said = f"{best[i]} of {length[i]} bp{label if other_label[i] else ''}"
            rows.append(Row("test", test.ids[i], part, parts[part].ids[j], said))
        n, total, others = int(mask.sum()), len(test), int((mask & other_label).sum())
        least = "1 bp or more" if name == "overlap_test" else "half of their length or more"
        said = f"{n:,} of {total:,} test rows ({percent(n, total)}) overlap a training or validation row by {least}"
        said += f", {others:,} of them with another label" if others else ""
        numbers = {"rows": n, "of": total, "share": n / total, "other_label": others}
        numbers |= {f"test-{part}": int((mask & (shared > 0)).sum()) for part, (_, shared) in by_part.items()}
        yield Finding(name, title, "leakage", by.status(n / total), said, str(by), numbers, tuple(rows), n)


def most_shared(test: Examples, known: Examples) -> tuple[IntArray, IntArray]:
    """Return for each test row the row of `known` with which it shares most bases (-1), and how many, (n,) each."""
    assert test.intervals is not None and known.intervals is not None
    found, shared = np.full(len(test), -1, np.int64), np.zeros(len(test), np.int64)
    theirs, mine = contigs(known), contigs(test)
    for contig in sorted(set(mine) & set(theirs)):
        rows = np.flatnonzero(theirs == contig)
        places, first = np.unique(np.stack([known.intervals.start, known.intervals.end], axis=1)[rows], True, axis=0)
        start, end = places.T
        reach = np.maximum.accumulate(end)  # ends are not sorted: the furthest end up to each row
        asking = np.flatnonzero(mine == contig)
        asked, which = np.unique(
            np.stack([test.intervals.start, test.intervals.end], axis=1)[asking], return_inverse=True, axis=0
        )
        best, bases = np.full(len(asked), -1, np.int64), np.zeros(len(asked), np.int64)
        for i, (a, b) in enumerate(asked.tolist()):
            low, high = int(np.searchsorted(reach, a, side="right")), int(np.searchsorted(start, b, side="left"))
            if low < high:
                both = np.minimum(end[low:high], b) - np.maximum(start[low:high], a)
                k = int(both.argmax())
                if both[k] > 0:
                    best[i], bases[i] = rows[first[low + k]], both[k]
        found[asking], shared[asking] = best[which.reshape(-1)], bases[which.reshape(-1)]
    return found, shared


def contigs(examples: Examples) -> StrArray:
    """Return the contig of each row with its genome, where rows tell that: chr1 of two species are two contigs."""
    assert examples.intervals is not None
    columns = [examples.strata[name] for name in _GENOME_COLUMNS if name in examples.strata]
    if not columns:
        return examples.intervals.chrom
    return strings(["|".join(map(str, row)) for row in zip(*columns, examples.intervals.chrom, strict=True)])


def straddling_finding(split: Split) -> Finding:
    """Return how many test rows are of a group, such as a gene, that training or validation has too."""
    first: dict[str, tuple[Part, str]] = {}
    for part in ("train", "valid"):
        examples = dict(split)[part]
        for group, name in zip(examples.groups, examples.ids, strict=True):
            first.setdefault(group, (part, name))
    hit = [i for i, group in enumerate(split.test.groups) if group in first]
    rows = tuple(
        Row("test", split.test.ids[i], *first[split.test.groups[i]], said=f"group {split.test.groups[i]}")
        for i in hit[:MAX_ROWS]
    )
    n, total = len(hit), len(split.test)
    groups = len({split.test.groups[i] for i in hit})
    said = f"{n:,} of {total:,} test rows ({percent(n, total)}) are of a group that training or validation has too"
    numbers = {"rows": n, "of": total, "share": n / total, "groups": groups}
    title = "Test rows of a group that is in training or validation"
    return Finding(
        "group_test", title, "leakage", STRADDLING.status(n / total), said, str(STRADDLING), numbers, rows, n
    )
