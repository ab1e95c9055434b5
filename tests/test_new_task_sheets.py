"""`baserate new task` on spreadsheets: which sheet has the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from baserate.checks import run_checks
from baserate.cli import cli
from baserate.errors import ConfigError, DataError
from baserate.new_task import Choices, NewTask, new_task
from baserate.splits import load_split

openpyxl = pytest.importorskip("openpyxl")
RNG = np.random.default_rng(29)
Rows = list[list[object]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def labelled(n: int = 120) -> Rows:
    rows = [["".join(RNG.choice(list("ACGT"), 60)), ("off", "on")[int(RNG.integers(2))]] for _ in range(n)]
    return [["sequence", "state"], *rows]


def write(path: Path, **sheets: Rows) -> str:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return str(path)


def value(made: NewTask, key: str) -> object:
    return next((guess.value for guess in made.guesses if guess.key == key), None)


def n_rows(made: NewTask) -> int:
    assert not [r for r in run_checks(made.task) if r.status == "failed"]
    return sum(len(examples) for _, examples in load_split(made.task))


def test_which_of_several_tables_is_asked(here: Path) -> None:
    legend: Rows = [["Table S3"], ["column", "meaning"], ["sequence", "the window"]]
    path = write(here / "t.xlsx", pilot=labelled(40), full=labelled(), legend=legend)
    message = r"t.xlsx: 3 sheets have tables: 'pilot' \(sequence, state\), 'full' .*; name the one to read with --sheet"
    with pytest.raises(ConfigError, match=message):
        new_task(path)
    done = CliRunner().invoke(cli, ["new", "task", path, "--sheet", "full"])
    assert done.exit_code == 0, done.output
    made = new_task(path, Choices(sheet="full"), force=True)
    assert value(made, "sheet") == "full" and n_rows(made) == 120
    with pytest.raises(DataError, match=r"t.xlsx: no sheet 'ful'; it has 'pilot', 'full', 'legend'"):
        new_task(path, Choices(sheet="ful"), force=True)


def test_the_only_sheet_with_a_table_is_read(here: Path) -> None:
    remarks: Rows = [["Supplementary data of a paper"], ["see the next sheet"]]
    made = new_task(write(here / "after.xlsx", README=remarks, data=labelled()))
    assert value(made, "sheet") == "data" and n_rows(made) == 120
    made = new_task(write(here / "before.xlsx", data=labelled(), README=remarks, empty=[]))
    assert value(made, "sheet") is None and n_rows(made) == 120


def test_several_spreadsheets_and_intervals_in_one(here: Path) -> None:
    for part in ("train", "test"):
        write(here / f"{part}.xlsx", notes=[["a remark"]], data=labelled(80))
    made = new_task(["train.xlsx", "test.xlsx"], out=Path("both.toml"))
    assert value(made, "sheet") == "data" and n_rows(made) == 160
    write(here / "test.xlsx", notes=[["a remark"]], others=labelled(80))
    with pytest.raises(DataError, match="the sheets of the files differ, data, others; give all the same name"):
        new_task(["train.xlsx", "test.xlsx"], out=Path("c.toml"))
    (here / "g.fa").write_text("".join(f">chr{i}\n{''.join(RNG.choice(list('ACGT'), 5000))}\n" for i in range(5)))
    places: Rows = [["chrom", "start", "end", "state"]]
    places += [[f"chr{i % 5}", 100 + 60 * i, 140 + 60 * i, ("off", "on")[i % 3 == 0]] for i in range(70)]
    path = write(here / "p.xlsx", notes=[["a remark"]], peaks=places)
    assert n_rows(new_task(path, Choices(genome="g.fa"))) == 70
    made = new_task(path, Choices(genome="g.fa", negatives="shuffled"), force=True)
    assert value(made, "sheet") == "peaks" and n_rows(made) == 140


def test_a_sheet_of_what_has_none(here: Path) -> None:
    (here / "t.csv").write_text("sequence,state\nACGT,on\n")
    with pytest.raises(ConfigError, match=r"t.csv: --sheet 'data' is for spreadsheets \(\.xlsx\)"):
        new_task("t.csv", Choices(sheet="data"))
