"""A leaderboard read back from the cache is the one that was made, and no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from baserate.errors import DataError, UnknownName
from baserate.leaderboard import build_leaderboard, standings
from baserate.leaderboard.remembered import _BOARDS
from baserate.records import read_records

PUBLISHED = Path(__file__).resolve().parents[1] / "results" / "published"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Return the baselines of the leaderboards that are made from here on, with an empty cache."""
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))
    seen: list[str] = []
    tabulate = standings.tabulate

    def counting(*args: object, baseline: str, **more: object) -> object:
        seen.append(baseline)
        return tabulate(*args, baseline=baseline, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(standings, "tabulate", counting)
    return seen


@pytest.mark.parametrize("name", ["robustness", "zero_shot"])
def test_what_is_read_back_is_what_was_made(name: str, made: list[str]) -> None:
    first = build_leaderboard(PUBLISHED / name)
    old = not all(r.digest for r in read_records(PUBLISHED / name))
    assert build_leaderboard(PUBLISHED / name) == first and made == [""] * (1 + old)
    assert first.cells and build_leaderboard(PUBLISHED / name).cell(first.rows[0], first.columns[0]) == first.cells[0]


def test_any_change_makes_another(made: list[str], tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(PUBLISHED / "transfer", results)
    whole = build_leaderboard(results)
    assert build_leaderboard(results, baseline="kmer_logreg") != whole
    assert build_leaderboard(results, strata=["species"]) != whole
    with pytest.raises(UnknownName):
        build_leaderboard(results, baseline="nothing")
    made.clear()
    record, *others = sorted(results.glob("*/*/record.json"))
    predictions = record.with_name("predictions.parquet")
    before = predictions.read_bytes()
    predictions.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    with pytest.raises(DataError, match=r"predictions.parquet: altered since it was written"):
        build_leaderboard(results)
    predictions.write_bytes(before)
    assert build_leaderboard(results) == whole
    shutil.rmtree(record.parent)
    assert len(others) and build_leaderboard(results) != whole
    assert made == ["", ""], "of altered predictions, and of one record less"


def test_a_file_cut_short_is_made_again_and_few_are_kept(made: list[str], tmp_path: Path) -> None:
    whole = build_leaderboard(PUBLISHED / "transfer")
    (file,) = (tmp_path / "cache" / "boards").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-7])
    assert build_leaderboard(PUBLISHED / "transfer") == whole and file.read_bytes() == content
    for i in range(_BOARDS + 5):
        file.with_name(f"{i:016x}.json").write_text("{}")
    build_leaderboard(PUBLISHED / "transfer", strata=["species"])
    assert len(list(file.parent.iterdir())) == _BOARDS and made == [""] * 3
