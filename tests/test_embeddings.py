"""The cache of embeddings: when it is used, when it is not believed, and what it costs when it cannot be written."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from baserate.embeddings import embed_cached
from baserate.errors import DataError
from baserate.types import StrArray, strings

X = strings(["ACGT", "GGC", "TTTTT"])


class Counting:
    """An embedder that counts how often it is asked."""

    def __init__(self, scale: float = 1.0) -> None:
        self.calls = 0
        self.scale = scale

    def embed(self, sequences: StrArray, **settings: Any) -> NDArray[np.float32]:
        """Return the base counts, scaled."""
        self.calls += 1
        return np.array([[s.count(b) * self.scale for b in "ACGT"] for s in sequences], np.float32)


def embedded(model: Any, cache: Path | None, sequences: StrArray = X, **changes: Any) -> NDArray[np.float32]:
    """Return the embeddings under a key that `changes` alters."""
    key: dict[str, Any] = {"revision": "r1", "params": {"width": 4}, "settings": {"layer": -1}}
    return embed_cached(model, sequences, cache=cache, **{**key, **changes})


def test_the_second_time_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    model = Counting(1 / 3)
    first = embedded(model, tmp_path)
    second = embedded(model, tmp_path)
    assert model.calls == 1
    assert second.dtype == np.float32
    np.testing.assert_array_equal(first, second)
    (file,) = tmp_path.iterdir()
    np.testing.assert_array_equal(np.load(file), first)


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": "r2"},
        {"params": {"width": 5}},
        {"settings": {"layer": 2}},
        {"sequences": X[::-1]},
        {"sequences": strings(["ACGTGGC", "", "TTTTT"])},
    ],
)
def test_whatever_decides_the_vectors_is_in_the_key(tmp_path: Path, changes: dict[str, Any]) -> None:
    model = Counting()
    embedded(model, tmp_path)
    embedded(model, tmp_path, **changes)
    assert model.calls == 2


def test_without_a_cache_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = Counting()
    embedded(model, None)
    embedded(model, None)
    assert model.calls == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b[:-40],
        lambda b: b"",
        lambda b: b[:130] + bytes([b[130] ^ 1]) + b[131:],
        lambda b: b"<html>" * 50,
        lambda b: b + b"x",
    ],
    ids=["truncated", "empty", "one bit", "other content", "longer"],
)
def test_a_damaged_file_is_computed_anew_and_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Any
) -> None:
    model = Counting()
    first = embedded(model, tmp_path)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(spoil(good))
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(embedded(model, tmp_path), first)
    assert model.calls == 2
    assert "damaged cache file" in caplog.text and str(file) in caplog.text
    assert file.read_bytes() == good


def test_a_folder_that_cannot_be_written_costs_a_warning_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("x")
    with caplog.at_level(logging.WARNING):
        found = embedded(Counting(), tmp_path / "file" / "cache")
    np.testing.assert_array_equal(found, Counting().embed(X))
    assert "embeddings are not cached" in caplog.text


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: embedded(Counting(0.5), tmp_path), range(40)))
    assert len(list(tmp_path.iterdir())) == 1
    for vectors in found:
        np.testing.assert_array_equal(vectors, Counting(0.5).embed(X))


def test_a_write_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    embedded(Counting(), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.zeros((2, 4), np.float32), r"gave \(2, 4\) for 3 sequences"),
        (np.zeros(3, np.float32), r"gave \(3,\) for 3 sequences"),
        (np.array([[0.0], [np.nan], [1.0]]), "not finite for sequence 1"),
    ],
)
def test_vectors_that_cannot_be_used_are_refused_and_not_kept(tmp_path: Path, vectors: Any, said: str) -> None:
    class Wrong:
        def embed(self, sequences: StrArray, **settings: Any) -> Any:
            return vectors

    with pytest.raises(DataError, match=said):
        embedded(Wrong(), tmp_path)
    assert not list(tmp_path.iterdir())
