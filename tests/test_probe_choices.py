"""What a probe chooses on valid: the layer, the pooling and the penalty, in the record, alone and within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baserate as br
from baserate.probes.linear import fit_probe
from baserate.settings import layer
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
