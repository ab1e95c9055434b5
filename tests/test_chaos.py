"""Runs that are killed, refused a disk or memory, or run twice at once lose nothing, and what is lost is seen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from baserate.cli import cli
from baserate.errors import ConfigError
from baserate.selftest import chaos
from baserate.selftest.chaos import Scene
from baserate.selftest.claim import Claim
from baserate.selftest.victims import CELLS, Victim


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with chaos.on_stage() as scene:
        yield scene


ACTS: dict[str, Any] = {
    "killed at random": partial(chaos.killed, way="one process", n=3, seed=1),
    "killed with workers": partial(chaos.killed, way="two workers", n=2, seed=2),
    "killed at a change": partial(chaos.struck, kind="kill", n=4, seed=3),
    "a full disk": partial(chaos.struck, kind="full", n=4, seed=4),
    "a read-only disk": partial(chaos.struck, kind="read-only", n=4, seed=5),
    "a disk that fills": partial(chaos.cut_short, n=3, seed=6),
    "signals": partial(chaos.signalled, n=2, seed=7),
    "two at once": partial(chaos.together, processes=2, n=1, seed=8),
    "three at once": partial(chaos.together, processes=3, n=1, seed=9),
    "memory": partial(chaos.out_of_memory, n=1),
    "a changed byte": partial(chaos.edited, n=2, seed=10),
}


@pytest.mark.parametrize("name", ACTS)
def test_nothing_that_was_done_is_lost(name: str, stage: Scene) -> None:
    claims = ACTS[name](stage)
    wrong = [f"{c.about}: {c.found} of {c.n}" for c in claims if c.n and not c.holds]
    assert claims and not wrong


def test_what_is_lost_or_left_is_seen(stage: Scene) -> None:
    victim = stage.victim()
    assert stage.run(victim, *victim.grid()) == 0
    assert victim.records() == stage.wanted and len(stage.wanted) == CELLS and not victim.left()
    folder = next(victim.results.glob("*/count_a.*"))
    for name in (f".writing-here.1.{folder.name}", ".running-here.1.0.0123456789abcdef"):
        (folder.parent / name).touch()
    (victim.results / ".leaderboard.md.here.1.0123abcd").touch()
    assert len(victim.left()) == 3
    file = folder / "predictions.parquet"
    file.write_bytes(file.read_bytes()[:-1])
    assert not victim.readable()
    shutil.rmtree(folder)
    assert victim.readable() and victim.records() != stage.wanted


def test_a_grid_whose_records_vanish_is_found(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    records = Victim.records
    monkeypatch.setattr(Victim, "records", lambda self: dict(list(records(self).items())[1:]))
    assert any(not claim.holds for claim in chaos.together(stage, processes=1, n=1, seed=0))


def test_claims_of_several_jobs_are_one() -> None:
    one = Claim("chaos", "kept", "kill -9", 1.0, 1.0, found=1.0, n=30)
    pooled = chaos.pooled([one, Claim("chaos", "kept", "kill -9", 1.0, 1.0, found=0.5, n=10)])
    assert [(c.n, c.found, c.holds) for c in pooled] == [(40, 0.875, False)]
    assert [c.about for c in chaos.pooled([one, Claim("chaos", "left", "kill -9", 1.0, 1.0)])] == ["kept", "left"]


def test_a_full_self_test_kills_200_times_half_of_them_with_workers() -> None:
    acts: list[Any] = [job.args[0] for job in chaos.chaos_jobs()]  # type: ignore[attr-defined]
    kills = [act.keywords for act in acts if act.func is chaos.killed]
    assert {way: sum(k["n"] for k in kills if k["way"] == way) for way in ("one process", "two workers")} == {
        "one process": 100,
        "two workers": 100,
    }
    assert {act.func for act in acts} >= {act.func for act in ACTS.values()}


def test_the_command_shows_its_claims(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = [Claim("chaos", "kept", "kill -9", 1.0, 1.0, found=1.0, n=30)]
    monkeypatch.setattr("baserate.selftest.every_claim", lambda work, workers: made)
    shown = CliRunner().invoke(cli, ["selftest", "--chaos", "--out", str(tmp_path)], standalone_mode=False)
    assert shown.return_value == 0 and "loses nothing that was done" in " ".join(shown.output.split())
    assert "kill -9" in (tmp_path / "report.html").read_text() and not list(tmp_path.glob("*.svg"))
    with pytest.raises(ConfigError, match="--chaos has one size"):
        CliRunner().invoke(cli, ["selftest", "--chaos", "--full"], standalone_mode=False, catch_exceptions=False)
