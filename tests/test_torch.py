"""The shared training loop: it learns, keeps the best weights, repeats itself and leaves no trace."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from baserate.errors import BaserateError, ConfigError, Diverged
from baserate.networks.training import fit_module, pick_device
from baserate.progress import Advance, listening
from baserate.provenance import DEVICE, WORKER
from baserate.types import IntArray


def _problem(seed: int = 0) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        x = torch.randn(201, 5)
        module = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
    return module, x, x[:, :1] * x[:, 1:2]


def _fit(
    module: nn.Module, x: torch.Tensor, y: torch.Tensor, *, seed: int = 3, epochs: int = 30
) -> tuple[int, list[float]]:
    seen: list[float] = []

    def valid_loss() -> float:
        assert not module.training and not torch.is_grad_enabled()
        seen.append(float(nn.functional.mse_loss(module(x[150:]), y[150:])))
        return seen[-1]

    def batch_loss(index: IntArray) -> torch.Tensor:
        rows = torch.from_numpy(index)
        return nn.functional.mse_loss(module(x[rows]), y[rows])

    best = fit_module(
        module, batch_loss, valid_loss, 150, lr=0.02, epochs=epochs, batch_size=149, seed=seed, patience=5
    )
    return best, seen


def test_learns_and_restores_the_best_weights() -> None:
    module, x, y = _problem()
    best, seen = _fit(module, x, y)
    assert seen[best - 1] == min(seen) < 0.5 * float(y[150:].var())
    assert not module.training
    with torch.no_grad():
        assert float(nn.functional.mse_loss(module(x[150:]), y[150:])) == min(seen)


def test_stops_early_and_reports_all_of_its_work() -> None:
    done: list[int] = []
    totals: list[int] = []
    shown: list[str] = []
    module, x, _ = _problem()

    def listener(doing: str, total: int, lane: str) -> Advance:
        totals.append(total)
        shown.append(doing)
        return lambda n, now="": (done.append(n), shown.append(now))[0]

    with listening(listener):
        best, seen = _fit(module, x, torch.randn(201, 1, generator=torch.Generator().manual_seed(1)), epochs=100)
    assert len(seen) == best + 5 < 100
    assert sum(done) == totals[0] == 100 * 150
    assert shown[0] == "training · seed 3" and re.fullmatch(r"epoch 1 · loss \d+\.\d{3}", shown[1])


def test_same_seed_same_weights_whatever_the_global_state_which_is_left_alone() -> None:
    results = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        module, x, y = _problem()
        _fit(module, x, y, epochs=3)
        assert torch.equal(before, torch.get_rng_state())
        results.append(torch.cat([p.flatten() for p in module.parameters()]))
    assert torch.equal(*results)
    module, x, y = _problem()
    _fit(module, x, y, epochs=3, seed=4)
    assert not torch.equal(results[0], torch.cat([p.flatten() for p in module.parameters()]))


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    module, x, y = _problem()
    with pytest.raises(Diverged, match="the loss is not finite in epoch 1"):
        _fit(module, x, y * np.inf)
    with pytest.raises(BaserateError, match="no training examples"):
        fit_module(module, lambda i: y.sum(), lambda: 0.0, 0, lr=0.1, epochs=1, batch_size=1, seed=0)
    with pytest.raises(Diverged, match="validation loss is not finite after epoch 1"):
        fit_module(
            module, lambda i: module(x[i]).sum(), lambda: float("nan"), 9, lr=0.1, epochs=1, batch_size=9, seed=0
        )


def test_frozen_parameters_stay() -> None:
    module, x, y = _problem()
    first = module[0].weight.detach().clone()  # type: ignore[index, union-attr]
    module[0].requires_grad_(False)  # type: ignore[index]
    _fit(module, x, y, epochs=2)
    assert torch.equal(first, module[0].weight)  # type: ignore[index]


def test_pick_device() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device().type in ("cpu", "cuda")
    with pytest.raises(ConfigError, match="unknown device 'gpu9'"):
        pick_device("gpu9")
    with pytest.raises(ConfigError, match="'cuda:99' is not available"):
        pick_device("cuda:99")


def test_processes_of_a_run_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.delenv(DEVICE, raising=False)
    monkeypatch.delenv(WORKER, raising=False)
    assert pick_device() == pick_device("cuda") == torch.device("cuda") and not taken
    for worker in "012":
        monkeypatch.setenv(WORKER, worker)
        assert pick_device() == torch.device("cuda")
        assert pick_device("cuda:1") == torch.device("cuda:1") and pick_device("cpu") == torch.device("cpu")
    assert taken == [0, 1, 0]
