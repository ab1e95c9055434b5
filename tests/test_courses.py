"""Checkpoints of a training: what each had seen, how they are named, and scores by bases with their verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("transformers")

import baserate as br
from baserate.cards.find import find_model, find_models
from baserate.cards.model_file import MODEL_FILE
from baserate.cards.suite import load_suite
from baserate.cli import cli
from baserate.errors import ConfigError
from baserate.leaderboard import to_markdown, write_leaderboard
from baserate.leaderboard.courses_text import amount
from baserate.new_model import new_model
from baserate.pretraining.seen import training_of
from baserate.pretraining.train import pretrain
from baserate.records import read_records
from baserate.types import Examples, FloatArray, Inputs, ModelCard, Training

from .pretraining import write_config

STEP = 4 * 40
"""The bases of a step of the tiny training."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ladder")
    return pretrain(write_config(folder, more="checkpoints = [0, 0.1, 0.35, 1]"), folder / "tiny", device="cpu")


def seen(folder: Path) -> int | None:
    training = training_of(folder)
    return training.bases if training else None


def test_a_checkpoint_says_what_it_had_seen(trained: Path) -> None:
    folders = [trained / f"at_{n}_percent" for n in (0, 10, 35)] + [trained]
    assert [seen(folder) for folder in folders] == [0, 2 * STEP, 7 * STEP, 20 * STEP]
    made = [training_of(folder) for folder in folders]
    assert {t.name for t in made if t} == {"tiny"} and len({t.config for t in made if t}) == 1
    costs = [t.operations for t in made if t]
    assert costs == sorted(costs) and costs[0] == 0 and costs[2] == pytest.approx(0.35 * costs[3], rel=0.05)


def test_trainings_of_one_name_that_differ_in_seed_or_budget_are_two(trained: Path, tmp_path: Path) -> None:
    import shutil

    made = training_of(trained)
    for other in ("steps = 20\nseed = 1", "steps = 40"):
        folder = shutil.copytree(trained, tmp_path / str(len(other)) / "tiny")
        text = (folder / "pretrain.toml").read_text()
        (folder / "pretrain.toml").write_text(text.replace("steps = 20", other))
        again = training_of(folder)
        assert made and again and again.name == made.name and again.config != made.config, other


def test_where_its_own_log_ends_before_the_log_of_the_training_says_it(trained: Path, tmp_path: Path) -> None:
    import shutil

    out = tmp_path / "out"
    shutil.copytree(trained, out)
    log = out / "at_35_percent" / "log.jsonl"
    assert json.loads(log.read_text().splitlines()[-1])["step"] == 7
    log.write_text("")
    assert seen(out / "at_35_percent") == 7 * STEP
    (out / "log.jsonl").write_text("")
    assert seen(out / "at_35_percent") is None and seen(out) is None
    log.write_text("no json")
    assert seen(out / "at_35_percent") is None, "not a log of ours"


def test_a_card_says_it_for_any_checkpoint(trained: Path, tmp_path: Path) -> None:
    import shutil

    out = tmp_path / "checkpoint-500"
    shutil.copytree(trained, out, ignore=shutil.ignore_patterns("at_*", "pretrain.toml", "log.jsonl"))
    assert find_model(str(out)).training is None
    (out / MODEL_FILE).write_text('training = "mine"\nbases = 2_000_000\noperations = 1e12\n')
    assert find_model(str(out)).training == Training("mine", 2_000_000, 1e12)
    for text, message in (
        ('training = "mine"\n', "training and operations go with bases"),
        ("bases = -1\n", "are numbers from 0"),
        ('bases = "many"\n', "bases"),
    ):
        (out / MODEL_FILE).write_text(text)
        with pytest.raises(ConfigError, match=message):
            find_model(str(out))
    card = new_model(str(shutil.copytree(trained / "at_10_percent", tmp_path / "at_10_percent")))
    assert f"bases = {2 * STEP}" in card.text and 'training = "' in card.text
    (card.path.parent / "log.jsonl").unlink()
    assert find_model(str(card.path.parent)).training.bases == 2 * STEP  # type: ignore[union-attr]


def test_a_glob_selects_checkpoints_in_order(trained: Path) -> None:
    cards = find_models([f"{trained}/at_*", str(trained)])
    assert [card.name for card in cards] == ["tiny/at_0_percent", "tiny/at_10_percent", "tiny/at_35_percent", "tiny"]
    assert [card.training.bases // STEP for card in cards if card.training] == [0, 2, 7, 20]
    twin = find_models([f"{trained}/at_35*"], random_weights=True)[1]
    assert twin.training is None and twin.twin_of == "tiny/at_35_percent"
    of_all = find_models([f"{trained}/at_*", str(trained), "baserate_mlm"], random_weights=True)
    assert [card.twin_of for card in of_all if card.twin_of] == ["tiny", "baserate_mlm"]
    with pytest.raises(ConfigError, match="matches no folder of a checkpoint"):
        find_models([f"{trained}/on_*"])


SUITE = """
[[cells]]
tasks = ["{card}"]
models = ["gc_content"]
modes = ["from_scratch", "linear_probe"]
"""


def test_checkpoints_run_as_a_suite_and_become_a_curve(trained: Path, toy_card: Path, tmp_path: Path) -> None:
    (tmp_path / "ask.toml").write_text(SUITE.format(card=toy_card))
    arguments = ["run", "--suite", str(tmp_path / "ask.toml"), "--model", f"{trained}/at_*", "--model", str(trained)]
    arguments += [
        "--random-weights",
        "--results",
        str(tmp_path / "r"),
        "--no-audit",
        "--quiet",
        "--tracking-uri",
        "none",
    ]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    table = br.leaderboard(tmp_path / "r")
    (course,) = table.courses
    assert course.training == "tiny" and course.mode == "linear_probe" and course.column == table.columns[0].name
    assert course.bases == (0, 2 * STEP, 7 * STEP, 20 * STEP)
    assert [name.split(" ")[0] for name in course.rows] == [
        "tiny/at_0_percent",
        "tiny/at_10_percent",
        "tiny/at_35_percent",
        "tiny",
    ]
    scores = {row.name: table.cell(row, table.columns[0]).value or 0.0 for row in table.rows}
    assert course.gain is not None and course.gain.low is not None
    (twin,) = [row.name for row in table.rows if row.kind == "random"]
    assert course.gain.over == twin and twin.startswith("tiny_random"), "which has a draw for each seed"
    assert course.gain.value == pytest.approx(scores[course.rows[-1]] - scores[twin])
    alone = br.leaderboard([r for r in read_records(tmp_path / "r") if not r.model["twin_of"]]).courses[0]
    assert alone.gain is not None and alone.gain.over == course.rows[0] and alone.gain.preliminary
    assert alone.gain.value == pytest.approx(scores[course.rows[-1]] - scores[course.rows[0]])
    files = {file.name for file in write_leaderboard(table, tmp_path / "out")}
    assert "pretraining.png" in files
    assert "## What pretraining gained, by bases seen" in (tmp_path / "out" / "leaderboard.md").read_text()
    assert json.loads((tmp_path / "out" / "leaderboard.json").read_text())["courses"][0]["training"] == "tiny"
    snapshot = next(r.model for r in read_records(tmp_path / "r") if r.spec.model == "tiny")
    assert snapshot["training"]["bases"] == 20 * STEP


class Knows:
    """A model that sees the motif of the toy task in a share of the sequences."""

    def __init__(self, share: float) -> None:
        self.share = share

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Knows:
        return self

    def predict(self, inputs: Inputs) -> FloatArray:
        n = len(inputs.sequences)
        sees = np.array(["TATAAA" in s for s in inputs.sequences]) & (np.arange(n) % 100 < 100 * self.share)
        p = 0.1 + 0.8 * sees
        return np.stack([1 - p, p], axis=1)


def card(name: str, training: str, bases: int, share: float) -> ModelCard:
    def load() -> Any:
        return Knows(share)

    modes: dict[str, dict[str, Any]] = {"from_scratch": {}}
    return ModelCard(name, load, modes, {}, "d", lambda: name, training=Training(training, bases, 10.0 * bases, "c"))


def test_verdicts_say_what_is_gained_and_which_training_is_better(toy_card: Path, tmp_path: Path) -> None:
    cards = [
        card("good_0", "good", 1_000, 0.0),
        card("good_1", "good", 3_000_000, 0.5),
        card("good_2", "good", 20_000_000, 1.0),
        card("none_0", "none", 1_000, 0.0),
        card("none_1", "none", 40_000_000, 0.0),
        card("other", "other", 5_000_000, 0.2),
    ]
    records = br.run(str(toy_card), cards, seeds=range(5), results=None, audit=False, cache=False, progress=False)
    table = br.leaderboard(records)
    good, none, other = table.courses
    assert (good.training, none.training, other.training) == ("good", "none", "other")
    assert good.gain and good.gain.verdict == "better" and good.gain.low and good.gain.low > 0
    assert none.gain and none.gain.verdict == "tie" and none.gain.value == 0
    assert other.gain is None and len(other.rows) == 1
    assert good.over == ("none", "other") and none.over == ()
    text = to_markdown(table)
    assert "**good** gains with pretraining: toy_motif@1 (from_scratch) ↗ +" in text
    assert "**none** not told apart from where it began: toy_motif@1 (from_scratch) ↔ +0.000" in text
    assert "- toy_motif@1 (from_scratch): good over none, other; 1 of the pairs not told apart." in text
    line = next(line for line in text.splitlines() if "| good | from_scratch |" in line)
    assert "| 20 M | 200 M |" in line and line.endswith("| none, other |")
    object.__setattr__(cards[0], "training", Training("good", 0, 0.0, "c"))
    at_random = br.run(str(toy_card), cards[:3], seeds=range(5), results=None, audit=False, cache=False, progress=False)
    (course,) = br.leaderboard(at_random).courses
    assert course.gain and course.gain.verdict == "preliminary", "one draw of random weights is no verdict"
    two = [*cards[:3], card("more", "good", 9, 0.2)]
    object.__setattr__(two[3], "training", Training("good", 9, 0.0, "another"))
    again = br.run(str(toy_card), two, seeds=range(5), results=None, audit=False, cache=False, progress=False)
    assert {course.training for course in br.leaderboard(again).courses} == {"good@c", "good@another"}


def test_trainings_of_one_checkpoint_are_compared(toy_card: Path, tmp_path: Path) -> None:
    cards = [card("all", "all", 5_000_000, 1.0), card("human", "human", 5_000_000, 0.0)]
    records = br.run(str(toy_card), cards, seeds=range(5), results=None, audit=False, cache=False, progress=False)
    table = br.leaderboard(records)
    text = to_markdown(table)
    assert "## Trainings compared" in text and "- toy_motif@1 (from_scratch): all over human." in text
    assert not any(file.name == "pretraining.png" for file in write_leaderboard(table, tmp_path))
    alike = br.run(
        str(toy_card),
        [cards[1], card("plant", "plant", 7_000_000, 0.0)],
        seeds=range(5),
        results=None,
        audit=False,
        cache=False,
        progress=False,
    )
    assert "(from_scratch): none of 2 told apart from another." in to_markdown(br.leaderboard(alike))


@pytest.mark.parametrize("name", ["tokenization", "diversity", "variants"])
def test_suites_of_trainings_run_each_in_every_mode(name: str, trained: Path) -> None:
    suite = load_suite(name, models=[str(trained)])
    modes = {cell.mode for cell in suite.cells if cell.card.name == "tiny"}
    wanted = {"tokenization": {"zero_shot", "linear_probe", "fine_tune"}, "diversity": {"zero_shot", "linear_probe"}}
    assert modes == wanted.get(name, {"zero_shot"})
    for mode in modes - {"fine_tune"}:
        asked = {cell.task.name for cell in suite.cells if cell.card.name == "tiny" and cell.mode == mode}
        floor = "zero_shot" if mode == "zero_shot" else "from_scratch"
        assert asked <= {cell.task.name for cell in suite.cells if cell.card.baseline and cell.mode == floor}
    if name == "tokenization":
        words = {cell.card.params["max_k"] for cell in suite.cells if cell.card.name.startswith("kmer_logreg")}
        assert words == {1, 3, 6}


def test_amounts_have_two_digits() -> None:
    shown = [amount(n) for n in (0, 160, 9_960, 118_740, 12_345_678, 750e6, 1.2e14)]
    assert shown == ["0", "160", "10 k", "119 k", "12 M", "750 M", "1.2e14"]


def test_the_suite_asks_baselines_and_whatever_is_named(trained: Path) -> None:
    suite = load_suite("pretraining", models=[f"{trained}/at_*"])
    modes = {cell.mode for cell in suite.cells if cell.card.name == "tiny/at_10_percent"}
    assert modes == {"zero_shot", "linear_probe"}
    probed = {cell.task.name for cell in suite.cells if cell.mode == "linear_probe"}
    floor = {cell.task.name for cell in suite.cells if cell.card.baseline and cell.mode == "from_scratch"}
    assert probed == floor and len(probed) == 5
