"""What a record says of examples that a rule skips, of truncated sequences and of scores that are not finite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.errors import NotApplicable
from baserate.evaluate import Worker, evaluate
from baserate.leaderboard import build_leaderboard
from baserate.plan import Cell, Protocol
from baserate.records import Record, read_predictions, read_record, write_record
from baserate.types import Examples, FloatArray, Inputs, ModelCard, StrArray, Task, strings

N = 40


class Scores:
    """A model that scores variants as it is told, and sees 50 bp of a sequence."""

    def __init__(self, scores: Any) -> None:
        self.scores = np.asarray(scores, dtype=np.float64)

    def score_variants(self, inputs: Inputs) -> FloatArray:
        return self.scores

    def fit(self, train: Examples, valid: Examples, **settings: Any) -> Scores:
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        return self.scores[:, None]

    def n_truncated(self, sequences: StrArray, *, max_length: int = 50) -> int:
        return sum(len(s) > max_length for s in sequences)


def examples() -> Examples:
    """Return variants with an effect; a fifth are deletions, and three windows are longer than 50 bp."""
    rng = np.random.default_rng(0)
    text = ["".join(rng.choice(list("ACGT"), 60 if i < 3 else 50)) for i in range(N)]
    alternate = [s[:24] + ("" if i % 5 == 0 else "A" if s[24] != "A" else "C") + s[25:] for i, s in enumerate(text)]
    ids = strings([f"v{i}" for i in range(N)])
    inputs = Inputs(strings(text), strings(alternate), np.full(N, 24))
    return Examples(ids, inputs, rng.normal(size=N), ids, ids)


TEST = examples()
DELETED = np.arange(N) % 5 == 0


def record(scores: Any, mode: str = "zero_shot", folder: Path | None = None, **settings: Any) -> Record:
    task = Task(
        "toy",
        1,
        "regression",
        ("spearman",),
        lambda: TEST,
        lambda e: strings(["test"] * len(e)),
        "d",
        "s",
        "c",
        "l",
        (),
        (),
        {},
        variants=True,
        deleterious=False,
    )
    card = ModelCard("told", lambda: Scores(scores), {mode: settings}, {}, "d", revision=lambda: "r")
    cell = Cell(task, card, mode)
    made, predictions = evaluate(cell, Worker(Protocol(seeds=(0,)), audited=False, checked=False))
    return read_record(write_record(folder, made, predictions)) if folder else made


def test_examples_that_a_rule_skips_are_counted_and_never_a_collapse(tmp_path: Path) -> None:
    skipping = record(np.where(DELETED, np.nan, TEST.targets), folder=tmp_path)
    assert skipping.flags == ("skipped 8 of 40", "truncated 3 of 40")
    (e,) = skipping.estimates
    assert (e.value, e.n, e.n_clusters) == (1.0, 32, 32)
    scored = read_predictions(skipping).scored
    assert scored is not None and np.array_equal(scored, ~DELETED)
    table = build_leaderboard(tmp_path)
    assert (table.columns[0].n, table.columns[0].left_out) == (32, 8)
    assert table.cells[0].estimates == skipping.estimates


def test_constant_scores_of_those_that_are_scored_are_a_collapse() -> None:
    assert record(np.where(DELETED, np.nan, 0.25)).flags[0] == "collapsed"


def test_nothing_is_said_where_everything_is_scored() -> None:
    assert record(TEST.targets, "from_scratch", max_length=60).flags == ()


def test_score_that_is_infinite_is_a_fault_and_not_skipped() -> None:
    made = record(np.where(DELETED, np.inf, TEST.targets))
    assert made.flags[0] == "collapsed" and made.estimates[0].value is None


def test_score_that_is_not_finite_is_a_fault_in_a_mode_that_trains() -> None:
    made = record(np.where(DELETED, np.nan, TEST.targets), "from_scratch")
    assert made.flags[0] == "collapsed" and made.estimates[0].value is None and made.estimates[0].n == N


def test_rule_that_scores_nothing_does_not_apply() -> None:
    with pytest.raises(NotApplicable, match="told by rule 'native' can score none of the 40 examples of toy"):
        record(np.full(N, np.nan))


@pytest.mark.parametrize(("max_length", "flags"), [(55, ("truncated 3 of 40",)), (40, ("truncated 40 of 40",))])
def test_truncation_follows_the_length_that_the_run_allows(max_length: int, flags: tuple[str, ...]) -> None:
    assert record(TEST.targets, "from_scratch", max_length=max_length).flags == flags
