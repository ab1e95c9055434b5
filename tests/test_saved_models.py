"""A fine-tuned network is saved as a folder that is a model, with the same predictions."""

from __future__ import annotations

import functools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

from click.testing import CliRunner

from baserate import splits
from baserate.cards.find import find_model
from baserate.cli import cli
from baserate.errors import ConfigError, DataError, NotApplicable
from baserate.modes import MODES, mode_settings
from baserate.modes.job import Job
from baserate.networks.checkpoint import from_network, open_checkpoint
from baserate.networks.hub import HEAD, Access, Location
from baserate.networks.settings import NETWORK
from baserate.plan import Protocol, plan
from baserate.records import Record, read_records
from baserate.run import Grid
from baserate.transforms import Fitted, fit_transform
from baserate.types import FloatArray, ModelCard, Task

from .checkpoints import LAYOUTS, build
from .golden_inputs import examples, split_of, task_of


def opened(folder: Path) -> Any:
    return open_checkpoint(Location(str(folder), folder, ""), Access())


@pytest.mark.parametrize("layout", ["esm-rotary", "gpt2", "modernbert"])
@pytest.mark.parametrize(
    ("task", "variants", "kind"),
    [
        ("three classes", False, "lora"),
        ("measurement", True, "full"),
        ("bases", False, "head"),
        ("labels", False, "ia3"),
    ],
)
def test_a_saved_model_predicts_the_same(layout: str, task: str, variants: bool, kind: str, tmp_path: Path) -> None:
    split = split_of(task, variants=variants)
    n_classes = {"three classes": 3, "labels": 3, "bases": 2}.get(task, 0)
    model = opened(build(tmp_path / "source", LAYOUTS[layout]))
    fitted = model.fit(split.train, split.valid, n_classes=n_classes, seed=0, train=kind, epochs=1, batch_size=8)
    classes = [f"c{i}" for i in range(n_classes)]
    fitted.save(tmp_path / "saved", classes=classes, task="toy@1")
    again = opened(tmp_path / "saved")
    np.testing.assert_array_equal(again.predict(split.test.inputs), fitted.predict(split.test.inputs))
    assert again.labels == tuple(classes)
    with pytest.raises(NotApplicable, match="its head reads"):
        again.predict(split_of("two classes" if variants or task == "bases" else "bases").test.inputs)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("name", ["rank", "log"])
def test_measurements_come_back_on_the_measured_scale(name: str, tmp_path: Path) -> None:
    split = split_of("measurement")
    model = opened(build(tmp_path / "source", LAYOUTS["esm-rotary"]))
    fitted = model.fit(split.train, split.valid, n_classes=0, seed=0, epochs=1)
    transform: Fitted = fit_transform(name, np.abs(split.train.targets))
    fitted.save(tmp_path / "saved", transform=transform)
    expected: FloatArray = transform.undo(fitted.predict(split.test.inputs))
    np.testing.assert_array_equal(opened(tmp_path / "saved").predict(split.test.inputs), expected)


def test_what_cannot_be_saved_or_read_is_told(tmp_path: Path) -> None:
    split = split_of("two classes")
    model = opened(build(tmp_path / "source", LAYOUTS["esm-rotary"]))
    own = from_network(model.network, model.tokens, name="mine")
    fitted = own.fit(split.train, split.valid, n_classes=2, seed=0, train="head", epochs=1)
    with pytest.raises(ConfigError, match="mine: was not opened from a checkpoint"):
        fitted.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    fitted = model.fit(split.train, split.valid, n_classes=2, seed=0, train="head", epochs=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the model cannot be saved"):
        fitted.save(tmp_path / "file" / "saved")
    fitted.save(tmp_path / "saved")
    (tmp_path / "saved" / HEAD).write_text('{"trained_on": "x", "classes": []}')
    with pytest.raises(DataError, match=f"{HEAD}: is not the head of a model that baserate saved"):
        opened(tmp_path / "saved")


def fine_tuning(model: Any, models: Path) -> Job:
    task = task_of("two classes")
    card = ModelCard("mine", lambda: None, {"fine_tune": {}}, {}, "d", lambda: "r", settings=NETWORK)
    settings = mode_settings("fine_tune", card, task, {"train": "head", "epochs": 1})
    return Job(task, card, model, split_of("two classes"), settings, (0, 1), 0.9, models=models)


def test_that_a_model_cannot_be_saved_is_an_error_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(build(tmp_path / "source", LAYOUTS["esm-rotary"]))
    own = from_network(model.network, model.tokens, name="mine")
    monkeypatch.setattr(type(own), "fit", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(ConfigError, match="mine: was not opened from a checkpoint"):
        MODES.get("fine_tune").run(fine_tuning(own, tmp_path / "saved"))


def test_an_error_of_saving_leaves_the_scores_and_a_note(tmp_path: Path) -> None:
    model = opened(build(tmp_path / "source", LAYOUTS["esm-rotary"]))
    (tmp_path / "file").write_text("")
    job = fine_tuning(model, tmp_path / "file" / "saved")
    scores = MODES.get("fine_tune").run(job)
    assert scores.shape[0] == 2 and np.isfinite(scores).all()
    notes = [note for note in job.notes if "not saved" in note]
    assert len(notes) == 2 and notes[0].startswith("seed 0: its model was not saved: ")
    assert "the model cannot be saved" in notes[0]


def only(folder: Path) -> Record:
    (record,) = read_records(folder)
    return record


@pytest.fixture
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the checks of models, which take most of the time of so small a cell."""
    monkeypatch.setattr("baserate.checks.faults", lambda card, cache: ())


@pytest.mark.usefixtures("_unchecked")
def test_from_the_command_line(tmp_path: Path, toy_card: Path) -> None:
    source = build(tmp_path / "net", LAYOUTS["esm-rotary"])
    common = [
        "run",
        "--task",
        str(toy_card),
        "--seeds",
        "0",
        "--limit",
        "24",
        "--no-audit",
        "--tracking-uri",
        "none",
        "-q",
    ]
    tune = [
        *common,
        "--model",
        str(source),
        "--mode",
        "fine_tune",
        "--set",
        "epochs=1",
        "--results",
        str(tmp_path / "a"),
    ]
    runner = CliRunner()
    assert runner.invoke(cli, tune, catch_exceptions=False).exit_code == 0
    save = [*tune, "--save-models", str(tmp_path / "models"), "--device", "cpu"]
    assert runner.invoke(cli, save, catch_exceptions=False).exit_code == 0, "a cell done before is done again"
    (saved,) = (p.parent for p in (tmp_path / "models").rglob("config.json"))
    assert saved.name == "seed-0"
    card = find_model(str(saved))
    assert set(card.modes) == {"as_is", "linear_probe", "fine_tune"} and "fine-tuned on toy_motif@1" in card.description
    use = [*common, "--model", str(saved), "--mode", "as_is", "--results", str(tmp_path / "b")]
    assert runner.invoke(cli, use, catch_exceptions=False).exit_code == 0
    one, two = only(tmp_path / "a"), only(tmp_path / "b")
    assert (one.status, two.status) == ("done", "done"), two.error
    np.testing.assert_array_equal(one.predictions.scores, two.predictions.scores)
    assert one.environment["device"] == "cpu"
    before = (tmp_path / "models").stat().st_mtime
    assert runner.invoke(cli, save, catch_exceptions=False).exit_code == 0
    assert (tmp_path / "models").stat().st_mtime == before and json.loads((saved / HEAD).read_text())[
        "reads"
    ] == "sequences"
    shutil.rmtree(tmp_path / "models")
    wrong = runner.invoke(cli, [*tune, "--device", "gpu9"])
    assert wrong.exit_code and "unknown device 'gpu9'" in str(wrong.output) + str(wrong.exception)


@pytest.mark.usefixtures("_unchecked")
def test_fine_tuning_with_random_weights_runs_the_twin(tmp_path: Path, toy_card: Path) -> None:
    source = build(tmp_path / "net", LAYOUTS["esm-rotary"])
    command = ["run", "--task", str(toy_card), "--model", str(source), "--mode", "fine_tune", "--random-weights"]
    command += ["--seeds", "0", "--limit", "24", "--no-audit", "--tracking-uri", "none", "-q", "--set", "epochs=1"]
    assert CliRunner().invoke(cli, [*command, "--results", str(tmp_path / "a")], catch_exceptions=False).exit_code == 0
    records = {r.spec.model: r for r in read_records(tmp_path / "a")}
    assert set(records) == {"net", "net_random"}
    assert all(r.status == "done" and r.spec.mode == "fine_tune" for r in records.values())
    assert not np.allclose(records["net"].predictions.scores, records["net_random"].predictions.scores)


def cell_of(task: Task, card: Any, mode: str, changed: dict[str, Any], folder: Path) -> Record:
    grid = Grid(folder, Protocol((0,)), None, audited=False, checked=False, models=folder / "models")
    (result,) = grid.each(plan([task], [card], [mode], changed))
    assert result.record.status == "done", result.record.error
    return result.record


SHORT, CHUNKS = {"max_length": 12}, {"max_length": 12, "window": "chunk", "overlap": 4}


@pytest.mark.parametrize(
    ("kind", "variants", "reading"),
    [
        ("measurement", True, SHORT),
        ("measurement", True, CHUNKS),
        ("two classes", False, SHORT),
        ("two classes", False, CHUNKS),
        ("bases", False, SHORT),
    ],
)
def test_as_is_reads_long_sequences_as_in_training(
    kind: str, variants: bool, reading: dict[str, Any], tmp_path: Path
) -> None:
    task = replace(task_of(kind, variants=variants), split=splits.stratified(test=0.4, valid=0.2))
    task = replace(task, source=functools.partial(examples, kind, "train", variants=variants))
    net = find_model(str(build(tmp_path / "net", LAYOUTS["esm-rotary"])))
    changed = {"epochs": 1, "batch_size": 8, **reading}
    trained = cell_of(task, net, "fine_tune", changed, tmp_path / "a")
    (folder,) = (tmp_path / "a" / "models").rglob("seed-0")
    saved = find_model(str(folder))
    used = cell_of(task, saved, "as_is", {}, tmp_path / "b")
    np.testing.assert_array_equal(used.predictions.scores, trained.predictions.scores)
    assert {k: v for k, v in used.spec.settings.items() if k != "context"} == reading
    assert used.flags == trained.flags and (any("12" in flag or "truncated" in flag for flag in used.flags))
    with pytest.raises(ConfigError, match="max_length = 20: expected 12, with which the head was trained"):
        plan([task], [saved], ["as_is"], {"max_length": 20})


def test_a_saved_model_has_the_precision_of_its_training(tmp_path: Path) -> None:
    split = split_of("two classes")
    source = Location("net", build(tmp_path / "source", LAYOUTS["esm-rotary"]), "")
    model = open_checkpoint(source, Access(), precision="bf16")
    fitted = model.fit(split.train, split.valid, n_classes=2, seed=0, epochs=1)
    fitted.save(tmp_path / "saved")
    again = opened(tmp_path / "saved")
    assert again.precision == "bf16"
    np.testing.assert_array_equal(again.predict(split.test.inputs), fitted.predict(split.test.inputs))
    exact = open_checkpoint(Location("saved", tmp_path / "saved", ""), Access(), precision="fp32")
    assert exact.precision == "fp32", "what the user names counts"
    head = json.loads((tmp_path / "saved" / HEAD).read_text())
    del head["precision"]  # as heads were written before
    (tmp_path / "saved" / HEAD).write_text(json.dumps(head))
    assert opened(tmp_path / "saved").precision == exact.precision
