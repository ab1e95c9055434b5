"""Cells, and the cards in them, can be sent to another process that has read and run nothing before."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.cards.find import find_model, find_tasks, twin_card
from baserate.cards.own_files import run_own_file
from baserate.networks.hub import Access
from baserate.plan import plan
from baserate.registry import MODELS, TASKS, Registry, get_model, load_model
from baserate.splits import load_split
from baserate.types import ModelCard, strings

from .checkpoints import LAYOUTS, build

DNA = strings(["ACGTTGCAACGTACGTTAGC", "TTTTTGCAACGTACGAACGG"])

OWN = """
from baserate.errors import ConfigError
from baserate.inhouse import FunctionModel
from baserate.registry import model, task
from baserate.types import Examples, Inputs, Task, strings


@task
def own_task() -> Task:
    def source():
        ids = strings([f"x{i}" for i in range(12)])
        dna = strings(["ACGT" * (i + 1) for i in range(12)])
        import numpy as np
        return Examples(ids, Inputs(dna), np.arange(12.0), ids, ids)
    return Task("own_task", 1, "regression", ("spearman",), source,
                lambda e: strings(["train"] * 6 + ["valid"] * 3 + ["test"] * 3),
                "d", "own", "c", "l", (), (), {})


@model("own_one", modes={"linear_probe": {}}, description="d", revision=lambda width=2: f"one {width}")
def load(*, width: int = 2):
    return FunctionModel(embed=lambda s: [[len(x) * 1.0] * width for x in s])


@model("own_two", modes={"linear_probe": {}}, description="d", version=3)
def load(*, width: int = 1):
    return FunctionModel(embed=lambda s: [[len(x) * 2.0] * width for x in s])
"""

FUNCTIONS = "def embed(sequences):\n    return [[s.count('G') * 1.0, s.count('C') * 1.0] for s in sequences]\n"

READ = """
import pickle, sys
from pathlib import Path

values = pickle.loads(Path(sys.argv[1]).read_bytes())
from baserate.registry import load_model
from baserate.splits import load_split

DNA = values["DNA"]
told = {"names": [], "embedded": {}, "splits": {}}
for cell in values["cells"]:
    told["names"].append((str(cell), cell.task.id, cell.card.revision(), dict(cell.resolved)))
for card in values["models"]:
    model = load_model(card)
    model = model.redrawn(0) if card.twin_of else model
    told["embedded"][card.name] = model.embed(DNA)
for task in values["tasks"]:
    told["splits"][task.id] = load_split(task, check=False).fingerprint
Path(sys.argv[1]).with_suffix(".out").write_bytes(pickle.dumps(told))
"""


@pytest.fixture(autouse=True)
def _registrations_are_undone() -> Iterator[None]:
    with Registry.temporarily():
        yield


def embedded(card: ModelCard) -> Any:
    model: Any = load_model(card)
    return (model.redrawn(0) if card.twin_of else model).embed(DNA)


def test_every_kind_of_card_works_in_a_process_that_never_saw_its_file(
    tmp_path: Path, toy_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    Path("functions.py").write_text(FUNCTIONS)
    build(tmp_path / "net", LAYOUTS["esm-rotary"])
    run_own_file(Path("own.py"))
    card = find_model("./net", Access(allow_pickle=True))
    models = [
        card,
        twin_card(card),
        find_model("./net(precision='fp32')"),
        find_model("functions.py"),
        *(get_model(name) for name in ("own_one", "own_two")),
        find_model("own_one(width=3)"),
    ]
    named = [
        "own_task",
        "own_task(split='k_fold',folds=3,fold=1)",
        str(toy_card),
        f"{toy_card}(split='k_fold',folds=4,fold=0)",
    ]
    tasks = find_tasks([*named, f"{toy_card}(shots=4)"])
    registered = [find_model("kmer_logreg(max_k=2)"), *MODELS.all().values()]
    task = tasks[0]
    cells = plan(tasks, models) + plan([task], [c for c in registered if c.name not in ("own_one", "own_two")])
    cells += [type(cells[0])(t, models[0], "linear_probe") for t in TASKS.all().values()]
    assert all(cell.resolved is not None for cell in cells)

    file = tmp_path / "values.pickle"
    file.write_bytes(pickle.dumps({"cells": cells, "models": models, "tasks": tasks, "DNA": DNA}))
    subprocess.run([sys.executable, "-c", READ, str(file)], check=True)
    told = pickle.loads(file.with_suffix(".out").read_bytes())

    assert told["names"] == [(str(c), c.task.id, c.card.revision(), dict(c.resolved)) for c in cells]
    assert told["splits"] == {t.id: load_split(t, check=False).fingerprint for t in tasks}
    assert set(told["embedded"]) == {c.name for c in models}
    for one in models:
        np.testing.assert_allclose(told["embedded"][one.name], embedded(one), rtol=1e-5, atol=1e-6, err_msg=one.name)
