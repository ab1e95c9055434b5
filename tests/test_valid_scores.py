"""The score on valid of modes that choose nothing: stored for each seed, and changing no score on test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baserate.evaluate import Worker, evaluate
from baserate.leaderboard import build_leaderboard
from baserate.plan import Cell, Protocol
from baserate.records import Record, read_records, write_record
from baserate.results import Choice
from baserate.statistics import estimate
from baserate.types import Examples, FloatArray, Inputs, ModelCard, StrArray, Task, strings

N = 90
PARTS = strings(["train", "valid", "test"] * (N // 3))


def examples() -> Examples:
    """Return variants whose effect is the number of A in the window, in part; each third one of valid is a deletion."""
    rng = np.random.default_rng(0)
    text = ["".join(rng.choice(list("ACGT"), 50)) for _ in range(N)]
    effects = np.array([s.count("A") for s in text]) + rng.normal(size=N)
    ids = strings([f"v{i:02}" for i in range(N)])
    return Examples(ids, Inputs(strings(text), strings(text), np.full(N, 24)), effects, ids, ids)


class Counts:
    """A model that counts a letter, and cannot score the first `blind` examples that it gets."""

    def __init__(self, letter: str, blind: int = 0) -> None:
        self.letter, self.blind = letter, blind

    def score_variants(self, inputs: Inputs) -> FloatArray:
        counts = np.array([float(s.count(self.letter)) for s in inputs.sequences])
        counts[: self.blind] = np.nan
        return counts

    def predict(self, inputs: Inputs) -> FloatArray:
        return self.score_variants(inputs)[:, None]


def run(
    model: Counts, mode: str, *, parts: StrArray = PARTS, results: Path | None = None, declared: str = ""
) -> Record:
    task = Task(
        *("toy", 1, "regression", ("spearman",), examples, lambda e: parts, "d", "s", "c", "l", (), (), {}),
        variants=True,
        deleterious=False,
    )
    card = ModelCard(f"of_{model.letter}", lambda: model, {mode: {}}, {}, "d", revision=lambda: "r", baseline=True)
    cell = Cell(task, card, mode, baseline=declared)
    made, predictions = evaluate(cell, Worker(Protocol(seeds=(0,)), audited=False, checked=False))
    if results is not None:
        write_record(results, made, predictions)
    assert made.estimates == (estimate(predictions, "spearman", scaled=mode != "zero_shot"),)
    return made


def on_valid(letter: str, blind: int = 0) -> float:
    """Return Spearman's correlation on valid by scipy."""
    from scipy.stats import spearmanr

    valid = examples().take(np.flatnonzero(PARTS.astype(str) == "valid"))
    counts = Counts(letter).score_variants(valid.inputs)
    return float(spearmanr(counts[blind:], valid.targets[blind:]).statistic)


@pytest.mark.parametrize("mode", ["zero_shot", "as_is"])
def test_a_mode_that_does_not_train_stores_its_score_on_valid(mode: str) -> None:
    (choice,) = run(Counts("A"), mode).choices or ()
    assert choice == Choice(0, "spearman", pytest.approx(on_valid("A")))


def test_what_a_rule_cannot_score_is_left_out_unless_it_is_most_of_valid() -> None:
    (few,) = run(Counts("A", blind=5), "zero_shot").choices or ()
    (most,) = run(Counts("A", blind=16), "zero_shot").choices or ()
    assert few.valid == pytest.approx(on_valid("A", 5)) and most.valid is None


def test_a_task_without_valid_has_no_score_there() -> None:
    parts = strings(["test"] * N)
    assert run(Counts("A"), "zero_shot", parts=parts).choices == ()


def test_a_record_states_the_baseline_that_its_suite_declares(tmp_path: Path) -> None:
    assert run(Counts("A"), "zero_shot").baseline == ""
    run(Counts("A"), "zero_shot", results=tmp_path, declared="of_A")
    assert [r.baseline for r in read_records(tmp_path)] == ["of_A"]


def test_zero_shot_baselines_are_chosen_on_valid(tmp_path: Path) -> None:
    for letter in "ACG":
        run(Counts(letter), "zero_shot", results=tmp_path)
    table = build_leaderboard(tmp_path)
    (column,) = table.columns
    assert all(c.trials is None and c.valid is not None for c in table.cells), "nothing was tried"
    assert (column.best_baseline, column.chosen_on) == ("of_A · zero_shot", "valid")
    assert all(len(r.choices or ()) == 1 for r in read_records(tmp_path))
