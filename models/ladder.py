"""Models of the ladder and their random twins: equal cost, one difference each, from the checkpoints shipped beside."""

from __future__ import annotations

from pathlib import Path

from baserate.capabilities import Model
from baserate.digests import digest
from baserate.networks.settings import NETWORK
from baserate.pretraining.config import read_config
from baserate.pretraining.seen import training_of
from baserate.registry import model

CHECKPOINTS = Path(__file__).parent / "checkpoints"

_LICENCE = "Apache-2.0"
_MASKED, _CAUSAL = {"rule": "masked_llr"}, {"rule": "causal_delta"}


def _register(name: str, about: str, *, tokenizer: str, parameters: int, context: int, rule: dict[str, str]) -> None:
    """Register a checkpoint and its twin."""
    folder = CHECKPOINTS / name
    corpora = tuple(corpus.exposure for corpus in read_config(folder / "pretrain.toml").corpora)
    modes = {"zero_shot": rule, "linear_probe": {}, "fine_tune": {}}

    def load() -> Model:
        return _open(name, random_weights=False)

    def load_random() -> Model:
        return _open(name, random_weights=True)

    model(
        name,
        modes=modes,
        settings=NETWORK,
        description=f"{about}; one of the models of equal cost in docs/pretraining.md.",
        revision=lambda: digest((folder / "model.safetensors").read_bytes()),
        pretraining=corpora,
        training=training_of(folder),
        parameters=parameters,
        context=context,
        tokenizer=tokenizer,
        licence=_LICENCE,
    )(load)
    model(
        f"{name}_random",
        modes=modes,
        settings=NETWORK,
        description=f"{about}; never trained.",
        revision=lambda: digest("random", *(file.read_bytes() for file in _twin_files(folder))),
        parameters=parameters,
        context=context,
        tokenizer=tokenizer,
        licence=_LICENCE,
        twin_of=name,
    )(load_random)


def _twin_files(folder: Path) -> list[Path]:
    """Return what decides a network but for its weights: its shape and its tokens."""
    return [file for file in sorted(folder.iterdir()) if file.suffix in (".json", ".txt")]


def _open(name: str, *, random_weights: bool) -> Model:
    from baserate.networks.checkpoint import open_checkpoint
    from baserate.networks.hub import Access, Location

    return open_checkpoint(Location(name, CHECKPOINTS / name, ""), Access(), random_weights=random_weights)


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
