"""Budgets of trials: which are drawn, how one is chosen, and what of it stands in the record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baserate as br
from baserate.errors import BaserateError, ConfigError
from baserate.modes.trials import draw_trials
from baserate.plan import Cell, Protocol, budgets_of, run_spec
from baserate.records import read_records
from baserate.registry import baseline, get_model, with_params
from baserate.settings import Search, among, count, log_uniform, positive, uniform
from baserate.splits import load_split
from baserate.types import Examples, FloatArray, Inputs, Task

SPACE = {"lr": log_uniform(1e-4, 1e-1), "width": among(8, 16, 32), "depth": uniform(1, 4, whole=True)}
CURRENT = {"lr": 0.01, "width": 8, "depth": 1}


def test_trials_begin_with_the_defaults_and_those_of_a_budget_are_the_first_of_a_larger_one() -> None:
    many = draw_trials(SPACE, 32, CURRENT)
    assert many[0] == {}
    assert len(many) == 32
    assert draw_trials(SPACE, 8, CURRENT) == many[:8]
    assert draw_trials(SPACE, 1, CURRENT) == [{}]
    assert all(1e-4 <= t["lr"] <= 1e-1 and t["width"] in (8, 16, 32) and t["depth"] in (1, 2, 3, 4) for t in many[1:])


def test_trials_cover_every_setting_evenly() -> None:
    trials = draw_trials(SPACE, 33, CURRENT)[1:]
    assert 12 <= sum(t["lr"] < 10**-2.5 for t in trials) <= 20
    assert {t["depth"] for t in trials} == {1, 2, 3, 4}
    assert min(sum(t["width"] == w for t in trials) for w in (8, 16, 32)) >= 8


def test_no_trial_is_drawn_twice_and_a_small_space_ends_early() -> None:
    trials = draw_trials({"width": among(8, 16, 32)}, 8, {"width": 16})
    assert sorted(str(t) for t in trials) == sorted(["{}", "{'width': 8}", "{'width': 32}"])


def test_values_are_readable_and_within_bounds() -> None:
    assert log_uniform(1e-4, 1e-1).at(0.5) == 0.00316
    assert uniform(1, 3, whole=True).at(0.999999) == 3
    assert str(log_uniform(1e-5, 1e-3)) == "1e-05 to 0.001, log scale"
    assert str(among("mean", "max")) == "mean, max"


@pytest.mark.parametrize(
    ("given", "budgets"), [("quick,standard", (1, 8)), (32, (32,)), ("thorough", (32,)), ([1, "1"], (1,))]
)
def test_a_budget_is_a_number_or_a_name(given: Any, budgets: tuple[int, ...]) -> None:
    assert budgets_of(given) == budgets


@pytest.mark.parametrize("given", ["0", "standart", -1, "1,,8", True, 1.5])
def test_any_other_budget_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="expected a number of trials from 1, or quick, standard, thorough"):
        budgets_of(given)


@dataclass(frozen=True)
class Guess:
    """Counts TATAAA, and is right with the chance that `skill` and `power` give it; scores are drawn by the seed."""

    power: float

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, skill: float = 0.1) -> Guessed:
        if skill > 0.9:
            raise BaserateError("the loss is not finite in epoch 1")
        return Guessed(min(1.0, skill * self.power), seed)


@dataclass(frozen=True)
class Guessed:
    skill: float
    seed: int

    @property
    def chosen(self) -> dict[str, Any]:
        return {"epoch": self.seed + 1}

    @property
    def history(self) -> list[dict[str, float]]:
        return [{"epoch": 1, "train_loss": 1.0 - self.skill}]

    def predict(self, inputs: Inputs) -> FloatArray:
        found = np.array([float("TATAAA" in s) for s in inputs.sequences])
        luck = np.random.default_rng([self.seed, len(inputs)]).random(len(inputs))
        right = self.skill * found + (1 - self.skill) * luck
        return np.stack([1 - right, right], axis=1)


@pytest.fixture
def guess() -> str:
    @baseline(
        "guess",
        version=1,
        modes={"from_scratch": {}},
        description="A guess.",
        settings={"from_scratch": {"skill": positive(0.1, "how good it is", search=uniform(0.05, 1.0))}},
        search={"power": among(0.5, 1.0)},
    )
    def load(*, power: float = 0.5) -> Guess:
        return Guess(power)

    return "guess"


def test_the_best_trial_on_valid_is_chosen_once_and_trained_for_every_seed(
    guess: str, toy_card: Path, tmp_path: Path
) -> None:
    record = br.evaluate(toy_card, guess, budget=8, results=tmp_path, audit=False, progress=False)
    assert record.choices is not None and record.searched == {"skill": "0.05 to 1", "power": "0.5, 1.0"}
    first, *others = record.choices
    assert len(first.trials) == 8 and not any(c.trials for c in others)
    scores = [-np.inf if t.valid is None else t.valid for t in first.trials]
    assert first.trial == int(np.argmax(scores)) and first.valid == max(scores)
    assert all(t.error == "the loss is not finite in epoch 1" for t in first.trials if t.changed.get("skill", 0) > 0.9)
    assert {c.trial for c in record.choices} == {first.trial}
    for choice in record.choices:
        assert choice.chosen == {**first.trials[first.trial].changed, "epoch": choice.seed + 1}
        assert choice.history[0]["epoch"] == 1
    assert record.spec.budget == 8
    (again,) = read_records(tmp_path)
    assert again.choices == record.choices


def test_a_budget_gains_where_settings_matter_and_is_a_run_of_its_own(
    guess: str, toy_card: Path, tmp_path: Path
) -> None:
    records = br.run(toy_card, guess, budget="quick,standard", results=tmp_path, audit=False, progress=False)
    by_budget = {r.spec.budget: r for r in records}
    assert by_budget.keys() == {1, 8}
    assert "budget" not in by_budget[1].spec.to_json() and by_budget[1].hash != by_budget[8].hash
    quick, standard = (by_budget[b].estimates[0].value for b in (1, 8))
    assert quick is not None and standard is not None and standard > quick + 0.1


def test_what_the_user_sets_is_not_tuned(guess: str, toy_card: Path) -> None:
    task = br.api._task(toy_card)
    assert set(Cell(task, get_model(guess), "from_scratch").space) == {"skill", "power"}
    assert set(Cell(task, get_model(guess), "from_scratch", {"skill": 0.2}).space) == {"power"}
    assert set(Cell(task, with_params(get_model(guess), power=1.0), "from_scratch").space) == {"skill"}


def test_a_cell_with_nothing_to_tune_has_no_budget(toy_card: Path) -> None:
    (record,) = br.run(toy_card, "constant", "from_scratch", budget="1,8", results=None, audit=False, progress=False)
    assert record.spec.budget == 1 and record.searched == {}


def test_every_record_of_a_trained_model_has_its_score_on_valid(toy_card: Path) -> None:
    record = br.evaluate(toy_card, "kmer_logreg", audit=False, progress=False)
    assert record.choices is not None and len(record.choices) == len(record.spec.seeds)
    assert all(c.metric == "mcc" and c.valid is not None and 0 < c.valid <= 1 for c in record.choices)


def test_where_every_trial_fails_the_cell_fails_with_the_reason(guess: str, toy_card: Path) -> None:
    settings = {"skill": 0.95}
    with pytest.raises(BaserateError, match="the loss is not finite in epoch 1"):
        br.evaluate(toy_card, guess, settings=settings, budget=4, audit=False, progress=False)


def test_the_identity_of_a_run_without_budget_is_that_from_before_there_were_budgets(toy_card: Path) -> None:
    task: Task = br.api._task(toy_card)
    cell = Cell(task, get_model("kmer_logreg"), "from_scratch")
    spec = run_spec(cell, load_split(task), Protocol())
    assert "budget" not in spec.to_json()
    assert replace(spec, budget=8).hash != spec.hash


def test_a_search_of_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ConfigError, match="search"):

        @baseline("lost", modes={"from_scratch": {}}, description="Lost.", search={"powr": Search((1,))})
        def load(*, power: int = count(1, "").default) -> Any: ...
