"""Numbers made under older versions of packages than others of their column are marked, in every rendering."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console

from baserate.leaderboard import print_leaderboard, to_csv, to_json, to_markdown
from baserate.leaderboard.board import Leaderboard
from baserate.leaderboard.standings import tabulate
from baserate.leaderboard.trust import OLDER
from baserate.leaderboard.versions import newest_of
from baserate.records import Record
from baserate.results import Estimate, RunSpec

CURRENT = {"baserate": "0.2.0", "torch": "2.13.0+cpu", "transformers": "5.23.0", "numpy": "2.3.0"}


def record(model: str, task: str = "one@1", *, status: Any = "done", baseline: bool = False, **packages: str) -> Record:
    """Return a record made with the current packages but for those that are named."""
    spec = RunSpec(task, "d", "s", model, {}, "r", "linear_probe", {}, (0,), 0.9)
    about = {"id": task, "metrics": ["mcc"], "description": "What."}
    estimates = (Estimate("mcc", 0.5, None, None, 60, 60),) if status == "done" else ()
    environment = {"packages": {**CURRENT, **packages}}
    card = {"name": model, "baseline": baseline}
    return Record(
        spec, status, about, card, estimates, environment=environment, exposure={"status": "clean", "reason": ""}
    )


def marked(table: Leaderboard) -> set[tuple[str, str]]:
    return {(cell.row.partition(" ")[0], cell.column) for cell in table.cells if cell.older}


@pytest.fixture
def mixed() -> Leaderboard:
    return tabulate(
        [
            record("lm"),
            record("gc", baseline=True, baserate="0.1.0", torch="2.3.0", transformers="4.46.0"),
            record("old", transformers="4.46.0"),
            record("old", "two@1", transformers="4.46.0"),
        ]
    )


def test_a_column_that_mixes_versions_marks_the_older(mixed: Leaderboard) -> None:
    assert marked(mixed) == {("gc", "one@1"), ("old", "one@1")}
    older = {cell.row.partition(" ")[0]: cell.older for cell in mixed.cells if cell.older}
    assert older == {
        "gc": ("baserate 0.1.0 (newest 0.2.0)", "torch 2.3.0 (newest 2.13.0)"),
        "old": ("transformers 4.46.0 (newest 5.23.0)",),
    }


def test_the_mark_and_its_meaning_stand_in_every_rendering(mixed: Leaderboard) -> None:
    out = io.StringIO()
    print_leaderboard(mixed, Console(file=out, width=150))
    said = f"{OLDER} made under older versions than others of its column"
    for text in (out.getvalue(), to_markdown(mixed), mixed._repr_html_()):
        assert text.count(said) == 1 and text.count(OLDER) == 3, "a sign a number, and the legend"
        assert "baserate 0.1.0 (newest 0.2.0), torch 2.3.0 (newest 2.13.0)" in text and "--fresh-versions" in text
    assert "| gc<br><sub>baseline, probed</sub> | 0.500 ◆§ | – |" in to_markdown(mixed)


def test_csv_and_json_hold_the_versions_of_every_number(mixed: Leaderboard) -> None:
    lines = {(x["model"], x["column"]): x for x in csv.DictReader(io.StringIO(to_csv(mixed)))}
    assert lines["lm", "one@1"]["versions"] == "baserate 0.2.0, torch 2.13.0, transformers 5.23.0"
    assert lines["gc", "one@1"]["versions"] == "baserate 0.1.0, torch 2.3.0", "a baseline uses no transformers"
    assert lines["lm", "one@1"]["older_versions"] == "" == lines["lm", "two@1"]["versions"]
    assert lines["old", "one@1"]["older_versions"] == "transformers 4.46.0 (newest 5.23.0)"
    cells = {(c["row"], c["column"]): c for c in json.loads(to_json(mixed))["cells"]}
    assert cells["old · linear_probe", "one@1"]["older"] == ["transformers 4.46.0 (newest 5.23.0)"]
    assert mixed.to_frame()["versions"].notna().sum() == 6


@pytest.mark.parametrize(
    "other",
    [
        record("b", torch="2.13.0+cu128", baserate="0.2.0+g1234567.dirty"),
        record("b", numpy="1.26.0"),
        record("b", torch="not installed", transformers="not installed"),
        record("b", baseline=True, transformers="4.46.0"),
        record("b", status="failed", torch="2.3.0"),
        record("b", status="failed", torch="3.0.0"),
        record("b", "two@1", torch="2.3.0"),
    ],
    ids=["local parts", "another package", "not installed", "baseline", "failed", "failed newer", "another column"],
)
def test_what_changes_no_number_of_a_column_is_not_marked(other: Record) -> None:
    table = tabulate([record("a"), other])
    assert not marked(table)
    assert OLDER not in to_markdown(table)


def test_records_that_do_not_say_their_versions_are_not_marked() -> None:
    silent = Record(**{**record("a").__dict__, "environment": {}})
    assert not marked(tabulate([silent, record("b")]))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2.9.1", "2.13.0"),
        ("2.13.0", "2.13.1"),
        ("2.13", "2.13.0.1"),
        ("2.14.0rc1", "2.14.0"),
        ("2.14.0.dev3", "2.14.0"),
        ("2.14.0", "2.14.0.post1"),
        ("main", "0.1"),
    ],
)
def test_releases_are_ordered_by_their_numbers(older: str, newer: str) -> None:
    for pair in ((older, newer), (newer, older)):
        records = [record(str(i), torch=version) for i, version in enumerate(pair)]
        assert newest_of(records)["torch"] == newer
