"""Data in random layouts whose meaning is known: the card is right, or one line asks; wrong is a failure."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from baserate.checks import run_checks
from baserate.errors import BaserateError
from baserate.new_task import new_task
from baserate.splits import load_split

from .meanings import shipped

SETS = 300
RIGHT = 0.6
"""The least share of sets of data for which the card is right at once."""


def meaning(task: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the target of each input as the task has it, and its part."""
    targets, parts = {}, {}
    for part, examples in load_split(task):
        alternates = examples.inputs.alternates
        inputs = list(examples.inputs.sequences)
        if alternates is not None:
            inputs = [f"{ref}>{alt}" for ref, alt in zip(inputs, alternates, strict=True)]
        for one, target in zip(inputs, examples.targets, strict=True):
            parts[one] = part
            if task.kind == "classification":
                targets[one] = task.classes[int(target)]
            elif task.kind == "multilabel":
                targets[one] = frozenset(c for c, bit in zip(task.classes, target, strict=True) if bit)
            else:
                targets[one] = float(target)
    return targets, parts


def outcome(seed: int, folder: Path) -> tuple[str, str]:
    """Return the layout of the data of a seed, and 'right' or 'asked'; fail where the card means something else."""
    layout, known, given = shipped(seed)
    try:
        made = new_task(given.files, given.choices, out=Path("made.toml"))
    except BaserateError as error:
        assert "\n" not in str(error) and given.files[0].partition("/")[0] in str(error), (seed, layout, str(error))
        assert not list(folder.glob("*.toml"))
        return layout, f"asked: {str(error)[:160]}"
    targets, parts = meaning(made.task)
    assert made.task.kind == known.kind, (seed, layout, list(known.columns), made.text)
    assert targets == known.targets, (seed, layout, list(known.columns), made.text)
    in_test = {s for s, part in parts.items() if part == "test"}
    assert not known.parts or in_test == {s for s, p in known.parts.items() if p == "test"}, (seed, layout, made.text)
    failed = [r for r in run_checks(made.task) if r.status == "failed"]
    assert not failed, (seed, layout, failed)
    return layout, "right"


def test_a_card_means_what_the_data_do_or_one_line_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: Counter[tuple[str, str]] = Counter()
    for seed in range(SETS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        monkeypatch.chdir(folder)
        outcomes[outcome(seed, folder)] += 1
    right = sum(n for (_, what), n in outcomes.items() if what == "right")
    assert right >= RIGHT * SETS, outcomes
