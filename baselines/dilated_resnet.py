"""What a deeper convolutional network learns from the same labels on both strands, without pretraining."""

from __future__ import annotations

from baserate.baselines._convnet import ConvNet
from baserate.baselines._design import PARAMETERS, Recipe, Shape
from baserate.registry import baseline
from baserate.settings import among, check_values, log_uniform, uniform


@baseline(
    "dilated_resnet",
    version=1,
    modes={"from_scratch": {}},
    description="A network of gated dilated convolutions, of some 300,000 parameters, trained on both strands, whose "
    "predictions are averaged; a variant's output is ALT's minus REF's.",
    citation="after Bo et al. 2025, ICLR (ConvNova), Penzar et al. 2023 (LegNet), Toneyan et al. 2022 (ResidualBind)",
    search={
        "strand_augmentation": among(True, False),
        "lr": log_uniform(5e-4, 5e-3),
        "channels": among(48, 64, 96),
        "dropout": uniform(0.1, 0.5),
        "masked": uniform(0.0, 0.3),
    },
)
def load(
    *,
    strand_augmentation: bool = True,
    lr: float = 2e-3,
    channels: int = 64,
    dropout: float = 0.3,
    masked: float = 0.2,
    device: str = "auto",
) -> ConvNet:
    """Return the deeper network; its parameters are those of `cnn`, with twice as many motifs as channels."""
    check_values({"lr": lr, "channels": channels, "dropout": dropout, "masked": masked}, [PARAMETERS])
    shape = Shape(2 * channels, 15, channels, 5, (1, 2, 4, 8, 16), 64, gated=True)
    recipe = Recipe(lr, dropout, masked, strand_augmentation, presented=60_000, epochs=(10, 20))
    return ConvNet(shape, recipe, device)
