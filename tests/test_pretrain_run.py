"""From FASTA to a leaderboard row: a model pretrained on yeast, its card, and a run of it beside its random twin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("transformers")

import baserate
from baserate.cli import cli
from baserate.errors import MissingExtra
from baserate.models.baserate_mlm import CHECKPOINT
from baserate.new_model import new_model
from baserate.pretraining.train import checkpoints, pretrain
from baserate.records import read_records

from .pretraining import write_config

LADDER = CHECKPOINT.parent.parent / "pretraining"
SMALLER = {
    "hidden = 128": "hidden = 32",
    "layers = 6": "layers = 2",
    "intermediate = 512": "intermediate = 128",
    "flops = 1.2e14": "flops = 7e10",
    "warmup = 200": "warmup = 5",
    "lr = 1.5e-3": "lr = 5e-3",
}


def test_a_model_of_the_ladder_made_small_runs_beside_its_twin(tmp_path: Path) -> None:
    text = (LADDER / "yeast.toml").read_text()
    for old, new in SMALLER.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "yeast.toml").write_text(text)
    try:
        out = pretrain(tmp_path / "yeast.toml", tmp_path / "yeast_mlm", device="cpu")
    except MissingExtra as reason:
        pytest.skip(str(reason))
    assert {p.name for p in out.iterdir() if p.is_dir()} == {f"at_{n}_percent" for n in (0, 1, 3, 10, 30)}
    last = json.loads((out / "log.jsonl").read_text().splitlines()[-1])
    assert last["flops"] >= 7e10 and last["valid_loss/S. cerevisiae"] < 1.38
    new_model(str(out))
    records = [
        record
        for task, mode in (("wt1_exon5_splicing.small", "zero_shot"), ("yeast_coding.small", "linear_probe"))
        for record in baserate.run(
            task, str(out), mode, random_weights=True, limit=40, results=tmp_path / "results", progress=False
        )
    ]
    assert len(records) == 4 and not any(record.error for record in records)
    twins = [record for record in records if record.model["twin_of"]]
    assert len(twins) == 2
    trained = [record for record in records if record not in twins]
    assert {record.exposure["status"] for record in trained} == {"clean"}


SUITE = """
[[cells]]
tasks = ["wt1_exon5_splicing.small"]
models = ["baserate_mlm", "baserate_mlm_random", "gc_content"]
modes = ["zero_shot"]
"""


def test_every_checkpoint_takes_the_place_of_the_suites_language_model(tmp_path: Path) -> None:
    pytest.importorskip("frame_alignment_checks")
    (tmp_path / "suite.toml").write_text(SUITE)
    config = write_config(tmp_path, more="checkpoints = [0, 0.5]")
    arguments = ["pretrain", str(config), "--out", str(tmp_path / "out"), "--device", "cpu", "--quiet"]
    more = ["--evaluate", str(tmp_path / "suite.toml")]
    assert CliRunner().invoke(cli, [*arguments, "--max-minutes", "1e-6"], catch_exceptions=False).exit_code == 0
    assert checkpoints(config, tmp_path / "out") == [tmp_path / "out" / "at_0_percent"]
    assert CliRunner().invoke(cli, [*arguments, *more], catch_exceptions=False).exit_code == 0
    records = read_records(tmp_path / "out" / "results")
    assert len(records) == 3 and not any(record.error for record in records)
    assert len({record.parameter_hash for record in records}) == 3


def test_a_suite_that_is_none_is_refused_before_training(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    done = CliRunner().invoke(
        cli, ["pretrain", str(config), "--out", str(tmp_path / "out"), "--evaluate", "quickstrat"]
    )
    assert done.exit_code != 0 and not (tmp_path / "out").exists()
