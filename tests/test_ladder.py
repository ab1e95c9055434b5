"""The shipped models of the ladder: small enough, what their cards say they are, and made by the recipes shipped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

from baserate.models import ladder
from baserate.networks.language_model import LanguageModel
from baserate.pretraining.config import read_config
from baserate.registry import MODELS, get_model, load_model
from baserate.types import strings

RECIPES = Path(ladder.__file__).parent / "pretraining"
SHIPPED = [folder.name for folder in sorted(ladder.CHECKPOINTS.glob("ladder_*"))]


def test_all_of_them_are_at_most_12_mb() -> None:
    files = [file for name in SHIPPED for file in (ladder.CHECKPOINTS / name).iterdir()]
    assert sum(file.stat().st_size for file in files) < 12e6
    assert {card.name for card in MODELS.all().values() if card.name.startswith("ladder_")} == {
        name + end for name in SHIPPED for end in ("", "_random")
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_each_is_what_its_recipe_makes(name: str) -> None:
    folder, card = ladder.CHECKPOINTS / name, get_model(name)
    recipe = RECIPES / f"{name.removeprefix('ladder_')}.toml"
    assert (folder / "pretrain.toml").read_bytes() == recipe.read_bytes()
    config = read_config(recipe)
    assert card.pretraining == tuple(corpus.exposure for corpus in config.corpora)
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["flops"] == pytest.approx(config.training.flops, rel=0.01)
    assert card.training and card.training.bases == rows[-1]["bases"]
    valid = [row["valid_loss"] for row in rows if "valid_loss" in row]
    assert valid[-1] < np.log(4) and valid[-1] < valid[0]


@pytest.mark.parametrize("name", SHIPPED)
def test_each_card_says_what_the_checkpoint_is_and_the_twin_is_the_same_untrained(name: str) -> None:
    # A run of A goes on with A in every genome.
    x = strings(["ACGTTGCA" + "A" * 48 + "TGCATGCC"])
    likelihood = []
    for card in (get_model(name), get_model(f"{name}_random")):
        model = load_model(card)
        assert isinstance(model, LanguageModel)
        assert card.parameters == sum(p.numel() for p in model.network.parameters())
        assert card.context == model.context
        of = model.log_likelihood if model.head == "causal" else model.pseudo_log_likelihood
        likelihood.append(float(of(x)[0]) / len(x[0]))
    assert likelihood[0] > likelihood[1] + 0.1
    trained, twin = get_model(name), get_model(f"{name}_random")
    assert twin.twin_of == name and twin.pretraining == () and twin.revision() != trained.revision()
