"""Test rows with a near relative or a near copy in training, and the score of predicting the nearest one's label."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..digests import digest
from ..dna.similarity import nearest
from ..types import Examples, FloatArray, Split, Task, strings
from .features import inputs_of
from .finding import MAX_ROWS, Finding, Row, Status, Threshold, percent
from .hashes import label_text, too_short
from .scores import CHANCE_ERRORS, encoded, on, score, shown

NEAR = 0.8
"""Similarity from which a row counts as a near relative."""
NEAR_SHORT = 0.9
"""The same for sequences below LONG bases, of which many are .8 similar by chance."""
COPY = 0.95
"""Similarity from which a row counts as a near copy, such as a sequence with a few errors or the next window of it."""
CURVE = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
FAMILY = 0.7
"""Rows are one family where nearly all share this fraction of bases with the consensus of the rows that are known."""
FAMILY_BASES = 10_000_000
"""Most bases of a part that are examined to tell whether its rows are one family."""
LONG, SHUFFLED = 100, 1000
"""Rows of LONG bases or more have no relatives by chance; for shorter rows chance is estimated on SHUFFLED rows."""
RELATED = Threshold(0.01, 0.25, "test rows, less the share expected by chance")
VALID_RELATED = Threshold(0.05, None, "validation rows, less the share expected by chance")
COPIED = Threshold(None, 0.01, "test rows, less the share expected by chance")
MOST_BASES = 100_000_000
"""Most bases of test or validation that are compared with training."""
MOST_ROWS = 50_000


def family_similarity(sequences: Any) -> float:
    """Return the similarity from which these sequences are one family: NEAR, or NEAR_SHORT where they are short."""
    return NEAR if np.median([len(s) for s in sequences]) >= LONG else NEAR_SHORT


def relative_findings(task: Task, split: Split) -> Iterator[Finding]:
    """Yield the findings on near relatives of test and validation rows in training, and the score of label lookup."""
    short = too_short(split.test.inputs)
    if short or not len(split.train) + len(split.valid):
        why = f"{short}, so they are related by chance" if short else "there is no training part"
        yield Finding("near_test", "Near relatives", "leakage", "NOTE", f"relatives were not searched for: {why}")
        return
    rows, sampled = _sample(task, split.test)
    test = split.test if len(rows) == len(split.test) else split.test.take(rows)
    known = [(part, e) for part, e in split if part != "test" and len(e)]
    similarity, part_of, index = np.zeros(len(test)), np.zeros(len(test), np.int64), np.full(len(test), -1, np.int64)
    for p, (_, examples) in enumerate(known):
        at, closeness = _nearest(task, test, examples)
        better = (at >= 0) & (closeness > similarity)
        similarity = np.where(better, closeness, similarity)
        part_of, index = np.where(better, p, part_of), np.where(better, at, index)
    related = similarity >= NEAR
    listed, agree = list[Row](), 0
    for i in np.flatnonzero(related):
        part, examples = known[part_of[i]]
        label, other = label_text(task, test.targets[i]), label_text(task, examples.targets[index[i]])
        agree += label == other
        if len(listed) < MAX_ROWS:
            labels = label if label == other else f"{label}, there {other}"
            listed.append(Row("test", test.ids[i], part, examples.ids[index[i]], f"{similarity[i]:.3f}; {labels}"))
    n, total = int(related.sum()), len(test)
    curve = {f"{t:g}": int((similarity >= t).sum()) for t in CURVE}
    numbers: dict[str, Any] = {"rows": n, "of": total, "share": n / total, "threshold": NEAR, "curve": curve}
    numbers["same_label"] = agree
    summary = f"{n:,} of {total:,} test rows ({percent(n, total)}) have a similarity of {NEAR:g} or more"
    where = _named(known)
    summary += f" to a {where} row"
    summary += (
        f", {agree:,} of these with the same label" if n and task.kind in ("classification", "multilabel") else ""
    )
    title = f"Near relatives of test rows in {where}"
    by_chance = _by_chance(task, test, [examples for _, examples in known])
    chance = _share_of(by_chance, NEAR)
    numbers["by_chance"] = chance
    status: Status = RELATED.status(_beyond_chance(n, total, chance))
    copies = _copies(task, test, known, similarity, part_of, index, _share_of(by_chance, COPY), sampled)
    one_family = "FAIL" in (status, copies.status) and _one_family(task, test, known[0][1])
    numbers["one_family"] = one_family
    summary += f"; {percent(chance, 1)} have when shuffled" if chance else ""
    if one_family and status == "FAIL":
        status, summary = "WARN", f"{summary}; all belong to one family, which no split can separate"
    if one_family and copies.status == "FAIL":
        copies = replace(copies, status="WARN", summary=f"{copies.summary}; all belong to one family")
    yield Finding("near_test", title, "leakage", status, summary, str(RELATED), numbers, tuple(listed), n, sampled)
    yield copies
    if len(split.valid) and len(split.train):
        yield _valid(task, split)
    yield _lookup(task, test, known, similarity, part_of, index, sampled)


def _copies(
    task: Task,
    test: Examples,
    known: Sequence[tuple[str, Examples]],
    similarity: FloatArray,
    part_of: Any,
    index: Any,
    chance: float | None,
    sampled: str,
) -> Finding:
    """Return the finding on test rows that are nearly a known row, which leak as identical ones do.

    Alleles of one window and bases of one sequence are near copies by nature: never a FAIL, as for `window_test`.
    """
    hit = np.flatnonzero(similarity >= COPY)
    rows = tuple(
        Row("test", test.ids[i], known[part_of[i]][0], known[part_of[i]][1].ids[index[i]], f"{similarity[i]:.3f}")
        for i in hit[:MAX_ROWS]
    )
    n, total, where = len(hit), len(test), _named(known)
    summary = f"{n:,} of {total:,} test rows ({percent(n, total)}) "
    summary += f"{'is a near copy' if n == 1 else 'are near copies'} of a {where} row (similarity {COPY:g} or more)"
    summary += f"; {percent(chance, 1)} are when shuffled" if chance else ""
    by = replace(COPIED, warn=COPIED.fail, fail=None) if task.variants or task.per_base else COPIED
    status = by.status(_beyond_chance(n, total, chance))
    numbers = {"rows": n, "of": total, "share": n / total, "threshold": COPY, "by_chance": chance}
    title = f"Near copies of test rows in {where}"
    return Finding("copies_test", title, "leakage", status, summary, str(by), numbers, rows, n, sampled)


def _named(known: Sequence[tuple[str, Examples]]) -> str:
    """Return the parts that are not empty, in words."""
    return " or ".join({"train": "training", "valid": "validation"}[part] for part, _ in known)


def _one_family(task: Task, test: Examples, known: Examples) -> bool:
    """Return whether nine in ten test rows are variants of the consensus of the rows that are known.

    Mutants of one sequence are: all have one length, and the commonest base at most positions.
    """
    length = len(inputs_of(task, test.inputs)[0])
    most = min(1000, FAMILY_BASES // max(length, 1))
    sample = [inputs_of(task, e.inputs)[np.unique(np.linspace(0, len(e) - 1, most).astype(int))] for e in (known, test)]
    if not length or any(len(s) != length for column in sample for s in column):
        return False
    letters, rows = (np.array([np.frombuffer(s.encode(), np.uint8) for s in column]) for column in sample)
    counts = np.stack([(letters == base).sum(axis=0) for base in b"ACGT"])
    commonest = np.frombuffer(b"ACGT", np.uint8)[counts.argmax(axis=0)]
    return bool(np.mean((rows == commonest).mean(axis=1) >= FAMILY) >= 0.9)


def _by_chance(task: Task, rows: Examples, known: Sequence[Examples]) -> FloatArray | None:
    """Return how similar the nearest known row is to each of 1,000 rows with shuffled bases; None where rows are long.

    Among 20,000 random sequences 15 % of those of 36 bp find one of .8, 2 % of 50 bp and none of 70 bp.
    """
    column = inputs_of(task, rows.inputs)
    drawn = [column[int(i)] for i in np.linspace(0, len(column) - 1, SHUFFLED)]
    if np.median([len(sequence) for sequence in drawn]) >= LONG:
        return None
    rng = np.random.default_rng(0)
    shuffled = strings(["".join(rng.permutation(list(sequence))) for sequence in drawn])
    best: FloatArray = np.max([nearest(shuffled, inputs_of(task, e.inputs)).similarity for e in known], axis=0)
    return best


def _share_of(by_chance: FloatArray | None, threshold: float) -> float | None:
    return None if by_chance is None else float((by_chance >= threshold).mean())


def _beyond_chance(n: int, total: int, chance: float | None) -> float:
    """Return the share of n rows in all beyond the share by chance, 0 unless it is 3 standard errors beyond.

    The share by chance is itself estimated on SHUFFLED rows, hence the second term.
    """
    excess = n / total - (chance or 0.0)
    pooled = (n + SHUFFLED * chance) / (total + SHUFFLED) if chance else 0.0
    error = math.sqrt(pooled * (1 - pooled) * (1 / total + 1 / SHUFFLED))
    return excess if excess > CHANCE_ERRORS * error else 0.0


def _valid(task: Task, split: Split) -> Finding:
    rows, sampled = _sample(task, split.valid)
    valid = split.valid if len(rows) == len(split.valid) else split.valid.take(rows)
    at, similarity = _nearest(task, valid, split.train)
    hit = np.flatnonzero(similarity >= NEAR)
    listed = tuple(
        Row("valid", valid.ids[i], "train", split.train.ids[at[i]], f"{similarity[i]:.3f}") for i in hit[:MAX_ROWS]
    )
    n, total = len(hit), len(valid)
    summary = f"{n:,} of {total:,} validation rows ({percent(n, total)}) have a similarity of {NEAR:g} or more"
    summary += " to a training row"
    chance = _share_of(_by_chance(task, valid, [split.train]), NEAR)
    summary += f"; {percent(chance, 1)} have when shuffled" if chance else ""
    numbers = {"rows": n, "of": total, "share": n / total, "threshold": NEAR, "by_chance": chance}
    title = "Near relatives of validation rows in training"
    status = VALID_RELATED.status(_beyond_chance(n, total, chance))
    return Finding("near_valid", title, "leakage", status, summary, str(VALID_RELATED), numbers, listed, n, sampled)


def _lookup(
    task: Task, test: Examples, known: Any, similarity: FloatArray, part_of: Any, index: Any, sampled: str
) -> Finding:
    """Return the score of predicting the label of the most similar known row, or the mean where there is none."""
    title = f"Lookup: the label of the most similar {_named(known)} row"
    if task.kind in ("paired", "generation") or task.per_base:
        why = "pairs have no label" if task.kind == "paired" else "a base has another label than its sequence"
        why = "the next bases are not a label" if task.kind == "generation" else why
        return Finding("lookup", title, "shortcuts", "NOTE", f"lookup was not tried: {why}")
    labels = [encoded(task, e.targets) for _, e in known]
    predicted = np.tile(np.concatenate(labels).mean(axis=0), (len(test), 1))
    has_relative = index >= 0
    for p, values in enumerate(labels):
        rows = has_relative & (part_of == p)
        predicted[rows] = values[index[rows]]
    whole = score(task, test, predicted)
    near = np.flatnonzero(similarity >= NEAR)
    alone = on(test, task, near, predicted) if len(near) else None
    numbers = {
        **whole.to_json(),
        "rows_with_any": int(has_relative.sum()),
        "of": len(test),
        "rows_near": len(near),
        "near": alone.to_json() if alone else None,
    }
    metric = task.metrics[0]
    summary = f"Lookup: {metric} {shown(whole.primary)} on test"
    if alone and alone.primary is not None:
        summary += f", {shown(alone.primary)} on the {len(near):,} rows with a near relative"
    summary += f"; {int(has_relative.sum()):,} of {len(test):,} rows have any relative"
    return Finding("lookup", title, "shortcuts", "NOTE", summary, numbers=numbers, sampled=sampled)


def _nearest(task: Task, rows: Examples, known: Examples) -> tuple[Any, FloatArray]:
    """Return for each row its most similar row of `known`, or -1, and the similarity; no sequence is compared twice."""
    queries, which = _distinct(inputs_of(task, rows.inputs))
    references, _ = _distinct(inputs_of(task, known.inputs))
    matches = nearest(inputs_of(task, rows.inputs)[queries], inputs_of(task, known.inputs)[references])
    index = np.where(matches.index >= 0, references[matches.index], -1)
    return index[which], matches.similarity[which]


def _distinct(sequences: Any) -> tuple[Any, Any]:
    """Return the first row of each distinct sequence, in order, and for each row which of these it has."""
    first: dict[str, int] = {}
    rows, which, last, at = list[int](), np.empty(len(sequences), np.int64), "", -1
    for i, sequence in enumerate(sequences):
        if sequence != last or at < 0:
            last, at = sequence, first.setdefault(digest(sequence), len(first))
            if at == len(rows):
                rows.append(i)
        which[i] = at
    return np.array(rows, np.int64), which


def _sample(task: Task, examples: Examples) -> tuple[Any, str]:
    """Return the rows that are compared, and a note on the sample where these are not all."""
    sequences, n = inputs_of(task, examples.inputs), len(examples)
    look = np.linspace(0, n - 1, min(n, 1000)).astype(np.int64)
    mean = float(np.mean([len(sequences[int(i)]) for i in look])) if n else 1.0
    most = n if task.per_base else min(MOST_ROWS, max(100, int(MOST_BASES / max(mean, 1.0))))
    if n <= most:
        return np.arange(n), ""
    order = np.argsort([digest("audit", i) for i in examples.ids], kind="stable")
    return np.sort(order[:most]), f"{most:,} of {n:,} rows, chosen by a hash of their ids"
