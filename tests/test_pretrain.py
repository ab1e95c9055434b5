"""Pretraining: what is drawn, what is masked, and that a resumed run is the run."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from baserate.errors import BaserateError, ConfigError, DataError
from baserate.pretraining.config import TrainingConfig, read_config
from baserate.pretraining.corpus import CHUNK, UNKNOWN, Corpus, complement, draw, load, select
from baserate.pretraining.train import FIRST_BASE, IGNORED, MASK, SHIPPED, learning_rate, mask_tokens, pretrain

TOML = """
[model]
hidden = 16
layers = 1
heads = 2
intermediate = 32
context = 66

[training]
steps = 6
batch = 4
crop = 40
lr = 5e-3
warmup = 2
seed = 3
valid_fraction = 0.3
valid_windows = 8
log_every = 2
valid_every = 2
checkpoint_every = 2

[[corpus]]
name = "toy"
fasta = "toy.fa"
include = ["a", "b:100-60000"]
weight = 1
species = "none"
assembly = "toy1"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration of a tiny network on two random contigs."""
    rng = np.random.default_rng(0)
    contigs = {name: "".join(rng.choice(list("ACGT"), p=[0.4, 0.1, 0.1, 0.4], size=100_000)) for name in "ab"}
    (tmp_path / "toy.fa").write_text("".join(f">{name}\n{s}\n" for name, s in contigs.items()))
    path = tmp_path / "toy.toml"
    path.write_text(TOML.replace("toy.fa", str(tmp_path / "toy.fa")))
    return path


def corpus(*include: str, fasta: str = "x.fa") -> Corpus:
    """Return a corpus that includes the patterns."""
    return Corpus("c", fasta, include, 1.0, "none", "none")


def test_include_takes_names_globs_regions_and_contigs_named_as_intervals() -> None:
    contigs = {"chr1": "ACGTACGT", "chr2": "TTTT", "chr3:10-14(+):G": "AAAA", "chr3:90-94(-):H": "CCCC"}
    assert select(contigs, corpus("chr2")) == {"chr2": "TTTT"}
    assert select(contigs, corpus("chr[12]")) == {"chr1": "ACGTACGT", "chr2": "TTTT"}
    assert select(contigs, corpus("chr1:2-5")) == {"chr1:2-5": "GTA"}
    assert select(contigs, corpus("chr3:10-50")) == {"chr3:10-14(+):G": "AAAA"}
    assert select(contigs, corpus("chr3:11-94")) == {"chr3:90-94(-):H": "CCCC"}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("chr11", "did you mean 'chr1'"), ("chr1:2-9", "lies outside the contig, which has 8"), ("chr9:0-5", "nothing")],
)
def test_a_pattern_that_selects_nothing_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        select({"chr1": "ACGTACGT"}, corpus(pattern))


def test_no_training_window_overlaps_a_held_out_one(tmp_path: Path) -> None:
    letters = np.random.default_rng(1).choice(list("ACGT"), size=20 * CHUNK)
    (tmp_path / "x.fa").write_text(">a\n" + "".join(letters) + "\n")
    spans = load(corpus("a", fasta=str(tmp_path / "x.fa")), length=50, valid_fraction=0.3, n_valid=10_000, seed=0)
    assert spans.n_train % CHUNK == 0
    assert len(spans.valid) * 50 + spans.n_train == 20 * CHUNK
    trained = {piece[i : i + 50].tobytes() for piece in spans.train for i in range(len(piece) - 49)}
    assert not trained & {row.tobytes() for row in spans.valid}


def test_windows_come_from_both_strands_by_weight_and_avoid_unknown_bases(tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_text(">a\n" + "A" * 400 + "N" * 400 + "A" * 400 + "\n>c\n" + "C" * 400 + "\n")
    spans = [
        load(
            Corpus(name, str(tmp_path / "x.fa"), (name,), weight, "", ""),
            length=20,
            valid_fraction=0.0,
            n_valid=0,
            seed=0,
        )
        for name, weight in (("a", 3.0), ("c", 1.0))
    ]
    windows = draw(spans, np.random.default_rng(0), n=2000, length=20)
    assert (windows == UNKNOWN).mean(axis=1).max() <= 0.1
    majority = Counter(int(np.bincount(row, minlength=5).argmax()) for row in windows)
    for base, share in ((0, 0.375), (3, 0.375), (1, 0.125), (2, 0.125)):
        assert majority[base] / 2000 == pytest.approx(share, abs=0.04)
    np.testing.assert_array_equal(complement(np.array([0, 1, 2, 3, 4], np.uint8)), [3, 2, 1, 0, 4])


def test_masking_hides_80_replaces_10_and_never_asks_for_an_unknown_base() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, size=(200, 300)).astype(np.uint8)
    tokens, labels = mask_tokens(codes, rng, 0.2)
    asked = labels != IGNORED
    truth = np.pad(codes.astype(np.int64) + FIRST_BASE, ((0, 0), (1, 1)))
    assert tokens.shape == (200, 302)
    assert (tokens[:, 0] == 0).all() and (tokens[:, -1] == 2).all()
    assert not asked[:, [0, -1]].any()
    assert (codes[asked[:, 1:-1]] < UNKNOWN).all()
    assert asked[:, 1:-1][codes < UNKNOWN].mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(labels[asked], truth[asked])
    np.testing.assert_array_equal(tokens[:, 1:-1][~asked[:, 1:-1]], truth[:, 1:-1][~asked[:, 1:-1]])
    assert (tokens[asked] == MASK).mean() == pytest.approx(0.8, abs=0.02)
    # Of the 10% that are replaced, a quarter are replaced by themselves.
    assert (tokens[asked] == truth[asked]).mean() == pytest.approx(0.125, abs=0.02)


def test_learning_rate_warms_up_stays_and_decays_to_nothing() -> None:
    training = TrainingConfig(steps=100, lr=1.0, warmup=10, decay=0.2)
    rates = [learning_rate(step, training) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:80] == pytest.approx([1.0] * 71)
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)


def test_a_resumed_run_ends_in_the_weights_and_log_of_an_uninterrupted_one(config: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    whole = pretrain(config, tmp_path / "whole", device="cpu")
    parts = tmp_path / "parts"
    for _ in range(6):
        pretrain(config, parts, device="cpu", max_minutes=0)
    assert [json.loads(line)["step"] for line in (parts / "log.jsonl").read_text().splitlines()] == [2, 4, 6]
    one, other = load_file(whole / "model.safetensors"), load_file(parts / "model.safetensors")
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    for a, b in zip(*((p / "log.jsonl").read_text().splitlines() for p in (whole, parts)), strict=True):
        assert json.loads(a)["valid_loss"] == json.loads(b)["valid_loss"]


def test_the_checkpoint_is_a_hugging_face_directory_and_training_lowers_the_loss(config: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    config.write_text(config.read_text().replace("steps = 6", "steps = 60"))
    out = pretrain(config, tmp_path / "out", device="cpu")
    assert {p.name for p in out.iterdir()} == {*SHIPPED, "resume.pt"}
    assert (out / "pretrain.toml").read_text() == config.read_text()
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 60
    # Bases are drawn .4 .1 .1 .4, so a network that learnt their frequencies is below a uniform guess.
    assert rows[-1]["valid_loss"] < math.log(4) < rows[0]["loss"]
    assert rows[-1]["valid_loss"] == rows[-1]["valid_loss/toy"]
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer("ACGTN")["input_ids"] == [0, 4, 5, 6, 7, 8, 2]
    assert tokenizer.mask_token_id == MASK
    _, report = AutoModelForMaskedLM.from_pretrained(out, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_more_steps_may_be_asked_of_a_run_but_not_another_configuration(config: Path, tmp_path: Path) -> None:
    out = pretrain(config, tmp_path / "out", device="cpu")
    text = config.read_text()
    config.write_text(text.replace("lr = 5e-3", "lr = 1e-3"))
    with pytest.raises(ConfigError, match="was begun with another configuration"):
        pretrain(config, out, device="cpu")
    config.write_text(text.replace("steps = 6", "steps = 8"))
    pretrain(config, out, device="cpu")
    assert json.loads((out / "log.jsonl").read_text().splitlines()[-1])["step"] == 8


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lr = 5e-3", "learning_rate = 5e-3", r"\[training\]: unknown key 'learning_rate'"),
        ("hidden = 16", "hiden = 16", r"\[model\]: unknown key 'hiden'; did you mean 'hidden'"),
        ("hidden = 16", "hidden = 18", "hidden must be a multiple of 2 x heads"),
        ("steps = 6", 'steps = "6"', r"\[training\]: steps = '6', expected int"),
        ("steps = 6\n", "", r"\[training\]: 'steps' is missing"),
        ("crop = 40", "crop = 65", "crop \\+ 2 must fit in"),
        ("[[corpus]]", "[[corpora]]", "unknown key 'corpora'; did you mean 'corpus'"),
        ("weight = 1", "weight = 0", "weight must be positive"),
        ('species = "none"', 'species = "none"\nlevel = "test"', "level must be 'train' or 'homologous'"),
        ('include = ["a", "b:100-60000"]', 'include = "a"', "include = 'a', expected tuple"),
        ("[model]", "[model", "toy.toml"),
    ],
)
def test_a_wrong_configuration_is_told_in_one_line(config: Path, old: str, new: str, said: str) -> None:
    config.write_text(config.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=said) as error:
        read_config(config)
    assert str(config) in str(error.value) and "\n" not in str(error.value)


def test_a_damaged_state_or_a_finished_checkpoint_is_not_overwritten(config: Path, tmp_path: Path) -> None:
    out = pretrain(config, tmp_path / "out", device="cpu")
    (out / "resume.pt").write_bytes((out / "resume.pt").read_bytes()[:100])
    with pytest.raises(DataError, match=r"resume\.pt: cannot be resumed from"):
        pretrain(config, out, device="cpu")
    (out / "resume.pt").unlink()
    before = (out / "model.safetensors").read_bytes()
    with pytest.raises(ConfigError, match="has a finished checkpoint"):
        pretrain(config, out, device="cpu")
    assert (out / "model.safetensors").read_bytes() == before


def test_an_output_that_cannot_be_written_is_refused_before_training(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BaserateError, match="file/out: cannot be written to"):
        pretrain(config, tmp_path / "file" / "out", device="cpu")


def test_a_dead_tracking_server_costs_a_warning_alone(
    config: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        out = pretrain(config, tmp_path / "out", device="cpu", tracking_uri="nosuchscheme://x")
    assert (out / "model.safetensors").is_file()
    assert "is not copied" in caplog.text


def test_the_log_reaches_mlflow(config: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    pretrain(config, tmp_path / "out", device="cpu", tracking_uri=uri)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("baserate-pretrain")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["hidden"] == "16"
    assert [m.step for m in client.get_metric_history(run.info.run_id, "valid_loss")] == [2, 4, 6]
