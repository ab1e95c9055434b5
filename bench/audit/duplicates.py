"""Rows that occur twice: across parts, within a part, on the other strand, and with another label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import Examples, IntArray, Part, Split, Task
from .finding import MAX_ROWS, Finding, Row, Threshold, percent
from .hashes import Hashes, InputHashes, disagree, first_match, label_text, repeats, spread_of, too_short

TEST_KNOWN = Threshold(0.0, 0.01, "test rows")
VALID_KNOWN = Threshold(0.01, None, "validation rows")
REPEATED = Threshold(0.01, None, "a part's rows")
CONFLICTING = Threshold(0.0, 0.01, "a part's rows")
MEASURED_TWICE = Threshold(0.0, None, "a part's rows")
"""Measurements of one sequence differ by noise, which no cleaning can remove."""
_PART_NAMES: Mapping[Part, str] = {"train": "training", "valid": "validation", "test": "test"}
WINDOW_KNOWN = Threshold(0.01, None, "test rows")


def duplicate_findings(task: Task, split: Split, hashes: Mapping[Part, InputHashes]) -> Iterator[Finding]:
    """Yield the findings on rows with equal inputs, on either strand."""
    parts: dict[Part, Examples] = dict(split)
    spread = spread_of(task, np.concatenate([e.targets for e in parts.values() if len(e)]))
    yield _known(task, parts, hashes, "test", "identical_test", "identical to a training or validation row", TEST_KNOWN)
    short = too_short(split.test.inputs)
    reverse = _known(
        task,
        parts,
        hashes,
        "test",
        "reverse_test",
        "the reverse complement of a training or validation row",
        TEST_KNOWN,
    )
    yield (
        replace(reverse, status="NOTE", summary=f"reverse complements were not searched for: {short}")
        if short
        else reverse
    )
    if len(split.valid):
        yield _known(
            task,
            parts,
            hashes,
            "valid",
            "identical_valid",
            "identical to a training row, on either strand",
            VALID_KNOWN,
        )
    if (task.variants or task.per_base) and len(split.train) + len(split.valid):
        yield _windows(parts, hashes)
    for part, examples in split:
        if len(examples):
            yield _repeated(task, part, examples, hashes[part])
    if task.kind != "paired":
        for part, examples in split:
            if len(examples):
                yield _conflicts(task, part, examples, hashes[part].exact, spread)
        yield _conflicts_across(task, parts, hashes, spread)


def _known(
    task: Task,
    parts: Mapping[Part, Examples],
    hashes: Mapping[Part, InputHashes],
    part: Part,
    name: str,
    what: str,
    by: Threshold,
) -> Finding:
    """Return the finding on rows of a part that also occur in the parts a model learns from."""
    part_hashes, examples = hashes[part], parts[part]
    sources: list[Part] = ["train", "valid"] if part == "test" else ["train"]
    matched: dict[Part, IntArray] = {}
    for other in sources:
        same = first_match(part_hashes.exact, hashes[other].exact)
        if name == "identical_test":
            matched[other] = same
        else:
            either = first_match(part_hashes.either, hashes[other].either)
            matched[other] = np.where(same < 0, either, -1) if name == "reverse_test" else either
    if name == "reverse_test":  # a row that occurs as it stands is reported above
        as_it_stands = np.any([first_match(part_hashes.exact, hashes[o].exact) >= 0 for o in sources], axis=0)
        matched = {o: np.where(as_it_stands, -1, m) for o, m in matched.items()}
    hit = np.any([m >= 0 for m in matched.values()], axis=0)
    rows, agree = [], 0
    for i in np.flatnonzero(hit):
        other = next(o for o in sources if matched[o][i] >= 0)
        j = int(matched[other][i])
        label, other_label = (label_text(task, e.targets[k]) for e, k in ((examples, i), (parts[other], j)))
        agree += label == other_label
        note = label if label == other_label else f"{label}, there {other_label}"
        rows.append(Row(part, examples.ids[i], other, parts[other].ids[j], note))
    n, total = len(rows), len(examples)
    numbers: dict[str, Any] = {"rows": n, "of": total, "share": n / total if total else None, "same_label": agree}
    numbers |= {f"{part}-{other}": int((m >= 0).sum()) for other, m in matched.items()}
    part_name = _PART_NAMES[part]
    summary = f"{n:,} of {total:,} {part_name} rows ({percent(n, total)}) {'is' if n == 1 else 'are'} {what}"
    title = f"{part_name.capitalize()} rows {what}"
    status = by.status(n / total if total else 0.0)
    return Finding(name, title, "leakage", status, summary, str(by), numbers, tuple(rows[:MAX_ROWS]), n)


def _windows(parts: Mapping[Part, Examples], hashes: Mapping[Part, InputHashes]) -> Finding:
    """Return the finding on test rows whose sequence also occurs in training, at another base or allele."""
    test, rows = parts["test"], list[Row]()
    matched = {o: first_match(hashes["test"].window, hashes[o].window) for o in ("train", "valid")}
    hit = np.any([m >= 0 for m in matched.values()], axis=0)
    for i in np.flatnonzero(hit)[:MAX_ROWS]:
        other: Part = "train" if matched["train"][i] >= 0 else "valid"
        rows.append(Row("test", test.ids[i], other, parts[other].ids[int(matched[other][i])]))
    n, total = int(hit.sum()), len(test)
    summary = f"{n:,} of {total:,} test rows ({percent(n, total)}) have a sequence that training has too"
    numbers = {"rows": n, "of": total, "share": n / total if total else None}
    status = WINDOW_KNOWN.status(n / total if total else 0.0)
    title = "Test rows with a sequence of training, at another base or allele"
    return Finding("window_test", title, "leakage", status, summary, str(WINDOW_KNOWN), numbers, tuple(rows), n)


def _repeated(task: Task, part: Part, examples: Examples, hashes: InputHashes) -> Finding:
    """Return the finding on rows of a part that repeat an earlier one, as they stand or on the other strand."""
    again, earlier = repeats(hashes.exact)
    either, first = repeats(hashes.either)
    only_reverse = ~np.isin(either, again)
    n, n_reverse, total = len(again), int(only_reverse.sum()), len(examples)
    pairs = [(int(i), int(j), "") for i, j in zip(again, earlier, strict=True)]
    pairs += [
        (int(i), int(j), "reverse complement") for i, j in zip(either[only_reverse], first[only_reverse], strict=True)
    ]
    rows = tuple(Row(part, examples.ids[i], part, examples.ids[j], note) for i, j, note in pairs[:MAX_ROWS])
    summary = f"{n:,} of {total:,} {_PART_NAMES[part]} rows ({percent(n, total)}) repeat an earlier one"
    summary += f", {n_reverse:,} more on the other strand" if n_reverse else ""
    numbers = {"rows": n, "reverse_complements": n_reverse, "of": total, "share": n / total}
    numbers["sequences_repeated"] = len(np.unique(hashes.exact[again]))
    title = f"Repeated rows in {part}"
    return Finding(
        f"repeated_{part}",
        title,
        "labels",
        REPEATED.status(n / total),
        summary,
        str(REPEATED),
        numbers,
        rows,
        n + n_reverse,
    )


def conflicting(task: Task, hashes: Hashes, targets: NDArray[Any], spread: Any) -> NDArray[np.bool_]:
    """Return a mask (n,) of the rows whose input occurs with contradictory labels."""
    _, which, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts[which] > 1)
    out = np.zeros(len(hashes), bool)
    if not len(several):
        return out
    several = several[np.argsort(which[several], kind="stable")]
    starts = np.flatnonzero(np.r_[True, np.diff(which[several]) > 0])
    values = targets[several].reshape(len(several), -1).astype(np.float64)
    range_ = np.maximum.reduceat(values, starts) - np.minimum.reduceat(values, starts)
    disagrees = (range_ > spread).any(axis=1)
    out[several] = np.repeat(disagrees, np.diff(np.r_[starts, len(several)]))
    return out


def _conflicts(task: Task, part: Part, examples: Examples, hashes: Hashes, spread: Any) -> Finding:
    """Return the finding on sequences that have two labels within a part."""
    mask = conflicting(task, hashes, examples.targets, spread)
    hit = np.flatnonzero(mask)
    first = dict[int, int]()
    rows = list[Row]()
    for i in hit:
        j = first.setdefault(int(hashes[i]), int(i))
        if j != i and len(rows) < MAX_ROWS:
            note = f"{label_text(task, examples.targets[i])}, there {label_text(task, examples.targets[j])}"
            rows.append(Row(part, examples.ids[i], part, examples.ids[j], note))
    n, total = len(hit), len(examples)
    some = "1 sequence in {} has" if len(first) == 1 else f"{len(first):,} sequences in {{}} have"
    summary = f"{some.format(part)} rows with different labels ({n:,} of {total:,} rows)"
    numbers = {"sequences": len(first), "rows": n, "of": total, "share": n / total}
    by = MEASURED_TWICE if task.kind == "regression" else CONFLICTING
    status = by.status(n / total)
    title = f"One sequence, two labels in {part}"
    return Finding(f"conflicts_{part}", title, "labels", status, summary, str(by), numbers, tuple(rows), n - len(first))


def _conflicts_across(
    task: Task, parts: Mapping[Part, Examples], hashes: Mapping[Part, InputHashes], spread: Any
) -> Finding:
    """Return the finding on test rows that occur in training or validation with another label."""
    test, rows, n_rows = parts["test"], list[Row](), 0
    hit = np.zeros(len(test), bool)
    test_hashes, test_values = hashes["test"].exact, test.targets.reshape(len(test), -1).astype(np.float64)
    for other in ("train", "valid"):
        if not len(parts[other]):
            continue
        order = np.argsort(hashes[other].exact, kind="stable")
        values, starts = np.unique(hashes[other].exact[order], return_index=True)
        at = np.minimum(np.searchsorted(values, test_hashes), len(values) - 1)
        known_values = parts[other].targets.reshape(len(order), -1).astype(np.float64)[order]
        low, high = (extreme.reduceat(known_values, starts)[at] for extreme in (np.minimum, np.maximum))
        differs = (np.maximum(test_values - low, high - test_values) > spread).any(axis=1) & (values[at] == test_hashes)
        for i in np.flatnonzero(differs)[: MAX_ROWS - len(rows)]:
            same = order[starts[at[i]] : starts[at[i] + 1] if at[i] + 1 < len(starts) else None]
            j = next(j for j in same if disagree(task, test.targets[i], parts[other].targets[j], spread))
            note = f"{label_text(task, test.targets[i])}, there {label_text(task, parts[other].targets[j])}"
            rows.append(Row("test", test.ids[i], other, parts[other].ids[j], note))
        n_rows += int(differs.sum())
        hit |= differs
    n, total = int(hit.sum()), len(test)
    summary = f"{n:,} of {total:,} test rows ({percent(n, total)}) are in training or validation with another label"
    by = MEASURED_TWICE if task.kind == "regression" else CONFLICTING
    status = by.status(n / total if total else 0.0)
    numbers = {"rows": n, "of": total, "share": n / total if total else None}
    title = "Test rows that are in training or validation with another label"
    return Finding("conflicts_across", title, "labels", status, summary, str(by), numbers, tuple(rows), n_rows)
