"""Budgets of trials: which are drawn, how one is chosen, and what of it stands in the record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baserate as br
from baserate import api
from baserate.cards.suite import load_suite
from baserate.errors import BaserateError, ConfigError
from baserate.evaluate import Worker, evaluate
from baserate.modes.components import variances
from baserate.modes.trials import draw_trials
from baserate.plan import Cell, Protocol, budgets_of, run_spec
from baserate.progress import Advance, activity, listening
from baserate.records import read_records
from baserate.registry import MODELS, baseline, get_model, with_params
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
        activity("guessing", len(train))
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


def test_each_trial_says_which_it_is_and_so_does_what_it_trains(guess: str, toy_card: Path) -> None:
    shown: list[tuple[str, int]] = []

    def listener(doing: str, total: int, lane: str) -> Advance:
        shown.append((doing, total))
        return lambda n, now="": None

    cell = Cell(api._task(toy_card), get_model(guess), "from_scratch", budget=4)
    with listening(listener):
        evaluate(cell, Worker(Protocol(), audited=False))
    trained = [doing for doing, _ in shown if doing.endswith("guessing")]
    trials = [f"trial {i}/4" for i in (1, 2, 3, 4)]
    assert [doing for doing, total in shown if total == 4] == trials
    assert trained == [*(f"{trial} · guessing" for trial in trials), *["guessing"] * 4]


@dataclass(frozen=True)
class Resumed:
    """Writes its skill where a training's state belongs, and takes what it finds there."""

    power: float

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, state_file: Path) -> Guessed:
        if not state_file.exists():
            state_file.parent.mkdir(parents=True, exist_ok=True)
            state_file.write_text(str(self.power))
        return Guessed(float(state_file.read_text()), seed)


def test_trials_with_other_parameters_of_the_loader_share_no_state_of_training(
    toy_card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @baseline(
        "resumed", version=1, modes={"from_scratch": {}}, description="R.", search={"power": among(0.01, 0.02, 0.5)}
    )
    def load(*, power: float = 0.01) -> Resumed:
        return Resumed(power)

    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path))
    record = br.evaluate(toy_card, "resumed", budget=3, audit=False, progress=False)
    assert record.choices is not None and record.choices[0].chosen["power"] == 0.5
    assert record.choices[0].history[0]["train_loss"] == 0.5


@dataclass(frozen=True)
class Fragile:
    """Bears a width of 8 and of 16, but on later seeds only those that are no more than `most`."""

    most: int

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, width: int = 8) -> Guessed:
        if width > (self.most if seed else 16):
            raise IndexError(f"no room for {width}")
        return Guessed(width / 32, seed)


@pytest.mark.parametrize(("most", "fails"), [(16, False), (8, True)])
def test_a_bug_that_a_trial_meets_ends_no_cell_but_one_of_the_chosen_settings_does(
    most: int, fails: bool, toy_card: Path
) -> None:
    @baseline(
        "fragile",
        version=1,
        modes={"from_scratch": {}},
        description="Fragile.",
        settings={"from_scratch": {"width": count(8, "its width", search=among(8, 16, 32))}},
    )
    def load() -> Fragile:
        return Fragile(most)

    if fails:
        with pytest.raises(BaserateError, match="IndexError: no room for"):
            br.evaluate(toy_card, "fragile", budget=4, audit=False, progress=False)
        return
    record = br.evaluate(toy_card, "fragile", budget=4, audit=False, progress=False)
    assert record.choices is not None and record.choices[0].chosen["width"] == 16
    (error,) = (t.error for t in record.choices[0].trials if t.changed.get("width") == 32)
    assert error == "IndexError: no room for 32"


@dataclass(frozen=True)
class Noted:
    """Has something to say of each fit."""

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, skill: float = 0.1) -> Remarked:
        return Remarked(skill, seed)


@dataclass(frozen=True)
class Remarked(Guessed):
    @property
    def notes(self) -> list[str]:
        return [f"skill {self.skill:g}"]


def test_what_is_noted_of_a_fit_is_a_flag_once_and_only_of_the_chosen_trial(toy_card: Path) -> None:
    @baseline(
        "noted",
        version=1,
        modes={"from_scratch": {}},
        description="Noted.",
        settings={"from_scratch": {"skill": positive(0.1, "how good", search=among(0.1, 0.2, 0.5))}},
    )
    def load() -> Noted:
        return Noted()

    record = br.evaluate(toy_card, "noted", budget=3, audit=False, progress=False)
    assert [flag for flag in record.flags if flag.startswith("skill")] == ["skill 0.5"]


def test_what_the_user_sets_is_not_tuned(guess: str, toy_card: Path) -> None:
    task = api._task(toy_card)
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
    task: Task = api._task(toy_card)
    cell = Cell(task, get_model("kmer_logreg"), "from_scratch")
    spec = run_spec(cell, load_split(task), Protocol())
    assert "budget" not in spec.to_json()
    assert replace(spec, budget=8).hash != spec.hash


def test_a_search_of_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ConfigError, match="search"):

        @baseline("lost", modes={"from_scratch": {}}, description="Lost.", search={"powr": Search((1,))})
        def load(*, power: int = count(1, "").default) -> Any: ...


def test_the_fair_suite_has_every_baseline_and_gives_both_budgets_to_what_can_be_tuned() -> None:
    cells = load_suite("fair").cells
    tasks = {cell.task.name for cell in cells}
    assert {(c.task.name, c.budget) for c in cells if c.card.name == "cnn"} == {(t, b) for t in tasks for b in (1, 8)}
    trained = {card.name for card in MODELS.all().values() if card.baseline and "from_scratch" in card.modes}
    assert trained == {cell.card.name for cell in cells if cell.card.baseline}
    assert {cell.card.name for cell in cells} >= {"baserate_mlm", "baserate_mlm_random"}


def test_a_budget_is_run_again_where_its_trials_would_be_others(guess: str, toy_card: Path) -> None:
    task = api._task(toy_card)
    cell = Cell(task, get_model(guess), "from_scratch", budget=8)
    wider = replace(cell, card=replace(cell.card, search={"power": among(0.5, 0.75, 1.0)}))
    split = load_split(task)
    assert run_spec(cell, split, Protocol()).hash != run_spec(wider, split, Protocol()).hash
    defaults = [run_spec(replace(c, budget=1), split, Protocol()) for c in (cell, wider)]
    assert defaults[0].hash == defaults[1].hash and "trials" not in defaults[0].versions


def test_components_of_planted_noise_are_found_again() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        rows, columns = rng.normal(0, 0.3, 8), rng.normal(0, 0.1, 8)
        table = 0.5 + rows[:, None] + columns + rng.normal(0, 0.2, (8, 8))
        found.append(variances(table.tolist()))
    sample, seed, rest = np.array(found, float).mean(axis=0)
    assert abs(sample - 0.09) < 0.01 and abs(seed - 0.01) < 0.004 and abs(rest - 0.04) < 0.003


def test_replicates_tell_the_noise_of_samples_from_that_of_seeds(guess: str, toy_card: Path, tmp_path: Path) -> None:
    def run(model: str, replicates: int) -> Any:
        return br.evaluate(
            toy_card, model, replicates=replicates, results=tmp_path, audit=False, progress=False, settings={}
        )

    by_sample = run("kmer_logreg", 3).components
    assert by_sample is not None and by_sample.metric == "mcc"
    assert by_sample.seed < 1e-12 and by_sample.sample > 0 and by_sample.test > 0  # it has no seed
    by_seed = run(guess, 3).components
    assert by_seed.sample < 1e-12 and by_seed.seed > 0  # it learns nothing from the sample
    assert len(by_seed.values) == 3 and run(guess, 0).components == by_seed
    assert len(run(guess, 4).components.values) == 4


def test_replicates_change_neither_the_scores_nor_the_identity_of_a_run(toy_card: Path) -> None:
    plain = br.evaluate(toy_card, "kmer_logreg", audit=False, progress=False)
    more = br.evaluate(toy_card, "kmer_logreg", replicates=2, audit=False, progress=False)
    assert plain.hash == more.hash and plain.estimates == more.estimates and plain.choices == more.choices
