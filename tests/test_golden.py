"""Nothing that is versioned changes what it computes without a new version."""

from __future__ import annotations

from pathlib import Path

import golden
import pytest
from golden_inputs import split_rules

from baserate.errors import MissingExtra

COMMAND = "python tests/golden.py --write"


@pytest.mark.parametrize(("kind", "name"), golden.every(), ids=lambda value: value)
def test_predictions_move_only_with_a_version(kind: str, name: str) -> None:
    try:
        version, found = golden.THINGS[kind][0](name)
    except MissingExtra as error:
        pytest.skip(str(error))
    expected = golden.expected_here(kind, f"{name} {version}")
    assert expected is not None, f"{kind} {name!r} has no golden predictions of {version}: `{COMMAND}`"
    moved = golden.compare(expected, found, golden.tolerance(kind, name))
    assert not moved, f"the predictions of {kind} {name!r} moved: raise its version, then `{COMMAND}`; moved: {moved}"


def test_nothing_is_kept_that_is_no_more() -> None:
    kept = {(kind, key.partition(" ")[0]) for kind in golden.THINGS for key in golden.stored(kind)}
    assert kept <= set(golden.every()), f"`{COMMAND}`"


def test_every_class_of_split_rule_is_tried() -> None:
    assert sorted(split_rules()) == golden.split_names()


def test_a_case_has_predictions_of_each_thing() -> None:
    for kind in golden.THINGS:
        for key, cases in golden.stored(kind).items():
            assert any(value != "refused" for value in cases.values()), key


def test_what_moved_is_not_written_under_the_same_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "FOLDER", tmp_path)

    def written(version: int, value: float) -> tuple[list[str], dict[str, golden.Cases]]:
        made = f"version {version}", {"case": [1.0, value]}
        monkeypatch.setattr(golden, "THINGS", {"split rule": (lambda name: made, lambda: ["x"])})
        return golden.write(anew=False), golden.stored("split rule")

    first = {"x version 1": {"case": [1.0, 2.0]}}
    assert written(1, 2.0) == ([], first)
    assert written(1, 2.1) == (["the predictions of split rule 'x' moved (case): raise its version"], first)
    assert written(2, 2.1) == ([], {"x version 2": {"case": [1.0, 2.1]}})
