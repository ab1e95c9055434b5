"""Tasks of few training examples: how many draws, what runs once, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import baserate as br
from baserate import api
from baserate.cards.find import with_shots
from baserate.errors import ConfigError
from baserate.plan import plan
from baserate.registry import get_model


def test_shots_are_tasks_of_their_own_with_ten_draws_where_they_are_few(toy_card: Path) -> None:
    records = br.run(toy_card, "kmer_logreg", shots="2,100,full", results=None, audit=False, progress=False)
    assert [(r.spec.task, len(r.spec.seeds)) for r in records] == [
        ("toy_motif(shots=2)@1", 10),
        ("toy_motif(shots=100)@1", 5),
        ("toy_motif@1", 5),
    ]
    assert [r.task.get("whole") for r in records] == ["toy_motif@1", "toy_motif@1", None]
    assert [{c.n_train for c in r.choices or ()} for r in records] == [{4}, {140}, {128}]
    assert records[0].task["shots"] == 2


def test_what_does_not_train_runs_once_for_all_shots(toy_card: Path) -> None:
    task = api._task(toy_card)
    tasks = with_shots([task], [1, "full"])
    cells = plan(tasks, [get_model("gc_content")])
    assert [c.task.id for c in cells if c.mode == "from_scratch"] == ["toy_motif(shots=1)@1", "toy_motif@1"]
    assert {c.task.id for c in cells if c.mode == "zero_shot"} <= {"toy_motif@1"}


@pytest.mark.parametrize("shots", ["0", "fulll", "1,,2", [-1]])
def test_other_shots_are_refused(shots: Any) -> None:
    with pytest.raises(ConfigError, match="expected a number of examples per class from 1, or full"):
        with_shots([], shots)
