"""What a convolutional baseline is made of, and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass

from baserate.settings import count, positive, share

PARAMETERS = {
    "lr": positive(3e-3, "learning rate"),
    "channels": count(48, "channels of the network"),
    "dropout": share(0.3, "share of units that are hidden"),
    "masked": share(0.2, "share of bases that are hidden"),
}


@dataclass(frozen=True)
class Shape:
    """What a network is made of: its motifs, its residual blocks, and the layer that joins what they found.

    `motifs` is their number, `reach` their width in bp; `dilations` are those of the blocks, of `channels` channels and
    `kernel` positions each. A `gated` block has a gate beside each value, from the same positions.
    """

    motifs: int
    reach: int
    channels: int
    kernel: int
    dilations: tuple[int, ...]
    hidden: int
    gated: bool


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    For so many epochs that `presented` examples are shown, but for at least `epochs[0]` and at most `epochs[1]`; each
    time one is shown, another share `masked` of its bases is hidden, and the share `dropout` of what the last layers
    see. With `strand_augmentation` half of what is shown is the other strand, and predictions are means of both.
    """

    lr: float
    dropout: float
    masked: float
    strand_augmentation: bool
    presented: int = 20_000
    epochs: tuple[int, int] = (8, 15)
    weight_decay: float = 0.1
