"""Several processes that train one network leave what one process leaves, and speak and write once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from safetensors.torch import load_file

from baserate.errors import ConfigError
from baserate.pretraining.processes import Team, team
from baserate.pretraining.train import pretrain

from .pretraining import write_config

COMMAND = "from baserate.cli import main; main()"


UNLIKE = (
    """
import os, sys
sys.argv[sys.argv.index("--out") + 1] += os.environ["RANK"]
"""
    + COMMAND
)


def launch(config: Path, out: Path, command: str = COMMAND) -> subprocess.CompletedProcess[str]:
    """Return what `torchrun` printed when it started two processes of `baserate pretrain` on this machine."""
    script = config.with_name("command.py")
    script.write_text(command)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    launcher += ["--nproc-per-node", "2"]
    arguments = [*launcher, str(script), "pretrain", str(config), "--out", str(out), "--device", "cpu"]
    here = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}  # the machine's name may lead nowhere
    return subprocess.run(arguments, env=here, capture_output=True, text=True, timeout=300)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / "model.safetensors"))


def test_two_processes_take_the_steps_of_one_and_go_on_to_the_same_weights(tmp_path: Path) -> None:
    config = write_config(tmp_path, budget="steps = 6", more="decay = 0")
    alone = pretrain(config, tmp_path / "alone", device="cpu")
    done = launch(config, tmp_path / "together")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote ") == 1, "the first process alone speaks"
    network = load_file(alone / "model.safetensors")
    unused = [name for name in network if "contact_head" in name]
    assert unused and all(torch.equal(weights(tmp_path / "together")[name], network[name]) for name in unused), (
        "decayed"
    )
    together = tmp_path / "together"
    assert {p.name for p in together.iterdir()} == {p.name for p in alone.iterdir()}
    for name, value in weights(alone).items():
        torch.testing.assert_close(weights(together)[name], value, rtol=2e-4, atol=2e-5)
    logs = [[json.loads(line) for line in (f / "log.jsonl").read_text().splitlines()] for f in (alone, together)]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]]
    assert [row["bases"] for row in logs[0]] == [row["bases"] for row in logs[1]]
    assert logs[0][-1]["loss"] == pytest.approx(logs[1][-1]["loss"], abs=1e-3)
    # Half of the steps first, then all: the same weights to the last bit.
    text = config.read_text()
    assert "steps = 6" in text
    config.write_text(text.replace("steps = 6", "steps = 3"))
    halves = tmp_path / "halves"
    assert launch(config, halves).returncode == 0
    config.write_text(text)
    assert launch(config, halves).returncode == 0
    assert all(torch.equal(weights(together)[name], value) for name, value in weights(halves).items())


def test_processes_that_begin_with_unlike_networks_are_refused(tmp_path: Path) -> None:
    config = write_config(tmp_path, budget="steps = 2")
    pretrain(config, tmp_path / "out1", device="cpu")  # the second process finds it, and the first finds nothing
    done = launch(config, tmp_path / "out", UNLIKE)
    assert done.returncode and "process 1 has another step than process 0, 2 and 0" in done.stderr, done.stderr
    assert not (tmp_path / "out0" / "model.safetensors").exists()


def test_parts_of_all_processes_are_the_batch() -> None:
    parts = [part for rank in range(3) for part in Team(rank, 3).parts(8, 2)]
    assert sorted(int(i) for part in parts for i in part) == list(range(8)) and len(parts) == 6


def test_others_that_are_not_there_are_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with (
        pytest.raises(ConfigError, match=r"WORLD_SIZE is 2, but the other processes cannot be reached .*torchrun"),
        team(),
    ):
        raise AssertionError("there is no team")
