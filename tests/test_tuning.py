"""Budgets of trials: which are drawn, how one is chosen, and what of it stands in the record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baserate as br
from baserate import api
from baserate.cards.find import with_shots
from baserate.cards.suite import load_suite
from baserate.errors import BaserateError, ConfigError, Diverged
from baserate.evaluate import Worker, evaluate
from baserate.modes.components import variances
from baserate.modes.trials import draw_trials
from baserate.plan import Cell, Protocol, budgets_of, plan, run_spec
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


def test_the_fair_suite_has_every_baseline_and_gives_both_budgets_to_what_can_be_tuned(guess: str) -> None:
    cells = load_suite("fair").cells
    tasks = {cell.task.name for cell in cells}
    assert {(c.task.name, c.budget) for c in cells if c.card.name == guess} == {(t, b) for t in tasks for b in (1, 8)}
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


@dataclass(frozen=True)
class Steps:
    """Trains by steps: at a learning rate above 0.01 its loss does not fall, and every score is the same."""

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, lr: float = 0.1) -> Stepped:
        return Stepped(lr <= 0.01)


@dataclass(frozen=True)
class Stepped:
    learnt: bool

    @property
    def history(self) -> list[dict[str, float]]:
        return [{"epoch": i, "train_loss": 0.7 - 0.1 * i * self.learnt} for i in (1, 2, 3)]

    def predict(self, inputs: Inputs) -> FloatArray:
        found = np.array([float("TATAAA" in s) for s in inputs.sequences])
        right = found if self.learnt else np.full(len(found), 0.5)
        return np.stack([1 - right, right], axis=1)


@pytest.fixture
def steps() -> str:
    @baseline(
        "steps",
        version=1,
        modes={"from_scratch": {}},
        description="Steps.",
        settings={"from_scratch": {"lr": positive(0.1, "rate", search=log_uniform(0.05, 1.0))}},
    )
    def load() -> Steps:
        return Steps()

    return "steps"


def test_a_collapsed_training_is_flagged_and_never_passes_in_silence(steps: str, toy_card: Path) -> None:
    record = br.evaluate(toy_card, steps, audit=False, progress=False)
    assert record.estimates[0].value == 0.0
    assert [f for f in record.flags if f.startswith("seed")] == [
        f"seed {s} collapsed: all scores on valid are equal" for s in record.spec.seeds
    ]


def test_under_a_budget_it_is_tried_once_more_at_a_lower_rate_which_the_record_states(
    steps: str, toy_card: Path
) -> None:
    record = br.evaluate(toy_card, steps, budget=2, audit=False, progress=False)
    assert record.estimates[0].value == 1.0
    assert record.choices is not None
    assert all(c.chosen["lr"] == 0.01 for c in record.choices)
    assert record.choices[0].trials[0].changed == {"lr": 0.01}
    assert "seed 0 collapsed at lr 0.1, trained again at 0.01" in record.flags


@dataclass(frozen=True)
class Sharp:
    """Diverges at a learning rate above 0.03 on the first seed, and at one above 0.003 on the others."""

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, lr: float = 0.1) -> Stepped:
        if lr > (0.003 if seed else 0.03):
            raise Diverged(f"the loss is not finite at {lr:g}")
        return Stepped(True)


@pytest.fixture
def sharp() -> str:
    @baseline(
        "sharp",
        version=1,
        modes={"from_scratch": {}},
        description="Sharp.",
        settings={"from_scratch": {"lr": positive(0.1, "rate", search=log_uniform(0.05, 1.0))}},
    )
    def load() -> Sharp:
        return Sharp()

    return "sharp"


def test_a_training_that_diverges_is_tried_once_more_on_every_seed(sharp: str, toy_card: Path) -> None:
    record = br.evaluate(toy_card, sharp, budget=2, audit=False, progress=False)
    assert record.choices is not None and record.estimates[0].value == 1.0
    assert [choice.chosen["lr"] for choice in record.choices] == [0.01, *[0.001] * 4]
    assert [f for f in record.flags if f.startswith("seed")] == [
        "seed 0 diverged at lr 0.1, trained again at 0.01",
        *(f"seed {seed} diverged at lr 0.01, trained again at 0.001" for seed in (1, 2, 3, 4)),
    ]
    with pytest.raises(BaserateError, match=r"the loss is not finite at 0\.1"):
        br.evaluate(toy_card, sharp, audit=False, progress=False)


@dataclass(frozen=True)
class Loaded:
    """`Steps` whose learning rate is its loader's."""

    lr: float

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Stepped:
        return Stepped(self.lr <= 0.01)


def test_a_learning_rate_that_the_loader_takes_is_lowered_too(toy_card: Path) -> None:
    @baseline(
        "loaded", version=1, modes={"from_scratch": {}}, description="Loaded.", search={"lr": log_uniform(0.05, 1.0)}
    )
    def load(*, lr: float = 0.1) -> Loaded:
        return Loaded(lr)

    record = br.evaluate(toy_card, "loaded", budget=2, audit=False, progress=False)
    assert record.choices is not None and all(choice.chosen["lr"] == 0.01 for choice in record.choices)
    assert record.estimates[0].value == 1.0


@dataclass(frozen=True)
class Worse:
    """Its loss does not fall at any rate above 0.01; at a lower one it does, and its scores are upside down."""

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, lr: float = 0.1) -> Upside:
        return Upside(lr <= 0.01)


@dataclass(frozen=True)
class Upside:
    down: bool

    @property
    def history(self) -> list[dict[str, float]]:
        return [{"epoch": i, "train_loss": 0.6 - 0.1 * i * self.down} for i in (1, 2, 3)]

    def predict(self, inputs: Inputs) -> FloatArray:
        found = np.array([float("TATAAA" in s) for s in inputs.sequences])
        right = 1 - found if self.down else found
        return np.stack([1 - right, right], axis=1)


def test_a_training_is_not_replaced_by_one_with_a_lower_score(toy_card: Path) -> None:
    @baseline(
        "worse",
        version=1,
        modes={"from_scratch": {}},
        description="Worse.",
        settings={"from_scratch": {"lr": positive(0.1, "rate", search=log_uniform(0.05, 1.0))}},
    )
    def load() -> Worse:
        return Worse()

    record = br.evaluate(toy_card, "worse", budget=2, audit=False, progress=False)
    assert record.choices is not None and record.choices[0].trials[0].changed == {}
    assert record.estimates[0].value == 1.0
    assert "seed 0 collapsed at lr 0.1, trained again at 0.01 to a lower score, which is not taken" in record.flags


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
