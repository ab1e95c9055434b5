"""The examples of docs/inhouse.md, run as they stand there."""

from __future__ import annotations

import re
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.cards.find import find_model
from baserate.checks import run_checks
from baserate.inhouse import FUNCTIONS, card_from_file, model_from_file
from baserate.registry import load_model
from baserate.types import Inputs, ModelCard, strings

PAGE = (Path(__file__).parent.parent / "docs" / "inhouse.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
FILES = {found[1]: block for block in BLOCKS if (found := re.match(r"# (\w+\.py)\n", block))}
SCRIPTS = [block for block in BLOCKS if not re.match(r"# \w+\.py\n", block)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds every file of the page, and an environment without packages in `other`."""
    folder = tmp_path_factory.mktemp("page")
    for name, content in FILES.items():
        (folder / name).write_text(content)
    venv.create(folder / "other", with_pip=False, symlinks=True)
    return folder


@pytest.fixture
def folder(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of files, which is the working directory."""
    monkeypatch.chdir(files)
    return files


def conforms(card: ModelCard) -> None:
    results = list(run_checks(card))
    assert {r.status for r in results} == {"passed", "skipped"}, results
    assert sum(r.status == "passed" for r in results) > 1


def test_the_page_has_the_files_that_it_names() -> None:
    assert set(FILES) == {"dinucleotides.py", "periodicity.py", "tetramers.py", "trained.py", "convolutions.py"}
    assert set(re.findall(r"\./(\w+\.py)", PAGE)) <= set(FILES)
    assert set(re.findall(r"^\| `(\w+)\(", PAGE, re.M)) == set(FUNCTIONS)


def test_rules_in_the_table_are_those_of_the_cards(tmp_path: Path) -> None:
    for function, mode, rule in re.findall(r"^\| `(\w+)\(.*?\| `(\w+)`(?:, rule `(\w+)`)? \|$", PAGE, re.M):
        (tmp_path / "m.py").write_text(f"def {function}(sequences): ...\n")
        card = card_from_file(tmp_path / "m.py")
        assert card and card.modes == {mode: {"rule": rule} if rule else {}}


def test_file_of_functions(folder: Path) -> None:
    card = card_from_file("dinucleotides.py")
    assert card and card.modes == {"zero_shot": {"rule": "causal_delta"}, "linear_probe": {}}
    model: Any = load_model(card)
    np.testing.assert_allclose(model.log_likelihood(strings(["GAN"])), [np.log(0.2 * 0.3 * 0.25)])
    assert model.embed(strings(["acac"]))[0].tolist() == [0, 0.5, 0, 0, 0.25] + [0] * 11


@pytest.mark.parametrize("name", ["periodicity.py", "periodicity.py(period=4)", "tetramers.py", "tetramers.py(k=3)"])
def test_registered_models_conform(folder: Path, name: str) -> None:
    conforms(find_model(str(folder / name)))


def test_trained_estimator(folder: Path) -> None:
    import joblib
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    x = ["ACGT" * 5, "TATA" * 5, "ACCT" * 5, "TATT" * 5]
    pipeline = make_pipeline(CountVectorizer(analyzer="char", lowercase=False), LogisticRegression())
    joblib.dump(pipeline.fit(x, ["plain", "motif"] * 2), folder / "trained.joblib")
    card = find_model(str(folder / "trained.py"))
    model: Any = load_model(card)
    assert model.predict(Inputs(strings(x))).argmax(axis=1).tolist() == [0, 1, 0, 1]
    assert card.revision() != ""


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_scripts_run(folder: Path, number: int) -> None:
    exec(SCRIPTS[number].replace("/envs/other", str(folder / "other")), {})


def test_another_environment(folder: Path) -> None:
    here: Any = model_from_file("dinucleotides.py")
    there: Any = model_from_file("dinucleotides.py", python=str(folder / "other" / "bin" / "python"))
    x = strings(["ACGTN", "GGGCC"])
    np.testing.assert_array_equal(here.embed(x), there.embed(x))
    there.close()


def test_a_network_with_tokens_conforms_and_has_every_rule_of_its_head(folder: Path) -> None:
    card = find_model("convolutions.py")
    conforms(card)
    model: Any = load_model(card)
    scores = model.masked_llr(strings(["ACGTACGT"]), strings(["ACGAACGT"]))
    assert np.isfinite(scores).all() and (scores != 0).all()
