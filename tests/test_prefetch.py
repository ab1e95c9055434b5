"""What a grid reads from the network is fetched before it runs."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from baserate.cards import checkpoint
from baserate.cluster.prefetch import prefetch
from baserate.cluster.selection import Selection
from baserate.networks.hub import Access, Location
from baserate.registry import get_model
from baserate.types import ModelCard


def test_each_task_and_model_once_and_the_rest_where_one_cannot_be(toy_card: Path, tmp_path: Path) -> None:
    other = toy_card.with_name("gone.toml")
    other.write_text(toy_card.read_text().replace("toy_motif", "gone").replace("toy.csv", "nowhere.csv"))
    code = "import sys; from baserate.cli import main; sys.argv[0] = 'baserate'; main()"
    arguments = ["prefetch", "--task", toy_card, "--task", other, "--model", "length", "--model", "baserate_mlm"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 1, done.stderr
    found = {(one["what"], one["name"]): one["error"] for one in json.loads(done.stdout)}
    assert found.keys() == {
        ("data", "toy_motif@1"),
        ("data", "gone@1"),
        ("weights", "length"),
        ("weights", "baserate_mlm"),
    }
    assert [what for what, error in found.items() if error] == [("data", "gone@1")]
    assert done.stderr.startswith("not fetched: data of gone@1: ") and done.stderr.count("\n") == 1


def test_checkpoints_of_the_hub_are_fetched_and_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    location = Location("acme/net", None, "abc")
    monkeypatch.setattr(checkpoint, "read_config", lambda where: ({"model_type": "bert"}, "commit"))
    monkeypatch.setattr(checkpoint, "fetch", lambda *where, **how: (asked.append((*where, how)), tmp_path)[1])
    card = ModelCard(
        "net",
        functools.partial(checkpoint._open, location, Access(), random_weights=False),
        {"linear_probe": {}},
        {},
        "d",
        revision=str,
    )
    assert checkpoint.fetch_weights(card) == tmp_path
    assert asked == [(location, "commit", {"pickles": False, "code": False})]
    assert checkpoint.fetch_weights(get_model("length")) is None


def test_a_selection_is_prefetched_from_python(toy_card: Path) -> None:
    (data, weights) = prefetch(Selection(tasks=(str(toy_card),), models=("gc_content",)))
    assert (data.what, data.error, weights.what, weights.error) == ("data", "", "weights", "")
