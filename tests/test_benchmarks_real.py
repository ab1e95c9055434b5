"""The real files of GUE, where they are: what the cards expect of them, and what simple models reach on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baserate.cards.find import find_model
from baserate.cards.task_file import find_in_file
from baserate.errors import DataError
from baserate.registry import get_task, load_model
from baserate.sources.declared import HubSource
from baserate.splits import load_split
from baserate.types import Examples

from .conftest import SHARED_DATA

GUE_FILES = SHARED_DATA / "gue"
pytestmark = [
    pytest.mark.skipif(not GUE_FILES.is_dir(), reason=f"real GUE files are not in {GUE_FILES}"),
    pytest.mark.usefixtures("_shared"),
]


@pytest.fixture
def _shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(SHARED_DATA))


COMPLETE = [
    *(f"gue.prom_core_{kind}" for kind in ("all", "notata", "tata")),
    "gue.prom_300_tata",
    *(f"gue.human_tf_{i}" for i in range(5)),
    *(f"gue.mouse_{i}" for i in (0, 2, 3, 4)),
]
PARTIAL = ["gue.prom_300_all", "gue.prom_300_notata", "gue.mouse_1", "gue.splice_reconstructed"]


@pytest.mark.parametrize("name", COMPLETE)
def test_real_files_of_gue_are_as_the_card_expects(name: str) -> None:
    task = get_task(name)
    split = load_split(task)
    assert {part: len(examples) for part, examples in split} == dict(task.sizes)
    lengths = {len(s) for _, examples in split for s in examples.inputs.sequences}
    assert lengths == {101 if "tf" in name or "mouse" in name else 70 if "core" in name else 300}


@pytest.mark.parametrize("name", PARTIAL)
def test_real_files_without_a_train_part_are_told(name: str) -> None:
    with pytest.raises(DataError, match=r"train\.csv\.gz is missing \(the folder has dev\.csv\.gz, test\.csv\.gz\)"):
        load_split(get_task(name))


@pytest.mark.parametrize("name", PARTIAL)
def test_valid_and_test_of_those_are_as_the_card_expects(name: str) -> None:
    source = get_task(name).source
    assert isinstance(source, HubSource) and source.expected
    held = replace(source.expected, counts=tuple(c for c in source.expected.counts if c[0] != "train"))
    examples: Examples = replace(source, dataset=replace(source.dataset, needs=("test",)), expected=held)()
    assert set(examples.strata["part"]) == {"valid", "test"}


DEV = """
name = "gue_dev"
kind = "classification"
classes = ["0", "1"]
[source]
hub = "local/gue"
[tasks.prom_300_all]
source = { files = { train = "prom/prom_300_all/dev.csv.gz", test = "prom/prom_300_all/test.csv.gz" } }
[tasks.prom_300_notata]
source = { files = { train = "prom/prom_300_notata/dev.csv.gz", test = "prom/prom_300_notata/test.csv.gz" } }
[tasks.mouse_1]
source = { files = { train = "mouse/1/dev.csv.gz", test = "mouse/1/test.csv.gz" } }
[tasks.splice]
classes = ["0", "1", "2"]
source = { files = { train = "splice/reconstructed/dev.csv.gz", test = "splice/reconstructed/test.csv.gz" } }
"""
"""The tasks of which only valid and test are here, learnt from valid."""

WORDS = "kmer_logreg(max_k=5)"
KNOWN = [
    ("gue.prom_core_tata", "onehot_linear", 0.70),
    ("gue.prom_core_all", "onehot_linear", 0.46),
]
KNOWN_SLOW = [
    ("gue.mouse_2", WORDS, 0.73),
    ("gue_dev.mouse_1", WORDS, 0.65),
    *(("gue.human_tf_" + str(i), WORDS, known) for i, known in enumerate((0.63, 0.69, 0.59, 0.45, 0.71))),
    ("gue.mouse_0", WORDS, 0.52),
    ("gue.mouse_4", WORDS, 0.41),
    ("gue.prom_core_all", WORDS, 0.56),
    ("gue.prom_core_notata", WORDS, 0.59),
    ("gue.prom_core_tata", WORDS, 0.49),
    ("gue.prom_300_tata", WORDS, 0.42),
    ("gue_dev.prom_300_all", WORDS, 0.72),
    ("gue_dev.prom_300_notata", WORDS, 0.81),
    ("gue_dev.splice", "onehot_linear", 0.45),
]


@pytest.mark.parametrize(
    ("name", "model", "known"), [*KNOWN, *(pytest.param(*row, marks=pytest.mark.slow) for row in KNOWN_SLOW)]
)
def test_baselines_reach_on_real_files_what_others_measured(
    name: str, model: str, known: float, tmp_path: Path
) -> None:
    # Measured apart from this code, with logistic regressions of scikit-learn on words of 1 to 5 bases and on bases.
    from sklearn.metrics import matthews_corrcoef

    (tmp_path / "dev.toml").write_text(DEV)
    task = find_in_file(tmp_path / "dev.toml", name)[0] if name.startswith("gue_dev") else get_task(name)
    split = load_split(task)
    fitted: Any = load_model(find_model(model))
    fitted = fitted.fit(split.train, split.valid, n_classes=len(task.classes), seed=0)
    found = matthews_corrcoef(split.test.targets, fitted.predict(split.test.inputs).argmax(axis=1))
    assert abs(found - known) <= 0.03, found
