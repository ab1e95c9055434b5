"""Data as authors ship them, sound and damaged: a card that `check` accepts, or one line and nothing written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import pytest

from . import fuzzing as f
from .fuzzing_odd import LAYOUTS, shipped
from .test_fuzz import folder

ALL = 2_000
SAMPLE = 9
"""Every SAMPLE-th input is tried in each run of the tests, all of them by `-m slow`."""
CARDS = 0.2
"""The least share of inputs that become a card: what is refused proves less."""


def outcome(seed: int) -> tuple[str, str]:
    """Return the layout of an input and 'card' or 'refused'; fail where it is neither, or the card not sound."""
    name, made = shipped(seed)
    with folder() as here:
        for path, content in made.files.items():
            (here / path).parent.mkdir(parents=True, exist_ok=True)
            (here / path).write_bytes(content)
        before = f.files_in(here)
        new = f.call("new", "task", *made.names, "--out", "new.toml", *made.options)
        after = {n for n in f.files_in(here) if not n.endswith(".fai")}
        assert "Traceback" not in new.err, (seed, name, new.err)
        if new.code == 2:
            assert new.err.startswith("baserate: ") and new.err.count("\n") == 1 and not new.out, (seed, name, new)
            assert not f.BUG.search(new.err) and after == before, (seed, name, new.err, after - before)
            return name, "refused"
        assert new.code == 0 and after == before | {"new.toml"}, (seed, name, new, after - before)
        said = f.call("check", "new.toml", "--json")
        failed = [r["detail"] for r in json.loads(said.out) if r["status"] == "failed"] if said.code < 2 else said.err
        assert not failed and said.code == 0, (seed, name, failed, (here / "new.toml").read_text())
        return name, "card"


def tried(seeds: Iterable[int]) -> None:
    outcomes = Counter(outcome(seed) for seed in seeds)
    assert {name for name, _ in outcomes} == {make.__name__ for make in LAYOUTS}
    cards = sum(n for (_, what), n in outcomes.items() if what == "card")
    assert CARDS * outcomes.total() <= cards < outcomes.total(), outcomes


def test_a_sample_of_shipped_data() -> None:
    tried(range(0, ALL, SAMPLE))


@pytest.mark.slow
def test_all_shipped_data() -> None:
    tried(range(ALL))
