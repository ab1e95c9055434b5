"""Rows without a target: left out with `--drop-missing` in every format, with one number and one wording for all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import baserate
from baserate.audit import audit
from baserate.cards.task import task_card
from baserate.checks import run_checks
from baserate.cli import cli
from baserate.errors import DataError
from baserate.new_task import Choices, new_task
from baserate.records import read_records
from baserate.splits import load_split

RNG = np.random.default_rng(37)
GENOME = {f"chr{i}": "".join(RNG.choice(list("ACGT"), 9000)) for i in range(1, 7)}
N, LACKING = 120, 12
SEQUENCES = ["".join(RNG.choice(list("ACGT"), 60)) for _ in range(N)]

Row = tuple[str, str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in GENOME.items()))
    return tmp_path


def labelled(none: str) -> list[str]:
    return [none if i % 10 == 9 else ("off", "on")[int(RNG.integers(2))] for i in range(N)]


def csv(path: Path, labels: Sequence[str]) -> str:
    path.write_text("sequence,state\n" + "".join(f"{s},{y}\n" for s, y in zip(SEQUENCES, labels, strict=True)))
    return str(path)


def fasta(path: Path, labels: Sequence[str]) -> str:
    rows = enumerate(zip(SEQUENCES, labels, strict=True))
    path.write_text("".join(f">s{i}|{y}\n{s}\n" for i, (s, y) in rows))
    return str(path)


def json_lines(path: Path, labels: Sequence[str]) -> str:
    rows = [{"sequence": s, "state": y or None} for s, y in zip(SEQUENCES, labels, strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def spreadsheet(path: Path, labels: Sequence[str]) -> str:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [("sequence", "state"), *zip(SEQUENCES, labels, strict=True)]:
        book.active.append(row)
    book.save(path)
    return str(path)


def bed(path: Path, labels: Sequence[str]) -> str:
    places = [(f"chr{i % 6 + 1}", 200 + 300 * (i // 6)) for i in range(N)]
    path.write_text("".join(f"{c}\t{s}\t{s + 50}\t{y}\n" for (c, s), y in zip(places, labels, strict=True)))
    return str(path)


def vcf(path: Path, labels: Sequence[str]) -> str:
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for i, label in enumerate(labels):
        chrom, at = f"chr{i % 6 + 1}", 300 + 400 * (i // 6)
        ref = GENOME[chrom][at - 1]
        info = f"STATE={label}" if label else "AF=1"
        lines.append(f"{chrom}\t{at}\t.\t{ref}\t{'CA'[ref == 'C']}\t.\t.\t{info}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("name", "write", "none"),
    [
        ("t.csv", csv, ""),
        ("t.csv", csv, "NA"),
        ("t.fa", fasta, ""),
        ("t.fa", fasta, "nan"),
        ("t.jsonl", json_lines, ""),
        ("t.xlsx", spreadsheet, ""),
        ("t.xlsx", spreadsheet, "N/A"),
        ("t.bed", bed, "."),
        ("t.bed", bed, "NA"),
        ("t.vcf", vcf, ""),
        ("t.vcf", vcf, "."),
    ],
)
def test_rows_without_a_class(here: Path, name: str, write: Callable[[Path, Sequence[str]], str], none: str) -> None:
    path = write(here / name, labelled(none))
    genome = "g.fa" if name in ("t.bed", "t.vcf") else ""
    choices = Choices(genome=genome, targets=["STATE"] if name == "t.vcf" else [])
    with pytest.raises(DataError, match=rf"row 10: .*; {LACKING} of {N} rows have no .*: leave them out with --drop"):
        new_task(path, choices)
    choices = Choices(genome=genome, targets=choices.targets, drop_missing=True)
    made = new_task(path, choices)
    assert made.task.classes == ("off", "on")
    split = load_split(made.task)
    assert split.left_out == {"without a target": LACKING}
    assert sum(len(examples) for _, examples in split) == N - LACKING
    assert not [r for r in run_checks(made.task) if r.status == "failed"]
    message = "row 10: .* is .*; drop_missing = true leaves out rows without a target"
    without = made.text.replace("drop_missing = true", "drop_missing = false")
    made.path.write_text(without)
    with pytest.raises(DataError, match=message):
        load_split(task_card(made.path))


@pytest.mark.parametrize(("name", "write"), [("t.csv", csv), ("t.bed", bed), ("t.vcf", vcf), ("t.fa", fasta)])
@pytest.mark.parametrize("none", ["NA", "inf"])
def test_rows_without_a_measurement(
    here: Path, name: str, write: Callable[[Path, Sequence[str]], str], none: str
) -> None:
    values = [none if i % 10 == 9 else f"{RNG.normal():.4f}" for i in range(N)]
    choices = Choices(
        genome="g.fa" if name in ("t.bed", "t.vcf") else "",
        targets=["STATE"] if name == "t.vcf" else [],
        drop_missing=True,
    )
    made = new_task(write(here / name, values), choices)
    assert made.task.kind == "regression"
    assert load_split(made.task).left_out == {"without a target": LACKING}


def test_one_number_and_one_wording_for_all(here: Path) -> None:
    path = csv(here / "t.csv", labelled("NA"))
    in_words = f"{LACKING} rows of the source left out ({LACKING} without a target)"
    shown = CliRunner().invoke(cli, ["new", "task", path, "--drop-missing"])
    assert in_words in shown.output and in_words in (here / "t.toml").read_text()
    checked = CliRunner().invoke(cli, ["check", "./t.toml"]).output
    assert in_words in " ".join(checked.split())
    task = task_card(here / "t.toml")
    assert in_words in audit(task, load_split(task)).finding("size").summary
    baserate.evaluate(
        task, "constant", "from_scratch", progress=False, audit=False, seeds=[0], results=here / "results"
    )
    (record,) = read_records(here / "results")
    assert record.task["left_out"] == {"without a target": LACKING}
