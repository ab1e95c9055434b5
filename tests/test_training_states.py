"""What trainings leave on disk to go on from: little, and nothing that nobody needs."""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baserate.errors import Diverged
from baserate.modes import MODES, train
from baserate.modes.job import Job
from baserate.networks import resuming
from baserate.types import Examples, FloatArray, Inputs, ModelCard

from .golden_inputs import split_of, task_of

CARD = ModelCard("own", lambda: None, {"from_scratch": {}}, {}, "d", lambda: "r")


class Stateful:
    """A model whose training leaves a state of so many bytes, and fails under the seeds named."""

    def __init__(self, size: int = 100, failing: tuple[int, ...] = ()) -> None:
        self.size = size
        self.failing = failing
        self.left: list[list[str]] = []

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, state_file: Path) -> Any:
        state_file.parent.mkdir(exist_ok=True)
        self.left.append(sorted(p.name for p in state_file.parent.iterdir()))
        state_file.write_bytes(b"x" * self.size)
        if seed in self.failing:
            raise Diverged("the loss is not finite")

        class Half:
            def predict(self, inputs: Inputs) -> FloatArray:
                return np.full((len(inputs), n_classes), 0.5)

        return Half()


def trained(model: Stateful, cache: Path) -> FloatArray:
    job = Job(task_of("two classes"), CARD, model, split_of("two classes"), {}, (0, 1, 2), 0.9, cache=cache)
    scores: FloatArray = MODES.get("from_scratch").run(job)
    return scores


def test_states_of_trainings_that_are_over_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "_MOST", 250)
    model = Stateful()
    trained(model, tmp_path)
    assert [len(names) for names in model.left] == [0, 1, 2] and not list((tmp_path / train.TRAININGS).iterdir())
    monkeypatch.setattr(train, "_MOST", 150)
    model = Stateful()
    trained(model, tmp_path)
    assert [len(names) for names in model.left] == [0, 1, 1], "what is too much goes as soon as its training ends"


def test_a_cell_that_failed_leaves_no_state(tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        trained(Stateful(failing=(1,)), tmp_path)
    assert not list((tmp_path / train.TRAININGS).iterdir())


def test_states_that_nobody_went_on_with_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / train.TRAININGS
    folder.mkdir()
    names = {f"{'a' * 16}.pt": 15, f"{'b' * 16}.pt.123": 15, f"{'c' * 16}.pt": 13, "notes.pt": 99}
    for name, days in names.items():
        (folder / name).write_text("")
        os.utime(folder / name, (time.time() - days * 86_400,) * 2)
    trained(Stateful(), tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == [f"{'c' * 16}.pt", "notes.pt"], "a file of somebody else stays"


def test_no_state_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file, value = tmp_path / "state.pt", {"weights": {"w": torch.zeros(1000)}, "optimizer": [{"m": torch.ones(3)}]}
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=resuming.FREE + 4012))
    resuming.write_state(file, "of this", value)
    earlier = file.read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=resuming.FREE + 4011))
    with caplog.at_level(logging.WARNING):
        resuming.write_state(file, "of this", {**value, "epoch": 2})
    assert "the disk is nearly full" in caplog.text and "begins anew" not in caplog.text
    assert file.read_bytes() == earlier and list(tmp_path.iterdir()) == [file]
