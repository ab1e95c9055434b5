from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.cards.task import task_card
from baserate.errors import DataError
from baserate.modes import MODES
from baserate.modes.job import Job
from baserate.plan import Protocol, plan
from baserate.records import read_predictions, read_records
from baserate.run import Grid, Outcome
from baserate.splits import load_split
from baserate.statistics import estimate
from baserate.types import Examples, FloatArray, Inputs, ModelCard, StrArray, Task


class CountsTata:
    """An embedder and trainable model that sees one thing: whether TATAAA is there."""

    def embed(self, sequences: StrArray) -> Any:
        return np.array([[s.count("TATAAA"), s.count("A")] for s in sequences], np.float32)

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> CountsTata:
        self.bias = len(train) / 1000 + seed / 1e6
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        p = np.clip([0.1 + 0.8 * ("TATAAA" in s) + self.bias / 10 for s in inputs.sequences], 0, 1)
        return np.stack([1 - p, p], axis=1)


class Fails:
    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> None:
        raise RuntimeError("out of luck")


def card(name: str, load: Callable[[], Any], *modes: str) -> ModelCard:
    return ModelCard(name, load, {m: {} for m in modes}, {}, "d", revision=lambda: "r")  # type: ignore[misc]


GOOD = card("good", CountsTata, "from_scratch", "linear_probe", "zero_shot")
BAD = card("bad", Fails, "from_scratch")


@pytest.fixture
def toy(toy_card: Path) -> Task:
    return task_card(toy_card)


def run(task: Task, cards: list[ModelCard], results: Path, **protocol: Any) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    grid = Grid(
        results,
        Protocol(**protocol),
        None,
        finished=lambda cell, record, s: said.append(record.status if record else "skipped"),
    )
    return grid.run(plan([task], cards)), said


def test_good_failed_and_not_applicable_cells_are_all_records(toy: Task, tmp_path: Path) -> None:
    outcome, said = run(toy, [BAD, GOOD], tmp_path)
    assert said == ["failed", "done", "done", "not_applicable"]
    assert (outcome.done, outcome.not_applicable, len(outcome.failed)) == (2, 1, 1)
    by = {(r.spec.model, r.spec.mode): r for r in read_records(tmp_path)}
    assert "RuntimeError: out of luck" in by["bad", "from_scratch"].error
    assert (
        "zero_shot scores variants and pairs; toy_motif has none and declares no rule" in by["good", "zero_shot"].error
    )
    good = by["good", "from_scratch"]
    mcc = good.estimate("mcc")
    assert mcc is not None and mcc.value is not None and mcc.value > 0.9
    assert good.environment["packages"]["baserate"] and good.seconds > 0


def test_same_cells_again_are_skipped_and_failed_ones_tried(toy: Task, tmp_path: Path) -> None:
    run(toy, [BAD, GOOD], tmp_path)
    outcome, said = run(toy, [BAD, GOOD], tmp_path)
    assert said == ["failed", "skipped", "skipped", "skipped"]
    assert outcome.skipped == 3 and outcome.done == 0


def test_metrics_are_recomputed_from_the_record_alone(toy: Task, tmp_path: Path) -> None:
    run(toy, [GOOD], tmp_path)
    for record in read_records(tmp_path):
        if record.status == "done":
            predictions = read_predictions(record)
            assert tuple(estimate(predictions, m) for m in record.task["metrics"]) == record.estimates


def test_other_seeds_or_a_limit_are_another_run(toy: Task, tmp_path: Path) -> None:
    for protocol in ({}, {"seeds": (7,)}, {"limit": 20}):
        run(toy, [GOOD], tmp_path, **protocol)
    records = [r for r in read_records(tmp_path) if r.spec.mode == "from_scratch"]
    assert sorted(r.spec.limit for r in records) == [0, 0, 20]
    assert len({r.hash for r in records}) == 3


def test_result_does_not_depend_on_the_order_of_models(toy: Task, tmp_path: Path) -> None:
    other = replace(GOOD, name="other")
    run(toy, [GOOD, other], tmp_path / "a")
    run(toy, [other, GOOD], tmp_path / "b")
    a, b = ({r.hash: r.predictions_digest for r in read_records(tmp_path / x)} for x in "ab")
    assert a == b and len(a) == 6


def test_seeds_train_on_different_clusters_the_same_for_every_model(toy: Task) -> None:
    split = load_split(toy)
    job = Job(toy, GOOD, None, split, {}, (0, 1), 0.9)
    first, second = job.train_rows(0), job.train_rows(1)
    clusters = [set(split.train.clusters[rows]) for rows in (first, second)]
    assert clusters[0] != clusters[1] and len(clusters[0]) == round(0.9 * len(set(split.train.clusters)))
    whole = [i for i, c in enumerate(split.train.clusters) if c in clusters[0]]
    assert list(first) == whole, "clusters are taken whole"
    assert list(Job(toy, BAD, None, split, {}, (0,), 0.9).train_rows(0)) == list(first)


def test_a_model_without_the_capability_is_told(toy: Task, tmp_path: Path) -> None:
    outcome, _ = run(toy, [card("poor", object, "linear_probe")], tmp_path)
    assert "declares mode linear_probe but its object has no embed or embed_all()" in outcome.failed[0].error


def test_baseline_for_variants_is_not_applicable_to_sequences(toy: Task, tmp_path: Path) -> None:
    outcome, _ = run(toy, [replace(BAD, variants=True)], tmp_path)
    assert outcome.not_applicable == 1
    (record,) = read_records(tmp_path)
    assert record.error == "bad works on variants only; toy_motif has none"


def test_corrupt_record_stops_the_run_in_one_line(toy: Task, tmp_path: Path) -> None:
    run(toy, [GOOD], tmp_path)
    next(tmp_path.glob("*/good.from_scratch.*/record.json")).write_text("{")
    with pytest.raises(DataError, match=r"delete .* and run again"):
        run(toy, [GOOD], tmp_path)


def test_constant_scores_are_flagged_as_collapsed(toy: Task, tmp_path: Path) -> None:
    class Constant(CountsTata):
        def predict(self, inputs: Inputs) -> FloatArray:
            return np.full((len(inputs), 2), 0.5)

    run(toy, [card("flat", Constant, "from_scratch")], tmp_path)
    (record,) = read_records(tmp_path)
    assert record.flags == ("collapsed",)
    assert record.estimate("auroc").value == 0.5  # type: ignore[union-attr]


def test_every_mode_names_a_capability() -> None:
    # Zero-shot rules name their own.
    assert all((mode.needs or name == "zero_shot") and mode.name == name for name, mode in MODES.all().items())


def audited(verdict: str, *leaks: str) -> Callable[[Task, Any], dict[str, Any]]:
    return lambda task, split: {"verdict": verdict, "reasons": [*leaks, "WARN: few clusters"], "leaks": list(leaks)}


def test_each_task_is_audited_once_and_every_record_keeps_what_was_found(toy: Task, tmp_path: Path) -> None:
    asked: list[str] = []

    def audit(task: Task, split: Any) -> dict[str, Any]:
        asked.append(task.id)
        assert len(split.test) == 60
        return {"verdict": "WARN", "reasons": ["WARN: few clusters"]}

    grid = Grid(tmp_path, Protocol(), None, audit=audit)
    grid.run(plan([toy], [BAD, GOOD]))
    assert asked == [toy.id]
    records = read_records(tmp_path)
    assert [r.audit["verdict"] for r in records] == ["WARN"] * 4 and {r.status for r in records} > {"failed", "done"}
    assert {r.exposure["status"] for r in records if r.spec.mode == "from_scratch"} == {"clean"}
    assert {r.exposure["status"] for r in records if r.spec.mode == "linear_probe"} == {"unknown"}
    Grid(tmp_path, Protocol(), None, audit=audit).run(plan([toy], [GOOD]))
    assert asked == [toy.id], "nothing has to run"


def test_a_leak_is_refused_where_this_is_asked_for_even_if_the_cells_were_done(toy: Task, tmp_path: Path) -> None:
    leaks = audited("FAIL", "FAIL: 51 of 60 test rows are identical to a training row")
    for audit in (leaks, audited("", "it broke")):
        outcome = Grid(tmp_path, Protocol(), None, audit=audit, refuse_leaks=True).run(plan([toy], [BAD, GOOD]))
        assert outcome.refused.keys() == {toy.id} and not outcome.done and not outcome.failed
        assert not list(tmp_path.iterdir())
    assert Grid(tmp_path, Protocol(), None, audit=leaks).run(plan([toy], [GOOD])).done == 2
    outcome = Grid(tmp_path, Protocol(), None, audit=leaks, refuse_leaks=True).run(plan([toy], [GOOD]))
    assert (outcome.skipped, outcome.refused[toy.id]) == (0, "FAIL: 51 of 60 test rows are identical to a training row")
    warned = Grid(tmp_path, Protocol(), None, audit=audited("FAIL", "WARN: 1 of 60"), refuse_leaks=True)
    assert not warned.run(plan([toy], [GOOD])).refused, "it fails for something else"


def test_an_audit_that_breaks_takes_no_cell_down(toy: Task, tmp_path: Path) -> None:
    def audit(task: Task, split: Any) -> dict[str, Any]:
        raise MemoryError("no room")

    assert Grid(tmp_path, Protocol(), None, audit=audit).run(plan([toy], [GOOD])).done == 2
    assert read_records(tmp_path)[0].audit == {"verdict": "", "reasons": ["not audited: no room"]}


def test_a_trial_is_not_audited_unless_leaks_are_refused_and_then_in_whole(toy: Task, tmp_path: Path) -> None:
    sizes: list[int] = []

    def audit(task: Task, split: Any) -> dict[str, Any]:
        sizes.append(len(split.test))
        return {"verdict": "PASS"}

    Grid(tmp_path, Protocol(limit=20), None, audit=audit).run(plan([toy], [GOOD]))
    assert not sizes and not read_records(tmp_path)[0].audit
    Grid(tmp_path, Protocol(limit=21), None, audit=audit, refuse_leaks=True).run(plan([toy], [GOOD]))
    assert sizes == [60]
