"""What a probe chooses on valid: the layer, the pooling and the penalty, in the record, alone and within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baserate as br
from baserate.cards.find import find_model, find_task
from baserate.errors import ConfigError
from baserate.plan import Cell
from baserate.probes.linear import fit_probe
from baserate.probes.probe import PROBES
from baserate.settings import among, count, layer, one_of
from baserate.types import StrArray


class Layers:
    """A network of which layer 2 alone sees the motif."""

    def embed_all(self, sequences: StrArray, requests: Any, **settings: Any) -> Any:
        motif = np.array([[s.count("TATAAA"), s.count("A")] for s in sequences], np.float32)
        noise = np.array([[s.count("G"), s.count("C")] for s in sequences], np.float32)
        return [motif if number == 2 else noise for number, _ in requests]


def test_the_penalty_and_the_loss_of_each_are_there() -> None:
    x = np.random.default_rng(0).standard_normal((200, 5))
    y = (x[:, 0] > 0).astype(np.int64)
    fitted = fit_probe(x[:100], y[:100], x[100:], y[100:], n_classes=2, penalties=(1e-3, 1e-1, 10.0))
    assert [row["penalty"] for row in fitted.history] == [10.0, 1e-1, 1e-3]
    lowest = min(fitted.history, key=lambda row: row["valid_loss"])
    assert fitted.chosen == {"penalty": lowest["penalty"]} and fitted.valid_loss == lowest["valid_loss"]


@pytest.mark.parametrize(("layers", "candidates"), [(2, 1), ([0, 2, 5], 3)])
def test_layer_pooling_and_penalty_are_in_the_record(toy_card: Path, layers: Any, candidates: int) -> None:
    @br.model(
        "layers",
        modes={"linear_probe": {}},
        description="Layers.",
        version=1,
        settings={"linear_probe": {"layer": layer(-1, "which", several=True)}},
    )
    def load() -> Layers:
        return Layers()

    record = br.evaluate(toy_card, "layers", settings={"layer": layers}, audit=False, progress=False)
    assert record.choices is not None
    for choice in record.choices:
        assert choice.chosen.keys() == {"layer", "penalty"} and choice.chosen["layer"] == 2
        assert len({row.get("layer") for row in choice.history}) == candidates
        own = [row for row in choice.history if row.get("layer", 2) == 2]
        assert min(own, key=lambda row: row["valid_loss"])["penalty"] == choice.chosen["penalty"]


def test_a_model_without_layers_has_none(toy_card: Path) -> None:
    def counts(sequences: list[str]) -> Any:
        return np.array([[s.count("TATAAA"), s.count("A")] for s in sequences], np.float32)

    record = br.evaluate(toy_card, counts, name="counts", audit=False, progress=False)
    assert record.choices is not None and all(choice.chosen.keys() == {"penalty"} for choice in record.choices)


def test_layers_and_poolings_are_trials_of_one_pass(toy_card: Path, tmp_path: Path) -> None:
    """All that the trials name come out of one pass; the layers that there are not fail alone."""
    passes: list[Any] = []

    class Recording(Layers):
        def embed_all(self, sequences: StrArray, requests: Any, **settings: Any) -> Any:
            if any(number == 7 for number, _ in requests):
                raise ConfigError("layer = 7: there are 0 to 6")
            passes.append((len(sequences), list(requests)))
            return super().embed_all(sequences, requests, **settings)

    network = {
        "layer": layer(-1, "which", several=True, search=among(-1, 2, 5, 7)),
        "pooling": one_of("mean", "max", default="mean", about="how", several=True, search=among("mean", "max")),
    }

    @br.model("recording", modes={"linear_probe": {}}, description="D.", version=1, settings={"linear_probe": network})
    def load() -> Recording:
        return Recording()

    record = br.evaluate(toy_card, "recording", budget=8, audit=False, progress=False, cache=False)
    assert record.choices is not None and len(record.choices) == 5
    trials = record.choices[0].trials
    assert len(trials) == 8 and sum(trial.error == "layer = 7: there are 0 to 6" for trial in trials) == 2
    whole = [(n, requests) for n, requests in passes if n > 1]
    assert len(whole) == 3 and all(len(requests) == 6 for _, requests in whole)
    scores = [-np.inf if trial.valid is None else trial.valid for trial in trials]
    for choice in record.choices:
        assert choice.chosen["layer"] == 2 and choice.trial == int(np.argmax(scores))
        assert {"pooling", "penalty"} < choice.chosen.keys() and all("valid_score" in row for row in choice.history)


def test_what_else_an_embedding_is_made_by_is_a_pass_of_its_own(toy_card: Path) -> None:
    class Cut:
        def embed(self, sequences: StrArray, *, keep: int) -> Any:
            return np.array([[s[:keep].count("TATAAA"), s[:keep].count("A")] for s in sequences], np.float32)

    own = {"keep": count(3, "bases", search=among(3, 50))}

    @br.model("cut", modes={"linear_probe": {}}, description="D.", version=1, settings={"linear_probe": own})
    def load() -> Cut:
        return Cut()

    record = br.evaluate(toy_card, "cut", budget=8, audit=False, progress=False)
    assert record.choices is not None and [choice.chosen["keep"] for choice in record.choices] == [50] * 5
    assert record.estimates[0].value is not None and record.estimates[0].value > 0.9


def test_a_network_is_tuned_by_layer_and_pooling_and_by_what_its_probe_has() -> None:
    card, task = find_model("baserate_mlm"), find_task("human_splice_sites.small")
    space = {p: set(Cell(task, card, "linear_probe", {"probe": p}).space) for p in PROBES.all()}
    trained = {"lr", "weight_decay", "dropout"}
    assert space == {
        "linear": {"layer", "pooling"},
        "knn": {"layer", "pooling", "distance"},
        "mlp": {"layer", "pooling", "hidden", *trained},
        "attention": {"layer", "heads", *trained},
        "cnn": {"layer", "channels", "kernel", *trained},
    }
    bases = find_task("human_splice_per_base")
    assert set(Cell(bases, card, "linear_probe").space) == {"layer"}
