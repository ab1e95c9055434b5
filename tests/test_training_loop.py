"""Steps in parts, the choice of the epoch, and going on after a kill."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baserate.errors import DataError
from baserate.networks import loop
from baserate.networks.loop import Epoch, Recipe, train
from baserate.networks.training import head_for
from baserate.types import IntArray

X = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
Y = X[:, :1] * X[:, 1:2]
RECIPE = Recipe(lr=0.01, epochs=6, batch_size=20, patience=6)


def network(dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 1))


def weights(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@dataclass
class Rows:
    """Rows of X, of which a part takes at most `room`, and more than `fits` run out of memory."""

    module: nn.Module
    room: int = 100
    fits: int = 100
    scores: Callable[[int], float] = lambda epoch: math.nan
    epochs: int = 0
    n: int = 40
    sizes: list[int] = field(default_factory=list)

    def loss(self, index: IntArray) -> Tensor:
        if len(index) > self.fits:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        self.sizes.append(len(index))
        return nn.functional.mse_loss(self.module(X[index]), Y[index])

    def valid(self) -> tuple[float, float]:
        self.epochs += 1
        return float(nn.functional.mse_loss(self.module(X[40:]), Y[40:])), self.scores(self.epochs)

    def parts(self, index: IntArray, room: int) -> list[tuple[IntArray, float]]:
        room = min(room, len(index))
        chunks = [index[i : i + room] for i in range(0, len(index), room)]
        return [(chunk, len(chunk) / len(index)) for chunk in chunks]


def test_a_step_in_parts_is_the_step_of_the_whole_batch() -> None:
    whole, parts = network(), network()
    train(whole, Rows(whole), RECIPE, seed=0)
    objective = Rows(parts, room=3)
    train(parts, objective, RECIPE, seed=0)
    assert set(objective.sizes) == {2, 3}
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-6)


def test_where_memory_runs_out_the_batch_stays_and_its_parts_get_smaller() -> None:
    whole, parts = network(), network()
    train(whole, Rows(whole), RECIPE, seed=0)
    objective = Rows(parts, fits=6)
    progress = train(parts, objective, RECIPE, seed=0)
    assert max(objective.sizes) <= 6 and progress.room < 20
    assert progress.notes == [
        "memory ran out in training: steps were taken in smaller parts, each still over a whole batch"
    ]
    torch.testing.assert_close(weights(parts), weights(whole), rtol=1e-4, atol=1e-6)
    with pytest.raises(DataError, match="out of memory on the smallest part of a batch; cut sequences with max_length"):
        train(network(), Rows(network(), fits=0), RECIPE, seed=0)


class Exhausting(torch.autograd.Function):
    """Runs out of memory on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")


def test_a_loss_that_ran_out_of_memory_is_gone_before_the_next_try() -> None:
    class Once(Rows):
        """The first loss has no way back; what follows asks whether it is still there."""

        first: Any = None
        after: Any = 0

        def loss(self, index: IntArray) -> Tensor:
            loss = super().loss(index)
            if self.first is None:
                loss = Exhausting.apply(loss)  # type: ignore[no-untyped-call]
                self.first = weakref.ref(loss)
            elif self.after == 0:
                self.after = self.first()
            return loss

    module = network()
    objective = Once(module)
    train(module, objective, RECIPE, seed=0)
    assert objective.first is not None and objective.after is None


def test_the_epoch_is_chosen_by_the_score_or_by_the_loss() -> None:
    by_score, by_loss = network(), network()
    best_first = train(by_score, Rows(by_score, scores=lambda e: -e), Recipe(0.01, 6, 20, stop_on="metric"), seed=0)
    by_loss_progress = train(by_loss, Rows(by_loss, scores=lambda e: -e), Recipe(0.01, 6, 20, stop_on="loss"), seed=0)
    assert best_first.best == 1 and by_loss_progress.best > 1
    losses = [epoch.valid_loss for epoch in by_loss_progress.history]
    assert losses[by_loss_progress.best - 1] == min(losses)
    with torch.no_grad():
        restored = float(nn.functional.mse_loss(by_score(X[40:]), Y[40:]))
    assert restored == best_first.history[0].valid_loss


def test_where_scores_are_equal_or_undefined_the_loss_chooses() -> None:
    for scores in (lambda e: 0.5, lambda e: math.nan):
        module = network()
        progress = train(module, Rows(module, scores=scores), Recipe(0.01, 6, 20, stop_on="metric"), seed=0)
        losses = [epoch.valid_loss for epoch in progress.history]
        assert losses[progress.best - 1] == min(losses)
    assert Epoch(2, 0, 1.0, 0.5, 0).betters(Epoch(1, 0, 2.0, 0.5, 0), "metric")
    assert not Epoch(2, 0, 1.0, math.nan, 0).betters(Epoch(1, 0, 0.5, 0.5, 0), "metric")


def test_training_ends_when_neither_got_better() -> None:
    module = network()
    rising = Rows(module, scores=float)  # the score rises as long as there are epochs
    assert len(train(module, rising, Recipe(2.0, 9, 20, patience=1, stop_on="metric"), seed=0).history) == 9
    other = network()
    assert len(train(other, Rows(other), Recipe(2.0, 9, 20, patience=1), seed=0).history) < 9


class Killed(BaseException):
    """What ends a process here."""


def cut_short(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the process end after the state of so many epochs was written."""
    write, seen = loop.write_state, []

    def once(*arguments: Any) -> None:
        write(*arguments)
        seen.append(1)
        if len(seen) == after:
            monkeypatch.setattr(loop, "write_state", write)
            raise Killed

    monkeypatch.setattr(loop, "write_state", once)


@pytest.mark.parametrize("after", [1, 4])
def test_a_killed_training_goes_on_to_the_same_weights(after: int, tmp_path: Path, monkeypatch: Any) -> None:
    def run(module: nn.Module, file: Path | None, setting_of: str = "a") -> loop.Progress:
        return train(module, Rows(module), RECIPE, seed=3, state_file=file, setting_of=setting_of)

    at_once = network(dropout=0.3)
    expected = run(at_once, None)
    with monkeypatch.context() as patched:
        cut_short(patched, after)
        with pytest.raises(Killed):
            run(network(dropout=0.3), tmp_path / "state.pt")
    module = network(dropout=0.3)
    objective_calls = Rows(module)
    progress = train(module, objective_calls, RECIPE, seed=3, state_file=tmp_path / "state.pt", setting_of="a")
    assert objective_calls.epochs == RECIPE.epochs - after, "what was done is not done again"
    assert torch.equal(weights(module), weights(at_once)) and str(progress.history) == str(expected.history)
    again = network(dropout=0.3)
    nothing = Rows(again)
    train(again, nothing, RECIPE, seed=3, state_file=tmp_path / "state.pt", setting_of="a")
    assert nothing.epochs == 0 and torch.equal(weights(again), weights(at_once))
    other = network(dropout=0.3)
    run(other, tmp_path / "state.pt", "b")
    assert torch.equal(weights(other), weights(at_once)), "a state of another training is no start"


def test_a_state_that_cannot_be_read_is_no_start(tmp_path: Path) -> None:
    whole = network()
    train(whole, Rows(whole), RECIPE, seed=3, state_file=tmp_path / "state.pt", setting_of="a")
    content = (tmp_path / "state.pt").read_bytes()
    for size in (0, len(content) // 2):
        (tmp_path / "state.pt").write_bytes(content[:size])
        module, other = network(), network()
        train(module, Rows(module), RECIPE, seed=3, state_file=tmp_path / "state.pt", setting_of="a")
        train(other, Rows(other), RECIPE, seed=3)
        assert torch.equal(weights(module), weights(other))


def test_class_weights_make_classes_count_alike() -> None:
    targets = np.array([0] * 9 + [1])
    head = head_for(targets, 2, class_weights="balanced")
    outputs = torch.zeros(10, 2)
    outputs[:, 0] = 1.0
    y = head.as_tensor(targets)
    one, two = (nn.functional.cross_entropy(outputs[y == k], y[y == k]) for k in (0, 1))
    torch.testing.assert_close(head.loss(outputs, y), (one + two) / 2)


KILLED_RUN = """
import os, signal, sys
from baserate.networks import loop
write, seen = loop.write_state, []
def once(*arguments):
    write(*arguments)
    seen.append(1)
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "kill":
    loop.write_state = once
from pathlib import Path
from baserate.cards.find import find_model, find_task
from baserate.plan import Protocol, plan
from baserate.run import Grid
settings = {"train": "lora", "epochs": 3, "max_length": 40}
cells = plan([find_task(sys.argv[1])], [find_model("baserate_mlm")], ["fine_tune"], settings)
cache = Path(os.environ["BASERATE_CACHE"])
grid = Grid(Path(sys.argv[2]), Protocol((0,), limit=24), cache, audited=False, checked=False)
(record,) = [result.record for result in grid.each(cells)]
assert record.status == "done", record.error
print(record.choices[0].history)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_run_that_is_killed_in_a_training_gives_the_same_predictions(tmp_path: Path, toy_card: Path) -> None:
    def run(name: str, how: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"BASERATE_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-c", KILLED_RUN, str(toy_card), str(tmp_path / name), how]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert run("killed", "kill").returncode < 0
    assert len(list((tmp_path / "cache" / "trainings").iterdir())) == 1
    resumed = run("killed", "go on")
    assert not list((tmp_path / "cache" / "trainings").iterdir()), "the state goes with the result"
    whole = run("whole", "go on")
    assert resumed.returncode == whole.returncode == 0, resumed.stderr + whole.stderr
    assert resumed.stdout == whole.stdout and resumed.stdout.count("train_loss") == 3
    one, two = (next((tmp_path / name).rglob("predictions.parquet")).read_bytes() for name in ("killed", "whole"))
    assert one == two
