"""Checkpoints that are shipped beside this file: their weights, their random twins, and what they saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from baserate.capabilities import Model
from baserate.digests import digest
from baserate.pretraining.config import read_config
from baserate.types import Exposure

CHECKPOINTS = Path(__file__).parent / "checkpoints"


@dataclass(frozen=True)
class Shipped:
    """A shipped checkpoint. Its loaders are methods, so that cards that have them can be sent to other processes.

    `shape` are the files that decide the network and its tokens, all but the weights.
    """

    name: str
    shape: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return CHECKPOINTS / self.name

    @property
    def pretraining(self) -> tuple[Exposure, ...]:
        """What it saw in pretraining, by the shipped configuration."""
        return tuple(corpus.exposure for corpus in read_config(self.folder / "pretrain.toml").corpora)

    def revision(self) -> str:
        """Return what identifies the weights."""
        return digest((self.folder / "model.safetensors").read_bytes())

    def random_revision(self) -> str:
        """Return what identifies the twin."""
        return digest("random", *((self.folder / name).read_bytes() for name in self.shape))

    def load(self) -> Model:
        """Return the pretrained model."""
        return self._open(random_weights=False)

    def load_random(self) -> Model:
        """Return the same architecture with random weights, drawn anew for each seed."""
        return self._open(random_weights=True)

    def _open(self, *, random_weights: bool) -> Model:
        from baserate.networks.checkpoint import open_checkpoint
        from baserate.networks.hub import Access, Location

        return open_checkpoint(Location(self.name, self.folder, ""), Access(), random_weights=random_weights)
