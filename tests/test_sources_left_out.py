"""Rows that are no example of their own: counted by the reason, also from the cache, and on the record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import baserate
from baserate.audit import audit
from baserate.cards.task import task_card
from baserate.checks import run_checks
from baserate.errors import DataError
from baserate.records import read_records
from baserate.sources import concatenate
from baserate.sources.labelled_intervals import Bed
from baserate.sources.tables import Table
from baserate.sources.variants import Variants
from baserate.splits import load_split

RNG = np.random.default_rng(5)
GENOME = "".join(RNG.choice(list("ACGT"), 6000))


@pytest.fixture
def genome(tmp_path: Path) -> str:
    path = tmp_path / "g.fa"
    path.write_text(f">chr1\n{GENOME}\n")
    return str(path)


def variants(tmp_path: Path, rows: list[str]) -> str:
    path = tmp_path / "v.vcf"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    path.write_text(head + "".join(f"{row}\n" for row in rows))
    return str(path)


def snv(at: int, info: str, alt: str = "") -> str:
    ref = GENOME[at - 1]
    return f"chr1\t{at}\t.\t{ref}\t{alt or 'CA'[ref == 'C']}\t.\t.\t{info}"


def test_every_reason_of_a_table_of_variants_is_counted(tmp_path: Path, genome: str) -> None:
    rows = [snv(100 * i, f"CL={'ab'[i % 2]}") for i in range(1, 31)]
    rows += [snv(3500, "CL=."), snv(3600, "AF=1"), snv(3700, "CL=vus"), snv(3800, "CL=a", "<DEL>")]
    path = variants(tmp_path, rows)
    source = Variants(
        genome, path, kind="classification", classes=("a", "b"), target="CL", width=20, drop_missing=True,
        leave_out=("vus",),
    )  # fmt: skip
    examples = source()
    assert len(examples) == 30 and set(examples.targets) == {0, 1}
    assert examples.left_out == {
        "without an ALT of bases ('*', '.', <DEL> and other symbols, breakends)": 1,
        "whose target is among leave_out": 1,
        "without a target": 2,
    }
    with pytest.raises(DataError, match=r"row 31: .CL. is .\.."):
        Variants(genome, path, kind="classification", classes=("a", "b"), target="CL", width=20, leave_out=("vus",))()


def test_a_reference_that_differs_is_counted(tmp_path: Path, genome: str) -> None:
    rows = [snv(20 * i, "Y=1") for i in range(1, 201)]
    wrong = "A" if GENOME[4999] != "A" else "C"
    rows.append(f"chr1\t5000\t.\t{wrong}\tG\t.\t.\tY=2")
    examples = Variants(genome, variants(tmp_path, rows), kind="regression", target="Y", width=20)()
    assert len(examples) == 200 and examples.left_out == {"whose REF differs from the genome": 1}


@pytest.mark.parametrize(("none", "kind"), [(".", "classification"), ("", "regression"), ("inf", "regression")])
def test_intervals_without_a_label(tmp_path: Path, genome: str, none: str, kind: str) -> None:
    rows = [f"chr1\t{100 * i}\t{100 * i + 40}\t{i % 2}" for i in range(20)] + [f"chr1\t3000\t3040\t{none}"]
    (tmp_path / "t.bed").write_text("\n".join(rows) + "\n")
    made = {"kind": kind, "classes": ("0", "1") if kind == "classification" else ()}
    with pytest.raises(DataError, match="row 21"):
        Bed(genome, str(tmp_path / "t.bed"), **made)()  # type: ignore[arg-type]
    examples = Bed(genome, str(tmp_path / "t.bed"), drop_missing=True, **made)()  # type: ignore[arg-type]
    assert len(examples) == 20 and examples.left_out == {"without a target": 1}
    assert examples.inputs.sequences[19] == GENOME[1900:1940] and examples.targets[19] == 1


def test_where_no_row_has_a_target_one_line_says_so(tmp_path: Path, genome: str) -> None:
    (tmp_path / "t.bed").write_text("chr1\t0\t40\t.\nchr1\t80\t90\t.\n")
    with pytest.raises(DataError, match="no row has a target; drop_missing would leave out all of them"):
        Bed(genome, str(tmp_path / "t.bed"), kind="regression", drop_missing=True)()


def test_several_parts_are_counted_together(tmp_path: Path) -> None:
    for name in "xy":
        (tmp_path / f"{name}.csv").write_text(f"id,sequence,label\n{name}1,ACGT,1\n{name}2,ACGA,NA\n")
    parts = [Table(str(tmp_path / f"{n}.csv"), kind="regression", id="id", drop_missing=True)() for n in "xy"]
    assert concatenate(parts).left_out == {"without a target": 2}
    assert not parts[0].take(slice(0, 1)).left_out


def test_the_count_is_cached_and_stands_on_check_audit_and_record(tmp_path: Path) -> None:
    sequences = ["".join(RNG.choice(list("ACGT"), 40)) for _ in range(90)]
    rows = [f"{s},{'NA' if i % 9 == 8 else i % 2}" for i, s in enumerate(sequences)]
    (tmp_path / "t.csv").write_text("sequence,label\n" + "\n".join(rows) + "\n")
    card = tmp_path / "t.toml"
    card.write_text(
        'name = "t"\nkind = "classification"\nclasses = ["0", "1"]\n[source]\ntable = "t.csv"\ndrop_missing = true\n'
        '[split]\nrule = "by_group"\ntest = 0.3\nvalid = 0.2\n'
    )
    task = task_card(card)
    in_words = "10 rows of the source left out (10 without a target)"
    for _ in range(2):
        split = load_split(task)
        assert split.left_out == {"without a target": 10} and split.omissions == in_words
    assert load_split(task, limit=5).left_out == split.left_out
    (check,) = [r for r in run_checks(task) if "split_is_sound" in r.check]
    assert check.status == "passed" and in_words in check.detail
    size = audit(task, split).finding("size")
    assert in_words in size.summary and size.numbers["left_out"] == {"without a target": 10}
    baserate.evaluate(
        card, "constant", "from_scratch", progress=False, audit=False, seeds=[0], results=tmp_path / "results"
    )
    (record,) = read_records(tmp_path / "results")
    assert record.task["left_out"] == {"without a target": 10}
    assert "left_out" not in json.dumps(record.spec.to_json())
