"""Which published checkpoint a folder is: by the user, by its config.json, or by neither; and what is wrong in one."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from baserate.cards.checkpoint import checkpoint_card
from baserate.errors import ConfigError, MissingExtra
from baserate.models import caduceus
from baserate.networks.checkpoint import open_checkpoint
from baserate.networks.families import GENERIC, identify, published
from baserate.networks.hub import Access, Location, locate, read_config
from baserate.types import ModelCard

_BERT = {"model_type": "bert", "hidden_size": 768, "max_position_embeddings": 512}
_CADUCEUS = {"model_type": "caduceus", "d_model": 256, "vocab_size": 16, "rcps": True}


@pytest.mark.parametrize(
    "origin",
    [
        "poetschlab/grover",
        "PoetschLab/GROVER/",
        "/home/me/models/PoetschLab/GROVER",
        "C:\\models\\PoetschLab\\GROVER",
        "/cache/hub/models--PoetschLab--GROVER/snapshots/0123abc",
    ],
)
def test_a_configuration_may_name_the_checkpoint_that_it_was_made_from(origin: str) -> None:
    config = {**_BERT, "vocab_size": 609}
    assert identify("./mine", config) == (GENERIC, None)
    assert identify("./mine", {**config, "_name_or_path": origin}) == published("PoetschLab/GROVER")


def test_a_name_goes_before_what_the_configuration_says() -> None:
    named = {**_CADUCEUS, "_name_or_path": "kuleshov-group/PlantCaduceus_l20"}
    assert identify("./mine", named) == published("kuleshov-group/PlantCaduceus_l20")
    assert identify("kuleshov-group/PlantCaduceus_l32", named) == published("kuleshov-group/PlantCaduceus_l32")
    for origin in ("", None, "GROVER", "./checkpoint-2000", "PoetschLab/GROVER/checkpoint-2000"):
        assert identify("./mine", {**_CADUCEUS, "_name_or_path": origin}) == (caduceus.PS, None)


def test_the_card_of_a_copy_says_what_it_was_made_from(tmp_path: Path) -> None:
    """By its own configuration, or by the user: the facts are the listed ones, of the folder's own files."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "model.safetensors").touch()
    content = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    (mine / "config.json").write_text(json.dumps(content))

    def card(name: str) -> ModelCard:
        location = locate(name)
        assert location is not None
        return checkpoint_card(location)

    plain, named = card(str(mine)), card(f"poetschlab/grover={mine}")
    grover = published("PoetschLab/GROVER")
    assert grover is not None
    assert (plain.family, plain.pretraining, plain.description) == ("generic", (), f"checkpoint {mine}")
    assert (named.family, named.pretraining) == ("grover", grover[1].pretraining)
    assert named.description == grover[0].description
    assert (named.name, named.revision()) == (plain.name, plain.revision()) == ("mine", plain.revision())
    (mine / "config.json").write_text(json.dumps({**content, "_name_or_path": "PoetschLab/GROVER"}))
    made = card(str(mine))
    assert (made.family, made.tokenizer) == ("grover", grover[1].tokenizer)
    assert made.description == f"checkpoint {mine}, made from PoetschLab/GROVER"
    assert checkpoint_card(locate(str(mine)), random_weights=True).pretraining == ()  # type: ignore[arg-type]


def test_a_copy_is_loaded_as_the_family_that_it_is_said_to_be(tmp_path: Path) -> None:
    """GPN needs its package whatever the folder holds."""
    (tmp_path / "config.json").write_text(json.dumps(_BERT))
    location = locate(f"songlab/gpn-brassicales={tmp_path}")
    assert location is not None
    if importlib.util.find_spec("gpn") is None:
        with pytest.raises(MissingExtra, match="needs the package 'gpn'"):
            open_checkpoint(location, Access())


def test_copies_of_what_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"PoetschLab/GROVE is not a listed checkpoint; did you mean PoetschLab/GROVER\?"
    ):
        locate(f"PoetschLab/GROVE={tmp_path}")
    for folder in ("", tmp_path / "gone"):
        with pytest.raises(ConfigError, match=f"PoetschLab/GROVER={folder}: no such folder"):
            locate(f"PoetschLab/GROVER={folder}")
    odd = tmp_path / "k=3"
    odd.mkdir()
    assert locate(str(odd)) == Location(str(odd), odd, "")
    assert locate(f"PoetschLab/GROVER={odd}@abc") == Location(str(odd), odd, "abc", "PoetschLab/GROVER")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model_type": ["bert"]}, r"config\.json: model_type: expected a string, not \[\"bert\"\]"),
        ({"architectures": 7}, "architectures: expected a list of strings, not 7"),
        ({"architectures": "BertModel"}, "architectures: expected a list of strings"),
        ({"architectures": [None]}, "architectures: expected a list of strings"),
        ({"auto_map": 3}, "auto_map: expected an object of class names, not 3"),
        ({"auto_map": {"AutoModel": 3}}, "auto_map: expected an object"),
        ({"vocab_size": [4096]}, "vocab_size: expected a whole number"),
        ({"_name_or_path": 3}, "_name_or_path: expected a string"),
    ],
)
def test_keys_of_a_wrong_type_are_named(tmp_path: Path, wrong: Mapping[str, Any], message: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", **wrong}))
    location = Location(str(tmp_path), tmp_path, "")
    with pytest.raises(ConfigError, match=message):
        checkpoint_card(location)


def test_keys_may_be_null_and_tokenizers_map_to_lists(tmp_path: Path) -> None:
    location = Location(str(tmp_path), tmp_path, "")
    nothing = dict.fromkeys(("model_type", "architectures", "auto_map", "vocab_size", "_name_or_path"))
    (tmp_path / "config.json").write_text(json.dumps(nothing))
    assert identify("./mine", read_config(location)[0]) == (GENERIC, None)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"auto_map": ["tokens.Slow", None]}))
    assert read_config(location)[0]["auto_map"] == {"AutoTokenizer": ["tokens.Slow", None]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": 3}}))
    with pytest.raises(ConfigError, match=r"tokenizer_config\.json: auto_map: expected the name of a class"):
        read_config(location)
