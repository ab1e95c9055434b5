"""A benchmark of one's own: one card of several tasks on the hub or in a folder, and the mistakes in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from published import COUNTS, rows_of, write_csv

from baserate.cards.find import find_tasks
from baserate.cards.task_file import find_in_file
from baserate.cli import cli
from baserate.errors import BaserateError, ConfigError, DataError, UnknownName
from baserate.registry import get_task
from baserate.splits import load_split

CARD = """
name = "mine"
kind = "classification"
classes = ["no", "yes"]
description = "All of them."
[source]
hub = "leannmlindsey/GUE"
under = ["GUE"]
folders = ["prom/prom_core_{task}"]
[expect]
train = 30
valid = 12
test = 12
[tasks.a]
description = "The first."
source = { folders = ["prom/prom_core_tata"] }
[tasks.tata]
metrics = ["accuracy", "mcc"]
published = "accuracy"
expect = { valid = 12 }
[tasks.other]
kind = "regression"
"""


def gue_rows(root: Path) -> None:
    """Write gue.prom_core_tata as its archive holds it."""
    task = get_task("gue.prom_core_tata")
    for seed, (part, n) in enumerate(COUNTS.items()):
        file = {"valid": "dev"}.get(part, part)
        write_csv(root / f"GUE/prom/prom_core_tata/{file}.csv", ["sequence", "label"], rows_of(task, n, seed))


def test_a_benchmark_of_ones_own(data: Path) -> None:
    card = data / "mine.toml"
    card.write_text(CARD)
    gue_rows(data)
    assert [task.name for task in find_tasks([str(card)])] == ["mine.a", "mine.tata", "mine.other"]
    assert [task.name for task in find_tasks([f"{card}:[at]*", f"{card}:mine.tata"])] == ["mine.a", "mine.tata"]
    first, second, other = find_tasks([str(card)])
    assert first.description == "The first. All of them." and second.published == "accuracy"
    assert first.sizes == {"train": 30, "valid": 12, "test": 12} and other.kind == "regression"
    assert load_split(first).data_fingerprint == load_split(second).data_fingerprint
    with pytest.raises(UnknownName, match="Did you mean 'tata'"):
        find_tasks([f"{card}:tatta"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "mine"', "", "key 'name' is missing; the names of the tasks begin with it"),
        (
            "[tasks.a]",
            "[tasks.a]\nmetricks = []",
            "mine.toml: tasks.a: unknown key 'metricks'; did you mean 'metrics'?",
        ),
        ("[tasks.a]", '[tasks.a]\nname = "x"', "tasks.a: unknown key 'name'"),
        ("test = 12", "tests = 12", "[expect]: unknown key 'tests'; did you mean 'test'?"),
        ("test = 12", "test = [1, 2, 3]", "[expect] test has 3 numbers where there are 2 classes"),
        ("test = 12", 'test = "12"', "[expect] test = '12'; expected a number of rows"),
        ('under = ["GUE"]', "under = 1", "under"),
        ('hub = "leannmlindsey/GUE"', 'hub = "GUE"', "hub = 'GUE'; expected ORG/NAME"),
        ('under = ["GUE"]', 'fodlers = ["x"]', "[source]: unknown key 'fodlers'; did you mean 'folders'?"),
        ('under = ["GUE"]', 'files = { dev = "x" }', "files = {'dev': 'x'}; expected a path for each of train"),
        ('published = "accuracy"', 'published = "f1"', "published = 'f1'; expected one of metrics"),
        ("[tasks.other]", "[task.other]", "unknown key 'task'; did you mean 'tasks'?"),
    ],
)
def test_mistakes_in_a_card_are_one_clear_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    card = tmp_path / "mine.toml"
    assert old in CARD
    card.write_text(CARD.replace(old, new, 1))
    with pytest.raises(ConfigError) as told:
        find_in_file(card)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_wrong_counts_of_a_class_are_told(data: Path) -> None:
    card = data / "mine.toml"
    card.write_text(CARD.replace("test = 12", "test = [7, 5]"))
    gue_rows(data)
    with pytest.raises(DataError, match=r"test has 6 rows of class 'no', expected 7"):
        load_split(find_in_file(card, "a")[0])


def test_a_script_is_never_run(data: Path) -> None:
    repository = data / "lab" / "scripted"
    repository.mkdir(parents=True)
    (repository / "scripted.py").write_text("raise SystemExit('a script was run')\n")
    card = data / "mine.toml"
    card.write_text('name = "s"\nkind = "regression"\n[source]\nhub = "lab/scripted"\n')
    with pytest.raises(DataError, match=r"a data set made by a script, which is never run; name its files"):
        load_split(find_in_file(card)[0])


@pytest.mark.parametrize("config", ["wrong", "a"])
def test_a_repository_without_the_configuration_is_told(config: str, data: Path) -> None:
    for part in ("train", "test"):
        write_csv(data / "lab" / "set" / f"{part}.csv", ["sequence", "label"], [("ACGT", "1"), ("ACGA", "2")])
    if config == "wrong":
        (data / "lab/set/README.md").write_text(
            "---\nconfigs:\n- config_name: left\n  data_files: train.csv\n- config_name: right\n"
            "  data_files: test.csv\n---\n"
        )
    card = data / "mine.toml"
    card.write_text(f'name = "s"\nkind = "regression"\n[source]\nhub = "lab/set"\nconfig = "{config}"\n')
    said = {"wrong": "it has left, right", "a": "no configuration 'a', and no column 'task'"}
    with pytest.raises(DataError, match=said[config]):
        load_split(find_in_file(card)[0])


def test_data_dir_comes_before_the_variable(data: Path, tmp_path: Path) -> None:
    gue_rows(tmp_path)
    card = tmp_path / "mine.toml"
    card.write_text(CARD)
    run = ["check", f"{card}:a", "--data-dir", str(tmp_path)]
    before = os.environ.get("BASERATE_DATA_DIR", "")
    told = CliRunner().invoke(cli, run, standalone_mode=False)
    assert os.environ.get("BASERATE_DATA_DIR", "") == before
    assert "split is sound" in told.output and "✗" not in told.output.split("two loads")[0], told.output
    with pytest.raises(BaserateError, match="out of reach"):
        load_split(find_in_file(card, "other")[0])
