"""Replicates: several rows, or columns, that measure one input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.errors import ConfigError, DataError
from baserate.sources.labelled_intervals import Bed
from baserate.sources.tables import Table
from baserate.sources.variants import Variants

MERGED = "merged into the mean of their replicates"


def table(path: Path, text: str, **keys: Any) -> Any:
    (path / "t.csv").write_text(text)
    return Table(str(path / "t.csv"), **{"kind": "regression", **keys})()


def test_the_mean_of_the_rows_of_an_input_is_one_example(tmp_path: Path) -> None:
    rows = "sequence,label,variant\nACGT,1,v1\nACGA,5,v2\nacgt,2,v1\nACGT,6,v1\nTTTT,7,v3\n"
    plain = table(tmp_path, rows)
    assert len(plain) == 5 and len(set(plain.groups)) == 3
    mean = table(tmp_path, rows, replicates="mean", id="variant")
    assert list(mean.ids) == ["v1", "v2", "v3"] and list(mean.inputs.sequences) == ["ACGT", "ACGA", "TTTT"]
    assert mean.targets.tolist() == [3, 5, 7] and mean.left_out == {MERGED: 2}


def test_strata_and_groups_keep_measurements_apart(tmp_path: Path) -> None:
    rows = "sequence,label,cell,gene\nACGT,1,a,g\nACGT,2,a,g\nACGT,4,b,g\nACGT,8,b,h\n"
    assert table(tmp_path, rows, replicates="mean").targets.tolist() == [3.75]
    assert table(tmp_path, rows, replicates="mean", strata=("cell",)).targets.tolist() == [1.5, 6]
    assert table(tmp_path, rows, replicates="mean", group="gene").targets.tolist() == [7 / 3, 8]
    assert table(tmp_path, rows, replicates="mean", group="row").targets.tolist() == [3.75]


def test_several_targets_and_missing_ones(tmp_path: Path) -> None:
    rows = "sequence,a,b\nACGT,1,10\nACGT,3,30\nACGT,NA,90\nTTTT,5,50\n"
    mean = table(tmp_path, rows, target=("a", "b"), replicates="mean", drop_missing=True)
    assert mean.targets.tolist() == [[2, 20], [5, 50]]
    assert mean.left_out == {"without a target": 1, MERGED: 1}
    columns = table(tmp_path, rows, target=("a", "b"), replicates="columns", drop_missing=True)
    assert columns.targets.tolist() == [5.5, 16.5, 27.5]
    with pytest.raises(ConfigError, match=r't.csv: replicates = "columns" needs target = \[...\] of two columns'):
        table(tmp_path, rows, target="b", replicates="columns")


def test_pairs_are_one_input_together(tmp_path: Path) -> None:
    rows = "sequence,alt,label\nACGT,ACGA,1\nACGT,ACGC,2\nACGT,ACGA,3\n"
    assert table(tmp_path, rows, alternate="alt", replicates="mean").targets.tolist() == [2, 2]


def test_grouped_rows_stay_in_one_group_and_one_cluster(tmp_path: Path) -> None:
    rows = "sequence,label,plate,line\nACGT,1,p1,c1\nACGA,5,p2,c2\nACGT,2,p2,c3\nTTTT,7,p3,c4\nACGA,5,p9,c4\n"
    keys = {"group": "plate", "cluster": "line"}
    assert list(table(tmp_path, rows, **keys).groups) == ["p1", "p2", "p2", "p3", "p9"]
    grouped = table(tmp_path, rows, replicates="grouped", **keys)
    assert list(grouped.groups) == ["p1", "p1", "p1", "p3", "p1"]
    assert list(grouped.clusters) == ["c1", "c2", "c1", "c2", "c2"] and not grouped.left_out
    by_row = table(tmp_path, rows, replicates="grouped", group="row")
    assert list(by_row.groups) == ["1", "2", "1", "4", "2"] and list(by_row.ids) == list("12345")


def test_classes_have_no_mean_and_say_the_way_out(tmp_path: Path) -> None:
    rows = "sequence,label\nACGT,0\nACGA,1\nACGT,1\n"
    with pytest.raises(ConfigError, match=r"has none; .grouped. leaves each row its own label"):
        table(tmp_path, rows, kind="classification", classes=("0", "1"), replicates="mean")
    grouped = table(tmp_path, rows, kind="classification", classes=("0", "1"), replicates="grouped")
    assert grouped.targets.tolist() == [0, 1, 1]


def test_an_id_of_two_inputs_is_no_replicate(tmp_path: Path) -> None:
    rows = "id,sequence,label\nx,ACGT,1\ny,ACGA,2\nx,ACGG,3\n"
    with pytest.raises(DataError, match=r"row 3: id 'x' is also in row 1, which is no replicate: its input is another"):
        table(tmp_path, rows, id="id", replicates="mean")
    with pytest.raises(DataError, match="row 3: id 'x' is also in row 1; ids must be unique"):
        table(tmp_path, rows, id="id")


def test_a_variant_and_an_interval_of_several_rows(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(f">c\n{'ACGTTGCATTGACCAT' * 20}\n")
    genome = str(tmp_path / "g.fa")
    head, rows = "chrom,pos,ref,alt,effect", ["c,17,A,G,1", "c,33,A,G,5", "c,17,A,G,3", "c,17,A,T,9"]
    (tmp_path / "v.csv").write_text("\n".join([head, *rows]) + "\n")
    keys: dict[str, Any] = {"kind": "regression", "target": "effect", "width": 8}
    with pytest.raises(
        DataError, match=r'row 3: id .* is also in row 1; ids must be unique; replicates = "mean" takes'
    ):
        Variants(genome, str(tmp_path / "v.csv"), **keys)()
    mean = Variants(genome, str(tmp_path / "v.csv"), replicates="mean", **keys)()
    # Equal windows at two places are two variants.
    assert list(mean.ids) == ["c:17:A>G", "c:33:A>G", "c:17:A>T"] and mean.targets.tolist() == [2, 5, 9]
    assert mean.left_out == {MERGED: 1} and mean.inputs.positions is not None and mean.intervals is not None
    grouped = Variants(genome, str(tmp_path / "v.csv"), replicates="grouped", **keys)()
    assert list(grouped.ids) == ["c:17:A>G", "c:33:A>G", "c:17:A>G#2", "c:17:A>T"]
    assert grouped.groups[0] == grouped.groups[2]
    (tmp_path / "t.bed").write_text("c\t0\t8\t1\nc\t16\t24\t5\nc\t0\t8\t2\n")
    bed = Bed(genome, str(tmp_path / "t.bed"), kind="regression", replicates="mean")()
    assert list(bed.ids) == ["c:0-8(+)", "c:16-24(+)"] and bed.targets.tolist() == [1.5, 5]


def test_many_replicates_are_averaged_as_numpy_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    which, values = rng.integers(0, 200, 3000), rng.normal(size=3000)
    sequences = ["".join(rng.choice(list("ACGT"), 20)) for _ in range(200)]
    rows = "".join(f"{sequences[i]},{v!r}\n" for i, v in zip(which.tolist(), values.tolist(), strict=True))
    mean = table(tmp_path, "sequence,label\n" + rows, replicates="mean")
    expected = [values[which == sequences.index(s)].mean() for s in mean.inputs.sequences]
    np.testing.assert_allclose(mean.targets, expected, rtol=1e-12)
    assert list(mean.inputs.sequences) == list(dict.fromkeys(sequences[i] for i in which))
