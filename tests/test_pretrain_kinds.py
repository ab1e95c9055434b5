"""Pretraining of every kind of token and network: losses per base, budgets, checkpoints on the way, and kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

from baserate.errors import ConfigError, DataError
from baserate.networks.checkpoint import open_checkpoint
from baserate.networks.hub import Access, Location
from baserate.networks.token_tables import KmerTokens, OverlappingTokens
from baserate.pretraining.config import read_config
from baserate.pretraining.corpus import load
from baserate.pretraining.objectives import IGNORED, masked
from baserate.pretraining.tokenizer import read_tokenizer, write_tokenizer
from baserate.pretraining.train import pretrain
from baserate.pretraining.windows import Windows
from baserate.types import strings

from .pretraining import write_config

ENTROPY = -(0.8 * np.log(0.4) + 0.2 * np.log(0.1))
"""Nats per base of what the tiny networks are trained on."""

KINDS = [
    ("esm", "nucleotide", 1),
    ("esm", "kmer", 3),
    ("esm", "overlapping_kmer", 3),
    ("esm", "byte_pairs", 1),
    ("modernbert", "nucleotide", 1),
    ("modernbert", "kmer", 6),
    ("modernbert", "byte_pairs", 1),
    ("llama", "nucleotide", 1),
    ("llama", "kmer", 3),
    ("llama", "byte_pairs", 1),
]


def log_of(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a log."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def assert_equal(one: Path, other: Path) -> None:
    """Assert that two checkpoints have the same weights, to the bit."""
    from safetensors.numpy import load_file

    a, b = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize(("architecture", "kind", "k"), KINDS)
def test_every_kind_trains_and_opens_as_a_checkpoint(architecture: str, kind: str, k: int, tmp_path: Path) -> None:
    path = write_config(tmp_path, architecture=architecture, kind=kind, k=max(k, 2), budget="steps = 40")
    out = pretrain(path, tmp_path / "out", device="cpu")
    model = open_checkpoint(Location("tiny", out, ""), Access())
    assert model.tokens.kind == {"byte_pairs": "subword"}.get(kind, kind)
    assert model.head == ("causal" if architecture == "llama" else "masked")
    likelihood = model.log_likelihood if model.head == "causal" else model.pseudo_log_likelihood
    assert np.isfinite(likelihood(strings(["ACGTNACGTACGT" * 3, "acgtacg"]))).all()
    valid = [row["valid_loss"] for row in log_of(out) if "valid_loss" in row]
    assert len(valid) == 2
    if kind != "overlapping_kmer":  # whose tokens have not yet learnt what their neighbours tell
        assert all(ENTROPY - 0.02 < loss < ENTROPY + 0.25 for loss in valid)


@pytest.mark.parametrize("kind", ["nucleotide", "kmer", "overlapping_kmer", "byte_pairs"])
def test_tokens_of_training_are_those_that_the_model_is_used_with(kind: str, tmp_path: Path) -> None:
    config = read_config(write_config(tmp_path, kind=kind))
    spans = load(config.corpora[0], length=60, valid_fraction=0.0, n_valid=0, seed=0, shortest=20)
    write_tokenizer(tmp_path, config, [spans])
    tokens = read_tokenizer(tmp_path, "tiny")
    rows = Windows([spans], tokens, crop=40).draw(np.random.default_rng(0), 30)
    assert rows.ids.shape == (30, 42)
    assert (rows.ids[:, 0] == tokens.prefix).all() and (rows.ids[:, -1] == tokens.suffix).all()
    assert not (rows.ids == tokens.vocabulary.pad).any()
    spelled = rows.bases[:, 1:-1].sum(1)
    least, most = {"nucleotide": (40, 40), "kmer": (80, 120), "overlapping_kmer": (35, 40), "byte_pairs": (60, 400)}[
        kind
    ]
    assert least - 5 <= spelled.min() and spelled.max() <= most
    if isinstance(tokens, KmerTokens):  # rows end in 0 to k - 1 single bases, as most sequences do
        tails = (rows.bases[:, 1:-1][:, ::-1] == 1).cumprod(1).sum(1)
        assert set(tails) >= {0, 1, 2}
    batch = masked(rows, tokens, np.random.default_rng(1), 0.15)
    asked = batch.labels != IGNORED
    assert 0.08 < asked.mean() < 0.2
    if isinstance(tokens, OverlappingTokens):  # k neighbours are hidden together
        runs = [len(r) for row in asked for r in "".join("x" if a else " " for a in row[1:-2]).split()]
        assert np.mean(runs) > 2.5


def test_byte_pairs_learnt_twice_are_the_same(tmp_path: Path) -> None:
    config = read_config(write_config(tmp_path, kind="byte_pairs"))
    spans = load(config.corpora[0], length=60, valid_fraction=0.0, n_valid=0, seed=0)
    folders = [tmp_path / name for name in "xy"]
    for folder in folders:
        folder.mkdir()
        write_tokenizer(folder, config, [spans])
    one, other = ((folder / "tokenizer.json").read_bytes() for folder in folders)
    assert one == other and len(json.loads(one)["model"]["vocab"]) == 64


@pytest.mark.parametrize(
    ("budget", "key"), [("bases = 1700", "bases"), ("flops = 7e7", "flops"), ("steps = 11", "step")]
)
def test_training_ends_when_the_budget_is_spent(budget: str, key: str, tmp_path: Path) -> None:
    out = pretrain(write_config(tmp_path, budget=budget), tmp_path / "out", device="cpu")
    last, total = log_of(out)[-1], float(budget.split()[-1])
    assert last[key] >= total > last[key] * (1 - 1 / last["step"]) - 1e-6
    assert last["bases"] == last["step"] * 4 * 40


def test_minutes_are_counted_over_resumes(tmp_path: Path) -> None:
    path = write_config(tmp_path, budget="minutes = 0.02")
    for _ in range(400):
        out = pretrain(path, tmp_path / "out", device="cpu", max_minutes=1e-5)
        if log_of(out) and "valid_loss" in log_of(out)[-1] and log_of(out)[-1]["lr"] < 1e-3:
            break
    else:
        pytest.fail("the budget was never spent")


def test_checkpoints_on_the_way_are_those_of_a_shorter_training(tmp_path: Path) -> None:
    path = write_config(tmp_path, more="checkpoints = [0, 0.25, 1]\ndecay = 0")
    out = pretrain(path, tmp_path / "out", device="cpu")
    assert {p.name for p in out.iterdir() if p.is_dir()} == {"at_0_percent", "at_25_percent"}
    start = json.loads((out / "at_0_percent" / "log.jsonl").read_text())
    assert start == {"step": 0, "bases": 0, "flops": 0.0}
    path.write_text(path.read_text().replace("steps = 20", "steps = 5"))
    assert_equal(pretrain(path, tmp_path / "short", device="cpu"), out / "at_25_percent")
    model = open_checkpoint(Location("start", out / "at_0_percent", ""), Access())
    assert model.embed(strings(["ACGT"])).shape == (1, 16)


def test_a_checkpoint_asked_for_after_it_was_passed_is_not_made_of_later_weights(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    out = pretrain(path, tmp_path / "out", device="cpu", max_minutes=1e-6)
    while log_of(out)[-1]["step"] < 5:
        pretrain(path, out, device="cpu", max_minutes=1e-6)
    path.write_text(path.read_text().replace("checkpoint_every", "checkpoints = [0, 0.1, 0.9]\ncheckpoint_every"))
    pretrain(path, out, device="cpu")
    assert {p.name for p in out.iterdir() if p.is_dir()} == {"at_90_percent"}


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    weights = []
    for parts in (1, 4):
        path = write_config(tmp_path, budget="steps = 3", more=f"accumulate = {parts}")
        weights.append(load_file(pretrain(path, tmp_path / f"out{parts}", device="cpu") / "model.safetensors"))
    for name, value in weights[0].items():
        np.testing.assert_allclose(value, weights[1][name], atol=2e-4, err_msg=name)


@pytest.mark.parametrize(("architecture", "kind"), [("esm", "nucleotide"), ("llama", "byte_pairs")])
def test_a_killed_run_ends_in_the_weights_of_one_that_was_not(architecture: str, kind: str, tmp_path: Path) -> None:
    path = write_config(tmp_path, architecture=architecture, kind=kind, budget="steps = 60", more="checkpoints = [0.5]")
    whole = pretrain(path, tmp_path / "whole", device="cpu")
    out, kills = tmp_path / "killed", 0
    code = "from pathlib import Path; from baserate.pretraining.train import pretrain; "
    code += f"pretrain(Path({str(path)!r}), Path({str(out)!r}), device='cpu')"
    while True:
        child = subprocess.Popen([sys.executable, "-c", code])
        before = (out / "resume.pt").stat().st_mtime_ns if (out / "resume.pt").exists() else 0
        while child.poll() is None:
            if kills < 2 and (out / "resume.pt").exists() and (out / "resume.pt").stat().st_mtime_ns != before:
                child.send_signal(signal.SIGKILL)
            time.sleep(0.001)
        if child.wait() == 0:
            break
        assert child.returncode == -signal.SIGKILL
        kills += 1
    assert kills > 0
    assert_equal(whole, out)
    assert_equal(whole / "at_50_percent", out / "at_50_percent")
    rows = [[(row["step"], row["loss"], row.get("valid_loss")) for row in log_of(f)] for f in (whole, out)]
    assert rows[0] == rows[1]


def test_a_run_killed_between_the_files_of_its_last_state_is_completed(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    out = pretrain(path, tmp_path / "out", device="cpu")
    before = (out / "model.safetensors").read_bytes()
    (out / "model.safetensors").unlink()
    pretrain(path, out, device="cpu")
    assert (out / "model.safetensors").read_bytes() == before


def test_overlapping_kmers_are_no_tokens_of_a_causal_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only four to choose from; take kind = 'nucleotide'"):
        read_config(write_config(tmp_path, architecture="llama", kind="overlapping_kmer"))


def test_bf16_trains_weights_of_single_precision(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    out = pretrain(write_config(tmp_path, more='precision = "bf16"'), tmp_path / "out", device="cpu")
    assert {value.dtype for value in load_file(out / "model.safetensors").values()} == {np.dtype("float32")}
    assert log_of(out)[-1]["valid_loss"] < 1.5


def test_what_cannot_be_written_or_does_not_fit_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("torch.save", full)
        with pytest.raises(DataError, match=r"out: the checkpoint cannot be written \(.*No space left"):
            pretrain(path, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out" / "model.safetensors").exists()
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.TemporaryFile", full)
        with pytest.raises(
            DataError, match=r"corpus 'toy' cannot be written there .* set TMPDIR to a folder with 1 MB"
        ):
            pretrain(path, tmp_path / "out", device="cpu")

    def large(*_: object) -> float:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("baserate.pretraining.train.Trainee.backward", large)
    with pytest.raises(DataError, match=r"out of memory; raise \[training\] accumulate, which is 1"):
        pretrain(path, tmp_path / "out", device="cpu")


def test_a_loss_that_is_not_finite_ends_training_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baserate.pretraining.train.Trainee.backward", lambda *_: float("nan"))
    with pytest.raises(DataError, match=r"the loss is nan at step 1; lower \[training\] lr"):
        pretrain(write_config(tmp_path), tmp_path / "out", device="cpu")
    assert not list((tmp_path / "out").iterdir())
