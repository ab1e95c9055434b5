"""What a leaderboard says beside the numbers: audits, exposure, superseded tasks; and tables of many columns."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from baserate.leaderboard import print_leaderboard, to_csv, to_json, to_markdown
from baserate.leaderboard.board import Leaderboard
from baserate.leaderboard.plots import plot_leaderboard
from baserate.leaderboard.standings import tabulate
from baserate.leaderboard.table import Column
from baserate.leaderboard.wording import blocks
from baserate.records import Record
from baserate.results import Estimate, RunSpec

FAILS = {"verdict": "FAIL", "reasons": ["FAIL: 51 of 5,920 test rows are identical", "WARN: gc alone"], "leaks": []}
RELATIVES = {"status": "clean", "reason": "no corpus; it holds relatives: A. lyrata"}
SEEN = {"status": "exposed", "reason": "all test examples lie in hg38 (Homo sapiens)"}


def record(model: str, task: str = "gue.tata@1", **more: Any) -> Record:
    """Return a record without predictions: its number has no interval, so nothing is drawn."""
    spec = RunSpec(task, "d", "s", model, {}, "r", more.pop("mode", "linear_probe"), {}, (0,), 0.9)
    about = {"id": task, "metrics": ["mcc"], "description": "What.", "superseded_by": more.pop("newer", "")}
    what = {"name": model, "baseline": more.pop("baseline", False), "twin_of": more.pop("twin_of", "")}
    return Record(spec, more.pop("status", "done"), about, what, (Estimate("mcc", 0.5, None, None, 60, 60),), **more)


@pytest.fixture
def table() -> Leaderboard:
    return tabulate(
        [
            record("lm", audit=FAILS, exposure=SEEN),
            record("lm", "gue.clean@1", audit={"verdict": "PASS", "reasons": []}, exposure=SEEN),
            record("lm", "old@1", newer="old@2"),
            record("cnn", mode="from_scratch", baseline=True),
            record("toy", "gue.clean@1", exposure=RELATIVES),
            record("toy", exposure={"status": "unknown", "reason": "850 genomes"}, status="not_applicable"),
        ]
    )  # fmt: skip


def cells_of(markdown: str, model: str) -> list[str]:
    """Return the scores of a model, block by block."""
    lines = markdown.partition("Test-set score")[0].splitlines()
    return [cell for x in lines if x.startswith(f"| {model}<br>") for cell in x.strip("| ").split(" | ")[1:]]


def drawn(table: Leaderboard, width: int = 120) -> str:
    out = io.StringIO()
    print_leaderboard(table, Console(file=out, width=width))
    return out.getvalue()


def test_a_failed_audit_marks_its_column_every_number_in_it_and_gives_its_reasons(table: Leaderboard) -> None:
    markdown, text = to_markdown(table), drawn(table)
    clean, tata, old = cells_of(markdown, "lm")
    assert (clean, tata, old) == ("0.500 ●", "0.500 ‡●", "0.500 ○")
    assert cells_of(markdown, "cnn")[1] == "0.500 ◆‡", "a baseline is tainted too, and was not pretrained"
    assert "| tata ‡<br>MCC" in markdown and "| FAIL ‡ |" in markdown
    assert "‡ the audit of the task fails" in markdown and "‡ the audit of the task fails" in text
    assert "- gue.tata@1 ‡: FAIL: 51 of 5,920 test rows are identical" in markdown
    assert "‡ gue.tata@1: FAIL: 51 of 5,920 test rows are identical" in text
    row = {r["model"]: r for r in csv.DictReader(io.StringIO(to_csv(table))) if r["task"] == "gue.tata@1"}
    assert row["cnn"]["audit"] == "FAIL" and "51 of 5,920" in row["cnn"]["audit_reasons"]
    audits = {c["name"]: (c["audit"], c["audit_reasons"]) for c in json.loads(to_json(table))["columns"]}
    assert audits["gue.tata@1"] == ("FAIL", FAILS["reasons"]) and audits["old@1"] == ("", [])
    assert re.search(r"\| old@1 .*\| not audited \|", markdown) and re.search(r"\| gue.clean@1 .*\| PASS \|", markdown)


def test_exposure_stands_with_each_cell_and_its_reason_below(table: Leaderboard) -> None:
    markdown, text = to_markdown(table), drawn(table)
    assert "| lm | exposed | gue.clean@1, gue.tata@1 | all test examples lie in hg38 (Homo sapiens) |" in markdown
    assert "| lm | unknown | old@1 | the record does not say |" in markdown
    assert "| toy | clean | gue.clean@1 | no corpus; it holds relatives: A. lyrata |" in markdown
    assert "| cnn | clean" not in markdown and "850 genomes" not in markdown
    assert "● the model saw test examples in pretraining." in markdown
    assert "● lm on gue.clean@1, gue.tata@1: all test examples lie in hg38" in text and "○ lm on old@1" in text
    assert cells_of(markdown, "toy")[:2] == ["0.500", "n/a"], "clean has no mark, and neither has what has no number"
    rows = {(r["model"], r["task"]): r for r in csv.DictReader(io.StringIO(to_csv(table)))}
    assert rows["lm", "gue.tata@1"]["exposure"] == "exposed" and rows["cnn", "gue.tata@1"]["exposure"] == "clean"
    assert rows["lm", "old@1"]["exposure"] == "unknown" and "hg38" in rows["lm", "gue.clean@1"]["exposure_reason"]


def test_nothing_is_said_where_there_is_nothing_to_say() -> None:
    markdown = to_markdown(tabulate([record("cnn", mode="from_scratch", baseline=True, audit={"verdict": "PASS"})]))
    assert not set("‡●○") & set(markdown) and "pretraining" not in markdown and "audits found" not in markdown


def test_a_superseded_task_says_so(table: Leaderboard) -> None:
    assert "Superseded: old@1 by old@2." in to_markdown(table) and "Superseded: old@1 by old@2." in drawn(table)
    assert "**Superseded by old@2.** What." in to_markdown(table)


def test_neither_audit_nor_exposure_changes_a_standing(table: Leaderboard) -> None:
    plain = tabulate([
        record("lm"), record("lm", "gue.clean@1"), record("lm", "old@1"), record("toy", "gue.clean@1"),
        record("cnn", mode="from_scratch", baseline=True), record("toy", status="not_applicable"),
    ])  # fmt: skip
    assert [(c.row, c.column, c.rank, c.gain) for c in plain.cells] == [
        (c.row, c.column, c.rank, c.gain) for c in table.cells
    ]


def test_the_worst_verdict_among_records_of_a_column_counts() -> None:
    warned = {"verdict": "WARN", "reasons": ["WARN: few clusters"]}
    (column,) = tabulate([record("a", audit=warned), record("b", audit=FAILS), record("c")]).columns
    assert (column.audit, column.audit_reasons) == ("FAIL", tuple(FAILS["reasons"]))
    (column,) = tabulate([record("a", audit={"verdict": "", "reasons": ["not audited: no room"]})]).columns
    assert (column.audit, column.audit_reasons) == ("", ("not audited: no room",))


def test_many_reasons_are_cut_short() -> None:
    many = {"verdict": "FAIL", "reasons": [f"FAIL: reason {i}" for i in range(9)]}
    markdown = to_markdown(tabulate([record("a", audit=many)]))
    assert markdown.count("FAIL: reason") == 4 and "and 5 more: `baserate audit gue.tata`" in markdown.replace("\\", "")


def names(*suites: tuple[str, int]) -> list[Column]:
    return [
        Column(n, n, "", "", (), 0.0, ("mcc",), "")
        for s, k in suites
        for n in (f"{s}t{i:02}.small@1" for i in range(k))
    ]


def test_few_columns_are_one_table_and_many_are_blocks_of_a_suite() -> None:
    assert [t for t, _ in blocks(names(("", 8)))] == [""]
    made = blocks(names(("gue.", 28), ("", 2), ("nt.", 9)))
    assert [(t, len(c)) for t, c in made] == [
        *((f"gue, {i} of 4", 7) for i in (1, 2, 3, 4)), ("Other tasks", 2), ("nt, 1 of 2", 4), ("nt, 2 of 2", 5),
    ]  # fmt: skip
    assert [c for _, block in made for c in block] == names(("gue.", 28), ("", 2), ("nt.", 9))


@pytest.fixture(scope="module")
def wide() -> Leaderboard:
    tasks = [f"gue.t{i:03}@1" for i in range(28)] + [f"nt.u{i:03}@1" for i in range(170)]
    return tabulate([record(m, t, baseline=m == "b") for t in tasks for m in ("a", "b", "c")])


def test_two_hundred_columns_stay_readable(wide: Leaderboard) -> None:
    markdown, text = to_markdown(wide), drawn(wide, 100)
    assert max(line.count("|") for line in markdown.splitlines() if line.startswith("| a<br>")) <= 7
    assert "### gue (1 of 6)" in markdown and "### nt (34 of 34)" in markdown and "gue, 4 of 4" in text
    for column in wide.columns:
        assert column.name in markdown
    assert max(map(len, text.splitlines())) <= 160


def test_a_picture_of_many_panels_is_drawn(wide: Leaderboard, tmp_path: Path) -> None:
    plot_leaderboard(replace(wide, columns=wide.columns[:27]), tmp_path / "wide.png")
    header = (tmp_path / "wide.png").read_bytes()[16:24]
    width, height = (int.from_bytes(header[i : i + 4], "big") for i in (0, 4))
    assert width > height, "six panels a line"


def test_lookups_do_not_search(wide: Leaderboard) -> None:
    for cell in (wide.cells[0], wide.cells[-1]):
        row = next(r for r in wide.rows if r.name == cell.row)
        column = next(c for c in wide.columns if c.name == cell.column)
        assert wide.cell(row, column) is cell
    fewer = replace(wide, cells=wide.cells[:1])
    assert fewer.cell(wide.rows[0], wide.columns[0]) is wide.cells[0]


def test_how_many_train_is_not_guessed(table: Leaderboard) -> None:
    known = replace(record("lm"), task={**record("lm").task, "sizes": {"train": 0}})
    assert "| MCC ↑ | – | 60 | 60 |" in to_markdown(table) and "| MCC ↑ | 0 | 60 | 60 |" in to_markdown(
        tabulate([known])
    )
