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
from baserate.pretraining.corpus import CHUNK, Corpus, complement, load, select
from baserate.pretraining.objectives import IGNORED, causal, masked
from baserate.pretraining.saving import SHIPPED
from baserate.pretraining.train import learning_rate, pretrain
from baserate.pretraining.windows import TokenRows, Windows, on_disk

from .pretraining import letters

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


def test_rows_come_from_both_strands_by_weight_and_avoid_unknown_bases(tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_text(">a\n" + "A" * 400 + "N" * 400 + "A" * 400 + "\n>c\n" + "C" * 400 + "\n")
    spans = [
        on_disk(
            load(
                Corpus(name, str(tmp_path / "x.fa"), (name,), weight, "", ""),
                length=20,
                valid_fraction=0.0,
                n_valid=0,
                seed=0,
            )
        )
        for name, weight in (("a", 3.0), ("c", 1.0))
    ]
    tokens = letters()
    rows = Windows(spans, tokens, crop=20).draw(np.random.default_rng(0), 2000)
    assert rows.ids.shape == (2000, 22) and (rows.bases == [0, *[1] * 20, 0]).all()
    assert (rows.ids == 8).mean(axis=1).max() <= 0.1
    majority = Counter(int(np.bincount(row[1:-1] - 4, minlength=5).argmax()) for row in rows.ids)
    for base, share in ((0, 0.375), (3, 0.375), (1, 0.125), (2, 0.125)):
        assert majority[base] / 2000 == pytest.approx(share, abs=0.04)
    np.testing.assert_array_equal(complement(np.array([0, 1, 2, 3, 4], np.uint8)), [3, 2, 1, 0, 4])


def test_rows_are_filled_up_behind_short_contigs_without_padding(tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_text(">a\nACGTACG\n>b\nCCCCC\n")
    short = load(
        corpus("*", fasta=str(tmp_path / "x.fa")), length=30, valid_fraction=0.0, n_valid=0, seed=0, shortest=5
    )
    rows = Windows([short], letters(), crop=30).draw(np.random.default_rng(0), 50)
    text = ["".join("^_$?ACGTN#"[i] for i in row) for row in rows.ids]
    assert {len(t) for t in text} == {32} and not any("_" in t for t in text)
    parts = {part for t in text for part in t[:-1].split("$^")[:-1]}
    assert {part.lstrip("^") for part in parts} == {"ACGTACG", "CGTACGT", "CCCCC", "GGGGG"}
    np.testing.assert_array_equal(rows.bases > 0, (rows.ids >= 4) & (rows.ids <= 8))


def test_soft_masked_repeats_weigh_less_on_either_strand(tmp_path: Path) -> None:
    (tmp_path / "x.fa").write_text(">a\n" + "AAAAAccccc" * 40 + "\n")
    spans = load(
        corpus("a", fasta=str(tmp_path / "x.fa")), length=20, valid_fraction=0.0, n_valid=0, seed=0, repeats=True
    )
    rows = Windows([on_disk(spans)], letters(), crop=20, repeat_weight=0.1).draw(np.random.default_rng(0), 40)
    repeat = np.isin(rows.ids, (5, 6))  # C, and G on the other strand
    assert repeat.any() and (rows.ids == 7).any()
    np.testing.assert_allclose(rows.weights, np.where(repeat, 0.1, 1.0))


def rows_of(ids: np.ndarray) -> TokenRows:  # type: ignore[type-arg]
    """Return rows of single bases between special tokens."""
    return TokenRows(ids, (ids >= 4).astype(np.int64), np.ones(ids.shape))


def test_masking_hides_80_replaces_10_and_never_asks_for_an_unknown_base() -> None:
    rng = np.random.default_rng(0)
    truth = np.pad(rng.integers(4, 9, size=(200, 300)), ((0, 0), (1, 1)))
    truth[:, -1] = 2
    batch = masked(rows_of(truth), letters(), rng, 0.2)
    asked = batch.labels != IGNORED
    assert not asked[:, [0, -1]].any() and (truth[asked] < 8).all()
    assert asked[(truth >= 4) & (truth < 8)].mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(batch.labels[asked], truth[asked])
    np.testing.assert_array_equal(batch.ids[~asked], truth[~asked])
    assert (batch.ids[asked] == 9).mean() == pytest.approx(0.8, abs=0.02)
    # Of the 10% that are replaced, a quarter are replaced by themselves.
    assert (batch.ids[asked] == truth[asked]).mean() == pytest.approx(0.125, abs=0.02)
    hidden = masked(rows_of(truth), letters(), rng, 0.2, all_hidden=True)
    assert (hidden.ids[hidden.labels != IGNORED] == 9).all()


def test_a_causal_network_is_asked_for_the_next_known_base() -> None:
    batch = causal(rows_of(np.array([[0, 4, 8, 5, 2]])), letters())
    np.testing.assert_array_equal(batch.labels, [[4, IGNORED, 5, IGNORED, IGNORED]])
    np.testing.assert_array_equal(batch.ids, [[0, 4, 8, 5, 2]])
    np.testing.assert_array_equal(batch.rows.bases, [[1, 1, 1, 0, 0]])


def test_learning_rate_warms_up_stays_and_decays_to_nothing() -> None:
    training = TrainingConfig(steps=100, lr=1.0, warmup=10, decay=0.2)
    rates = [learning_rate(step, step / 100, training) for step in range(100)]
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
    assert tokenizer.mask_token_id == 9
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
        ("steps = 6\n", "", r"\[training\] has none: 'steps' is missing; expected one of steps, bases, flops, minutes"),
        ("steps = 6", "steps = 6\nbases = 5", r"has steps and bases; expected one of"),
        ("hidden = 16", 'hidden = 16\narchitecture = "ems"', "architecture = 'ems', expected .* did you mean 'esm'"),
        ("hidden = 16", 'hidden = 16\narchitecture = "llama"', "is for objective = 'causal'; for 'masked' take 'esm'"),
        ("steps = 6", 'steps = 6\nobjective = "causal"', "objective = 'masked'; for 'causal' take 'llama'"),
        ("[training]", '[tokens]\nkind = "bpe"\n[training]', "kind = 'bpe', expected nucleotide"),
        ("steps = 6", "steps = 6\ncheckpoints = [2]", "checkpoints must be shares from 0 to 1"),
        ("steps = 6", 'steps = 6\ncheckpoints = ["1"]', r"checkpoints = \['1'\], expected tuple"),
        ("steps = 6", "steps = 6\nrepeat_weight = 0", "repeat_weight must lie in"),
        ("[model]", "model = 3\n[tokens]", r"\[model\]: expected a table"),
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
