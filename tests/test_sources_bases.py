from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.dna.sequence import reverse_complement
from baserate.errors import BaserateError, DataError, MissingExtra
from baserate.sources.labelled_intervals import Bed

CHR = "ACGTTGCAAACCGGTTACGT"
HEAD = "chromosome\tstart\tend\tsplit\tlabel\tstrand\n"
BEND = (
    HEAD + "chr1\t0\t8\ttrain\t00110022\t+\nchr1\t8\t16\tvalid\t01234567\t-\nchr1\t12\t20\ttest\t0;0;0;0;8;8;8;8\t+\n"
)
NINE = [f"c{i}" for i in range(9)]


def read(folder: Path, text: str, name: str = "a.bed", **changed: Any) -> Any:
    (folder / "g.fa").write_text(f">chr1\n{CHR}\n")
    (folder / name).write_text(text)
    options = {"kind": "classification", "classes": NINE, "strata": ["split"], **changed}
    return Bed(str(folder / "g.fa"), str(folder / name), **options)()


def test_a_headed_bed_gives_labels_of_bases_on_its_own_strand(tmp_path: Path) -> None:
    examples = read(tmp_path, BEND, span=1)
    assert len(examples) == 24 and examples.inputs.span == 1 and examples.inputs.alternates is None
    assert examples.targets.tolist() == [0, 0, 1, 1, 0, 0, 2, 2, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 8, 8, 8, 8]
    assert examples.inputs.positions.tolist() == [*range(8)] * 3
    sequences = np.asarray(examples.inputs.sequences)
    assert all(s is sequences[0] for s in sequences[:8]), "one sequence for all its bases"
    assert sequences[8] == reverse_complement(CHR[8:16])
    for i in range(24):  # every base lies where its interval says, on its strand
        at = examples.intervals
        base = CHR[at.start[i] : at.end[i]]
        held = sequences[i][examples.inputs.positions[i]]
        assert len(base) == 1 and held == (base if at.strand[i] == "+" else reverse_complement(base))
    assert list(examples.strata["split"][[0, 8, 16]]) == ["train", "valid", "test"]
    assert len(set(examples.groups)) == 2, "overlapping intervals are one group"
    forward = read(tmp_path, BEND, span=1, stranded=False)
    assert forward.targets.tolist()[8:16] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_bins_negative_labels_and_a_thinner_train(tmp_path: Path) -> None:
    text = HEAD + "chr1\t0\t8\ttrain\t0;0;0;1\t+\nchr1\t8\t16\ttrain\t0;-1;0;0\t+\nchr1\t12\t20\ttest\t0;0;0;1\t+\n"
    with pytest.raises(DataError, match="row 2: 'label' holds '-1'"):
        read(tmp_path, text, span=2, classes=["no", "yes"])
    text = text.replace("0;-1;0;0", "0;0;0;0")
    all_ = read(tmp_path, text, span=2, classes=["no", "yes"])
    assert all_.inputs.positions.tolist()[:4] == [0, 2, 4, 6] and len(all_) == 12
    thin = [read(tmp_path, text, span=2, classes=["no", "yes"], train_ratio=2, seed=seed) for seed in (0, 0, 1)]
    train = [e.strata["split"] == "train" for e in thin]
    assert [int((e.targets[t] == 0).sum()) for e, t in zip(thin, train, strict=True)] == [2, 2, 2]
    assert all((~t).sum() == 4 and (e.targets[t] == 1).sum() == 1 for e, t in zip(thin, train, strict=True))
    assert list(thin[0].ids) == list(thin[1].ids) and set(thin[0].ids) < set(all_.ids)
    assert not all_.left_out and thin[0].left_out == {"bins thinned by train_ratio": 5}


def test_labels_of_an_hdf5_file_share_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class File(dict[str, Any]):
        """What of h5py.File is used, over rows with BEND's padding of -100."""

        def __init__(self, path: Path, mode: str) -> None:
            super().__init__(labels=np.array([[0, 1, 1, 0], [0, 0, -100, 1], [1, 1, -100, -100]]))

        def __enter__(self) -> File:
            return self

        def __exit__(self, *_: object) -> None:
            return

    (tmp_path / "a.hdf5").write_bytes(b"")
    text = HEAD.replace("\tlabel", "") + "chr1\t0\t8\ttrain\t+\nchr1\t8\t16\tvalid\t+\nchr1\t16\t20\ttest\t+\n"
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match="pip install h5py"):
        read(tmp_path, text, span=2, labels=str(tmp_path / "a.hdf5"), classes=["no", "yes"])
    monkeypatch.setitem(sys.modules, "h5py", type("h5py", (), {"File": File}))
    examples = read(tmp_path, text, span=2, labels=str(tmp_path / "a.hdf5"), classes=["no", "yes"])
    assert examples.targets.tolist() == [0, 1, 1, 0, 0, 0, 1, 1, 1]
    assert examples.inputs.positions.tolist() == [0, 2, 4, 6, 0, 2, 6, 0, 2]
    assert examples.left_out == {"bins without a label": 1}
    with pytest.raises(DataError, match="row 3: 4 labels where 6 bp in bins of 2 need 3"):
        short = text.replace("16\t20", "14\t20").replace("8\t16", "6\t14")
        File.__init__ = lambda self, path, mode: dict.__init__(self, labels=np.ones((3, 4), int))  # type: ignore[method-assign]
        read(tmp_path, short, span=2, labels=str(tmp_path / "a.hdf5"), classes=["no", "yes"])
    with pytest.raises(DataError, match="3 intervals, but labels for 2"):
        File.__init__ = lambda self, path, mode: dict.__init__(self, labels=np.ones((2, 4), int))  # type: ignore[method-assign]
        read(tmp_path, text, span=2, labels=str(tmp_path / "a.hdf5"), classes=["no", "yes"])


@pytest.mark.parametrize(
    ("old", "new", "options", "said"),
    [
        ("00110022", "0011002", {"span": 1}, "row 1: 7 labels where 8 bp in bins of 1 need 8"),
        ("00110022", "001100x2", {"span": 1}, "row 1: 'label' holds 'x', expected one of 0, 1"),
        ("", "", {"span": 3}, "row 1: 8 bp are not a whole number of bins of 3 bp"),
        ("", "", {"train_ratio": 2.0}, "labels and train_ratio need span"),
        ("", "", {"edge": "wrap"}, "expected one of refuse, pad"),
        ("", "", {"span": 1, "kind": "paired"}, "cannot have kind 'paired'"),
        ("", "", {"span": 1, "strata": (), "train_ratio": 1.0}, "needs the column 'split' among strata"),
        ("12\t20", "12\t21", {"span": 1}, "row 3: chr1:12-21 is outside the contig of 20 bp"),
        ("\tstart", "\tbegin", {}, "no column 'start'"),
        (
            "chr1\t0\t8\ttrain\t00110022\t+",
            "chr1\t0\t8\ttrain\t00110022",
            {},
            "line 2: 5 fields, expected 6: chromosome",
        ),
        ("\tstrand", "\tend", {}, "line 1: column 'end' occurs more than once"),
    ],
)
def test_mistakes_are_told_by_row(tmp_path: Path, old: str, new: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BaserateError) as error:
        read(tmp_path, BEND.replace(old, new, 1) if old else BEND, **options)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_windows_past_a_contig_are_padded_where_the_card_says_so(tmp_path: Path) -> None:
    text = HEAD + "chr1\t0\t4\ttrain\t1;4;7\t+\nchr1\t16\t20\ttest\t\t-\n"
    with pytest.raises(DataError, match="row 1: chr1:-2-6 is outside the contig of 20 bp"):
        read(tmp_path, text, kind="multilabel", width=8)
    examples = read(tmp_path, text, kind="multilabel", width=8, edge="pad")
    assert list(examples.inputs.sequences) == ["NN" + CHR[:6], reverse_complement(CHR[14:] + "NN")]
    assert examples.targets.tolist() == [[0, 1, 0, 0, 1, 0, 0, 1, 0], [0] * 9]


def test_places_of_a_csv_are_one_based_where_the_card_says_so(tmp_path: Path) -> None:
    text = "CHROM,START,STOP,label,split\n1,5,8,1,train\n1,5,8,0,test\n"
    options = {"classes": ["no", "yes"], "position_base": 1}
    examples = read(tmp_path, text, "a.csv", **options)
    assert list(examples.inputs.sequences) == [CHR[4:8]] * 2 and list(examples.ids) == ["1:4-8(+)", "1:4-8(+)#2"]
    assert list(read(tmp_path, text, "a.csv", width=6, **options).inputs.sequences) == [CHR[3:9]] * 2
    points = "CHROM,POS,split,HISTONES\n1,9,train,1;0\n"
    point = read(
        tmp_path, points, "b.csv", kind="multilabel", target="HISTONES", width=4, position_base=1, classes="ab"
    )
    assert list(point.inputs.sequences) == [CHR[6:10]] and point.targets.tolist() == [[1, 0]]
