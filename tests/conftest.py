"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from baserate.cache import remote
from baserate.errors import DataError
from baserate.registry import Registry


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's cache, and what they derive shared among them."""
    before = os.environ.get("BASERATE_CACHE")
    os.environ.setdefault("BASERATE_CACHE", str(tmp_path_factory.mktemp("cache")))
    os.environ.setdefault("BASERATE_GENOMES", str(tmp_path_factory.mktemp("genomes")))
    yield
    if before is None:
        del os.environ["BASERATE_CACHE"]


@pytest.fixture(autouse=True)
def _registrations_are_undone() -> Iterator[None]:
    """Forget what a test registers, so that none meets the tasks and models of another."""
    with Registry.temporarily():
        yield


@pytest.fixture(autouse=True)
def _hub_is_asked() -> None:
    """Forget that the hub did not answer in another test."""
    remote._silence.clear()


SHARED_DATA = Path(os.environ.get("BASERATE_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
"""Real data for tests, beside the checkout; nothing of it is committed."""

if SHARED_DATA.is_dir():
    os.environ.setdefault("BASERATE_DATA_DIR", str(SHARED_DATA))


@pytest.fixture
def fetched() -> Callable[[], AbstractContextManager[None]]:
    """Return a context that skips the test where a file has to be fetched, is not here and there is no network."""

    @contextmanager
    def context() -> Iterator[None]:
        try:
            yield
        except DataError as error:
            if not str(error).startswith("cannot download"):
                raise
            pytest.skip(str(error))

    return context


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, the one folder of data; the hub is out of reach and the cache is empty."""
    import huggingface_hub.constants

    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("BASERATE_DATA_DIR", str(folder))
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return folder


@pytest.fixture(scope="session")
def toy_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a TOML card of a table in which class 'motif' holds TATAAA, with genes as groups."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(5)
    lines = ["id,seq,label,gene,part"]
    for i in range(240):
        sequence = "".join(rng.choice(list("ACGT"), size=50))
        label = i % 2
        if label:
            at = int(rng.integers(0, 44))
            sequence = sequence[:at] + "TATAAA" + sequence[at + 6 :]
        part = "train" if i < 140 else "valid" if i < 180 else "test"
        lines.append(f"x{i},{sequence},{('plain', 'motif')[label]},g{i // 4},{part}")
    (folder / "toy.csv").write_text("\n".join(lines) + "\n")
    (folder / "toy.toml").write_text(
        """
name = "toy_motif"
kind = "classification"
classes = ["plain", "motif"]
description = "Random 50-mers, half of them with TATAAA."
citation = "none"
licence = "CC0-1.0"
species = ["none"]
assembly = ["none"]

[source]
table = "toy.csv"
sequence = "seq"
id = "id"
group = "gene"
strata = ["part"]

[split]
rule = "predefined"
column = "part"
"""
    )
    return folder / "toy.toml"
