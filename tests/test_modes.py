"""The modes: which head, layer and weights they use, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.cards.task import task_card
from baserate.errors import ConfigError, DataError, NotApplicable, UnknownName
from baserate.modes import MODES, mode_settings
from baserate.modes.job import Job
from baserate.registry import get_model, get_task, load_model
from baserate.splits import load_split
from baserate.types import FloatArray, Inputs, ModelCard, StrArray, Task

CARD = ModelCard("m", lambda: None, {"zero_shot": {"rule": "masked_llr"}}, {}, "d", revision=lambda: "r")


@pytest.fixture
def task(toy_card: Path) -> Task:
    return task_card(toy_card)


def job(task: Task, model: Any, *, seeds: tuple[int, ...] = (0,), **settings: Any) -> Job:
    return Job(task, CARD, model, load_split(task), settings, seeds, 0.9)


PROBED = {"probe": "linear", "strands": "forward"}


class Head:
    """A trained head that finds TATAAA, and names its classes."""

    def __init__(self, *labels: str) -> None:
        self.labels = labels

    def predict(self, inputs: Inputs) -> FloatArray:
        found = np.array([float("TATAAA" in s) for s in inputs.sequences])
        return np.stack([found, 1 - found] if self.labels == ("Motif", "plain") else [1 - found, found], axis=1)


@pytest.mark.parametrize("labels", [(), ("plain", "motif"), ("Motif", "plain")])
def test_the_classes_of_a_head_are_matched_by_name_or_by_order(task: Task, labels: tuple[str, ...]) -> None:
    scores = MODES.get("as_is").run(job(task, Head(*labels)))
    assert scores.shape == (1, 60, 2)
    assert np.array_equal(scores[0].argmax(1), load_split(task).test.targets)


def test_a_head_of_other_classes_does_not_apply(task: Task) -> None:
    with pytest.raises(NotApplicable, match="its head predicts donor, acceptor; toy_motif needs plain, motif"):
        MODES.get("as_is").run(job(task, Head("donor", "acceptor")))
    three = replace(task, classes=("plain", "motif", "other"))
    with pytest.raises(NotApplicable, match="its head gives 2 scores; toy_motif needs 3"):
        MODES.get("as_is").run(Job(three, CARD, Head(), load_split(task), {}, (0,), 0.9))


@pytest.mark.parametrize(
    ("scores", "kind", "message"),
    [
        ([0.7, 0.7], "classification", "predict gave 0.7, 0.7 for example 0; expected class probabilities of sum 1"),
        ([0.7, 1.7], "multilabel", "predict gave 0.7, 1.7 for example 0; expected one probability per label"),
        ([0.7, 0.7], "multilabel", ""),
    ],
)
def test_what_a_head_gives_must_be_probabilities(task: Task, scores: list[float], kind: Any, message: str) -> None:
    class Constant:
        def predict(self, inputs: Inputs) -> FloatArray:
            return np.tile(scores, (len(inputs), 1))

    split = load_split(task)
    asked = Job(replace(task, kind=kind), CARD, Constant(), split, {}, (0,), 0.9)
    if message:
        with pytest.raises(DataError, match=message):
            MODES.get("as_is").run(asked)
    else:
        assert MODES.get("as_is").run(asked).shape == (1, 60, 2)


class Layers:
    """A network of which layer 2 alone sees the motif, and only on the forward strand."""

    random_weights = False

    def __init__(self, draw: int = 0) -> None:
        self.draw = draw

    def embed_all(self, sequences: StrArray, requests: Any, **settings: Any) -> Any:
        motif = np.array([[s.count("TATAAA"), s.count("A")] for s in sequences], np.float32)
        noise = np.array([[len(s), self.draw] for s in sequences], np.float32)
        return [motif if layer == 2 else noise for layer, _ in requests]

    embed = None


def test_the_probe_takes_the_layer_that_is_best_on_valid(task: Task) -> None:
    settings = {"pooling": "mean", "penalties": (1e-3, 1.0)}
    several = MODES.get("linear_probe").run(job(task, Layers(), layer=[0, 2, 5], **settings, **PROBED))
    alone = MODES.get("linear_probe").run(job(task, Layers(), layer=2, **settings, **PROBED))
    assert np.array_equal(several, alone)
    assert (several[0].argmax(1) == load_split(task).test.targets).mean() > 0.95


def test_both_strands_are_the_mean_of_the_two(task: Task) -> None:
    seen: list[str] = []

    class Recording(Layers):
        def embed_all(self, sequences: StrArray, requests: Any, **settings: Any) -> Any:
            seen.extend(sequences[:1])
            return super().embed_all(sequences, requests, **settings)

    MODES.get("linear_probe").run(
        job(task, Recording(), layer=2, pooling="mean", penalties=(1.0,), **{**PROBED, "strands": "both"})
    )
    complement = str.maketrans("ACGT", "TGCA")
    assert seen[1] == seen[0].translate(complement)[::-1]


def test_vectors_that_are_not_finite_are_told_by_row(task: Task) -> None:
    class Broken(Layers):
        def embed_all(self, sequences: StrArray, requests: Any, **settings: Any) -> Any:
            vectors = np.zeros((len(sequences), 2), np.float32)
            vectors[3, 1] = np.nan
            return [vectors]

    with pytest.raises(DataError, match="not finite for example 3"):
        MODES.get("linear_probe").run(job(task, Broken(), layer=2, pooling="mean", penalties=(1.0,), **PROBED))


def test_a_twin_is_drawn_for_each_seed(task: Task) -> None:
    class Twin(Layers):
        random_weights = True

        def redrawn(self, seed: int) -> Twin:
            return Twin(seed)

        def parameter_hash(self) -> str:
            return f"h{self.draw}"

        def score_variants(self, inputs: Inputs) -> FloatArray:
            return np.full(len(inputs), float(self.draw))

    drawn = job(task, Twin(), seeds=(3, 5), rule="native")
    assert drawn.parameter_hash() == "h3+h5"
    assert [drawn.model_of(seed).draw for seed in drawn.seeds] == [3, 5]


def test_settings_are_those_of_the_rule_and_of_the_task() -> None:
    variants, pairs = get_task("wt1_exon5_splicing"), get_task("human_shuffled")
    assert mode_settings("zero_shot", CARD, variants) == {"rule": "masked_llr", "strands": "both"}
    changed = {"rule": "embedding_distance", "distance": "euclidean", "layer": 2, "lr": 1.0}
    found = mode_settings("zero_shot", CARD, variants, changed)
    assert found == {"rule": "embedding_distance", "distance": "euclidean", "at": "site", "layer": 2, "strands": "both"}
    assert mode_settings("zero_shot", CARD, pairs)["rule"] == "likelihood"
    native = replace(CARD, modes={"zero_shot": {"rule": "native"}})
    assert mode_settings("zero_shot", native, pairs) == {"rule": "native"}
    with pytest.raises(UnknownName, match="Did you mean 'pll'"):
        mode_settings("zero_shot", CARD, variants, {"rule": "plll"})


def test_a_setting_that_a_model_cannot_be_trained_with_is_told(task: Task) -> None:
    model = load_model(get_model("kmer_logreg"))
    with pytest.raises(ConfigError, match="unknown key 'lr'"):
        MODES.get("from_scratch").run(job(task, model, lr=0.1))
