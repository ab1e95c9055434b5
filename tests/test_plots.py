"""The picture: every row, cell and mark is there, and the same table gives the same bytes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from baserate.leaderboard.board import Leaderboard
from baserate.leaderboard.comparisons import Gain
from baserate.leaderboard.plots import plot_leaderboard
from baserate.leaderboard.table import Cell, Column, Row
from baserate.results import Estimate

ROWS = (
    Row("lm · fine_tune", "lm", "fine_tune", "model"),
    Row("lm · zero_shot", "lm", "zero_shot", "model"),
    Row("lm_random · fine_tune", "lm_random", "fine_tune", "random"),
    Row("k$m$er · from_scratch", "k$m$er", "from_scratch", "baseline"),
    Row("flat · from_scratch", "flat", "from_scratch", "baseline"),
)


def table(n_columns: int, metric: str = "mcc") -> Leaderboard:
    columns, cells = [], []
    for i in range(n_columns):
        name = f"task_{i}@1"
        columns.append(Column(name, name, "d", "s", (0,), 0.9, (metric,), "", best_baseline=ROWS[3].name))
        for j, row in enumerate(ROWS):
            e = Estimate(metric, 0.9 - 0.1 * j, 0.85 - 0.1 * j, 0.95 - 0.1 * j, 10, 5)
            gain = Gain(ROWS[3].name, 0.1, -0.1, 0.3, 0.5, 0.5, "tie") if row.kind == "random" else None
            cells.append(Cell(row.name, name, "done", (e,), 1, gain))
    cells[1] = Cell(ROWS[1].name, "task_0@1", "failed", error="boom")
    undefined = Estimate(metric, None, None, None, 10, 5, reason="why")
    cells[4] = Cell(ROWS[4].name, "task_0@1", "done", (undefined,))
    by_row = [cells[c * len(ROWS) + r] for r in range(len(ROWS)) for c in range(n_columns)]
    return Leaderboard(tuple(columns), ROWS, tuple(by_row), 10_000)


@pytest.mark.parametrize("n_columns", [1, 2, 3, 4, 7])
def test_every_task_and_row_is_named_whatever_their_number(n_columns: int, tmp_path: Path) -> None:
    plot_leaderboard(table(n_columns), tmp_path / "p.svg")
    text = (tmp_path / "p.svg").read_text()
    for i in range(n_columns):
        assert f">task_{i}@1<" in text
    for name in ("lm · fine tune", "lm · zero shot", "lm_random · fine tune", "k$m$er", "flat", "failed", "undefined"):
        assert f">{name}<" in text
    assert "not told apart from the best baseline" in text and "best baseline, 95 % interval" in text


def test_score_over_fewer_examples_is_faint_and_said(tmp_path: Path) -> None:
    whole = table(1)
    apart = replace(whole, cells=(replace(whole.cells[0], apart=True), *whole.cells[1:]))
    texts = []
    for i, t in enumerate((whole, apart)):
        plot_leaderboard(t, tmp_path / f"{i}.svg")
        texts.append((tmp_path / f"{i}.svg").read_text())
    assert ["over fewer examples: not compared" in text for text in texts] == [False, True]
    assert [text.count("opacity: 0.35") > 0 for text in texts] == [False, True]


def test_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "a.svg", "b.svg"):
        plot_leaderboard(table(2), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert not re.search(rb"20\d\d-\d\d-\d\d", (tmp_path / "a.svg").read_bytes()), "no date"


def test_direction_is_said_where_lower_is_better(tmp_path: Path) -> None:
    plot_leaderboard(table(1, "brier"), tmp_path / "p.svg")
    assert "Brier (lower is better)" in (tmp_path / "p.svg").read_text()
