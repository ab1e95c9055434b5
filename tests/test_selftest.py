"""The simulated proof: it finds intervals that are too narrow and verdicts that come too often."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from baserate.cli import cli
from baserate.selftest import claims
from baserate.selftest.claims import Claim, coverage, equal_methods
from baserate.selftest.worlds import World
from baserate.statistics import estimate

BASE = Claim("covers", "here", None, 0, 0.93, 0.97)


@pytest.mark.parametrize(
    ("found", "n", "holds"), [(0.95, 200, True), (0.91, 200, True), (0.91, 2000, False), (0.99, 2000, False)]
)
def test_a_rate_may_miss_its_bounds_by_chance_alone(found: float, n: int, holds: bool) -> None:
    assert replace(BASE, found=found, n=n).holds is holds
    assert not BASE.holds, "what could not be simulated does not hold"


def test_intervals_that_are_too_narrow_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(300, 60)
    assert coverage(world, "accuracy", 100, BASE).holds

    def narrow(*args: Any, **more: Any) -> Any:
        e = estimate(*args, **more)
        assert e.value is not None and e.low is not None and e.high is not None
        return replace(e, low=e.value - 0.4 * (e.value - e.low), high=e.value + 0.4 * (e.high - e.value))

    monkeypatch.setattr(claims, "estimate", narrow)
    assert not coverage(world, "accuracy", 100, BASE).holds


def test_verdicts_without_the_noise_of_training_come_too_often() -> None:
    claim = Claim("told apart", "here", None, 0, 0.0, 0.07)
    world = World(3000, 600, training=0.3, seeds=5)
    assert equal_methods(world, 60, claim).holds
    first = replace(world, seeds=1)  # one training each: its noise is in no standard error
    assert not equal_methods(first, 60, claim).holds


def test_the_command_fails_where_a_claim_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = replace(BASE, found=0.95, n=200), replace(BASE, found=0.5, n=200)
    for made, code in (([good], 0), ([good, bad], 1)):
        monkeypatch.setattr("baserate.selftest.every_claim", lambda full, made=made: iter(made))
        done = CliRunner().invoke(cli, ["selftest", "--json"], standalone_mode=False)
        assert done.return_value == code
        assert [c["holds"] for c in json.loads(done.output)] == [c.holds for c in made]
        shown = CliRunner().invoke(cli, ["selftest"], standalone_mode=False)
        assert ("does not hold" in " ".join(shown.output.split())) is bool(code)
