"""Models of the ladder and their random twins: equal cost, one difference each, from the checkpoints shipped beside."""

from __future__ import annotations

from typing import Any

from baserate.networks.settings import NETWORK
from baserate.pretraining.seen import training_of
from baserate.registry import model

from ._shipped import CHECKPOINTS, Shipped

_MASKED, _CAUSAL = {"rule": "masked_llr"}, {"rule": "causal_delta"}


def _register(name: str, about: str, *, tokenizer: str, parameters: int, context: int, rule: dict[str, str]) -> None:
    """Register a checkpoint and its twin."""
    files = sorted(file.name for file in (CHECKPOINTS / name).iterdir() if file.suffix in (".json", ".txt"))
    shipped = Shipped(name, tuple(files))
    both: dict[str, Any] = {
        "modes": {"zero_shot": rule, "linear_probe": {}, "fine_tune": {}},
        "settings": NETWORK,
        "parameters": parameters,
        "context": context,
        "tokenizer": tokenizer,
        "licence": "Apache-2.0",
    }
    model(
        name,
        description=f"{about}; one of the models of equal cost in docs/pretraining.md.",
        revision=shipped.revision,
        pretraining=shipped.pretraining,
        training=training_of(shipped.folder),
        **both,
    )(shipped.load)
    model(
        f"{name}_random",
        description=f"{about}; never trained.",
        revision=shipped.random_revision,
        twin_of=name,
        **both,
    )(shipped.load_random)


_register(
    "ladder_nucleotide",
    "Masked language model of single bases",
    tokenizer="single nucleotide",
    parameters=1_207_971,
    context=1024,
    rule=_MASKED,
)
_register(
    "ladder_6mer",
    "Masked language model of 6-mers side by side",
    tokenizer="6-mers side by side",
    parameters=1_736_355,
    context=6_124,
    rule=_MASKED,
)
_register(
    "ladder_byte_pairs",
    "Masked language model of 1,024 byte pairs",
    tokenizer="byte pairs (1,024)",
    parameters=1_338_777,
    context=3_760,
    rule=_MASKED,
)
_register(
    "ladder_causal",
    "Causal language model of single bases (Llama)",
    tokenizer="single nucleotide",
    parameters=1_180_800,
    context=1025,
    rule=_CAUSAL,
)
