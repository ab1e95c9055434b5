"""The in-house masked language model and its random twin, from the checkpoint shipped beside this file."""

from __future__ import annotations

from typing import Any

from baserate.networks.settings import NETWORK
from baserate.registry import model

from ._shipped import Shipped

_SHIPPED = Shipped("baserate_mlm", ("config.json", "vocab.txt", "tokenizer_config.json"))
CHECKPOINT = _SHIPPED.folder

_SHAPE = "Single-nucleotide masked language model (ESM blocks, rotary positions), 6 layers of 128, 1.2 M parameters"
_ABOUT: dict[str, Any] = {
    "modes": {"zero_shot": {"rule": "masked_llr"}, "linear_probe": {}, "fine_tune": {"epochs": 4}},
    "settings": NETWORK,
    "parameters": 1_207_971,
    "context": 1024,
    "tokenizer": "single nucleotide",
    "licence": "Apache-2.0",
}

model(
    "baserate_mlm",
    description=f"{_SHAPE}, pretrained on human, Arabidopsis and yeast DNA that no built-in test split touches.",
    revision=_SHIPPED.revision,
    pretraining=_SHIPPED.pretraining,
    **_ABOUT,
)(_SHIPPED.load)
model(
    "baserate_mlm_random",
    description=f"{_SHAPE}, never trained: what the architecture achieves without pretraining.",
    revision=_SHIPPED.random_revision,
    twin_of="baserate_mlm",
    **_ABOUT,
)(_SHIPPED.load_random)
