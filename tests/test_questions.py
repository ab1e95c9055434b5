"""The suites that ask one question each, the control of context, and models that are added to a suite."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import baserate as br
from baserate.cards.find import find_task
from baserate.cards.suite import load_suite
from baserate.cli import cli
from baserate.errors import ConfigError
from baserate.records import read_records
from baserate.splits import load_split
from baserate.tasks.motif_distance import DISTANCES, MOTIFS, SIZES
from baserate.types import Examples, FloatArray, Inputs, ModelCard, Split

FINGERPRINTS = {
    32: "86a849c9d51240c9",
    1024: "1604cc12a3fb4875",
}
"""The test part of a version: a change here is another task, and needs another version."""


def places(task: str) -> tuple[np.ndarray, np.ndarray]:
    test = load_split(br.get_task(task)).test
    at = np.array([[s.find(motif) for motif in MOTIFS] for s in test.inputs.sequences])
    return at, test.targets


@pytest.mark.parametrize("distance", FINGERPRINTS)
def test_the_two_motifs_lie_where_the_class_says(distance: int) -> None:
    at, targets = places(f"motif_distance_{distance}")
    apart = np.abs(at[:, 0] - at[:, 1])
    assert (at >= 0).all() and set(apart[targets == 1]) == {distance}
    assert set(apart[targets == 0]) == {distance - distance // 4, distance + distance // 4}
    split = load_split(br.get_task(f"motif_distance_{distance}"))
    assert {part: len(examples) for part, examples in split} == SIZES
    assert split.test.fingerprint == FINGERPRINTS[distance]


def test_a_place_of_one_motif_says_nothing() -> None:
    at, targets = places("motif_distance_256")
    for motif in range(2):
        first, second = (np.sort(at[targets == k, motif]) for k in (0, 1))
        assert abs(first.mean() - second.mean()) < 4 * 148 / np.sqrt(250)


class SeesSoFar:
    """A model that finds both motifs where they lie within its field, and then knows their distance."""

    def __init__(self, field: int) -> None:
        self.field = field

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> SeesSoFar:
        seen = [self.apart(s) for s in train.inputs.sequences]
        self.known = {d for d, y in zip(seen, train.targets, strict=True) if d and y}
        return self

    def apart(self, sequence: str) -> int:
        d = abs(sequence.find(MOTIFS[0]) - sequence.find(MOTIFS[1]))
        return d if d + len(MOTIFS[0]) <= self.field else 0

    def predict(self, inputs: Inputs) -> FloatArray:
        p = np.array([float(self.apart(s) in self.known) for s in inputs.sequences])
        return np.stack([1 - p, p], axis=1)


def test_the_control_is_solved_by_what_sees_so_far_and_by_nothing_else() -> None:
    for distance in (32, 512):
        scores = {}
        for field in (distance // 2, 2 * distance):
            card = ModelCard("sees", lambda field=field: SeesSoFar(field), {"from_scratch": {}}, {}, "d", lambda: "r")
            record = br.evaluate(
                f"motif_distance_{distance}.small", card, seeds=(0,), audit=False, cache=False, progress=False
            )
            scores[field] = record.estimate("mcc").value  # type: ignore[union-attr]
        assert scores == {distance // 2: 0.0, 2 * distance: 1.0}
        for name in ("kmer_logreg", "kmer_xgboost", "onehot_linear"):
            record = br.evaluate(
                f"motif_distance_{distance}.small", name, seeds=(0, 1), audit=False, cache=False, progress=False
            )
            auroc = record.estimate("auroc")
            assert auroc is not None and auroc.low is not None and auroc.high is not None
            assert auroc.low < 0.5 < auroc.high, (name, distance, auroc.value)


def test_a_cnn_solves_the_distance_within_its_field() -> None:
    record = br.evaluate("motif_distance_32.small", "cnn", seeds=(0,), audit=False, cache=False, progress=False)
    assert (record.estimate("mcc").value or 0) > 0.9  # type: ignore[union-attr]


def shuffled(split: Split) -> Split:
    """Return the split with the labels of each part in another order."""
    rng = np.random.default_rng(20)
    return Split(*(replace(e, targets=rng.permutation(e.targets)) for _, e in split))


@pytest.mark.parametrize("model", ["gc_content", "kmer_logreg", "baserate_mlm"])
def test_nothing_is_learnt_of_labels_in_another_order(model: str) -> None:
    task = find_task("yeast_coding.small")
    mode = "linear_probe" if model == "baserate_mlm" else "from_scratch"
    of = {"seeds": (0, 1), "limit": 200, "audit": False, "progress": False}
    found = [
        br.evaluate(t, model, mode, **of).estimate("auroc")  # type: ignore[arg-type]
        for t in (task, replace(task, name="of_no_meaning", alter=shuffled))
    ]
    (low, high), (no_low, no_high) = ((e.low or 0.0, e.high or 0.0) for e in found if e)
    assert 0.5 < low < high, "of labels as they are"
    assert no_low < 0.5 < no_high


@pytest.mark.parametrize("name", ["context", "robustness", "few_shot", "transfer"])
def test_each_question_is_a_suite_that_takes_any_model(name: str) -> None:
    plain, added = load_suite(name), load_suite(name, models=["gc_content", "baserate_mlm"], random_weights=True)
    assert plain.description.startswith(("How", "What"))
    twins = {cell.task.id for cell in added.cells if cell.card.name == "baserate_mlm_random"}
    probed = {cell.task.id for cell in plain.cells if cell.card.name == "baserate_mlm"}
    assert probed <= twins and len(twins) > 1
    assert {str(cell) for cell in plain.cells} <= {str(cell) for cell in added.cells}
    if name == "context":
        assert {cell.task.window for cell in plain.cells} >= {0, 64, 400, 2048}
        assert any(cell.task.per_base and cell.task.window == 2048 for cell in plain.cells)
        assert "motif_distance_32.small" in {cell.task.name for cell in plain.cells}
    if name == "robustness":
        assert {cell.task.batch for cell in plain.cells} == {0, 0.5, 0.7, 0.9, 1.0}
    if name == "few_shot":
        assert {cell.task.shots for cell in plain.cells} == {0, 1, 4, 16, 64, 256, 512}
    assert DISTANCES == (32, 64, 128, 256, 512, 1024)


def test_a_suite_runs_beside_its_own_what_is_named(toy_card: Path, tmp_path: Path) -> None:
    suite = tmp_path / "ask.toml"
    tasks = [f"{toy_card}(window=20)", f"{toy_card}(window=50)", f"{toy_card}(perturb='shift_3')"]
    suite.write_text(f'[[cells]]\ntasks = {json.dumps(tasks)}\nmodels = ["gc_content"]\nmodes = ["from_scratch"]\n')
    arguments = ["run", "--suite", str(suite), "--model", "kmer_logreg", "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(cli, [*arguments, "--no-audit", "--quiet", "--tracking-uri", "none", "--seeds", "0,1"])
    assert done.exit_code == 0, done.output
    records = read_records(tmp_path / "r")
    assert {(r.spec.model, r.task["window"] if "window" in r.task else 0) for r in records} == {
        (model, bp) for model in ("gc_content", "kmer_logreg") for bp in (0, 20, 50)
    }
    assert {r.task["whole"] for r in records} == {"toy_motif@1"}
    for arguments, message in (
        ({"models": ["markov"]}, "no block has a mode of model 'markov'"),
        ({"modes": ["from_scratch"]}, "modes, settings and objects as models go with tasks"),
        ({"models": {"mine": object()}}, "a suite has its own, and adds models by name"),
        ({"random_weights": True}, "random weights go with models that are named"),
    ):
        with pytest.raises(ConfigError, match=message):
            br.run(suite=str(suite), results=None, progress=False, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["tokenization", "diversity"])
def test_a_suite_that_compares_models_asks_for_them(name: str) -> None:
    with pytest.raises(ConfigError, match=r"one_pass = True has no effect: .*; --model names the models to compare"):
        load_suite(name)
