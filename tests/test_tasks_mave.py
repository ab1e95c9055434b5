"""Libraries of measured variants: what is read of the real files, and what a linear model achieves on them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from baserate.errors import DataError
from baserate.registry import get_model, get_task
from baserate.splits import by_group, load_split
from baserate.tasks import reporter_assays
from baserate.tasks.mave import Library, examples
from baserate.types import Examples, Inputs, strings

from .conftest import SHARED_DATA

real = pytest.mark.skipif(not (SHARED_DATA / "mavenn").is_dir(), reason="needs the real files beside the checkout")


@real
@pytest.mark.parametrize(
    ("name", "additive"),
    [("mpsa", 0.224), ("mpsa_replicate", 0.240), ("sortseq", 0.591), ("trna", 0.728), ("smn1", 0.194)],
)
def test_a_linear_model_of_the_bases_achieves_what_is_known(name: str, additive: float) -> None:
    """The first three are ridge on the authors' split, computed elsewhere; the others our own split's."""
    task = get_task(f"mave.{name}")
    split = load_split(task)
    assert {part: len(e) for part, e in split} == dict(task.sizes)
    assert set("".join(split.test.inputs.sequences)) == set("ACGT"), "RNA is written as DNA"
    fitted = get_model("onehot_linear").load().fit(split.train, split.valid, n_classes=0, seed=0)
    rank = [np.argsort(np.argsort(v)) for v in (fitted.predict(split.test.inputs)[:, 0], split.test.targets)]
    assert np.corrcoef(rank)[0, 1] == pytest.approx(additive, abs=0.02)


def library(folder: Path, *rows: str, head: str = "set,ct_0,ct_1,ct_2,ct_3,ct_4,ct_5,ct_6,ct_7,ct_8,ct_9,x") -> Library:
    with gzip.open(folder / "own_library.csv.gz", "wt") as file:
        file.write("\n".join([head, *rows]) + "\n")
    return Library("own_library.csv.gz", "x", "", "set", len(rows))


def test_the_measurement_is_the_mean_bin_over_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path))
    found = examples(library(tmp_path, "training,1,0,0,0,0,0,0,0,0,3,AUG", "validation,0,0,0,5,0,0,0,0,0,0,CCC"))
    assert list(found.targets) == [27 / 4, 3.0]
    assert list(found.ids) == ["ATG", "CCC"] and list(found.strata["part"]) == ["train", "valid"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["training,0,0,0,0,0,0,0,0,0,0,ATG"], "row 1: no reads in any of ct_0 to ct_9"),
        (["training,1,0,0,0,0,0,0,0,0,0,ATQ"], "row 1: column 'x'"),
        (["training,1,0,0,0,0,0,0,0,0,0,ATG"] * 2, "occurs more than once"),
        (["training,1,0,0,0,0,many,0,0,0,0,ATG"], "'ct_5'"),
    ],
)
def test_unusable_rows_are_told(rows: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=said):
        examples(library(tmp_path, *rows))


def test_another_version_of_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path))
    made = library(tmp_path, "test,1,0,0,0,0,0,0,0,0,0,ATG")
    with pytest.raises(DataError, match="1 rows, expected 2; the file is of another version, or cut off"):
        examples(Library(made.file, "x", "", "set", 2))


def test_the_utrs_that_were_read_most_are_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(reporter_assays, "UTRS_TEST", 2)
    monkeypatch.setattr(reporter_assays, "MOST_READ", 5)
    rows = [f"{'ACGT'[i % 4] * 49}U,{i / 10},{reads}" for i, reads in enumerate([5, 90, 7, 80, 7, 1, 6])]
    for name in ("total_reads", "total"):
        with gzip.open(tmp_path / "GSM3130435_egfp_unmod_1.csv.gz", "wt") as file:
            file.write("\n".join([f"utr,rl,{name}", *rows]) + "\n")
        found = reporter_assays.utrs()
        assert list(found.targets) == [0.1, 0.3, 0.2, 0.4, 0.6], "row 0 and the least read are left out"
        assert list(found.strata["part"]) == ["test", "test", "train", "train", "train"]
        assert found.inputs.sequences[0] == "C" * 49 + "T"
    monkeypatch.setattr(reporter_assays, "UTRS_TEST", 7)
    with pytest.raises(DataError, match="5 rows, of which the 7 with most reads are test; none left"):
        reporter_assays.utrs()


def test_promoters_lose_their_constant_ends_and_train_is_thinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path))
    core = ["".join(np.random.default_rng(i).choice(list("ACGT"), 80)) for i in range(250)]
    whole = [f"{reporter_assays.LEFT}{s}{reporter_assays.RIGHT}\t{i / 7}\n" for i, s in enumerate(core)]
    (tmp_path / "complex_media_training_data_Glu.txt").write_text("".join(whole))
    (tmp_path / "Random_testdata_complex_media.txt").write_text("".join(whole[:3]))
    found = reporter_assays.promoters()
    assert list(found.inputs.sequences) == [core[i] for i in (0, 100, 200, 0, 1, 2)]
    assert found.targets == pytest.approx(np.array([0, 100, 200, 0, 1, 2]) / 7)
    assert list(found.strata["part"]) == ["train"] * 3 + ["test"] * 3
    (tmp_path / "Random_testdata_complex_media.txt").write_text("ACGT 3\n")
    with pytest.raises(DataError, match="row 1: expected a sequence, a tab and a number"):
        reporter_assays.promoters()


def test_carving_groups_takes_time_in_proportion() -> None:
    """Comparing every pair of 60,000 groups would take minutes."""
    ids = strings([f"g{i}" for i in range(60_000)])
    part = by_group(test=0.2, valid=0.1)(Examples(ids, Inputs(ids), np.zeros(60_000), ids, ids))
    assert [int((part == name).sum()) for name in ("train", "valid", "test")] == [42_000, 6_000, 12_000]
