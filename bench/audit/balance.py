"""Sizes, class balance, groups and clusters, lengths, other letters and simple repeats of a split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..types import Examples, FloatArray, Split, Task
from .features import composition
from .finding import MAX_ROWS, Finding, Row, Threshold, percent

FEW_TEST, FEW_CLUSTERS, FEW_OF_A_CLASS = 100, 20, 10
SHIFT = Threshold(0.1, 0.4, "the share of rows whose class would have to change", share=True)
BY_CHANCE = 0.0027
"""The probability of 3 standard errors, on either side."""
RARE = 0.01
AMBIGUOUS = Threshold(0.01, 0.25, "test rows in which a tenth or more of the letters is not A, C, G or T")
SIMPLE = Threshold(0.01, 0.25, "test rows that are one short repeat")
SHORT = Threshold(0.0, None, "test rows shorter than 10 bases")
_PART_NAMES = {"test": "test", "valid": "validation"}
SIMPLICITY = 0.25
"""Probability that two 3-mers of a sequence are equal from which it is one short repeat: about 4 words in effect."""


def balance_findings(task: Task, split: Split) -> Iterator[Finding]:
    """Yield the findings on sizes and clusters, class balance, and classes that are confined to a few groups."""
    yield _size(split)
    if task.kind in ("classification", "multilabel"):
        yield _classes(task, split)
        yield _groups(task, split)
    elif task.kind == "regression":
        yield _measurements(task, split)


def direction_finding(task: Task) -> Finding:
    """Return the finding on whether a task of variants says which of them are the more harmful."""
    by = "WARN where the card has no `deleterious`"
    if task.lacks_direction:
        summary = "the card does not say which variants are the more harmful, so a zero-shot score may be mirrored"
        return Finding("direction", "Direction of the target", "labels", "WARN", summary, by)
    harmful = f"{task.classes[-1]!r}" if task.classes else "a higher value"
    summary = f"{harmful} is {'' if task.deleterious else 'not '}the more harmful"
    return Finding("direction", "Direction of the target", "labels", "PASS", summary, by)


def _size(split: Split) -> Finding:
    sizes = {part: len(e) for part, e in split}
    clusters = {part: len(set(e.clusters)) for part, e in split}
    groups = {part: len(set(e.groups)) for part, e in split}
    n, c = sizes["test"], clusters["test"]
    few = []
    if n < FEW_TEST:
        few.append(f"{n} test {'row is' if n == 1 else 'rows are'} few")
    if c < FEW_CLUSTERS:
        few.append(f"{c} test {'cluster is' if c == 1 else 'clusters are'} few for an interval")
    summary = "; ".join(few) if few else f"{n:,} test rows in {c:,} clusters"
    by = f"WARN below {FEW_TEST} test rows or {FEW_CLUSTERS} clusters"
    if split.omissions:
        summary += f"; {split.omissions}"
    numbers = {"rows": sizes, "clusters": clusters, "groups": groups, "dropped": split.dropped}
    numbers |= {"left_out": dict(split.left_out)} if split.left_out else {}
    return Finding("size", "Rows and clusters", "balance", "WARN" if few else "PASS", summary, by, numbers)


def _class_counts(task: Task, examples: Examples) -> Any:
    if task.kind == "classification":
        return np.bincount(examples.targets, minlength=len(task.classes))
    return examples.targets.sum(axis=0)


def _classes(task: Task, split: Split) -> Finding:
    counts: dict[str, Any] = {part: _class_counts(task, e) for part, e in split if len(e)}
    names = task.classes or tuple(str(i) for i in range(len(counts["test"])))
    test = counts["test"]
    absent = [name for name, n in zip(names, test, strict=True) if n == 0]
    rare = [name for name, n in zip(names, test, strict=True) if 0 < n < max(FEW_OF_A_CLASS, RARE * len(split.test))]
    not_in_valid = [name for name, n in zip(names, counts.get("valid", test), strict=True) if n == 0]
    shifts, drawn = dict[str, float](), dict[str, bool]()
    if "train" in counts:
        sizes: dict[str, int] = {part: len(e) for part, e in split}
        for part in counts.keys() - {"train"}:
            gap = np.abs(counts["train"] / sizes["train"] - counts[part] / sizes[part])
            shifts[part] = float(gap.sum() / 2 if task.kind == "classification" else gap.max())
            drawn[part] = _may_be_drawn(task, (counts["train"], counts[part]), (sizes["train"], sizes[part]))
    judged = {part: "PASS" if drawn[part] else SHIFT.status(shift) for part, shift in shifts.items()}
    if "valid" in judged and judged["valid"] == "FAIL":
        judged["valid"] = "WARN"  # it misleads the choice of settings alone
    warned = rare or (not_in_valid and "valid" in counts)
    status = max(
        ("FAIL" if absent else "WARN" if warned else "PASS", *judged.values()), key=("PASS", "WARN", "FAIL").index
    )
    summary = []
    if absent:
        summary.append(f"no test row of {_some(absent)}")
    if rare:
        summary.append(f"few test rows of {_some(rare)}")
    if not_in_valid and "valid" in counts:
        summary.append(f"no validation row of {_some(not_in_valid)}")
    summary += [
        f"the balance of {_PART_NAMES[part]} differs from that of training (shift {shifts[part]:.2f})"
        for part in ("test", "valid")
        if judged.get(part, "PASS") != "PASS"
    ]
    shares = ", ".join(f"{n}: {percent(c, len(split.test))}" for n, c in list(zip(names, test, strict=True))[:6])
    by = (
        f"FAIL where test lacks a class; WARN where validation does, and below 1 % or {FEW_OF_A_CLASS} test rows of one"
    )
    by += f"; shift: {SHIFT}, if beyond chance; of validation never FAIL"
    numbers = {
        "counts": {p: {n: int(v) for n, v in zip(names, c, strict=True)} for p, c in counts.items()},
        "shift": shifts.get("test"),
        "shift_valid": shifts.get("valid"),
    }
    return Finding("classes", "Balance of classes", "balance", status, "; ".join(summary) or shares, by, numbers)


def _may_be_drawn(task: Task, counts: tuple[Any, Any], sizes: tuple[int, int]) -> bool:
    """Return whether rows drawn from one population differ as much in balance with a probability of .0027 or more.

    By the chi-squared test of homogeneity, which for two classes asks for 3 standard errors; of labels the least
    probable counts, times their number.
    """
    from scipy.stats import chi2

    if task.kind == "classification":
        tables = [np.stack(counts)]
    else:
        tables = [
            np.array([[c[j], n - c[j]] for c, n in zip(counts, sizes, strict=True)]) for j in range(len(counts[0]))
        ]
    least = 1.0
    for table in tables:
        table = table[:, table.sum(axis=0) > 0].astype(np.float64)
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        statistic = float(((table - expected) ** 2 / expected).sum())
        least = min(least, float(chi2.sf(statistic, max(table.shape[1] - 1, 1))))
    return least * len(tables) >= BY_CHANCE


def _groups(task: Task, split: Split) -> Finding:
    """Return the finding on classes whose rows come from one or two groups, so that the group gives the class away."""
    names = task.classes
    confined: dict[str, dict[str, int]] = {}
    for part, e in split:
        if not len(e):
            continue
        for c, name in enumerate(names):
            mask = e.targets == c if task.kind == "classification" else e.targets[:, c] == 1
            groups, n = len(set(e.groups[mask])), int(mask.sum())
            if n >= 20 and groups <= 2:
                confined.setdefault(part, {})[name] = groups
    worst = [f"{name} in {part} ({g})" for part, classes in confined.items() for name, g in classes.items()]
    summary = (
        f"classes confined to one or two groups: {_some(worst)}" if worst else "every class is in three groups or more"
    )
    by = "WARN where a class of 20 or more rows comes from one or two groups"
    status = "WARN" if worst else "PASS"
    return Finding("groups", "Balance of groups", "balance", status, summary, by, {"confined": confined})  # type: ignore[arg-type]


def _measurements(task: Task, split: Split) -> Finding:
    numbers: dict[str, Any] = {}
    for part, e in split:
        if len(e):
            values = e.targets.reshape(len(e), -1)
            numbers[part] = {
                "mean": [float(v) for v in values.mean(axis=0)[:20]],
                "sd": [float(v) for v in values.std(axis=0)[:20]],
            }
    flat: list[str] = [part for part, e in split if len(e) and (np.ptp(e.targets, axis=0) == 0).any()]
    shift = None
    if "train" in numbers:
        t, r = numbers["test"], numbers["train"]
        shift = max(abs(a - b) / s if s else 0.0 for a, b, s in zip(t["mean"], r["mean"], r["sd"], strict=True))
    numbers["shift"] = shift
    status = "FAIL" if "test" in flat else "WARN" if flat or (shift or 0) >= 1 else "PASS"
    summary = f"mean {numbers['test']['mean'][0]:.4g}, sd {numbers['test']['sd'][0]:.4g} in test"
    if flat:
        summary = f"all measurements are equal in {_some(flat)}"
    elif shift is not None and shift >= 1:
        summary += f"; the mean is {shift:.1f} sd away from that of training"
    by = "FAIL where all test measurements are equal; WARN where the mean is a standard deviation away from training's"
    return Finding("measurements", "Measurements", "balance", status, summary, by, numbers)  # type: ignore[arg-type]


def content_findings(split: Split, compositions: Mapping[str, Mapping[str, FloatArray]]) -> Iterator[Finding]:
    """Yield the findings on lengths, letters other than A, C, G and T, and sequences that are one short repeat."""
    lengths: dict[str, dict[str, int]] = {}
    for part, e in split:
        if len(e):
            length = compositions[part]["length"]
            low, middle, high = np.quantile(length, [0, 0.5, 1], method="nearest")
            lengths[part] = {"min": int(low), "median": int(middle), "max": int(high), "bases": int(length.sum())}
    values = compositions["test"]["length"]
    short = int((values < 10).sum())
    t = lengths["test"]
    spread = f"{t['min']:,} bp" if t["min"] == t["max"] else f"{t['min']:,} to {t['max']:,} bp, median {t['median']:,}"
    summary = f"{spread} in test" + (f"; {short:,} rows are shorter than 10 bases" if short else "")
    rows = _rows(split.test, values < 10, values, "bp")
    yield Finding(
        "lengths", "Lengths", "content", SHORT.status(short / len(values)), summary, str(SHORT), lengths, rows, short
    )
    yield _share(
        split,
        compositions,
        "other letters",
        0.1,
        AMBIGUOUS,
        "letters",
        "Letters",
        "have a tenth or more of letters other than A, C, G and T",
    )
    yield _share(
        split, compositions, "simplicity", SIMPLICITY, SIMPLE, "simple", "Simple repeats", "are one short repeat"
    )


def _share(
    split: Split,
    compositions: Mapping[str, Mapping[str, FloatArray]],
    feature: str,
    least: float,
    by: Threshold,
    name: str,
    title: str,
    what: str,
) -> Finding:
    counts = {part: int((compositions[part][feature] >= least).sum()) for part, e in split if len(e)}
    numbers: dict[str, Any] = {"rows": counts, "of": {part: len(e) for part, e in split if len(e)}}
    if feature == "other letters":
        numbers["rows_with_any"] = {p: int((compositions[p][feature] > 0).sum()) for p, e in split if len(e)}
        soft = {p: getattr(e, "soft_masked", None) for p, e in split if len(e)}
        numbers["lower_case"] = {p: float(np.mean(v)) for p, v in soft.items() if v is not None} or None
    values = compositions["test"][feature]
    n, total = counts["test"], len(split.test)
    summary = f"{n:,} of {total:,} test rows ({percent(n, total)}) {what}"
    if feature == "other letters" and numbers["rows_with_any"]["test"]:
        summary += f"; {numbers['rows_with_any']['test']:,} have any such letter"
    rows = _rows(split.test, values >= least, values, "")
    return Finding(name, title, "content", by.status(n / total), summary, str(by), numbers, rows, n)


def _rows(examples: Examples, mask: Any, values: FloatArray, unit: str) -> tuple[Row, ...]:
    return tuple(
        Row("test", examples.ids[i], note=f"{values[i]:.3g} {unit}".strip()) for i in np.flatnonzero(mask)[:MAX_ROWS]
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def compositions_of(split: Split) -> dict[str, dict[str, FloatArray]]:
    """Return the composition of the sequences of each part."""
    return {part: composition(e.inputs.sequences, f"counting bases of {part}") for part, e in split if len(e)}
