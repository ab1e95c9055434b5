"""Rows of different parts that overlap on the genome."""

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
    """Yield the findings on test rows that overlap a training or validation interval; a NOTE without coordinates."""
    known = [("train", split.train), ("valid", split.valid)]
    if split.test.intervals is None or not any(len(e) for _, e in known):
        why = "rows have no coordinates" if split.test.intervals is None else "there is no training part"
        yield Finding(
            "overlap_test", "Overlapping intervals", "leakage", "NOTE", f"overlaps were not searched for: {why}"
        )
        return
    test, at = split.test, split.test.intervals
    best = np.zeros(len(test), np.int64)
    where: list[tuple[Part, int]] = [("train", -1)] * len(test)
    by_part = {}
    for part, examples in known:
        if not len(examples) or examples.intervals is None:
            continue
        row, shared = most_shared(test, examples)
        by_part[part] = shared
        for i in np.flatnonzero(shared > best):
            where[i] = part, int(row[i])  # type: ignore[assignment]
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
        (
            "overlap_half_test",
            "Test rows that overlap such a row by half of their length or more",
            2 * best >= length,
            MOSTLY,
        ),
    ):
        mask = mask & (best > 0)
        rows = []
        for i in np.flatnonzero(mask)[:MAX_ROWS]:
            part, j = where[i]
            label = f"; {label_text(task, test.targets[i])}, there {label_text(task, parts[part].targets[j])}"
            note = f"{best[i]} of {length[i]} bp{label if other_label[i] else ''}"
            rows.append(Row("test", test.ids[i], part, parts[part].ids[j], note))
        n, total, others = int(mask.sum()), len(test), int((mask & other_label).sum())
        least = "1 bp or more" if name == "overlap_test" else "half of their length or more"
        summary = f"{n:,} of {total:,} test rows ({percent(n, total)}) overlap a training or validation row by {least}"
        summary += f", {others:,} of them with another label" if others else ""
        numbers = {"rows": n, "of": total, "share": n / total, "other_label": others}
        numbers |= {f"test-{part}": int((mask & (shared > 0)).sum()) for part, shared in by_part.items()}
        yield Finding(name, title, "leakage", by.status(n / total), summary, str(by), numbers, tuple(rows), n)


def most_shared(test: Examples, known: Examples) -> tuple[IntArray, IntArray]:
    """Return for each test row the row of `known` that it overlaps most, or -1, and by how many bases, (n,) each."""
    assert test.intervals is not None and known.intervals is not None
    row, shared = np.full(len(test), -1, np.int64), np.zeros(len(test), np.int64)
    known_contigs, test_contigs = contigs(known), contigs(test)
    for contig in sorted(set(test_contigs) & set(known_contigs)):
        rows = np.flatnonzero(known_contigs == contig)
        places, first = np.unique(np.stack([known.intervals.start, known.intervals.end], axis=1)[rows], True, axis=0)
        start, end = places.T
        reach = np.maximum.accumulate(end)  # ends are not sorted: the furthest end up to each row
        test_rows = np.flatnonzero(test_contigs == contig)
        distinct_places, which = np.unique(
            np.stack([test.intervals.start, test.intervals.end], axis=1)[test_rows], return_inverse=True, axis=0
        )
        best, bases = np.full(len(distinct_places), -1, np.int64), np.zeros(len(distinct_places), np.int64)
        for i, (a, b) in enumerate(distinct_places.tolist()):
            low, high = int(np.searchsorted(reach, a, side="right")), int(np.searchsorted(start, b, side="left"))
            if low < high:
                both = np.minimum(end[low:high], b) - np.maximum(start[low:high], a)
                k = int(both.argmax())
                if both[k] > 0:
                    best[i], bases[i] = rows[first[low + k]], both[k]
        row[test_rows], shared[test_rows] = best[which.reshape(-1)], bases[which.reshape(-1)]
    return row, shared


def contigs(examples: Examples) -> StrArray:
    """Return the contig of each row, with its genome where the strata name it: chr1 of two species are two contigs."""
    assert examples.intervals is not None
    columns = [examples.strata[name] for name in _GENOME_COLUMNS if name in examples.strata]
    if not columns:
        return examples.intervals.chrom
    return strings(["|".join(map(str, row)) for row in zip(*columns, examples.intervals.chrom, strict=True)])


def straddling_finding(split: Split) -> Finding:
    """Return the finding on test rows whose group, such as a gene, also occurs in training or validation."""
    first: dict[str, tuple[Part, str]] = {}
    for part in ("train", "valid"):
        examples = dict(split)[part]
        for group, name in zip(examples.groups, examples.ids, strict=True):
            first.setdefault(group, (part, name))
    hit = [i for i, group in enumerate(split.test.groups) if group in first]
    rows = tuple(
        Row("test", split.test.ids[i], *first[split.test.groups[i]], note=f"group {split.test.groups[i]}")
        for i in hit[:MAX_ROWS]
    )
    n, total = len(hit), len(split.test)
    groups = len({split.test.groups[i] for i in hit})
    summary = (
        f"{n:,} of {total:,} test rows ({percent(n, total)}) belong to a group that is in training or validation too"
    )
    numbers = {"rows": n, "of": total, "share": n / total, "groups": groups}
    title = "Test rows of a group that is in training or validation"
    return Finding(
        "group_test", title, "leakage", STRADDLING.status(n / total), summary, str(STRADDLING), numbers, rows, n
    )
