"""A cached model gives what the model gives, asks it once, and has no method that it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.cache.cached_model import CachedModel
from baserate.types import StrArray, strings


class Counting:
    """A model that counts how many sequences each of its methods is asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}

    def _ask(self, name: str, n: int) -> None:
        self.asked[name] = self.asked.get(name, 0) + n

    def embed(self, sequences: StrArray, *, layer: int = -1, pooling: str = "mean") -> Any:
        return self.embed_all(sequences, [(layer, pooling)])[0]

    def embed_all(self, sequences: StrArray, requests: Any) -> Any:
        self._ask("embed", len(sequences))
        counts = np.array([[s.count(b) for b in "ACGT"] for s in sequences], np.float32)
        return [counts * (layer + 10) + len(pooling) for layer, pooling in requests]

    def embed_sites(self, sequences: StrArray, sites: Any, *, layer: int = -1) -> Any:
        self._ask("embed_sites", len(sequences))
        return np.array([[ord(s[at]), layer] for s, at in zip(sequences, sites, strict=True)], np.float32)

    def log_likelihood(self, sequences: StrArray, *, temperature: float = 1.0) -> Any:
        self._ask("log_likelihood", len(sequences))
        return np.array([-len(s) / temperature for s in sequences])

    def masked_llr(self, references: StrArray, alternates: StrArray) -> Any:
        self._ask("masked_llr", len(references))
        same = [len(r) == len(a) for r, a in zip(references, alternates, strict=True)]
        return np.where(same, 0.5, np.nan)


X = strings(["ACGT", "AACC", "ACGT", "GGTTT"])


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Counting, Any]:
    model = Counting()
    return model, CachedModel(model, tmp_path, {"model": "counting", "revision": "r"})


def test_every_method_gives_what_the_model_gives_and_asks_once(pair: tuple[Counting, Any]) -> None:
    model, kept = pair
    alternates = strings(["ACGA", "AAC", "ACGG", "GGTTA"])
    sites = np.array([0, 1, 3, 4])
    for _ in range(2):
        np.testing.assert_array_equal(kept.embed(X, layer=2), Counting().embed(X, layer=2))
        np.testing.assert_array_equal(kept.embed_sites(X, sites), Counting().embed_sites(X, sites))
        np.testing.assert_array_equal(kept.log_likelihood(X), Counting().log_likelihood(X))
        np.testing.assert_array_equal(kept.masked_llr(X, alternates), Counting().masked_llr(X, alternates))
    assert model.asked == {"embed": 3, "embed_sites": 4, "log_likelihood": 3, "masked_llr": 4}


def test_one_layer_is_found_again_among_several(pair: tuple[Counting, Any]) -> None:
    model, kept = pair
    several = kept.embed_all(X, [(0, "mean"), (3, "max")])
    assert model.asked["embed"] == 3
    np.testing.assert_array_equal(kept.embed(X, layer=3, pooling="max"), several[1])
    assert model.asked["embed"] == 3


def test_other_settings_are_other_results(pair: tuple[Counting, Any]) -> None:
    _, kept = pair
    assert (kept.log_likelihood(X) != kept.log_likelihood(X, temperature=2.0)).all()
    assert (kept.embed_sites(X, np.zeros(4, int)) != kept.embed_sites(X, np.ones(4, int), layer=0)).any()


def test_it_has_no_method_that_the_model_lacks(pair: tuple[Counting, Any]) -> None:
    _, kept = pair
    assert hasattr(kept, "masked_llr") and not hasattr(kept, "pseudo_log_likelihood") and not hasattr(kept, "fit")
