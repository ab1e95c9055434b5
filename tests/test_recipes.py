"""The recipes of CONTRIBUTING.md: each is one file outside the package, tried through the command line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checkpoints
import pytest

from baserate.cards.own_files import PLUGINS_VARIABLE
from baserate.cli import cli
from baserate.networks.families import identify
from baserate.records import Record, read_records
from baserate.registry import Registry

ROOT = Path(__file__).parent.parent
RECIPES = {file.stem: file for file in sorted((ROOT / "tests" / "recipes").glob("*.py"))}
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.fixture(autouse=True)
def _registrations_are_undone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(PLUGINS_VARIABLE, raising=False)
    with Registry.temporarily():
        yield


def run(results: Path, *recipes: str, **options: str) -> Record:
    """Return the one record of `baserate --plugin RECIPE.py ... run --OPTION VALUE ...`."""
    plugins = [word for name in recipes for word in ("--plugin", str(RECIPES[name]))]
    settings = [word for pair in options.pop("set", "").split() for word in ("--set", pair)]
    given = {"task": "tata_boxes", "seeds": "0", "tracking_uri": "none", "results": str(results), **options}
    words = [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", value)]
    code = cli.main([*plugins, "run", *words, *settings, "--no-audit", "--no-cache", "-q"], standalone_mode=False)
    (record,) = read_records(results)
    assert code == 0 and record.status == "done", record.error
    return record


def score(record: Record, metric: str = "mcc") -> float:
    found = record.estimate(metric)
    assert found is not None and found.value is not None
    return found.value


@pytest.mark.parametrize("name", RECIPES)
def test_the_page_holds_the_recipe(name: str) -> None:
    assert f"```python\n# {name}.py\n{RECIPES[name].read_text()}```" in PAGE


def test_the_page_holds_no_other_code() -> None:
    assert set(re.findall(r"```python\n# (\w+)\.py\n", PAGE)) == set(RECIPES) and PAGE.count("```python") == len(
        RECIPES
    )


def test_places_that_the_page_names_are_there() -> None:
    places = re.findall(r"`((?:bench|tasks|models|baselines|tests|docs)/[\w/.]*)`", PAGE)
    assert len(places) > 20
    for place in places:
        assert (ROOT / place).exists(), place
    names = re.findall(r"`([A-Z]\w+)` (?:in|of) `([\w/]+\.py)`", PAGE)
    assert len(names) > 4
    for name, place in names:
        assert re.search(rf"^(class )?{name}\b", (ROOT / place).read_text(), re.M), f"{place}: {name}"


def test_task(tmp_path: Path) -> None:
    record = run(tmp_path, "task", model="onehot_linear")
    assert record.spec.task == "tata_boxes@1" and score(record) > 0.5


def test_model(tmp_path: Path) -> None:
    record = run(tmp_path, "task", "model", model="composition(gc=0.3)", mode="linear_probe")
    assert record.spec.params == {"gc": 0.3} and record.spec.revision == "version 1"


def test_metric(tmp_path: Path, toy_card: Path) -> None:
    card = tmp_path / "toy.toml"
    text = toy_card.read_text().replace("toy.csv", str(toy_card.with_name("toy.csv")))
    card.write_text(text.replace("[source]", 'metrics = ["mcc", "true_class"]\n\n[source]', 1))
    record = run(tmp_path / "results", "metric", task=str(card), model="onehot_linear")
    assert 0.5 < score(record, "true_class") < 1


def test_rule(tmp_path: Path) -> None:
    options = {"model": "composition", "mode": "zero_shot", "set": "rule=best_window width=6"}
    record = run(tmp_path, "task", "model", "rule", **options)
    assert record.spec.settings == {"rule": "best_window", "width": 6} and record.spec.versions["rule"] == "1"
    assert score(record, "auroc") > 0.5


def test_probe(tmp_path: Path) -> None:
    options = {"model": "composition", "mode": "linear_probe", "set": "probe=centroids shrinkage=0.5"}
    record = run(tmp_path, "task", "model", "probe", **options)
    assert record.spec.settings["shrinkage"] == 0.5 and record.spec.versions["probe"] == "1"


def test_mode(tmp_path: Path) -> None:
    record = run(tmp_path, "task", "mode", model="triplets", set="k=3")
    assert record.spec.mode == "neighbours" and record.spec.settings["k"] == 3 and score(record) > 0.5


def test_column_and_field(tmp_path: Path) -> None:
    run(tmp_path, "task", "column", "field", model="onehot_linear")
    assert "| Tasks |" in (tmp_path / "leaderboard.md").read_text()
    rows = [*csv.DictReader((tmp_path / "leaderboard.csv").read_text().splitlines())]
    known = [row for row in rows if row["low"]]
    assert known and all(row["width"] == "" for row in rows if row not in known)
    assert [float(row["width"]) for row in known] == [float(row["high"]) - float(row["low"]) for row in known]


def test_executor(tmp_path: Path) -> None:
    """A process that was started knows the plugins, the task's and the model's file among them."""
    record = run(
        tmp_path, "task", "model", "executor", model="composition", mode="linear_probe", executor="a_process_each"
    )
    assert record.spec.model == "composition"


def test_family(tmp_path: Path) -> None:
    folder = checkpoints.build(tmp_path / "acme", checkpoints.LAYOUTS["esm-rotary"])
    config: dict[str, Any] = json.loads((folder / "config.json").read_text()) | {"acme_version": 1}
    cli.main(["--plugin", str(RECIPES["family"]), "list", "suites"], standalone_mode=False)
    assert identify("mine", config)[0].name == "acme"
