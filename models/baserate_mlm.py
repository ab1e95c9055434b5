"""The in-house masked language model and its random twin, from the checkpoint shipped beside this file."""

from __future__ import annotations

from pathlib import Path

from baserate.capabilities import Model
from baserate.digests import digest
from baserate.networks.settings import NETWORK
from baserate.pretraining.config import read_config
from baserate.registry import model
from baserate.types import Exposure

CHECKPOINT = Path(__file__).parent / "checkpoints" / "baserate_mlm"

_SHAPE = "Single-nucleotide masked language model (ESM blocks, rotary positions), 6 layers of 128, 1.2 M parameters"
_TRAINING = {"epochs": 4}


def _pretraining() -> tuple[Exposure, ...]:
    """Return what the model saw in pretraining, by the shipped configuration."""
    return tuple(corpus.exposure for corpus in read_config(CHECKPOINT / "pretrain.toml").corpora)


def _weights_revision() -> str:
    return digest((CHECKPOINT / "model.safetensors").read_bytes())


def _twin_revision() -> str:
    files = ("config.json", "vocab.txt", "tokenizer_config.json")
    return digest("random", *((CHECKPOINT / name).read_bytes() for name in files))


@model(
    "baserate_mlm",
    modes={"zero_shot": {"rule": "masked_llr"}, "linear_probe": {}, "fine_tune": _TRAINING},
    settings=NETWORK,
    description=f"{_SHAPE}, pretrained on human, Arabidopsis and yeast DNA that no built-in test split touches.",
    revision=_weights_revision,
    pretraining=_pretraining(),
    parameters=1_207_971,
    context=1024,
    tokenizer="single nucleotide",
    licence="Apache-2.0",
)
def load() -> Model:
    """Return the pretrained model."""
    return _open(random_weights=False)


@model(
    "baserate_mlm_random",
    modes={"zero_shot": {"rule": "masked_llr"}, "linear_probe": {}, "fine_tune": _TRAINING},
    settings=NETWORK,
    description=f"{_SHAPE}, never trained: what the architecture achieves without pretraining.",
    revision=_twin_revision,
    parameters=1_207_971,
    context=1024,
    tokenizer="single nucleotide",
    licence="Apache-2.0",
    twin_of="baserate_mlm",
)
def load_random() -> Model:
    """Return the same architecture with random weights, drawn anew for each seed."""
    return _open(random_weights=True)


def _open(*, random_weights: bool) -> Model:
    from baserate.networks.checkpoint import open_checkpoint
    from baserate.networks.hub import Access, Location

    return open_checkpoint(Location("baserate_mlm", CHECKPOINT, ""), Access(), random_weights=random_weights)
