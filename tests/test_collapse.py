"""Trainings that came to nothing are seen, and others are not taken for such."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from baserate.modes.collapse import blind_loss, collapse
from baserate.networks.training import head_for


def test_a_loss_that_does_not_fall_is_a_collapse_and_a_model_without_steps_is_none() -> None:
    scores = np.array([[0.2, 0.8], [0.6, 0.4]])
    flat = [{"epoch": 1, "train_loss": 0.69}, {"epoch": 2, "train_loss": 0.6899}]
    assert collapse(scores, flat) == "the loss on train did not fall"
    assert collapse(np.full((3, 2), 0.5), []) == ""
    assert collapse(np.full((3, 2), 0.5), [{"l2": 1.0, "valid_loss": 0.7}, {"l2": 0.1, "valid_loss": 0.7}]) == ""
    assert collapse(np.full((3, 2), np.nan), []) == "scores are not finite"


def course(*train: float, valid: float | None = None) -> list[dict[str, float]]:
    about = {} if valid is None else {"valid_loss": valid}
    return [{"epoch": i, "train_loss": loss, **about} for i, loss in enumerate(train, 1)]


def test_a_loss_at_that_of_one_answer_for_all_is_a_collapse() -> None:
    spread = 0.5 + np.array([[1e-4, -1e-4], [-1e-4, 1e-4]])
    apart = np.array([[0.2, 0.8], [0.6, 0.4]])
    blind = {"train_loss": float(np.log(2)), "valid_loss": float(np.log(2))}
    stuck = (0.78, 0.694, 0.6932, 0.6932)
    assert collapse(spread, course(*stuck), blind) == "all scores on valid are equal"
    assert collapse(spread, course(0.694), blind) == "all scores on valid are equal"
    assert collapse(apart, course(*stuck, valid=0.7), blind).startswith("the loss is no lower than that of one answer")
    assert collapse(apart, course(*stuck, valid=0.6), blind) == "", "dropout alone keeps the loss on train up"
    assert collapse(apart, course(0.78), blind) == "", "the mean over a first epoch says little"
    assert collapse(spread, course(0.78, 0.6), blind) == ""
    assert collapse(apart, course(900.0, 500.0), blind) == "", "a loss in other units"


def test_the_loss_of_one_answer_for_all_is_that_of_the_best_constant() -> None:
    rng = np.random.default_rng(0)
    learnt = rng.choice(3, 200, p=[0.6, 0.3, 0.1])
    labels = np.stack([rng.random(200) < p for p in (0.1, 0.6)], axis=1).astype(np.int64)
    values = rng.standard_normal((200, 2)) * [3, 1e3] + 7
    for targets, n_classes in ((learnt, 3), (labels, 2), (values, 0)):
        for weights in ("none", "balanced") if n_classes else ("none",):
            head = head_for(targets, n_classes, class_weights=weights)
            for part in (targets, targets[:50]):
                bias = torch.zeros(head.width, dtype=torch.float64, requires_grad=True)
                step = torch.optim.LBFGS([bias], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-14)

                def loss(part: Any = part, bias: Any = bias, step: Any = step, head: Any = head) -> Any:
                    step.zero_grad()
                    value = head.loss(bias.expand(len(part), -1), head.as_tensor(part))
                    value.backward()
                    return value

                step.step(loss)
                found = blind_loss(part, n_classes, learnt=targets, balanced=weights == "balanced")
                assert abs(loss().item() - found) < 1e-6
