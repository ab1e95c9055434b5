"""A cell gives what it gives alone, whatever ran before it in the process, and leaves the process as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baserate import run
from baserate.cards.find import find_model, find_task
from baserate.cards.objects import card_of
from baserate.isolation import isolated
from baserate.plan import Protocol, plan
from baserate.run import Grid
from baserate.types import Examples, FloatArray, Inputs, ModelCard

from .checkpoints import LAYOUTS, build


class Careless:
    """A model that takes numbers from global random states, and changes all that it can of the process."""

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Careless:
        self.noise = random.random() + np.random.rand() + float(torch.rand(1))
        self.dtype, self.threads = torch.get_default_dtype(), torch.get_num_threads()
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(self.threads + 1)
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        torch.set_autocast_enabled("cpu", True)
        torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        assert torch.get_default_dtype() == torch.float64
        p = np.random.default_rng(int(1e6 * self.noise)).random(len(inputs))
        return np.column_stack([1 - p, p])


def process() -> list[Any]:
    """Return what a cell must leave as it is."""
    state = [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]  # type: ignore[index]
    state += [torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()]
    return [*state, torch.are_deterministic_algorithms_enabled(), torch.is_autocast_enabled("cpu")]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with isolated(network=True):
        yield


def scores(card: Path, *models: Any) -> list[FloatArray]:
    """Return the scores of the models, one after another in one run."""
    named = {f"m{i}": model for i, model in enumerate(models)}
    records = run(card, named, "from_scratch", results=None, seeds=(0,), audit=False, cache=False, progress=False)
    assert all(r.status == "done" for r in records), [r.error for r in records]
    return [r.predictions.scores for r in records]


def test_a_model_gives_after_another_what_it_gives_alone(toy_card: Path) -> None:
    random.seed(5)
    torch.manual_seed(5)
    before = process()
    (alone,) = scores(toy_card, Careless())
    assert process() == before
    _, after = scores(toy_card, Careless(), Careless())
    np.testing.assert_array_equal(alone, after)
    assert process() == before


def test_what_was_set_is_put_back_after_an_error() -> None:
    before = process()
    with pytest.raises(ValueError, match="wrong"), isolated(network=True):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        raise ValueError("wrong")
    assert process() == before


def test_fine_tuning_after_another_model_is_that_alone(toy_card: Path, tmp_path: Path) -> None:
    own = card_of(Careless(), name="careless")
    net = find_model(str(build(tmp_path / "net", LAYOUTS["esm-rotary"])))

    def tuned(*cards: ModelCard) -> FloatArray:
        settings = {"epochs": 1, "train": "lora"}
        cells = plan([find_task(str(toy_card))], cards, ["from_scratch", "fine_tune"], settings)
        grid = Grid(None, Protocol((0,), limit=16), audited=False, checked=False)
        *_, record = (result.record for result in grid.each(cells))
        assert record is not None and record.status == "done" and record.spec.model == "net"
        return record.predictions.scores

    np.testing.assert_array_equal(tuned(net), tuned(own, net))
