"""What a small convolutional network learns from the same labels, without pretraining."""

from __future__ import annotations

from baserate.baselines._convnet import ConvNet
from baserate.baselines._design import PARAMETERS, Recipe, Shape
from baserate.registry import baseline
from baserate.settings import among, check_values, log_uniform, uniform


@baseline(
    "cnn",
    version=1,
    modes={"from_scratch": {}},
    description="A residual dilated convolutional network of some 80,000 parameters on one-hot bases, aligned at the "
    "window's centre; a variant's output is ALT's minus REF's.",
    search={
        "strand_augmentation": among(False, True),
        "lr": log_uniform(1e-3, 1e-2),
        "channels": among(32, 48, 64, 96),
        "dropout": uniform(0.1, 0.5),
        "masked": uniform(0.0, 0.3),
    },
    later={"lr": 3e-3, "channels": 48, "dropout": 0.3, "masked": 0.2},
)
def load(
    *,
    strand_augmentation: bool = False,
    lr: float = 3e-3,
    channels: int = 48,
    dropout: float = 0.3,
    masked: float = 0.2,
    device: str = "auto",
) -> ConvNet:
    """Return the convolutional baseline; with `strand_augmentation` it learns from, and averages, both strands.

    `channels` is the number of motifs and of the channels after them; `dropout` and `masked` are shares of units and of
    bases that are hidden in training.
    """
    check_values({"lr": lr, "channels": channels, "dropout": dropout, "masked": masked}, [PARAMETERS])
    shape = Shape(channels, 15, channels, 5, (1, 2, 4, 8), 32, gated=False)
    return ConvNet(shape, Recipe(lr, dropout, masked, strand_augmentation), device)
