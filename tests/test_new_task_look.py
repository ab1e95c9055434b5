"""What `baserate new task` prints: what each column was taken for, and what else it could be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from baserate.cli import cli
from baserate.new_task import Choices, new_task

RNG = np.random.default_rng(31)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = ["name,gene,fold,sequence,reverse,expression,tissue,reads"]
    for i in range(160):
        first, second = ("".join(RNG.choice(list("ACGT"), 50)) for _ in range(2))
        fold, tissue = ("train", "test")[i % 4 == 0], ("liver", "brain")[int(RNG.integers(2))]
        lines.append(f"p{i},g{i // 8},{fold},{first},{second},{RNG.normal():.3f},{tissue},{RNG.integers(1, 9)}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_every_column_has_its_role_and_what_else_it_could_be(here: Path) -> None:
    made = new_task("t.csv", Choices(targets=["expression"]))
    assert made.taken == {
        "name": "id", "fold": "strata", "sequence": "sequence", "expression": "target"
    }  # fmt: skip
    assert made.alternatives == {
        "name": (),
        "gene": ("group",),
        "fold": (),
        "sequence": (),
        "reverse": ("sequence (--sequence)",),
        "expression": (),
        "tissue": ("target (--target)",),
        "reads": ("target (--target)",),
    }
    other = new_task("t.csv", Choices(targets=["reads"], sequence="reverse"), force=True)
    assert other.taken["reverse"] == "sequence" and other.alternatives["sequence"] == ("sequence (--sequence)",)
    assert other.task.kind == "classification" and other.alternatives["reads"] == ("measurements (kind)",)


def test_the_look_shows_both(here: Path) -> None:
    shown = CliRunner().invoke(cli, ["new", "task", "t.csv", "--target", "expression"]).output.splitlines()
    head = next(line for line in shown if "could also be" in line)
    rows = {line.split()[0]: line for line in shown if line.startswith("  ")}
    taken, others = head.index("taken for"), head.index("could also be")
    assert rows["expression"][taken:others].strip() == "target" and rows["tissue"][taken:others].strip() == "-"
    assert rows["tissue"][others:].startswith("target (--target)") and rows["gene"][others:].startswith("group ")
