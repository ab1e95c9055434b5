"""`baserate show` of a record, and the same as tables in a notebook."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import baserate as br
from baserate.cli import cli
from baserate.errors import BaserateError, ConfigError
from baserate.records import Record, read_record, write_record
from baserate.registry import baseline
from baserate.results import Choice, Components, Estimate, Predictions, RunSpec, Trial
from baserate.settings import among, uniform
from baserate.settings import positive as positive_setting
from baserate.types import Examples, FloatArray, Inputs, strings

SPEC = RunSpec(
    *("toy@1", "d0", "s0", "cnn", {"width": 8, "depth": 2}, "version 1", "from_scratch"),
    {"lr": 0.01, "epochs": 5},
    (0, 1),
    0.9,
    versions={"mode": "1"},
    budget=4,
)
TRIALS = (
    Trial({}, 0.5, 1.25),
    Trial({"lr": 0.003, "width": 16}, 0.75, 2.5),
    Trial({"lr": 0.9, "width": 16}, None, 0.5, "the loss is <not> finite in epoch 1"),
)
HISTORY = ({"best": True, "epoch": 1, "train_loss": 0.693147}, {"epoch": 2, "train_loss": 0.5})
CHOICES = (
    Choice(0, "mcc", 0.75, {"lr": 0.003, "width": 16, "epoch": 2}, HISTORY, TRIALS, 1, 90),
    Choice(1, "mcc", None, {"lr": 0.003, "width": 16, "epoch": 1}, (), (), 1, 91),
)
RECORD = Record(
    *(SPEC, "done", {"id": "toy@1"}, {"name": "cnn"}, (Estimate("mcc", 0.5, 0.4, 0.6, 9, 9, (0.4, 0.6)),)),
    flags=("truncated 2 of 9",),
    seconds=12.5,
    environment={"device": "cpu", "packages": {"numpy": "2.0"}},
    audit={"verdict": "WARN", "reasons": ["WARN: gc alone"]},
    exposure={"status": "clean", "reason": "not pretrained"},
    choices=CHOICES,
    searched={"lr": "0.0001 to 1, log scale", "width": "8, 16"},
    test_looks=2,
    components=Components("mcc", ((0.4, 0.5), (0.5, None)), 0.002, 0.001, None, 0.01),
)
PREDICTIONS = Predictions(strings(["a"]), np.array([0]), strings(["g"]), {}, np.zeros((2, 1, 1)), (0, 1))


def shown(*arguments: object) -> str:
    outcome = CliRunner().invoke(cli, ["show", *map(str, arguments)])
    if outcome.exception is not None:
        raise outcome.exception
    return outcome.stdout


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_record(tmp_path / "results", RECORD, PREDICTIONS)


def test_a_record_shows_every_setting_choice_trial_epoch_and_cost(folder: Path) -> None:
    out = lines(shown(folder))
    assert out[0] == "cnn · from_scratch on toy@1: done" and out[1] == str(folder)
    for line in (
        "mcc 0.5000 0.4000 to 0.6000 0.4000, 0.6000",
        "width 16 8 8, 16",
        "depth 2",
        "lr 0.003 0.01 0.0001 to 1, log scale",
        "epochs 5",
        "budget 4 trials, of which 3 differ",
        "versions mode 1",
        "0 mcc 0.7500 1 epoch 2, lr 0.003, width 16",
        "1 mcc undefined 1 epoch 1, lr 0.003, width 16",
        "0 0.5000 1.2 the defaults",
        "1 0.7500 2.5 lr 0.003, width 16 chosen",
        "2 failed 0.5 lr 0.9, width 16 the loss is <not> finite in epoch 1",
        "epoch best train_loss",
        "1 true 0.6931",
        "2 0.5",
        "seconds 12.5, of which trials 4.2",
        "test scored 2 times, by models with the chosen settings",
        "training examples 90, 91",
        "mcc, variance by training samples 0.002",
        "mcc, variance by neither none",
        "flag truncated 2 of 9",
        "audit WARN",
        "WARN: gc alone",
        "exposure clean: not pretrained",
        "packages numpy 2.0",
    ):
        assert line in out, line


def test_a_record_is_named_by_its_folder_its_file_or_its_hash(folder: Path) -> None:
    by_folder = shown(folder)
    assert shown(folder / "record.json") == by_folder
    results = folder.parent.parent
    assert shown(SPEC.hash, "--results", results) == shown(SPEC.hash[:8], "--results", results) == by_folder
    assert json.loads(shown(folder, "--json"))["choices"][0]["trials"][1]["valid"] == 0.75


def test_a_folder_of_records_and_an_unknown_hash_are_refused(folder: Path) -> None:
    for several in (folder.parent, folder.parent.parent):
        with pytest.raises(ConfigError, match=f"a folder of 1 records; name one, such as {folder}"):
            shown(several)
    for unknown in ("0123456789", "~nobody/record.json", "x" * 300):
        with pytest.raises(BaserateError, match=f"{unknown}"):
            shown(unknown, "--results", folder.parent.parent)


def test_a_failed_record_and_one_from_before_choices_are_shown(tmp_path: Path) -> None:
    failed = replace(RECORD, status="failed", error="Traceback\nboom", estimates=(), choices=None, searched=None)
    out = lines(shown(write_record(tmp_path, failed, None)))
    assert out[0].endswith("failed") and "boom" in out and not any("test scored" in line for line in out)
    old = replace(RECORD, choices=None, searched=None, test_looks=None, exposure={}, audit={})
    out = lines(shown(write_record(tmp_path, old, PREDICTIONS)))
    assert "lr 0.01" in out and "test scored not counted, in a record from before this was" in out
    first = next((Path(__file__).parent / "fixtures/records").glob("**/record.json")).parent
    shutil.copytree(first, tmp_path / first.parent.name / first.name)
    assert "Scores on test" in shown(tmp_path / first.parent.name / first.name)


def test_a_notebook_shows_choices_and_trials(folder: Path) -> None:
    page = read_record(folder)._repr_html_()
    assert "<td>0</td><td>mcc</td><td>0.7500</td><td>1</td><td>epoch 2, lr 0.003, width 16</td>" in page
    assert "<td>lr 0.003, width 16</td><td>chosen</td>" in page
    assert "the loss is &lt;not&gt; finite in epoch 1" in page
    assert replace(RECORD, choices=())._repr_html_().count("<table>") == 1


@dataclass
class Watched:
    """A model that counts how often it scores the test examples, which are fewer than those of valid."""

    scored: list[int]

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int, skill: float = 0.1) -> Watched:
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        self.scored.append(len(inputs))
        return np.full((len(inputs), 2), 0.5)


def test_every_seed_scores_test_once_whatever_the_budget_and_the_record_counts_it(toy_card: Path) -> None:
    watched = Watched([])

    @baseline(
        "watched",
        version=1,
        modes={"from_scratch": {}},
        description="Watched.",
        settings={"from_scratch": {"skill": positive_setting(0.1, "", search=uniform(0.1, 1.0))}},
        search={"letters": among("A", "C")},
    )
    def load(*, letters: str = "A") -> Watched:
        return watched

    record = br.evaluate(toy_card, "watched", budget=4, audit=False, progress=False)
    n_test = len(br.load_split(toy_card).test)
    assert watched.scored.count(n_test) == record.test_looks == len(record.spec.seeds) == 5
    crossed = br.evaluate(toy_card, "watched", replicates=2, audit=False, progress=False)
    assert crossed.test_looks == 5 + 2 * 2
    untrained = br.evaluate(toy_card, "gc_content", "from_scratch", audit=False, progress=False)
    assert untrained.test_looks == 5
