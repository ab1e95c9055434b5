"""The checks that every task must pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from itertools import combinations

import numpy as np

from ..errors import NotApplicable, expect
from ..metrics import parse
from ..results import Predictions
from ..splits import load_split, predefined
from ..statistics import point_value
from ..types import PARTS, Examples, Split, Task

RECOMMENDED = ("description", "split_rule", "citation", "licence", "species", "assembly")
"""Keys that a reader needs in order to trust and cite a task; a card without them runs, and a check lists them."""


def check_card_is_complete(task: Task) -> None:
    """The card says what a reader needs in order to trust and cite the task, and its metrics exist."""
    expect(task.metrics, "metrics is empty")
    for metric in task.metrics:
        parse(metric)
    if task.kind == "classification":
        expect(len(task.classes) >= 2, "a classification task needs two or more classes")
    empty = [key for key in RECOMMENDED if not getattr(task, key)]
    if empty:
        raise NotApplicable(f"to fill in before others use it: {', '.join(empty)}")


def check_two_loads_agree(task: Task) -> None:
    """Building the examples twice from the source, past every cache, gives the same content in the same order."""
    if task.subset:
        raise NotApplicable("a small variant is read from the source of the whole task")
    first, second = task.source(), task.source()
    expect(
        first.fingerprint == second.fingerprint,
        "two loads of the source differ; make its order and its random draws reproducible",
    )


def check_split_is_sound(task: Task, split: Split | None = None) -> str | None:
    """Parts are not empty, share no example and no group, and have the sizes that the card declares."""
    split = split or load_split(task)
    for (a, one), (b, other) in combinations(split, 2):
        for column in ("ids", "groups"):
            shared = set(getattr(one, column)) & set(getattr(other, column))
            expect(not shared, f"{len(shared)} {column} are in both {a} and {b}, such as {next(iter(shared), '')!r}")
    for part, examples in split:
        expect(
            len(examples) == task.sizes.get(part, len(examples)),
            f"{part} has {len(examples)} examples; the card declares {task.sizes.get(part)}",
        )
    return f"sound; {split.omissions}" if split.omissions else None


def check_sequences_are_clean(task: Task, split: Split | None = None) -> None:
    """Sequences are upper-case IUPAC letters, each has an A, C, G or T, and ALT differs from REF."""
    for part, examples in split or load_split(task):
        columns = [examples.inputs.sequences]
        if examples.inputs.alternates is not None:
            columns.append(examples.inputs.alternates)
            same = np.flatnonzero(examples.inputs.sequences == examples.inputs.alternates)
            expect(not len(same), f"{part}: ALT equals REF in {len(same)} examples, such as {examples.ids[same[:1]]}")
        for column in columns:
            last = ""
            for name, sequence in zip(examples.ids, column, strict=True):
                if sequence == last:  # the bases of a sequence come one after another
                    continue
                last = sequence
                letters = set(sequence)
                expect(
                    letters <= set("ACGTRYSWKMBDHVN"),
                    f"{part}: {name} has the letters {sorted(letters)}; expected IUPAC DNA",
                )
                expect(letters & set("ACGT"), f"{part}: {name} has no A, C, G or T")


def known_in_test(split: Split) -> list[str]:
    """Return the ids of the test examples whose input is identical to one of train or valid."""
    seen = set(_keys(split.train)) | set(_keys(split.valid))
    return [i for i, key in zip(split.test.ids, _keys(split.test), strict=True) if key in seen]


def check_no_sequence_in_two_parts(task: Task, split: Split | None = None) -> None:
    """No test input is identical to a training or validation input.

    A card that leaves a file's own split as it is, each row a group of its own, has stated so; the check says how many.
    """
    split = split or load_split(task)
    shared = known_in_test(split)
    found = f"{len(shared)} of {len(split.test)} test inputs are also in train or valid, such as {shared[:1]}"
    if shared and _is_left_as_it_is(task, split):
        raise NotApplicable(
            f"the card leaves the file's own split as it is: {found}; `baserate resplit` writes a version without them"
        )
    expect(not shared, found)


def check_every_class_everywhere(task: Task, split: Split | None = None) -> str | None:
    """Every class occurs in every part; targets are finite and vary, each label or measurement at least in train.

    A class with fewer clusters of related examples than there are parts need not be in all of them. Where all examples
    are in test, for zero-shot scores, nothing is asked of the others.
    """
    if task.kind == "paired":
        raise NotApplicable("a pair has no target: the first sequence is always the real one")
    if task.kind == "generation":
        raise NotApplicable("the bases that follow a prompt are not classes")
    split = split or load_split(task)
    few: dict[str, None] = {}
    for part, examples in split:
        if part != "test" and not len(split.train) and not len(split.valid):
            continue  # nothing is trained
        if task.kind == "classification":
            counts = np.bincount(examples.targets, minlength=len(task.classes))
            absent = np.flatnonzero(counts == 0)
            missing = [task.classes[c] for c in absent if part == "train" or _clusters_of(split, int(c)) >= len(PARTS)]
            expect(not missing, f"{part} has no example of class {', '.join(missing)}")
            few |= dict.fromkeys(task.classes[c] for c in absent)
            there = [task.classes[c] for c in np.flatnonzero(counts)]
            expect(part != "test" or len(there) != 1, f"test has examples of one class only, {there[:1]}")
        elif len(examples):
            expect(np.isfinite(examples.targets).all(), f"{part} has targets that are not finite")
            varies = np.atleast_1d(np.ptp(examples.targets, axis=0) > 0)
            expect(varies.any(), f"{part} has one constant target")
            flat = [name for name, varied in zip(task.classes, varies, strict=False) if not varied]
            same = ", ".join(map(repr, flat[:5])) or "the target"
            expect(part != "train" or varies.all(), f"every example of train has the same value of {same}")
    return f"{', '.join(few)} has too few clusters of related examples to be in every part" if few else None


def _clusters_of(split: Split, c: int) -> int:
    """Return how many clusters the examples of a class have."""
    return len({cluster for _, examples in split for cluster in examples.clusters[examples.targets == c]})


def check_direction_is_stated(task: Task) -> None:
    """A task of variants says whether its last class, or a higher value, is the more harmful variant."""
    if task.lacks_direction:
        raise NotApplicable(
            "to say in the card: deleterious = true where the last class, or a higher value, is the more harmful "
            "variant, else false; until then zero-shot scores, which may be mirrored, are not ranked"
        )


def check_truth_scores_best(task: Task, split: Split | None = None) -> None:
    """Predicting the truth gives a primary metric of 1, or of 0 where the metric is an error."""
    test = (split or load_split(task)).test
    if task.kind == "classification":
        truth = np.eye(len(task.classes))[test.targets]
    else:
        truth = np.full((len(test), 1), -1.0) if task.kind == "paired" else test.targets.reshape(len(test), -1)
    predictions = Predictions(
        test.ids, test.targets, test.clusters, test.strata, truth[None].astype(np.float64), seeds=(0,)
    )
    metric = parse(task.metrics[0], test.strata)
    value, _ = point_value(predictions, metric)
    best = 0 if metric.better == "lower" else 1
    expect(value is not None and abs(value - best) < 1e-9, f"{metric.text} of the truth is {value}, expected {best}")


def check_parts(task: Task, split: Split) -> None:
    """Raise CheckFailed where another split of the same rows might pass the checks that this one fails."""
    for check in (
        check_split_is_sound,
        check_no_sequence_in_two_parts,
        check_every_class_everywhere,
        check_truth_scores_best,
    ):
        with contextlib.suppress(NotApplicable):
            check(task, split)


TASK_CHECKS: tuple[Callable[[Task], str | None], ...] = (
    check_card_is_complete,
    check_two_loads_agree,
    check_split_is_sound,
    check_sequences_are_clean,
    check_no_sequence_in_two_parts,
    check_every_class_everywhere,
    check_direction_is_stated,
    check_truth_scores_best,
)


def _is_left_as_it_is(task: Task, split: Split) -> bool:
    """Return whether parts are a column of the file, and no two rows are a group."""
    rule = task.split
    while hasattr(rule, "rule"):
        rule = rule.rule
    groups = [group for _, examples in split for group in examples.groups]
    return isinstance(rule, predefined) and len(set(groups)) == len(groups)


def _keys(examples: Examples) -> list[str]:
    alternates = examples.inputs.alternates
    if alternates is None:
        return list(examples.inputs.sequences)
    return [f"{ref}>{alt}" for ref, alt in zip(examples.inputs.sequences, alternates, strict=True)]
