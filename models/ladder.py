"""Models of the ladder and their random twins: equal cost, one difference each, from the checkpoints shipped beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baserate.capabilities import Model
from baserate.digests import digest
from baserate.networks.settings import NETWORK
from baserate.pretraining.config import read_config
from baserate.pretraining.seen import training_of
from baserate.registry import model

CHECKPOINTS = Path(__file__).parent / "checkpoints"

_MASKED, _CAUSAL = {"rule": "masked_llr"}, {"rule": "causal_delta"}


@dataclass(frozen=True)
class _Checkpoint:
    """A shipped checkpoint, whose loaders are methods, so that cards can be sent to other processes."""

    name: str

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return CHECKPOINTS / self.name

    def load(self) -> Model:
        """Return the pretrained model."""
        return self._open(random_weights=False)

    def load_random(self) -> Model:
        """Return the same architecture with random weights, drawn anew for each seed."""
        return self._open(random_weights=True)

    def revision(self) -> str:
        """Return what identifies the weights."""
        return digest((self.folder / "model.safetensors").read_bytes())

    def random_revision(self) -> str:
        """Return what identifies a network but for its weights: its shape and its tokens."""
        files = [file for file in sorted(self.folder.iterdir()) if file.suffix in (".json", ".txt")]
        return digest("random", *(file.read_bytes() for file in files))

    def _open(self, *, random_weights: bool) -> Model:
        from baserate.networks.checkpoint import open_checkpoint
        from baserate.networks.hub import Access, Location

        return open_checkpoint(Location(self.name, self.folder, ""), Access(), random_weights=random_weights)


def _register(name: str, about: str, *, tokenizer: str, parameters: int, context: int, rule: dict[str, str]) -> None:
    """Register a checkpoint and its twin."""
    shipped = _Checkpoint(name)
    both: dict[str, Any] = {
        "modes": {"zero_shot": rule, "linear_probe": {}, "fine_tune": {}},
        "settings": NETWORK,
        "parameters": parameters,
        "context": context,
        "tokenizer": tokenizer,
        "licence": "Apache-2.0",
    }
    corpora = read_config(shipped.folder / "pretrain.toml").corpora
    model(
        name,
        description=f"{about}; one of the models of equal cost in docs/pretraining.md.",
        revision=shipped.revision,
        pretraining=tuple(corpus.exposure for corpus in corpora),
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
