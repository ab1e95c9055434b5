"""Trainings that collapse or diverge: what is said, and when they are tried once more at a lower rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import baserate as br
from baserate.errors import BaserateError, Diverged
from baserate.registry import baseline
from baserate.settings import log_uniform, positive
from baserate.types import Examples, FloatArray, Inputs


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
