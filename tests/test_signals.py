"""Signals end a run in one line, with the exit code of the signal, and the same command goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from baserate.records import read_records

_SLOW = """
import time
def embed(sequences):
    time.sleep({seconds})
    return [[s.count(base) for base in "ACG"] for s in sequences]
"""


@pytest.mark.parametrize(
    ("number", "code", "options", "said"),
    [
        (signal.SIGINT, 130, [], "interrupted; the same command continues where it stopped"),
        (signal.SIGTERM, 143, [], "terminated; the same command continues where it stopped"),
        (signal.SIGTERM, 143, ["--workers", "2"], "terminated; the same command continues where it stopped"),
    ],
)
def test_a_signal_ends_a_run_that_goes_on_later(
    number: int, code: int, options: list[str], said: str, toy_card: Path, tmp_path: Path
) -> None:
    model, results = tmp_path / "slow.py", tmp_path / "results"
    model.write_text(_SLOW.format(seconds=300))
    command = [str(Path(sys.executable).parent / "baserate"), "run", "--task", str(toy_card), "--model", "length"]
    command += ["--model", str(model), "--results", str(results), "--no-audit", "--tracking-uri", "none", "-q"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as run:
        while not (list(results.glob("*/.running-*")) and list(results.glob("*/*/record.json"))):
            time.sleep(0.1)
            assert run.poll() is None
        run.send_signal(number)
        assert run.stderr is not None
        assert said in run.stderr.read().splitlines()
        assert run.wait(60) == code
    assert {r.status for r in read_records(results)} == {"done"}
    assert not list(results.glob("*/.*")), "nothing is left"
