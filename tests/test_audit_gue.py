"""What the audit is known to find in the files of GUE."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from baserate.audit import Finding, audit
from baserate.audit.duplicates import duplicate_findings
from baserate.audit.hashes import InputHashes, hashes_of
from baserate.cards.task import task_card
from baserate.splits import load_split
from baserate.types import Part, Split, Task

from .conftest import SHARED_DATA

_FILES = {"train": "train", "valid": "dev", "test": "test"}


def gue(name: str, folder: Path) -> tuple[Task, Split]:
    """Return a task of the original files, each row a group of its own, so that what leaks can be loaded."""
    source = SHARED_DATA / "gue" / name
    if not source.is_dir():
        pytest.skip(f"no {source}; BASERATE_SHARED_DATA names another place")
    lines = ["sequence,label,part,row"]
    for part, file in _FILES.items():
        with gzip.open(source / f"{file}.csv.gz", "rt") as text:
            lines += [f"{r['sequence']},{r['label']},{part},{part}{i}" for i, r in enumerate(csv.DictReader(text))]
    (folder / "gue.csv").write_text("\n".join(lines) + "\n")
    (folder / "gue.toml").write_text(
        'name = "gue"\nkind = "classification"\nclasses = ["0", "1"]\n'
        '[source]\ntable = "gue.csv"\ntarget = "label"\nid = "row"\ngroup = "row"\nstrata = ["part"]\n'
        '[split]\nrule = "predefined"\ncolumn = "part"\n'
    )
    task = task_card(folder / "gue.toml")
    return task, load_split(task)


def equal_rows(name: str, folder: Path) -> dict[str, Finding]:
    task, split = gue(name, folder)
    hashes: dict[Part, InputHashes] = {part: hashes_of(e.inputs, part) for part, e in split}
    return {f.name: f for f in duplicate_findings(task, split, hashes)}


@pytest.mark.parametrize(
    ("name", "known", "of", "status"),
    [
        ("prom/prom_core_all", 51, 5920, "WARN"),
        ("prom/prom_core_notata", 33, 5307, "WARN"),
        ("prom/prom_core_tata", 18, 613, "FAIL"),
        ("prom/prom_300_tata", 6, 613, "WARN"),
    ],
)
def test_promoters_of_test_that_are_in_train_or_dev(
    name: str, known: int, of: int, status: str, tmp_path: Path
) -> None:
    found = equal_rows(name, tmp_path)
    identical = found["identical_test"]
    assert (identical.numbers["rows"], identical.numbers["of"], identical.status) == (known, of, status)
    assert identical.n_rows == len(identical.rows) == known
    if name == "prom/prom_core_all":
        assert found["repeated_train"].numbers["rows"] == 148
        assert found["conflicts_train"].numbers["sequences"] == 40


def test_repeated_training_rows_of_a_transcription_factor(tmp_path: Path) -> None:
    found = equal_rows("tf/4", tmp_path)
    assert found["repeated_train"].numbers["rows"] == 3789
    assert found["identical_test"].numbers["rows"] == 0 and found["conflicts_train"].numbers["sequences"] == 0


def test_the_whole_audit_of_core_promoters(tmp_path: Path) -> None:
    found = audit(*gue("prom/prom_core_all", tmp_path))
    assert found.verdict == "FAIL" and any("51 of 5,920" in leak for leak in found.leaks)
    assert found.finding("kmers").numbers["primary"] == pytest.approx(0.56, abs=0.03)
    # .36 is of a logistic regression; a tree need not be monotone.
    assert found.finding("feature:GC").numbers["primary"] == pytest.approx(0.36, abs=0.06)
    near = found.finding("lookup").numbers["near"]
    assert near["primary"] < -0.5, "negatives are promoters of which parts were replaced"
