"""The shipped checkpoint: small enough, what its card says it is, and what its configuration says it saw."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from baserate.errors import MissingExtra
from baserate.models.baserate_mlm import CHECKPOINT
from baserate.networks.language_model import LanguageModel
from baserate.pretraining.config import read_config
from baserate.pretraining.corpus import select
from baserate.pretraining.saving import SHIPPED
from baserate.registry import get_model, load_model
from baserate.sources.sequences import read_sequences
from baserate.types import ModelCard, strings


def cards() -> tuple[ModelCard, ModelCard]:
    """Return the model's card and its twin's."""
    return get_model("baserate_mlm"), get_model("baserate_mlm_random")


def test_the_checkpoint_is_whole_and_at_most_12_mb() -> None:
    assert {p.name for p in CHECKPOINT.iterdir()} == set(SHIPPED)
    assert sum(p.stat().st_size for p in CHECKPOINT.iterdir()) < 12e6


def test_the_log_ends_where_the_configuration_does_and_the_loss_fell() -> None:
    config = read_config(CHECKPOINT / "pretrain.toml")
    rows = [json.loads(line) for line in (CHECKPOINT / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == config.training.steps
    valid = [row["valid_loss"] for row in rows if "valid_loss" in row]
    assert valid[-1] == min(valid) < valid[0]


def test_the_cards_say_what_the_checkpoint_is() -> None:
    for card in cards():
        model = load_model(card)
        assert isinstance(model, LanguageModel)
        assert card.parameters == sum(p.numel() for p in model.network.parameters())
        assert card.context == model.context
    trained, twin = cards()
    assert twin.twin_of == trained.name
    assert trained.revision() != twin.revision()


def test_the_exposure_on_the_card_is_the_corpus_of_the_configuration() -> None:
    trained, twin = cards()
    corpora = read_config(CHECKPOINT / "pretrain.toml").corpora
    assert trained.pretraining == tuple(c.exposure for c in corpora)
    assert {e.level for e in trained.pretraining} == {"train", "homologous"}
    assert twin.pretraining == ()


def test_the_human_genes_seen_lie_below_200_mb_of_chr1_and_no_fly_was_seen() -> None:
    human, *_ = corpora = read_config(CHECKPOINT / "pretrain.toml").corpora
    try:
        names = list(select(read_sequences(human.fasta), human))
    except MissingExtra as reason:
        pytest.skip(str(reason))
    assert len(names) == 356
    for name in names:
        chrom, _, place = name.partition(":")
        assert chrom == "chr1" and int(place.split("(")[0].split("-")[1]) <= 200_000_000
    assert not any("melanogaster" in c.species for c in corpora)


def test_pretraining_beats_a_uniform_guess_where_the_twin_does_not() -> None:
    # A poly-A run continues with A; TATAAATATATA is followed by more of the kind in every genome.
    x = strings(["ACGTTGCA" + "A" * 40 + "TGCATGCC"])
    trained, twin = (load_model(card).masked_log_probs(x, [np.array([28])])[0][0] for card in cards())  # type: ignore[union-attr]
    assert np.exp(trained)[0] > 0.6
    assert np.abs(np.exp(twin) - 0.25).max() < 0.15


def test_revisions_are_told_without_torch() -> None:
    code = (
        "import sys; from baserate.registry import get_model; "
        "print(get_model('baserate_mlm').revision(), get_model('baserate_mlm_random').revision()); "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [card.revision() for card in cards()]
